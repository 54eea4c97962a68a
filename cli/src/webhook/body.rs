//! Bodies that are no longer the signed ones.

use countersign_core::{
    template::{Piece, Step, Template, Variable},
    webhook::{ProvenPart, TextRules, WebhookRules},
};
use serde_json::Value;

use super::fault::Fault;

/// Whether a delivery with another body is refused.
pub(super) fn covers_body(rules: &WebhookRules) -> bool {
    let is_covered = |rules: &TextRules| {
        rules.body_hash_query.is_some() || rules.any_variable(|it| *it == Variable::SortedForm)
    };
    rules.proven().has(ProvenPart::Body) || rules.text().is_some_and(is_covered)
}

/// Whether white space between the tokens of a JSON body changes nothing.
pub(super) fn signs_compact_json(rules: &WebhookRules) -> bool {
    let texts = rules.text().map_or(&[][..], |rules| &rules.signed_text);
    let mut pieces = texts.iter().flat_map(Template::parts);
    pieces.any(|part| {
        matches!(
            part.piece,
            Piece::Variable(Variable::Body, Some(Step::JsonCompact))
        )
    })
}

/// Makes a signed body another one.
pub(super) fn spoil_body(fault: Fault, body: &mut Vec<u8>) -> Result<(), &'static str> {
    const EMPTY: &str = "the body is empty";
    match fault {
        Fault::Flip => {
            let middle = body.len() / 2;
            *body.get_mut(middle).ok_or(EMPTY)? ^= 1;
        }
        Fault::Truncated => {
            body.pop().ok_or(EMPTY)?;
        }
        Fault::TrailingNewline => body.push(b'\n'),
        Fault::Crlf => {
            if !body.contains(&b'\n') {
                return Err("the body has no line feed");
            }
            let lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
            *body = lines.join(&b"\r\n"[..]);
        }
        _ => *body = reserialised(body)?,
    }
    Ok(())
}

/// The same JSON as other bytes.
fn reserialised(body: &[u8]) -> Result<Vec<u8>, &'static str> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON")?;
    let pretty = serde_json::to_vec_pretty(&value).map_err(|_| "the body is no JSON")?;
    let compact = value.to_string().into_bytes();
    let mut prints = [compact, pretty].into_iter();
    prints
        .find(|print| print != body)
        .ok_or("this JSON has one way only to be printed")
}
