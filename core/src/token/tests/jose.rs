//! The published tokens of tests/vectors/jose.txt, whose payloads are no claims: structure, header and MAC alone, which
//! is what [`signer`] judges.

use std::collections::BTreeSet;

use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::*;
use crate::key::{Algorithm, KeyDecoding, KeyFormat};
use crate::key_policy::{self, MIN_TOKEN_KEY_BYTES};

const TOKENS: &str = include_str!("../../../../tests/vectors/jose.txt");

/// Where the label is wrong: 367 and 370 are byte for byte 357, which is valid; 372 and 373 are called valid though a
/// `?` stands in them, which is no base64url, and the MAC is of the text without it.
const WRONG_LABELS: [&str; 4] = ["367", "370", "372", "373"];

/// HS384 and HS512, which nobody here signs with.
const OTHER_ALGORITHMS: [&str; 2] = ["14", "15"];

struct Published {
    source: &'static str,
    id: &'static str,
    valid: bool,
    keys: &'static str,
    token: &'static str,
}

/// `.` is the field of the row above, `-` is empty.
fn published() -> Vec<Published> {
    let mut above = [""; 5];
    let rows = TOKENS.lines().skip(1).map(|line| {
        for (field, text) in above.iter_mut().zip(line.splitn(5, ' ')) {
            match text {
                "." => {}
                "-" => *field = "",
                text => *field = text,
            }
        }
        let [source, id, result, keys, token] = above;
        let valid = result == "valid";
        Published {
            source,
            id,
            valid,
            keys,
            token,
        }
    });
    rows.collect()
}

/// A key as an operator would import it: its bytes, in base64.
fn imported(jwk_k: &str) -> Option<Key> {
    // The second key of json_web_key 4 has unused bits set.
    let bytes = URL_SAFE_NO_PAD.decode(jwk_k).ok()?;
    // The corpus signs with 32 zero bytes, which nobody may import, to show other things.
    if bytes == [0; 32] {
        return Some(key(&bytes));
    }
    let format = KeyFormat {
        decoding: KeyDecoding::Base64,
        ..KeyFormat::default()
    };
    let text = SecretString::from(STANDARD.encode(bytes));
    let algorithm = Algorithm::HmacSha256;
    let checked = key_policy::check(&format, algorithm, MIN_TOKEN_KEY_BYTES, &text);
    checked.ok().map(|(key, _)| key)
}

fn accepts(case: &Published) -> bool {
    let mut keys = Vec::new();
    for text in case.keys.split(',') {
        let [kid, _, k] = text.split(':').collect::<Vec<_>>().try_into().unwrap();
        let Some(key) = imported(k) else {
            return false;
        };
        keys.push((kid, key));
    }
    let keys = keys.iter().map(|(kid, key)| TokenKey {
        version: 1,
        key_id: Some(*kid),
        key,
    });
    Compact::parse(case.token).is_ok_and(|compact| signer(Kid::Vendor, keys, &compact).is_ok())
}

/// The ids of those that we judge otherwise than their label.
fn judged_otherwise(source: &str, count: usize) -> BTreeSet<&'static str> {
    let cases = published();
    let cases: Vec<_> = cases.iter().filter(|case| case.source == source).collect();
    assert_eq!(cases.len(), count, "{source}");
    let otherwise = cases.iter().filter(|case| accepts(case) != case.valid);
    otherwise.map(|case| case.id).collect()
}

#[test]
fn j27_j28_j29_j30_j31_j32_j33_wycheproof_signatures_hold_but_for_four_wrong_labels() {
    let otherwise = judged_otherwise("json_web_signature", 40);
    assert_eq!(otherwise, BTreeSet::from(WRONG_LABELS));
    let all = published();
    let token = |id| all.iter().find(|case| case.id == id).unwrap().token;
    assert_eq!(token("367"), token("357"));
    assert_eq!(token("370"), token("357"));
    assert_eq!(token("372").replace('?', ""), token("357"));
    assert_eq!(token("373").replace('?', ""), token("357"));
}

#[test]
fn d01_d02_j04_wycheproof_keys_hold_but_for_the_algorithms_that_we_do_not_offer() {
    let otherwise = judged_otherwise("json_web_key", 12);
    assert_eq!(otherwise, BTreeSet::from(OTHER_ALGORITHMS));
}

#[test]
fn j01_j33_j35_wycheproof_crypto_holds() {
    assert_eq!(judged_otherwise("json_web_crypto", 19), BTreeSet::new());
}

#[test]
fn j13_j35_of_the_cookbook_of_rfc_7520_the_compact_form_alone_is_a_token() {
    for (case, forms) in [
        ("jws/4_4", 3),
        ("jws/4_5.signature_with_detached_content", 3),
        ("jws/4_6.protecting_specific_header_fields", 2),
        ("jws/4_7.protecting_content_only", 2),
        ("jws/4_8.multiple_signatures", 1),
        ("rfc7797/4.2", 2),
        ("rfc7797/hmac-sha2_b64_false", 3),
    ] {
        assert_eq!(judged_otherwise(case, forms), BTreeSet::new(), "{case}");
    }
    let accepted = published().into_iter().filter(accepts);
    let accepted = accepted.filter(|case| case.source.contains('/'));
    assert_eq!(
        accepted.map(|case| case.source).collect::<Vec<_>>(),
        ["jws/4_4"]
    );
}
