//! Writes what is made from the scheme files: seeds from their vectors, and the dictionary of their names. Run it after a
//! change of a scheme: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

mod calls;

use std::{collections::BTreeSet, fs, io, path::Path};

use countersign_core::{Catalogue, Purpose, Rules, Scheme, catalogue, vectors::Vector};
use countersign_fuzz::captured::Captured;

/// Schemes whose descriptions use one thing or another that no other one of these uses.
const DESCRIPTIONS: [&str; 10] = [
    "contentful.webhook",
    "hubspot.webhook-v2",
    "intercom.token",
    "mailgun.webhook",
    "plaid.webhook",
    "pylon.identity",
    "slack.webhook",
    "standard.webhook",
    "talkjs.conversation-id",
    "twilio.webhook",
];

/// The fields of the text form of a proof.
const FIELDS: [&str; 15] = [
    "scheme",
    "now",
    "key",
    "key-id",
    "parameter",
    "id",
    "email",
    "name",
    "hash",
    "token",
    "jose",
    "delivery-id",
    "method",
    "url",
    "header",
];

fn main() -> io::Result<()> {
    let mut seen = BTreeSet::new();
    for (id, vector) in catalogue::vectors() {
        let scheme = Catalogue::builtin().scheme(&id);
        let scheme = scheme.expect("a vector is of a scheme");
        let is_good = vector.expect == "ACCEPT";
        // One that holds for each scheme, and each handshake.
        if (is_good || vector.handshake.is_some())
            && seen.insert((id.clone(), vector.handshake.clone()))
        {
            write_proof(scheme, &vector)?;
        }
    }
    for id in DESCRIPTIONS {
        let text = catalogue::definition(id).unwrap_or_else(|| panic!("no scheme {id}"));
        // A built-in vendor is refused before anything else.
        let text = text.replacen("vendor = \"", "vendor = \"own-", 1);
        write("own_scheme", id, text.as_bytes())?;
    }
    calls::write_all()?;
    write_dictionary()
}

/// Ids of schemes, and the names of the headers that they read.
fn write_dictionary() -> io::Result<()> {
    let mut words: BTreeSet<String> = FIELDS.map(|field| format!("\\x0a{field} ")).into();
    for scheme in Catalogue::builtin().iter() {
        words.insert(scheme.id.clone());
        if let Rules::Webhook(rules) = &scheme.rules {
            words.extend(rules.header_names());
        }
    }
    let lines = words.iter().map(|word| format!("\"{word}\"\n"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dictionaries/proofs");
    fs::write(file, lines.collect::<String>())
}

fn write_proof(scheme: &Scheme, vector: &Vector) -> io::Result<()> {
    let Some(captured) = Captured::of_vector(&scheme.id, vector) else {
        return Ok(());
    };
    let Some(text) = captured.print() else {
        return Ok(());
    };
    let target = match scheme.purpose() {
        Purpose::IdentityHash => "hash",
        Purpose::IdentityToken => "token",
        Purpose::Webhook => "webhook",
        Purpose::ResourceId => return Ok(()),
    };
    let name = match &vector.handshake {
        Some(handshake) => format!("{}-{handshake}", scheme.id),
        None => scheme.id.clone(),
    };
    write(target, &name, &text)?;
    let key = format!("{}\n{}", scheme.id, vector.key);
    write("key_import", &scheme.id, key.as_bytes())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
