//! J27 to J36: three parts of canonical base64url and a tag of 32 bytes.

use super::*;

fn parts() -> (String, String, String) {
    let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
    let mut parts = token.split('.').map(str::to_owned);
    let mut next = || parts.next().unwrap();
    (next(), next(), next())
}

/// The good token with another signature.
fn signed(signature: &str) -> Result<TokenProof, Reason> {
    let (header, payload, _) = parts();
    check(&format!("{header}.{payload}.{signature}"))
}

/// The same bytes, but with the lowest unused bit of the last character set.
fn with_unused_bit(part: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0, "no unused bits in {part}");
    let (rest, last) = part.split_at(part.len() - 1);
    let index = ALPHABET
        .iter()
        .position(|c| *c == last.as_bytes()[0])
        .unwrap();
    format!("{rest}{}", char::from(ALPHABET[index | 1]))
}

#[test]
fn j27_an_empty_signature_is_refused() {
    assert_eq!(signed(""), Err(Reason::SignatureMalformed));
}

#[test]
fn j28_a_tag_has_32_bytes() {
    let (header, payload, _) = parts();
    let mut tag = mac_with(KEY, &format!("{header}.{payload}"));
    tag.extend([0; 32]);
    for len in (1..=31).chain([33, 64]) {
        let verdict = signed(&b64(&tag[..len]));
        assert_eq!(verdict, Err(Reason::SignatureMalformed), "{len}");
    }
    assert!(signed(&b64(&tag[..32])).is_ok());
    // What Stream calls a development token.
    assert_eq!(signed("devtoken"), Err(Reason::SignatureMalformed));
}

#[test]
fn j29_a_signature_holds_nothing_but_its_alphabet() {
    let (_, _, good) = parts();
    let (start, end) = good.split_at(20);
    for bad in [
        format!("{good}="),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("{start} {end}"),
        format!("{start}\n{end}"),
        format!("{start}+{}", &end[1..]),
        format!("{start}/{}", &end[1..]),
        format!("{start}é{}", &end[2..]),
    ] {
        assert_eq!(signed(&bad), Err(Reason::SignatureMalformed), "{bad:?}");
    }
}

