//! What a person has to know about a scheme, as Markdown: the pages of `docs/vendors/` and what `scheme show` prints.

mod delivery;
mod proof;

use std::{collections::BTreeMap, time::Duration};

use crate::{Catalogue, Purpose, Rules, Scheme, scheme::Confidence};

/// A name, and what is to be said under it: one text behind it, or several below it.
type Fact = (&'static str, Vec<String>);

/// The page of a built-in scheme, from its heading on.
#[must_use]
pub fn of_scheme(scheme: &Scheme) -> String {
    page(scheme, confidence(scheme))
}

/// The page of a scheme of somebody's own: the same, but that nobody vouches for its facts.
#[must_use]
pub fn of_own_scheme(scheme: &Scheme) -> String {
    let mut confidence = "what its own description says; nobody else vouches for them".to_owned();
    if !scheme.confidence_note.trim().is_empty() {
        confidence = format!("{confidence}: {}", scheme.confidence_note.trim());
    }
    page(scheme, confidence)
}

/// The page of one vendor: all its schemes.
#[must_use]
pub fn of_vendor<'s>(vendor: &str, schemes: impl IntoIterator<Item = &'s Scheme>) -> String {
    let mut page = format!("# {vendor}\n");
    for scheme in schemes {
        page.push('\n');
        page.push_str(&of_scheme(scheme));
        if !scheme.shares_key_with.is_empty() {
            let others: Vec<_> = scheme.shares_key_with.iter().map(|id| code(id)).collect();
            page.push_str(&format!(
                "\nThe vendor may issue one key for this scheme and {}.\n",
                others.join(", ")
            ));
        }
    }
    page
}

/// The files of `docs/vendors/`, by name: a page a vendor, and the table of all schemes.
#[must_use]
pub fn files(catalogue: &Catalogue) -> BTreeMap<String, String> {
    let mut vendors = BTreeMap::<_, Vec<&Scheme>>::new();
    for scheme in catalogue.iter() {
        vendors.entry(vendor(scheme)).or_default().push(scheme);
    }
    let mut files: BTreeMap<_, _> = vendors
        .into_iter()
        .map(|(vendor, schemes)| (format!("{vendor}.md"), of_vendor(vendor, schemes)))
        .collect();
    files.insert("README.md".to_owned(), index(catalogue));
    files
}

fn index(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Vendors\n\n\
         Every scheme of the catalogue, made from the files in [core/schemes](../../core/schemes).\n\
         `countersign scheme show ID` prints the same of one, and of a scheme of your own.\n\n\
         Facts are *confirmed* when they were read in the vendor's own documentation, library or tests, and *secondary*\n\
         when only integrators tell them.\n\n\
         | scheme | for | what is signed | facts |\n|---|---|---|---|\n",
    );
    for scheme in catalogue.iter() {
        let signed = signed_texts(scheme).join(" or ");
        page.push_str(&format!(
            "| [`{id}`]({vendor}.md) | {purpose} | {signed} | {facts} |\n",
            id = scheme.id,
            vendor = vendor(scheme),
            purpose = purpose(scheme.purpose()),
            // A bar would end the cell, even within code.
            signed = signed.replace('|', "\\|"),
            facts = word(scheme.confidence),
        ));
    }
    page
}

fn page(scheme: &Scheme, confidence: String) -> String {
    let mut page = format!(
        "## {}\n\n`{}`, {}\n\n{}\n\n",
        scheme.title,
        scheme.id,
        purpose(scheme.purpose()),
        scheme.description.trim()
    );
    for (name, texts) in facts(scheme, confidence) {
        match texts.as_slice() {
            [] => {}
            [text] => page.push_str(&format!("- **{name}**: {text}\n")),
            texts => {
                page.push_str(&format!("- **{name}**:\n"));
                for text in texts {
                    page.push_str(&format!("  - {text}\n"));
                }
            }
        }
    }
    page
}

fn facts(scheme: &Scheme, confidence: String) -> Vec<Fact> {
    let mut facts = vec![
        ("Signed", signed_texts(scheme)),
        ("Signature", vec![scheme.describe_signature()]),
        ("Key", key(scheme)),
    ];
    match &scheme.rules {
        Rules::Webhook(rules) => facts.extend(delivery::facts(rules)),
        Rules::IdentityToken(rules) => facts.extend(proof::of_token(rules)),
        Rules::IdentityHash(rules) => facts.extend(proof::of_hash(rules)),
        Rules::ResourceId(_) => facts.push((
            "Proven",
            vec!["nothing: such an id is hard to guess, and nobody verifies it".to_owned()],
        )),
    }
    facts.extend([
        ("Parameters", parameters(&scheme.parameters)),
        (
            "Optional parameters",
            parameters(&scheme.optional_parameters),
        ),
        ("Rotation", stated(&scheme.rotation)),
        ("Traps", scheme.traps.clone()),
        ("Facts", vec![confidence]),
        ("Source", stated(&scheme.source)),
    ]);
    facts
}

fn signed_texts(scheme: &Scheme) -> Vec<String> {
    match &scheme.rules {
        Rules::Webhook(rules) => delivery::signed_texts(rules),
        _ => vec![code(&scheme.describe_signed_text())],
    }
}

fn key(scheme: &Scheme) -> Vec<String> {
    let mut key = vec![scheme.describe_key()];
    let private = &scheme.key.private_prefix;
    if !private.is_empty() {
        key.push(format!("{} before both halves", code(private)));
    }
    if scheme.key.short_allowed {
        key.push("as short as 8 bytes, because the vendor issues such".to_owned());
    }
    if scheme.key.issued {
        key.push("issued by the vendor alone: import it".to_owned());
    }
    if scheme.key_id_required() {
        key.push("each needs the vendor's id of it".to_owned());
    }
    vec![key.join("; ")]
}

fn confidence(scheme: &Scheme) -> String {
    match scheme.confidence_note.trim() {
        "" => word(scheme.confidence).to_owned(),
        note => format!("{}: {note}", word(scheme.confidence)),
    }
}

fn parameters(parameters: &BTreeMap<String, String>) -> Vec<String> {
    let each = parameters.iter();
    each.map(|(name, what)| {
        let flag = code(&format!("--parameter {name}=…"));
        let what = what.trim();
        format!(
            "{}: {what}; {flag} of `countersign secret create`, which fixes it",
            code(name)
        )
    })
    .collect()
}

fn stated(text: &str) -> Vec<String> {
    let text = text.trim();
    Vec::from_iter((!text.is_empty()).then(|| text.to_owned()))
}

/// A text as code on one line; line feeds are written as they are in a scheme file.
fn code(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// A length of time in its largest whole unit.
fn length(length: Duration) -> String {
    let secs = length.as_secs();
    let (number, unit) = match secs {
        0 => (0, "second"),
        _ if secs.is_multiple_of(86_400) => (secs / 86_400, "day"),
        _ if secs.is_multiple_of(3600) => (secs / 3600, "hour"),
        _ if secs.is_multiple_of(60) => (secs / 60, "minute"),
        _ => (secs, "second"),
    };
    match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::IdentityHash => "identity hash",
        Purpose::IdentityToken => "identity token",
        Purpose::Webhook => "webhook",
        Purpose::ResourceId => "resource id",
    }
}

fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Confirmed => "confirmed",
        Confidence::Secondary => "secondary",
    }
}

/// The part of the id before the dot.
fn vendor(scheme: &Scheme) -> &str {
    scheme.id.split('.').next().unwrap_or(&scheme.id)
}

#[cfg(test)]
mod tests;
