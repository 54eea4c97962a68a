//! Table W of the attacks, as far as core decides it, over the built-in schemes.

mod bytes;
mod descriptions;
mod freshness;
mod grammar;
mod lists;
mod properties;
mod shapes;
mod versions;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::*;
use crate::{Catalogue, Rules, encoding::Encoding, policy::TimestampUnit};

const NOW_SECS: i64 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_unix_secs(NOW_SECS);
const ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const BODY: &[u8] = b"{\"event\":\"ping\"}\n";

const SCHEMES: [&str; 6] = [
    "standard.webhook",
    "stripe.webhook",
    "slack.webhook",
    "github.webhook",
    "chatwoot.webhook",
    "talkjs.webhook",
];

/// A delivery under one scheme, good until a test spoils it.
#[derive(Clone)]
struct Sent {
    rules: &'static WebhookRules,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A good delivery of a scheme, signed now with [`key`].
fn sent(scheme: &str) -> Sent {
    let rules = rules(scheme);
    Sent {
        rules,
        headers: signed(rules, &key(), ID, NOW, BODY),
        body: BODY.to_vec(),
    }
}

/// The headers of a delivery signed at a time.
fn signed(
    rules: &WebhookRules,
    key: &Key,
    id: &str,
    time: Timestamp,
    body: &[u8],
) -> Vec<(String, String)> {
    let delivery = DeliveryToSign {
        id,
        body,
        headers: Headers(&[]),
        method: "POST",
        url: "",
        time,
    };
    let signed = rules.sign(key, delivery, &BTreeMap::new(), None);
    signed.expect("it can be signed").headers
}

fn rules(scheme: &str) -> &'static WebhookRules {
    match Catalogue::builtin().scheme(scheme).map(|it| &it.rules) {
        Some(Rules::Webhook(rules)) => rules,
        _ => panic!("{scheme} is no webhook scheme"),
    }
}

/// The rules of its signed text.
fn text(rules: &WebhookRules) -> &TextRules {
    rules.text().expect("a scheme with a signed text")
}

/// Rules that no built-in scheme has.
fn made(text: &str) -> &'static WebhookRules {
    Box::leak(Box::new(toml::from_str(text).expect("rules")))
}

fn key() -> Key {
    key_of(b"a webhook key of a test, no more")
}

fn key_of(bytes: &[u8]) -> Key {
    Key::new(Zeroizing::new(bytes.to_vec()))
}

/// The text of a signature over the parts, as Standard Webhooks write it.
fn base64_tag(parts: &[&[u8]]) -> String {
    STANDARD.encode(key().tag(parts).expose_bytes())
}

/// The text of a signature over the parts, as most vendors write it.
fn hex_tag(parts: &[&[u8]]) -> String {
    hex::encode(key().tag(parts).expose_bytes())
}

impl Sent {
    fn value(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(sent, _)| sent == name);
        header.map(|(_, value)| value.as_str()).expect("was sent")
    }

    fn signature_header(&self) -> String {
        self.rules.header_names().pop().expect("a signature header")
    }

    fn signature(&self) -> &str {
        self.value(&self.signature_header())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let header = self.headers.iter_mut().find(|(sent, _)| sent == name);
        header.expect("was sent").1 = value.to_owned();
        self
    }

    fn signed(self, value: &str) -> Self {
        let name = self.signature_header();
        self.with(&name, value)
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(sent, _)| sent != name);
        self
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The verdict under [`key`] and the scheme's own window.
    fn verdict_at(&self, now: Timestamp) -> Result<WebhookProof, Reason> {
        self.judged(&[(1, &key())], self.rules.freshness(None, None), now)
    }

    fn judged(
        &self,
        keys: &[(u32, &Key)],
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<WebhookProof, Reason> {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value })
            .collect();
        let delivery = Delivery {
            headers: Headers(&headers),
            body: &self.body,
            method: "POST",
            url: "",
        };
        let terms = Terms {
            freshness,
            parameters: &BTreeMap::new(),
            now,
        };
        self.rules.verify(delivery, keys.iter().copied(), terms)
    }

    #[track_caller]
    fn assert_accepted(&self) {
        let verdict = self.verdict_at(NOW).map(|proof| proof.version);
        assert_eq!(verdict, Ok(1), "{:?}", self.headers);
    }

    #[track_caller]
    fn assert_refused(&self, reason: Reason) {
        let verdict = self.verdict_at(NOW).map(|proof| proof.version);
        assert_eq!(verdict, Err(reason), "{:?}", self.headers);
    }
}

#[test]
fn a_signed_delivery_is_accepted_under_every_scheme() {
    for scheme in SCHEMES {
        sent(scheme).assert_accepted();
    }
}