#[test]
fn j30_unused_bits_must_be_zero() {
    let (_, _, signature) = parts();
    assert_eq!(
        signed(&with_unused_bit(&signature)),
        Err(Reason::SignatureMalformed)
    );
    let (header, payload) = (b64(r#"{"alg":"HS256"}  "#), b64(r#"{"sub":"u1"}  "#));
    assert!(check_header(r#"{"alg":"HS256"}  "#).is_ok());
    let header = seal_text(&format!(
        "{}.{}",
        with_unused_bit(&header),
        b64(GOOD_PAYLOAD)
    ));
    assert_eq!(check(&header), Err(Reason::TokenMalformed));
    let payload = seal_text(&format!(
        "{}.{}",
        b64(GOOD_HEADER),
        with_unused_bit(&payload)
    ));
    assert_eq!(check(&payload), Err(Reason::TokenMalformed));
}

#[test]
fn j31_padding_is_refused_even_under_the_mac() {
    let header = b64(r#"{"alg":"HS256"} "#);
    assert_eq!(header.len() % 4, 2);
    let padded_header = seal_text(&format!("{header}==.{}", b64(GOOD_PAYLOAD)));
    assert_eq!(check(&padded_header), Err(Reason::TokenMalformed));
    let payload = b64(r#"{"sub":"u1","exp":1700003600}"#);
    assert_eq!(payload.len() % 4, 3);
    let padded_payload = seal_text(&format!("{}.{payload}=", b64(GOOD_HEADER)));
    assert_eq!(check(&padded_payload), Err(Reason::TokenMalformed));
}

#[test]
fn j32_foreign_characters_are_refused_even_under_the_mac() {
    let (header, payload, _) = parts();
    for bad in ["?", " ", "\n", "+", "/", "\0", "é", "%"] {
        let token = seal_text(&format!("{header}.{bad}{payload}"));
        assert_eq!(check(&token), Err(Reason::TokenMalformed), "{bad:?}");
        let token = seal_text(&format!("{header}.{payload}{bad}"));
        assert_eq!(check(&token), Err(Reason::TokenMalformed), "{bad:?}");
    }
}

#[test]
fn j33_a_token_has_three_parts() {
    let (header, payload, signature) = parts();
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.clone(),
        format!("{header}.{payload}"),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!(".{payload}.{signature}"),
    ] {
        assert_eq!(check(&bad), Err(Reason::TokenMalformed), "{bad}");
    }
}

#[test]
fn j34_a_megabyte_of_dots_is_refused_by_its_length() {
    assert_eq!(check(&".".repeat(1 << 20)), Err(Reason::TokenMalformed));
}

#[test]
fn j35_json_serialisation_and_detached_payloads_are_refused() {
    let (header, payload, signature) = parts();
    let signed = format!(r#""protected":"{header}","signature":"{signature}""#);
    for bad in [
        format!(r#"{{"payload":"{payload}",{signed}}}"#),
        format!(r#"{{"payload":"{payload}","signatures":[{{{signed}}}]}}"#),
        format!(r#"{{"payload":"{payload}","signatures":[{{{signed}}},{{{signed}}}]}}"#),
    ] {
        assert_eq!(check(&bad), Err(Reason::TokenMalformed), "{bad}");
    }
    let detached = format!("{header}..{signature}");
    assert_eq!(check(&detached), Err(Reason::SignatureMismatch));
    let signed_empty = seal_text(&format!("{header}."));
    assert_eq!(check(&signed_empty), Err(Reason::TokenMalformed));
}

#[test]
fn j36_nothing_stands_around_a_token() {
    let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
    for before in [
        "Bearer ", "bearer ", "\"", "'", "\u{feff}", "\u{200b}", " ", "\n",
    ] {
        let verdict = check(&format!("{before}{token}"));
        assert_eq!(verdict, Err(Reason::TokenMalformed), "{before:?}");
    }
    for after in ["\"", "'", "\u{feff}", "\u{200b}", " ", "\n", ";"] {
        let verdict = check(&format!("{token}{after}"));
        assert_eq!(verdict, Err(Reason::SignatureMalformed), "{after:?}");
    }
}

#[test]
fn j37_a_token_over_8_kib_is_refused_by_core_too() {
    let token = |len: usize| {
        let payload = format!(
            r#"{{"sub":"u1","exp":1700003600,"x":"{}"}}"#,
            "x".repeat(len)
        );
        seal(GOOD_HEADER, payload)
    };
    assert!(check(&token(6000)).is_ok());
    assert_eq!(check(&token(6200)), Err(Reason::TokenMalformed));
}

#[test]
fn a_wrong_key_or_a_changed_byte_is_a_mismatch() {
    let (header, payload, signature) = parts();
    let other = b64(r#"{"sub":"u2","exp":1700003600}"#);
    let mut tag = mac_with(KEY, &format!("{header}.{payload}"));
    tag[31] ^= 1;
    let last_byte = b64(&tag);
    tag[31] ^= 1;
    tag[0] ^= 1;
    let first_byte = b64(&tag);
    for bad in [
        format!("{header}.{other}.{signature}"),
        format!("{header}.{payload}.{last_byte}"),
        format!("{header}.{payload}.{first_byte}"),
    ] {
        assert_eq!(check(&bad), Err(Reason::SignatureMismatch));
    }
}

#[test]
fn a_word_in_place_of_a_signature_is_none() {
    let input = format!("{}.{}", b64(GOOD_HEADER), b64(GOOD_PAYLOAD));
    // What Stream writes into its development tokens.
    for word in ["devtoken", "none", "unsigned"] {
        let verdict = check(&format!("{input}.{word}"));
        assert_eq!(verdict, Err(Reason::SignatureMalformed), "{word}");
    }
}
