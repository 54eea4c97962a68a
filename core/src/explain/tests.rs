//! Every pitfall that users of webhooks and identity proofs fall into, made from a good proof: the right cause comes
//! first. And a proof that is just forged has nothing near it.

mod bodies;
mod captured;
mod catalogue;
mod deliveries;
mod headers;
mod proofs;
mod properties;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use zeroize::Zeroizing;

use super::*;
use crate::{
    Catalogue, Rules, Scheme, SecretName,
    policy::{Mode, Policy},
    scheme::VendorFile,
    secret::KeyVersion,
    webhook::{Delivery, DeliveryToSign, Header, Headers},
};

const NOW_SECS: i64 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_unix_secs(NOW_SECS);

/// Schemes that show what the built-in ones of the first vendors do not.
const MORE: &str = r#"
vendor = "made-up"
source = "these tests"

[[scheme]]
kind = "url"
title = "URL and body, base64"
description = "a test"
key = { decoding = "utf8" }
[scheme.webhook]
signed_text = "{method}{url}{body}"
encoding = "base64"
signature = { grammar = "single", header = "X-Signature" }

[[scheme]]
kind = "sha1"
title = "Body, SHA-1"
description = "a test"
traps = ["The secret is not the API key."]
key = { decoding = "utf8" }
[scheme.webhook]
signed_text = "{body}"
digest = "hmac-sha1"
encoding = "hex-lower"
signature = { grammar = "single", header = "X-Sha1-Signature", prefix = "sha1=" }

[[scheme]]
kind = "question"
title = "With a handshake"
description = "a test"
key = { decoding = "utf8" }
[scheme.webhook]
signed_text = "{timestamp}{body}"
encoding = "hex-lower"
signature = { grammar = "single", header = "X-Signature" }
timestamp = { header = "X-Timestamp", unit = "milliseconds" }
window = { past_secs = 60, future_secs = 60 }
[[scheme.webhook.handshake]]
name = "challenge"
signed = false
when = { json = { "/type" = "challenge" } }
respond = { status = 200, text = "{json:/challenge}" }
"#;

fn scheme(id: &str) -> Arc<Scheme> {
    if let Some(scheme) = Catalogue::builtin().scheme(id) {
        return Arc::clone(scheme);
    }
    let schemes = VendorFile::parse(MORE)
        .and_then(VendorFile::into_schemes)
        .unwrap();
    let found = schemes
        .into_iter()
        .map(|(scheme, _)| scheme)
        .find(|scheme| scheme.id == id);
    Arc::new(found.unwrap_or_else(|| panic!("{id}")))
}

/// A key text of a scheme, each number another one.
fn key_text(scheme: &Scheme, number: u8) -> SecretString {
    scheme.generate_key(&Zeroizing::new([number ^ 0xab; 32]))
}

fn secret(name: &str, scheme: &Arc<Scheme>, keys: &[(u32, VersionState, u8)]) -> Secret {
    let live = keys.iter().filter(|(_, state, _)| state.verifies(NOW));
    let versions = live.map(|(number, state, key)| KeyVersion {
        number: *number,
        state: *state,
        key: scheme.decode_key(&key_text(scheme, *key)).unwrap(),
        key_id: None,
    });
    let versions = versions.collect();
    Secret {
        name: SecretName::parse(name).unwrap(),
        scheme: Arc::clone(scheme),
        policy: Policy {
            mode: Some(Mode::Required),
            ..Policy::default()
        },
        versions,
    }
}

fn texts(scheme: &Scheme, keys: &[(u32, VersionState, u8)]) -> Vec<KeyText> {
    let text = |(number, state, key): &(u32, VersionState, u8)| KeyText {
        number: *number,
        state: *state,
        end_time: Some(Timestamp::from_unix_secs(NOW_SECS - 86_400)),
        text: key_text(scheme, *key),
    };
    keys.iter().map(text).collect()
}

/// The codes in their order.
fn codes(explanation: &Explanation) -> Vec<CauseCode> {
    explanation.causes.iter().map(|cause| cause.code).collect()
}
