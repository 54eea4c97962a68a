//! Lists the scheme files of the folder `schemes`, so that a new vendor is a new file and no line of code.
#![expect(
    clippy::disallowed_methods,
    reason = "a build reads files; core itself does not"
)]

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=schemes");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("schemes");
    let out = Path::new(&std::env::var("OUT_DIR")?).join("scheme_files.rs");
    fs::write(out, listing(&scheme_files(&folder)?)?)?;
    Ok(())
}

/// The folder's files in the order of their names.
fn scheme_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A Rust expression: a slice of each file's text.
fn listing(files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut code = String::from("&[\n");
    for file in files {
        let path = file.to_str().ok_or("a path that is not UTF-8")?;
        writeln!(code, "    include_str!({path:?}),")?;
    }
    code.push_str("]\n");
    Ok(code)
}
