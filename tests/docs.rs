//! The documents say what the program does.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use countersign_core::{Catalogue, OwnScheme, lint, page};
use countersign_proto::v1::CauseCode;
use countersign_server::ErrorReason;
use support::process::{self, Running};
use tempfile::TempDir;

fn document(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The document equals what the program would write; `UPDATE_GOLDEN=1` writes it.
fn assert_current(name: &str, text: &str) {
    let path = document(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        // In one step: another test may be reading it.
        let written = path.with_extension("new");
        fs::write(&written, text).unwrap();
        fs::rename(&written, &path).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "{name} is out of date: run the tests with UPDATE_GOLDEN=1 and read the difference"
    );
}

/// The canonical name of a code: INVALID_ARGUMENT for InvalidArgument.
fn canonical(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[test]
fn every_error_reason_is_documented() {
    let mut text = String::from(
        "# Errors\n\n\
         Every error of the API carries `google.rpc.ErrorInfo` with domain `countersign` and one of these reasons; a\n\
         field at fault stands in `google.rpc.BadRequest`. A refused proof is no error: see `Reason` in\n\
         [countersign.proto](../proto/countersign/v1/countersign.proto).\n\n\
         Only UNAVAILABLE is worth a retry as it is, of CreateSecret and RotateSecret with the same request_id;\n\
         RESOURCE_EXHAUSTED after a while.\n\n\
         | reason | code | meaning |\n|---|---|---|\n",
    );
    for reason in ErrorReason::ALL {
        let code = canonical(&format!("{:?}", reason.code()));
        let row = format!(
            "| `{}` | {code} | {} |\n",
            reason.as_str(),
            reason.meaning()
        );
        text.push_str(&row);
    }
    assert_current("docs/errors.md", &text);
}

#[test]
fn every_vendor_has_a_page_and_no_page_is_left_over() {
    let folder = document("docs/vendors");
    let pages = page::files(Catalogue::builtin());
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in &pages {
        assert_current(&format!("docs/vendors/{name}"), text);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if pages.contains_key(&name) {
            continue;
        }
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::remove_file(folder.join(&name)).unwrap();
            continue;
        }
        panic!("docs/vendors/{name} has no vendor: run the tests with UPDATE_GOLDEN=1");
    }
}

/// The built-in schemes by vendor: `**chatwoot** identity, webhook · …`.
fn schemes_by_vendor() -> String {
    let mut vendors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for scheme in Catalogue::builtin().iter() {
        let (vendor, kind) = scheme.id.split_once('.').unwrap();
        vendors.entry(vendor).or_default().push(kind);
    }
    let vendors = vendors
        .iter()
        .map(|(vendor, kinds)| format!("**{vendor}** {}", kinds.join(", ")));
    let mut lines = vec![String::new()];
    for word in vendors.collect::<Vec<_>>().join(" · ").split(' ') {
        if lines.last().unwrap().len() + word.len() > 116 {
            lines.push(String::new());
        }
        let line = lines.last_mut().unwrap();
        let space = if line.is_empty() { "" } else { " " };
        *line = format!("{line}{space}{word}");
    }
    lines.join("\n")
}

#[test]
fn every_cause_is_documented() {
    let page = fs::read_to_string(document("docs/explain.md")).unwrap();
    let names = (1..).map_while(|number| CauseCode::try_from(number).ok());
    let names: Vec<_> = names.map(|code| code.as_str_name()).collect();
    assert!(names.len() >= 24);
    for name in names {
        let row = format!("\n| `{}` | ", name.trim_start_matches("CAUSE_CODE_"));
        assert!(page.contains(&row), "{name}");
    }
}

#[test]
fn every_scheme_stands_in_the_readme() {
    const MARKS: [&str; 2] = ["<!-- schemes: written by the tests -->\n", "\n<!-- end -->"];
    let readme = fs::read_to_string(document("README.md")).unwrap();
    let (before, rest) = readme.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    let schemes = schemes_by_vendor();
    assert_current(
        "README.md",
        &[before, MARKS[0], &schemes, MARKS[1], after].concat(),
    );
}

/// Proofs and temporary paths differ from run to run; everything else does not.
fn masked(text: &str) -> Vec<String> {
    let mask = |word: &str| {
        if word != "…" && word.ends_with('…') {
            return "proof…".to_owned();
        }
        match word.rsplit_once("countersign-dev-") {
            Some(_) => "directory".to_owned(),
            None => word.to_owned(),
        }
    };
    text.lines()
        .map(|line| {
            line.split_whitespace()
                .map(mask)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_readme_shows_what_dev_prints() {
    let readme = fs::read_to_string(document("README.md")).unwrap();
    let (_, shown) = readme.split_once("```text\nCountersign on").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let shown = format!("Countersign on{shown}");

    let directory = TempDir::new().unwrap();
    let log = directory.path().join("dev.log");
    let mut command = process::command();
    command.args(["dev", "--listen", "127.0.0.1:0"]);
    let mut dev = Running::spawn(command, &log);
    dev.until(|printed| {
        let (_, rest) = printed.split_once("Countersign on http://")?;
        let (address, rest) = rest.split_once(',')?;
        rest.contains("Ctrl-C stops it.")
            .then_some(address.parse().ok()?)
    });
    let address = dev.address().to_string();
    let printed = fs::read_to_string(&log).unwrap();
    dev.kill();
    let printed = printed.replace(&address, "127.0.0.1:50051");
    let (printed, _) = printed.split_once("Is this visitor").unwrap();
    let (shown, printed) = (masked(&shown), masked(printed));
    let mut left_out = Vec::new();
    let mut next = shown.iter().filter(|line| *line != "…").peekable();
    for line in &printed {
        match next.next_if_eq(&line) {
            Some(_) => {}
            None => left_out.push(line),
        }
    }
    assert_eq!(next.next(), None, "dev prints another line");
    for line in left_out {
        let is_good_row = line.starts_with("demo/")
            && (line.ends_with("verified 1") || line.ends_with("the same twice 1"));
        assert!(is_good_row && shown.contains(&"…".to_owned()), "{line}");
    }
}

const SCHEMES: &str = include_str!("../docs/schemes.md");

/// The worked webhook of docs/schemes.md.
fn example() -> String {
    let (_, block) = SCHEMES.split_once("```toml\n").unwrap();
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn the_document_lists_what_the_linter_says() {
    let (_, table) = SCHEMES.split_once("## What the linter says").unwrap();
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<_> = lint::Code::ALL
        .iter()
        .map(|code| {
            let severity = format!("{:?}", code.severity()).to_lowercase();
            format!("| `{}` | {severity} | {} |", code.name(), code.meaning())
        })
        .collect();
    assert_eq!(rows, expected);
}

/// The parser names the fields of a place when it meets one that does not belong there.
#[test]
fn the_document_names_every_field() {
    let base = "vendor = \"acme\"\n[[scheme]]\nkind = \"x\"\ntitle = \"x\"\ndescription = \"x\"\n";
    let key = "key = { decoding = \"utf8\" }\n";
    let mut fields = BTreeSet::new();
    for place in [
        "zz = 1".to_owned(),
        format!("{base}zz = 1"),
        format!("{base}key = {{ zz = 1 }}"),
        format!("{base}{key}[scheme.webhook]\nzz = 1"),
        format!("{base}{key}[scheme.webhook]\ntimestamp = {{ zz = 1 }}"),
        format!("{base}{key}[scheme.webhook]\nid = {{ zz = 1 }}"),
        format!("{base}{key}[scheme.webhook]\nwindow = {{ zz = 1 }}"),
        format!("{base}{key}[scheme.webhook.jws]\nzz = 1"),
        format!("{base}{key}[[scheme.webhook.handshake]]\nzz = 1"),
        format!("{base}{key}[[scheme.webhook.handshake]]\nwhen = {{ zz = 1 }}"),
        format!("{base}{key}[[scheme.webhook.handshake]]\nwhen = {{}}\nrespond = {{ zz = 1 }}"),
        format!("{base}{key}identity_hash = {{ zz = 1 }}"),
        format!("{base}{key}resource_id = {{ zz = 1 }}"),
        format!("{base}{key}[scheme.identity_token]\nzz = 1"),
        format!("{base}{key}[[scheme.vector]]\nzz = 1"),
    ] {
        let said = OwnScheme::parse(&place).unwrap_err().to_string();
        let (_, known) = said
            .split_once("unknown field `zz`; here may stand ")
            .unwrap_or_else(|| panic!("{place}: {said}"));
        let names = known.split('`').skip(1).step_by(2);
        fields.extend(names.map(str::to_owned));
    }
    assert!(fields.len() > 60, "{fields:?}");
    for field in fields {
        let mentioned = [
            format!("`{field}`"),
            format!("`[[{field}]]`"),
            format!("{{ {field} = "),
        ];
        let also = format!(", {field} = ");
        assert!(
            mentioned.iter().any(|it| SCHEMES.contains(it)) || SCHEMES.contains(&also),
            "{field} is not in docs/schemes.md"
        );
    }
}

/// Each variable and step of the document's tables is one that a description can have.
#[test]
fn the_variables_of_the_document_are_known() {
    let (_, rest) = SCHEMES
        .split_once("### Variables of a signed text")
        .unwrap();
    let (tables, _) = rest.split_once("### `identity_hash`").unwrap();
    let variables: Vec<_> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `{")?.split_once("}`"))
        .map(|(variable, _)| variable.replace('\\', ""))
        .collect();
    assert_eq!(variables.len(), 18);
    for variable in variables {
        let digest = match variable.as_str() {
            "secret" => "sha256",
            _ => "hmac-sha256",
        };
        let text = example()
            .replace("{id}.{timestamp}.{body}", &format!("{{{variable}}}"))
            .replace(
                "[scheme.webhook]\n",
                &format!("[scheme.webhook]\ndigest = \"{digest}\"\n"),
            )
            .replace(
                "[scheme.webhook]\n",
                match variable.as_str() {
                    "signed_headers" => "[scheme.webhook]\nsigned_headers = \"X-List\"\n",
                    _ => "[scheme.webhook]\n",
                },
            );
        let parsed = OwnScheme::parse(&text);
        assert!(parsed.is_ok(), "{variable}: {:?}", parsed.err());
    }
}

/// A label that holds an identifier makes a series for each person; a crate that exports metrics comes with labels.
#[test]
fn a18_nothing_exports_metrics_whose_labels_could_hold_identifiers() {
    let lock = fs::read_to_string(document("Cargo.lock")).unwrap();
    let packages = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""));
    let packages: Vec<_> = packages.filter_map(|name| name.strip_suffix('"')).collect();
    assert!(packages.len() > 100 && packages.contains(&"tracing"));
    for exporter in ["metrics", "prometheus", "opentelemetry", "statsd"] {
        let found = packages.iter().find(|name| name.starts_with(exporter));
        assert_eq!(found, None, "its labels come from fixed sets: say so here");
    }
}

/// The attacks of a row of SECURITY.md: `J01–J26`.
fn attacks(range: &str) -> impl Iterator<Item = String> + use<> {
    let (first, last) = range.split_once('–').unwrap();
    let table = first[..1].to_owned();
    assert_eq!(table, last[..1]);
    let number = |id: &str| id[1..].parse::<u8>().unwrap();
    (number(first)..=number(last)).map(move |number| format!("{table}{number:02}"))
}

/// The names of all test functions of the folder.
fn tests_in(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("fn ").skip(1);
            let named = functions.filter_map(|rest| rest.split_once("()"));
            names.extend(named.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn the_table_of_attacks_has_them_all_and_names_tests_that_show_them() {
    let mut names = BTreeSet::new();
    for folder in ["core", "server", "cli", "tests"] {
        tests_in(&document(folder), &mut names);
    }
    let security = fs::read_to_string(document("SECURITY.md")).unwrap();
    let (_, table) = security.split_once("## Attacks, and the tests").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut all = Vec::new();
    for row in table.lines().filter(|row| row.contains('–')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let attacks: Vec<_> = attacks(cells[1]).collect();
        let tests: Vec<_> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            assert!(names.contains(test), "there is no {test}");
            let shows = |attack: &String| test.contains(&format!("{}_", attack.to_lowercase()));
            assert!(attacks.iter().any(shows), "{test} is of another row");
        }
        all.extend(attacks);
    }
    let expected = [
        "J01–J75",
        "H01–H20",
        "W01–W41",
        "D01–D30",
        "T01–T29",
        "A01–A30",
    ];
    let expected: Vec<_> = expected.into_iter().flat_map(attacks).collect();
    assert_eq!(all.len(), 225);
    assert_eq!(all, expected);
}
