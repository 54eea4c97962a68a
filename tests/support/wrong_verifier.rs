//! A verifier with the mistakes that are made everywhere: it compares only as much of the signature as was sent, signs
//! the body after parsing it, takes a delivery without a signature for one that needs none, takes the first of two
//! headers, and never looks at the clock. The test of the conformance kit holds its score against these mistakes.

use std::io::{self, BufRead, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let answer = match accepts(&case) {
            None => json!({ "id": case["id"], "skip": true }),
            Some(accept) => json!({ "id": case["id"], "accept": accept }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// `None` for a scheme that it does not know.
fn accepts(case: &Value) -> Option<bool> {
    let key = case["key"].as_str()?;
    let body: Value = serde_json::from_str(case["body"].as_str()?).unwrap_or_default();
    Some(match case["scheme"].as_str()? {
        "github.webhook" => {
            let sent = header(case, "X-Hub-Signature-256");
            let sent = sent.strip_prefix("sha256=").unwrap_or_default();
            let expected = hex::encode(mac(key.as_bytes(), &body.to_string()));
            expected.starts_with(&sent.to_lowercase())
        }
        "stripe.webhook" => {
            let sent = header(case, "Stripe-Signature");
            let pair = |name: &str| {
                let mut pairs = sent.split(',').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
            };
            let time = pair("t").unwrap_or_default();
            let expected = hex::encode(mac(key.as_bytes(), &format!("{time}.{body}")));
            expected.starts_with(&pair("v1").unwrap_or_default().to_lowercase())
        }
        "standard.webhook" => {
            let (id, time) = (
                header(case, "webhook-id"),
                header(case, "webhook-timestamp"),
            );
            let sent = header(case, "webhook-signature");
            let key = STANDARD.decode(key.trim_start_matches("whsec_")).ok()?;
            let expected = STANDARD.encode(mac(&key, &format!("{id}.{time}.{body}")));
            expected.starts_with(sent.strip_prefix("v1,").unwrap_or_default())
        }
        _ => return None,
    })
}

fn header<'c>(case: &'c Value, name: &str) -> &'c str {
    let headers = case["headers"].as_array();
    let mut headers = headers.into_iter().flatten();
    let is_it = |header: &&Value| {
        let own = header[0].as_str();
        own.is_some_and(|own| own.eq_ignore_ascii_case(name))
    };
    let value = headers.find(is_it).and_then(|header| header[1].as_str());
    value.unwrap_or_default()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
