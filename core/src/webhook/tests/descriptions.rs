//! Descriptions that would let a delivery pass with less than its signature, and what a signature covers when a part
//! of its text is left out.

use super::*;

/// A webhook's description with a text and other lines.
fn described(signed_text: &str, lines: &str) -> Result<WebhookRules, String> {
    let text = format!(
        "signed_text = {signed_text}\nencoding = \"hex-lower\"\n\
         signature = {{ grammar = \"single\", header = \"X-Sig\" }}\n{lines}\n"
    );
    toml::from_str(&text).map_err(|error| error.to_string())
}

#[test]
fn every_text_of_a_plain_digest_has_the_secret_once() {
    let digest = "digest = \"sha256\"";
    assert!(described("[\"{secret}{body}\", \"{body}{secret}\"]", digest).is_ok());
    for text in [
        "[\"{secret}{body}\", \"{body}\"]",
        "\"{?{secret}{query:a}?}{body}\"",
        "\"{secret}{body}{secret}\"",
    ] {
        let error = described(text, digest).unwrap_err();
        assert!(error.contains("the secret stands once"), "{text}: {error}");
    }
    assert!(described("[\"{body}\", \"{secret}{body}\"]", "").is_err());
}

#[test]
fn a_list_of_signed_headers_is_in_every_text() {
    let list = "signed_headers = \"X-List\"";
    assert!(described("\"{signed_headers}\\n{body}\"", list).is_ok());
    for text in [
        "[\"{signed_headers}{body}\", \"{body}\"]",
        "\"{?{signed_headers}{query:a}?}{body}\"",
    ] {
        let error = described(text, list).unwrap_err();
        assert!(error.contains("in every signed"), "{text}: {error}");
    }
}

#[test]
fn a_hash_of_the_body_is_signed() {
    let hash = "body_hash_query = \"h\"";
    for text in ["{url}{sorted_form}", "{path}", "{query:h}{sorted_form}"] {
        assert!(described(&format!("{text:?}"), hash).is_ok(), "{text}");
    }
    for text in [
        "{sorted_form}",
        "{query:g}{sorted_form}",
        "{?{url}{query:a}?}",
    ] {
        let error = described(&format!("{text:?}"), hash).unwrap_err();
        assert!(error.contains("write the hash"), "{text}: {error}");
    }
}

#[test]
fn a_timestamp_is_read_from_no_body_that_may_be_left_out() {
    let timestamp = "timestamp = { json = \"/t\", unit = \"seconds\" }";
    assert!(described("\"{method}{body}\"", timestamp).is_ok());
    assert!(described("\"{?{body}{query:a}?}{method}\"", timestamp).is_err());
}

#[test]
fn places_in_the_body_are_not_deep() {
    for (levels, fits) in [(16, true), (17, false), (30_000, false)] {
        let pointer = "/a".repeat(levels);
        let id = format!("id = {{ json = \"{pointer}\" }}");
        assert_eq!(described("\"{body}\"", &id).is_ok(), fits, "{levels}");
    }
}

#[test]
fn the_response_to_a_handshake_is_harmless() {
    let described = |when: &str, respond: &str| {
        let handshake = format!(
            "[[handshake]]\nname = \"x\"\nsigned = false\nwhen = {when}\nrespond = {respond}"
        );
        described("\"{body}\"", &handshake).is_ok()
    };
    let when = "{ method = \"GET\" }";
    assert!(described(when, "{ status = 200, text = \"{query:a}\" }"));
    assert!(!described("{}", "{ status = 200 }"));
    for respond in [
        "{ status = 302 }",
        "{ status = 9999 }",
        "{ status = 200, headers = { Location = \"{query:a}\" } }",
        "{ status = 200, headers = { set-Cookie = \"{query:a}\" } }",
        "{ status = 200, headers = { \"X: y\" = \"{query:a}\" } }",
        "{ status = 200, headers = { Content-Type = \"text/html\" }, text = \"{query:a}\" }",
        "{ status = 200, headers = { content-type = \"{query:a}\" } }",
    ] {
        assert!(!described(when, respond), "{respond}");
    }
}

/// Of a segment with two values, one absent value leaves out both.
#[test]
fn what_is_left_out_with_its_segment_is_not_proven() {
    let rules = made(
        "signed_text = \"{?{timestamp}.{id}.{header:X-A}.?}{body}\"\nencoding = \"hex-lower\"\n\
         signature = { grammar = \"single\", header = \"X-Sig\" }\n\
         timestamp = { header = \"X-Time\", unit = \"seconds\" }\nid = { header = \"X-Id\" }",
    );
    let of = |signature: String, extra: Option<(&str, &str)>| {
        let headers = [
            ("X-Sig", signature.as_str()),
            ("X-Time", "1700000000"),
            ("X-Id", "one"),
        ];
        let headers = headers.into_iter().chain(extra);
        let sent = Sent {
            rules,
            headers: headers.map(|(a, b)| (a.into(), b.into())).collect(),
            body: BODY.to_vec(),
        };
        sent.verdict_at(NOW).unwrap()
    };
    let bare = of(hex_tag(&[BODY]), None);
    assert_eq!(bare.proven.parts().collect::<Vec<_>>(), [ProvenPart::Body]);
    assert_eq!((bare.signed_time, bare.proven.fields.len()), (None, 0));
    let whole = of(hex_tag(&[b"1700000000.one.a.", BODY]), Some(("X-A", "a")));
    assert!(whole.proven.has(ProvenPart::Id) && whole.proven.has(ProvenPart::Timestamp));
    assert_eq!(whole.signed_time, Some(NOW));
}

#[test]
fn a_proven_header_is_named_with_its_brand() {
    let rules = made(
        "signed_text = \"{header:User}.{body}\"\nencoding = \"hex-lower\"\n\
         header_prefixes = [\"acme-\", \"old-\"]\n\
         signature = { grammar = \"single\", header = \"Sig\" }",
    );
    let signature = hex_tag(&[b"bob.", BODY]);
    let headers = [
        ("old-sig", signature.as_str()),
        ("old-user", "bob"),
        ("User", "eve"),
    ];
    let sent = Sent {
        rules,
        headers: headers.map(|(a, b)| (a.into(), b.into())).into(),
        body: BODY.to_vec(),
    };
    let proven = sent.verdict_at(NOW).unwrap().proven;
    assert_eq!(proven.fields, ["header:old-user"]);
}

#[test]
fn a_token_with_an_issue_time_ends_when_it_says() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let rules =
        made("[jws]\nheader = \"X-Token\"\nalgorithm = \"HS256\"\nissued_at_window_secs = 300");
    let verdict = |end: i64| {
        let claims = format!("{{\"iat\":{NOW_SECS},\"exp\":{end}}}");
        let header = BASE64.encode("{\"alg\":\"HS256\"}");
        let input = format!("{header}.{}", BASE64.encode(claims));
        let signature = BASE64.encode(key().tag(&[input.as_bytes()]).expose_bytes());
        let sent = Sent {
            rules,
            headers: vec![("X-Token".to_owned(), format!("{input}.{signature}"))],
            body: Vec::new(),
        };
        sent.verdict_at(NOW).map(|proof| proof.version)
    };
    assert_eq!(verdict(NOW_SECS + 1), Ok(1));
    assert_eq!(verdict(NOW_SECS), Err(Reason::TokenExpired));
}
