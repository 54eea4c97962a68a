//! J01 to J20, J38 to J40: what a header may say.

use super::*;

fn assert_header(expected: Reason, headers: &[&str]) {
    for header in headers {
        assert_eq!(check_header(header), Err(expected), "{header}");
    }
}

#[test]
fn j01_alg_none_without_signature_is_refused() {
    let token = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(GOOD_PAYLOAD));
    assert_eq!(check(&token), Err(Reason::TokenAlgorithm));
}

#[test]
fn j02_no_spelling_of_none_passes() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        assert_eq!(check_header(&header), Err(Reason::TokenAlgorithm), "{alg}");
        let unsigned = format!("{}.{}.", b64(&header), b64(GOOD_PAYLOAD));
        assert_eq!(check(&unsigned), Err(Reason::TokenAlgorithm), "{alg}");
    }
}

#[test]
fn j03_alg_is_case_sensitive() {
    assert_header(
        Reason::TokenAlgorithm,
        &[
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"Hs256"}"#,
            r#"{"alg":"HS256 "}"#,
            r#"{"Alg":"HS256"}"#,
        ],
    );
}

#[test]
fn j04_other_hmacs_are_refused() {
    assert_header(
        Reason::TokenAlgorithm,
        &[r#"{"alg":"HS512"}"#, r#"{"alg":"HS384"}"#],
    );
    let signing_input = format!("{}.{}", b64(r#"{"alg":"HS512"}"#), b64(GOOD_PAYLOAD));
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(KEY).unwrap();
    mac.update(signing_input.as_bytes());
    let proper = format!("{signing_input}.{}", b64(mac.finalize().into_bytes()));
    assert_eq!(check(&proper), Err(Reason::TokenAlgorithm));
}

#[test]
fn j05_asymmetric_algorithms_are_refused() {
    assert_header(
        Reason::TokenAlgorithm,
        &[
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"PS256"}"#,
            r#"{"alg":"EdDSA"}"#,
        ],
    );
}

#[test]
fn j06_alg_must_be_text() {
    assert_header(
        Reason::TokenAlgorithm,
        &[
            r#"{}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":256}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":{"HS256":1}}"#,
            r#"{"alg":""}"#,
        ],
    );
}

#[test]
fn j07_alg_twice_is_refused() {
    assert_header(
        Reason::TokenMalformed,
        &[
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
        ],
    );
}

#[test]
fn j08_escapes_in_the_header_are_refused() {
    assert_header(
        Reason::TokenHeader,
        &[
            r#"{"\u0061lg":"HS256"}"#,
            r#"{"alg":"\u0048S256"}"#,
            r#"{"alg":"HS256","x":"\n"}"#,
        ],
    );
}

#[test]
fn j09_an_escaped_duplicate_is_refused() {
    assert_header(
        Reason::TokenHeader,
        &[r#"{"alg":"HS256","\u0061lg":"HS256"}"#],
    );
}

#[test]
fn j10_unknown_member_once_passes_and_twice_is_refused() {
    assert!(check_header(r#"{"alg":"HS256","x":1}"#).is_ok());
    assert_header(
        Reason::TokenMalformed,
        &[
            r#"{"alg":"HS256","x":1,"x":1}"#,
            r#"{"alg":"HS256","x":{"y":1,"y":2}}"#,
        ],
    );
}

#[test]
fn j11_crit_of_a_present_member_is_refused() {
    assert_header(
        Reason::TokenHeader,
        &[
            r#"{"alg":"HS256","crit":["x"],"x":"y"}"#,
            r#"{"alg":"HS256","crit":["x"],"x":1}"#,
        ],
    );
}

#[test]
fn j12_any_crit_is_refused() {
    for crit in ["[]", "\"x\"", "[1]", "[\"exp\"]", "[\"absent\"]", "null"] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit}}}"#);
        assert_eq!(check_header(&header), Err(Reason::TokenHeader), "{crit}");
    }
}

#[test]
fn j13_unencoded_payloads_are_refused() {
    let headers = [
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","b64":true}"#,
    ];
    assert_header(Reason::TokenHeader, &headers);
    for header in headers {
        let raw = seal_text(&format!("{}.{GOOD_PAYLOAD}", b64(header)));
        assert_eq!(check(&raw), Err(Reason::TokenMalformed));
    }
}

#[test]
fn j14_compression_is_refused() {
    assert_header(
        Reason::TokenHeader,
        &[
            r#"{"alg":"HS256","zip":"DEF"}"#,
            r#"{"alg":"HS256","zip":null}"#,
        ],
    );
}

#[test]
fn j15_encryption_is_refused() {
    assert_header(Reason::TokenHeader, &[r#"{"alg":"HS256","enc":"A128GCM"}"#]);
    let jwe = format!(
        "{}.AAAA.BBBB.CCCC.DDDD",
        b64(r#"{"alg":"dir","enc":"A128GCM"}"#)
    );
    assert_eq!(check(&jwe), Err(Reason::TokenMalformed));
}

#[test]
fn j16_nested_tokens_are_refused() {
    let header = r#"{"alg":"HS256","cty":"JWT"}"#;
    assert_header(Reason::TokenHeader, &[header]);
    let nested = seal(header, seal(GOOD_HEADER, GOOD_PAYLOAD));
    assert_eq!(check(&nested), Err(Reason::TokenHeader));
}

#[test]
fn j17_typ_is_jwt_or_absent() {
    assert!(check_header(r#"{"alg":"HS256"}"#).is_ok());
    assert_header(
        Reason::TokenHeader,
        &[
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"logout+jwt"}"#,
            r#"{"alg":"HS256","typ":"jwt"}"#,
            r#"{"alg":"HS256","typ":""}"#,
        ],
    );
}

#[test]
fn j18_typ_must_be_text() {
    assert_header(
        Reason::TokenHeader,
        &[
            r#"{"alg":"HS256","typ":1}"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#"{"alg":"HS256","typ":["JWT"]}"#,
        ],
    );
}

#[test]
fn j19_keys_in_the_header_are_refused() {
    let own_key = b"the attacker's own key";
    for member in [
        format!(r#""jwk":{{"kty":"oct","k":"{}"}}"#, b64(own_key)),
        r#""jku":"https://evil.example/jwks""#.to_owned(),
        r#""x5u":"https://evil.example/cert""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        assert_eq!(check_header(&header), Err(Reason::TokenHeader), "{member}");
        let signing_input = format!("{}.{}", b64(&header), b64(GOOD_PAYLOAD));
        let signature = b64(mac_with(own_key, &signing_input));
        let own = format!("{signing_input}.{signature}");
        assert_eq!(check(&own), Err(Reason::TokenHeader), "{member}");
    }
}

#[test]
fn j38_a_header_over_1_kib_is_refused_unread() {
    let header = |len: usize| {
        let frame = r#"{"alg":"HS256","x":""}"#.len();
        format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(len - frame))
    };
    assert!(check_header(header(1024)).is_ok());
    assert_eq!(check_header(header(1025)), Err(Reason::TokenMalformed));
    // Were it parsed, it would be a wrong algorithm.
    let none = format!(r#"{{"alg":"none","x":"{}"}}"#, "x".repeat(2000));
    assert_eq!(check_header(none), Err(Reason::TokenMalformed));
}

#[test]
fn j39_deep_headers_are_refused() {
    let header = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"alg":"HS256","x":{open}{close}}}"#)
    };
    assert!(check_header(header(15)).is_ok());
    for levels in [16, 200, 10_000] {
        assert_eq!(check_header(header(levels)), Err(Reason::TokenMalformed));
    }
}

#[test]
fn j40_a_header_that_is_no_object_is_refused() {
    assert_header(
        Reason::TokenMalformed,
        &[
            r#"["JWT","HS256"]"#,
            r#""HS256""#,
            "null",
            "256",
            "true",
            " ",
        ],
    );
}

#[test]
fn j44_whitespace_in_the_header_passes() {
    assert!(check_header("\r\n {\t\"alg\" : \"HS256\" } \n").is_ok());
}

#[test]
fn j45_a_header_that_is_not_utf_8_is_refused() {
    assert_eq!(
        check_header(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}"),
        Err(Reason::TokenMalformed)
    );
    assert_eq!(
        check_header(b"\xef\xbb\xbf{\"alg\":\"HS256\"}"),
        Err(Reason::TokenMalformed)
    );
}
