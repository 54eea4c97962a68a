//! A scheme by its fields, where its description cannot be read.

use std::io::Write;

use countersign_client::v1;

use crate::render::{fields, plain};

/// Shows what the fields say.
pub(super) fn show(scheme: &v1::Scheme, out: &mut dyn Write) -> anyhow::Result<()> {
    let key_id = scheme
        .key_id_required
        .then(|| "required, see --key-id".to_owned());
    let rows = [
        ("scheme", Some(scheme.id.clone())),
        ("title", Some(scheme.title.clone())),
        ("purpose", Some(super::purpose(scheme))),
        ("key", Some(scheme.key_format.clone())),
        ("key id", key_id),
        ("signs", Some(scheme.signed_text.clone())),
        ("signature", Some(scheme.signature_format.clone())),
        ("headers", Some(scheme.headers.join(", "))),
        ("parameters", Some(scheme.parameters.join(", "))),
        (
            "may be old",
            scheme.tolerance_past.as_ref().map(ToString::to_string),
        ),
        (
            "may be ahead",
            scheme.tolerance_future.as_ref().map(ToString::to_string),
        ),
        ("rotation", Some(scheme.rotation.trim().to_owned())),
        ("traps", Some(scheme.traps.join(" "))),
        ("facts", Some(super::facts(scheme))),
        ("source", Some(scheme.source.clone())),
    ];
    fields(out, rows)?;
    writeln!(out, "\n{}", plain(scheme.description.trim()))?;
    Ok(())
}
