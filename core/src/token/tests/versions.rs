//! J20 to J26: which version signed, and what a `kid` may say about it.

use super::*;

const OTHER_KEY: &[u8] = b"another key, also thirty-two or more";

/// Judges by version 1 (`app_1`, the usual key) and version 2 (`app_2`).
fn check_two(kid: Kid, token: &str) -> Result<u32, Reason> {
    let (first, second) = (key(KEY), key(OTHER_KEY));
    let keys = [(1, "app_1", &first), (2, "app_2", &second)];
    let keys = keys.map(|(version, key_id, key)| TokenKey {
        version,
        key_id: Some(key_id),
        key,
    });
    let rules = TokenRules { kid, ..rules("") };
    let proof = verify(&rules, &BTreeMap::new(), keys.into_iter(), token, 0, now());
    proof.map(|proof| proof.version)
}

/// A token signed with the key, naming a `kid` in JSON.
fn signed_by(key: &[u8], kid: &str) -> String {
    let header = format!(r#"{{"alg":"HS256","kid":{kid}}}"#);
    let signing_input = format!("{}.{}", b64(header), b64(GOOD_PAYLOAD));
    let signature = b64(mac_with(key, &signing_input));
    format!("{signing_input}.{signature}")
}

#[test]
fn j20_a_kid_is_compared_and_nothing_else() {
    for kid in [
        "../../dev/null",
        "1' OR '1'='1",
        "1;reboot",
        "https://evil.example/1",
        "01",
        "1 ",
        "+1",
        "１",
        "app_1\u{200b}",
    ] {
        let token = signed_by(KEY, &format!("\"{kid}\""));
        for kind in [Kid::None, Kid::Version, Kid::Vendor] {
            let verdict = check_two(kind, &token);
            assert_eq!(verdict, Err(Reason::SignatureMismatch), "{kid}");
        }
    }
    let check = |kid: &str| check_two(Kid::Version, &signed_by(KEY, kid));
    assert_eq!(check(r#""1\u0000""#), Err(Reason::TokenHeader));
    assert_eq!(check("\"1\0\""), Err(Reason::TokenMalformed));
    let long = |len: usize| format!("\"{}\"", "1".repeat(len));
    assert_eq!(check(&long(128)), Err(Reason::SignatureMismatch));
    assert_eq!(check(&long(129)), Err(Reason::TokenHeader));
    assert_eq!(check(&long(10_000)), Err(Reason::TokenMalformed));
}

#[test]
fn j21_a_kid_of_another_secret_chooses_no_key() {
    let token = signed_by(b"the key of some other namespace's secret", "\"app_9\"");
    assert_eq!(
        check_two(Kid::Vendor, &token),
        Err(Reason::SignatureMismatch)
    );
    let token = signed_by(KEY, "\"other/secret\"");
    assert_eq!(
        check_two(Kid::Vendor, &token),
        Err(Reason::SignatureMismatch)
    );
}

#[test]
fn j22_the_kid_of_an_ended_version_looks_like_a_wrong_key() {
    let ended = b"the key of a version that has ended";
    for (kind, kid) in [(Kid::Version, "\"7\""), (Kid::Vendor, "\"app_7\"")] {
        let verdict = check_two(kind, &signed_by(ended, kid));
        assert_eq!(verdict, Err(Reason::SignatureMismatch));
    }
}

#[test]
fn j23_a_kid_binds_to_the_version_that_signed() {
    for (key, kid, verdict) in [
        (KEY, "\"1\"", Ok(1)),
        (OTHER_KEY, "\"2\"", Ok(2)),
        (OTHER_KEY, "\"1\"", Err(Reason::SignatureMismatch)),
        (KEY, "\"2\"", Err(Reason::SignatureMismatch)),
    ] {
        assert_eq!(check_two(Kid::Version, &signed_by(key, kid)), verdict);
    }
    assert_eq!(check_two(Kid::Vendor, &signed_by(KEY, "\"app_1\"")), Ok(1));
    assert_eq!(
        check_two(Kid::Vendor, &signed_by(KEY, "\"app_2\"")),
        Err(Reason::SignatureMismatch)
    );
    // A scheme without key ids knows none.
    assert_eq!(
        check_two(Kid::None, &signed_by(KEY, "\"1\"")),
        Err(Reason::SignatureMismatch)
    );
}

#[test]
fn j24_without_a_kid_every_live_version_is_tried_and_the_signer_is_named() {
    for kind in [Kid::None, Kid::Version, Kid::Vendor] {
        for (key, version) in [(KEY, 1), (OTHER_KEY, 2)] {
            let signing_input = format!("{}.{}", b64(GOOD_HEADER), b64(GOOD_PAYLOAD));
            let signature = b64(mac_with(key, &signing_input));
            let token = format!("{signing_input}.{signature}");
            assert_eq!(check_two(kind, &token), Ok(version));
        }
    }
}

#[test]
fn j25_a_kid_is_a_text() {
    for kid in ["1", "null", "\"\"", "[\"1\"]", "{\"1\":1}", "true"] {
        for kind in [Kid::None, Kid::Version, Kid::Vendor] {
            let verdict = check_two(kind, &signed_by(KEY, kid));
            assert_eq!(verdict, Err(Reason::TokenHeader), "{kid}");
        }
    }
}

#[test]
fn j26_without_a_live_version_nothing_verifies() {
    let check = |token: &str| {
        let keys = std::iter::empty::<TokenKey<'static>>();
        verify(&rules(""), &BTreeMap::new(), keys, token, 0, now())
    };
    let good = seal(GOOD_HEADER, GOOD_PAYLOAD);
    assert_eq!(check(&good), Err(Reason::NoLiveVersion));
    // Signed with no key at all.
    let signing_input = format!("{}.{}", b64(GOOD_HEADER), b64(GOOD_PAYLOAD));
    let keyless = format!("{signing_input}.{}", b64(mac_with(b"", &signing_input)));
    assert_eq!(check(&keyless), Err(Reason::NoLiveVersion));
    assert_eq!(
        check_two(Kid::None, &keyless),
        Err(Reason::SignatureMismatch)
    );
}

#[test]
fn every_key_is_tried_although_the_first_one_matched() {
    let key = key(KEY);
    let mut tried = 0;
    let keys = (1..=5).map(|version| TokenKey {
        version,
        key_id: None,
        key: &key,
    });
    let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
    let keys = keys.inspect(|_| tried += 1);
    let proof = verify(&rules(""), &BTreeMap::new(), keys, &token, 0, now());
    assert_eq!(proof.unwrap().version, 1);
    assert_eq!(tried, 5);
}
