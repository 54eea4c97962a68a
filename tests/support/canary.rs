//! Secrets that must not be found anywhere, and the search for them in every form that a leak could have.

use std::collections::HashMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The beginning of a needle that the index looks at. No needle is shorter.
const PREFIX: usize = 8;

/// What a canary is, and with that, where it may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key, a token that callers show, a body, or an identifier that was refused: nowhere at all.
    Nowhere,
    /// A proof that the service made: in the answer to Sign alone.
    Proof,
    /// An identity: in the answers to Sign, whose tokens hold it, and to Verify, which repeat what was claimed.
    Identity,
    /// A name that was asked for and that nothing has: in the audit, which says what was asked.
    Name,
}

/// Where a canary was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A status, a command line, any other answer.
    Anywhere,
    /// The answer to Sign.
    SignAnswer,
    /// The answer to Verify or BatchVerify.
    VerifyAnswer,
    /// The records of the audit, and with them the log, the files of the store and a copy of it.
    Records,
}

struct Needle {
    label: String,
    form: &'static str,
    kind: Kind,
    bytes: Vec<u8>,
}

/// All canaries in all forms.
#[derive(Default)]
pub struct Canaries {
    needles: Vec<Needle>,
    index: HashMap<[u8; PREFIX], Vec<usize>>,
    pub count: usize,
}

impl Canaries {
    /// Adds a canary and answers it, for use.
    pub fn text(&mut self, label: &str, kind: Kind, text: impl Into<String>) -> String {
        let text = text.into();
        self.count += 1;
        self.add(label, kind, text.as_bytes());
        text
    }

    /// Adds the bytes that a canary stands for.
    pub fn bytes(&mut self, label: &str, bytes: &[u8]) {
        self.add(&format!("{label}, decoded"), Kind::Nowhere, bytes);
    }

    fn add(&mut self, label: &str, kind: Kind, raw: &[u8]) {
        let list = raw.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut reversed = raw.to_vec();
        reversed.reverse();
        let mut forms = vec![
            ("as it is", raw.to_vec()),
            ("reversed", reversed),
            ("hex", hex::encode(raw).into_bytes()),
            ("upper-case hex", hex::encode_upper(raw).into_bytes()),
            ("a list of numbers", list.join(", ").into_bytes()),
        ];
        for shift in 0..3 {
            forms.push(("base64", base64(&STANDARD_NO_PAD, raw, shift)));
            forms.push(("base64url", base64(&URL_SAFE_NO_PAD, raw, shift)));
        }
        for (form, bytes) in forms {
            let prefix = bytes.first_chunk().expect("a canary is longer");
            self.index
                .entry(*prefix)
                .or_default()
                .push(self.needles.len());
            self.needles.push(Needle {
                label: label.to_owned(),
                form,
                kind,
                bytes,
            });
        }
    }

    /// Every canary that is in the bytes and may not be in such a place.
    pub fn found(&self, name: &str, place: Place, hay: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, window) in hay.windows(PREFIX).enumerate() {
            let prefix: &[u8; PREFIX] = window.try_into().unwrap();
            let Some(candidates) = self.index.get(prefix) else {
                continue;
            };
            let candidates = candidates.iter().map(|index| &self.needles[*index]);
            let hits = candidates.filter(|needle| {
                hay[at..].starts_with(&needle.bytes) && !may_be(needle.kind, place)
            });
            found
                .extend(hits.map(|needle| format!("{} ({}) in {name}", needle.label, needle.form)));
        }
        found
    }

    /// One text for every form of every canary, to show that the search finds them.
    pub fn planted(&self) -> impl Iterator<Item = Vec<u8>> {
        self.needles
            .iter()
            .map(|needle| [b"before ", &needle.bytes[..], b" after"].concat())
    }
}

fn may_be(kind: Kind, place: Place) -> bool {
    matches!(
        (kind, place),
        (Kind::Proof, Place::SignAnswer)
            | (Kind::Identity, Place::SignAnswer | Place::VerifyAnswer)
            | (Kind::Name, Place::Records)
    )
}

/// The base64 of bytes that stand this far behind a multiple of three, without the characters that the bytes around
/// them have a part in.
fn base64(engine: &impl Engine, raw: &[u8], shift: usize) -> Vec<u8> {
    let mut shifted = vec![0; shift];
    shifted.extend_from_slice(raw);
    let text = engine.encode(&shifted);
    let first = (shift * 8).div_ceil(6);
    let last = shifted.len() * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}
