//! Lists the scheme files of the folder `schemes`, so that a new vendor is a new file and no line of code.
#![expect(
    clippy::disallowed_methods,
    reason = "a build reads files; core itself does not"
)]

use std::{error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=schemes");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("schemes");
    let out = Path::new(&std::env::var("OUT_DIR")?).join("scheme_files.rs");
    fs::write(out, listing(&scheme_files(&folder)?)?)?;
    Ok(())
}

/// The names of the folder's files, in order.
fn scheme_files(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name
            .into_string()
            .map_err(|_| "a file name that is not UTF-8")?;
        if name.ends_with(".toml") {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

/// A Rust expression: a slice of each file's text. It names no folder of this machine.
fn listing(files: &[String]) -> Result<String, Box<dyn Error>> {
    let mut code = String::from("&[\n");
    for file in files {
        writeln!(
            code,
            "    include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/schemes/{file}\")),"
        )?;
    }
    code.push_str("]\n");
    Ok(code)
}
