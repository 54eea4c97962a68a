//! A call in JSON, or in another form that a browser sends, through the whole service. Every answer is one that the
//! protocol knows, none is an internal error, and no refusal repeats what was sent.
#![no_main]

use countersign_fuzz::{
    repeats,
    service::{self, texts},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

const KINDS: [&str; 5] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/proto",
    "application/grpc-web+proto",
    "application/grpc-web-text",
];
const STATUSES: [u16; 11] = [200, 400, 401, 403, 404, 405, 409, 415, 429, 501, 504];

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, status, answer)) = answer(data) else {
        return Corpus::Reject;
    };
    assert!(STATUSES.contains(&status), "{status}");
    if kind.starts_with("application/json") && !answer.is_empty() {
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(
            status == 200 || !message.is_empty(),
            "{status} says nothing"
        );
    }
    if status != 200 {
        let said = String::from_utf8_lossy(&answer);
        for text in texts(data) {
            let is_repeated = said.contains(text) && repeats(data, text, say);
            assert!(!is_repeated, "{text:?} in {said}");
        }
    }
    Corpus::Keep
});

/// A byte for the kind, a line with the path, and the body.
fn answer(data: &[u8]) -> Option<(&'static str, u16, Vec<u8>)> {
    let (kind, rest) = data.split_first()?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let path = str::from_utf8(&rest[..end]).ok()?;
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let (status, answer) = service::with(|service| service.post(path, kind, &rest[end + 1..]))?;
    Some((kind, status, answer))
}

fn say(data: &[u8]) -> Option<String> {
    let (_, _, answer) = answer(data)?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
