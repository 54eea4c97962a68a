//! J39 to J47: a payload is one JSON object that every parser reads alike.

use super::*;

fn assert_payload(expected: Reason, payloads: &[&str]) {
    for payload in payloads {
        assert_eq!(check_payload(payload), Err(expected), "{payload}");
    }
}

#[test]
fn j39_deep_payloads_are_refused_with_and_without_a_good_mac() {
    let payload = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"sub":"u1","exp":1700003600,"x":{open}{close}}}"#)
    };
    assert!(check_payload(payload(15)).is_ok());
    for levels in [16, 127, 129, 2900, 10_000] {
        let verdict = check_payload(payload(levels));
        assert_eq!(verdict, Err(Reason::TokenMalformed), "{levels}");
        let objects = format!(
            "{}1{}",
            r#"{"x":"#.repeat(levels + 1),
            "}".repeat(levels + 1)
        );
        let verdict = check_payload(objects);
        assert_eq!(verdict, Err(Reason::TokenMalformed), "{levels}");
    }
    let unsigned = format!(
        "{}.{}.{}",
        b64(GOOD_HEADER),
        b64(payload(2900)),
        b64([0; 32])
    );
    assert_eq!(check(&unsigned), Err(Reason::SignatureMismatch));
}

#[test]
fn j41_array_payload_is_refused() {
    assert_payload(
        Reason::TokenMalformed,
        &[
            r#"[1700003600,null,"u1",null,null]"#,
            r#"[{"sub":"u1"}]"#,
            "[]",
        ],
    );
}

#[test]
fn j42_a_payload_that_is_no_object_is_refused() {
    assert_payload(
        Reason::TokenMalformed,
        &["null", r#""u1""#, "1700003600", "true", "", " "],
    );
}

#[test]
fn j43_text_around_or_beside_json_is_refused() {
    assert_payload(
        Reason::TokenMalformed,
        &[
            r#"{"sub":"u1","exp":1700003600}x"#,
            r#"{"sub":"u1","exp":1700003600}{"sub":"u2"}"#,
            r#"{"sub":"u1","exp":1700003600},"#,
            r#"{"sub":"u1","exp":1700003600,}"#,
            r#"{"sub":"u1",/* */"exp":1700003600}"#,
            r#"{"sub":"u1","exp":NaN}"#,
            r#"{"sub":"u1","exp":Infinity}"#,
            r#"{"sub":"u1","exp":-Infinity}"#,
            r#"{'sub':'u1','exp':1700003600}"#,
            r#"{sub:"u1","exp":1700003600}"#,
            r#"{"sub":"u1","exp":01700003600}"#,
            r#"{"sub":"u1","exp":+1700003600}"#,
            r#"{"sub":"u1","exp":0x6553f100}"#,
            "{\"sub\":\"u1\",\"exp\":1700003600}\0",
            "{\"sub\":\"u\n1\",\"exp\":1700003600}",
            "\u{a0}{\"sub\":\"u1\",\"exp\":1700003600}",
        ],
    );
}

#[test]
fn j44_whitespace_in_and_around_the_payload_passes() {
    assert!(check_payload("\r\n\t {\n\"sub\" : \"u1\" ,\t\"exp\": 1700003600 } \r\n").is_ok());
}

#[test]
fn j45_what_is_not_unicode_is_refused() {
    for bad in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        br"\ud800",
        br"\udc00",
        br"\ud800\u0041",
        br"\ud800\ud800",
        br"\u00",
        br"\x41",
    ] {
        for member in [
            &b"\"sub\":\"u1"[..],
            b"\"sub\":\"u1\",\"x\":\"",
            b"\"sub\":\"u1\",\"x",
        ] {
            let mut payload = b"{\"exp\":1700003600,".to_vec();
            payload.extend(member);
            payload.extend(bad);
            payload.extend(if member.ends_with(b"x") {
                &b"\":1}"[..]
            } else {
                b"\"}"
            });
            assert_eq!(
                check_payload(&payload),
                Err(Reason::TokenMalformed),
                "{bad:?}"
            );
        }
    }
    // A proper pair is one character.
    let proof = check_with(r#""name":"\ud83d\ude00""#).unwrap();
    assert_eq!(proof.identity.name, "😀");
}

#[test]
fn j46_a_duplicate_registered_claim_is_refused() {
    assert_payload(
        Reason::TokenMalformed,
        &[
            r#"{"sub":"u1","exp":1700003600,"sub":"u2"}"#,
            r#"{"sub":"u1","exp":1600000000,"exp":1700003600}"#,
            r#"{"sub":"u1","exp":1700003600,"exp":1600000000}"#,
            r#"{"sub":"u1","exp":1700003600,"\u0065xp":1700003600}"#,
            r#"{"sub":"u1","exp":1700003600,"s\u0075b":"u1"}"#,
        ],
    );
}

#[test]
fn j47_a_duplicate_custom_claim_is_refused_at_every_level() {
    for bad in [
        r#""role":"user","role":"admin""#,
        r#""role":"user","role":"user""#,
        r#""x":{"role":"user","role":"admin"}"#,
        r#""x":[{"y":{"role":1,"\u0072ole":2}}]"#,
    ] {
        assert_eq!(check_with(bad), Err(Reason::TokenMalformed), "{bad}");
    }
    assert!(check_with(r#""role":"user","x":{"role":"admin"}"#).is_ok());
}
