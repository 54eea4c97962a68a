//! Pitfalls of bodies.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{captured::*, *};

#[test]
fn pitfall_1_a_body_that_was_printed_again() {
    let code = CauseCode::BodyReserialised;
    let compact = BODY.replace(": ", ":").replace(", ", ",");
    let value: serde_json::Value = serde_json::from_str(BODY).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    // serde_json prints names in order.
    let sorted = serde_json::to_string(&value).unwrap();
    assert_body(code, BODY, &compact);
    assert_body(code, &compact, BODY);
    assert_body(code, &pretty, &sorted);
    assert_body(code, &sorted, &pretty);
    assert_body(code, &format!("{pretty}\n"), &sorted);
    assert_body(code, &pretty.replace("  ", "    "), &sorted);
    assert_body(code, &pretty.replace("  ", "\t"), &sorted);
    assert_body(code, &sorted, &compact);
    assert_body(
        code,
        "{\"a\": 1.5, \"b\": 2}",
        "{\"a\":1.50,\"b\":2.0}".replace("2.0", "2"),
    );
    // Printed again, and escaped as other printers do.
    let python = BODY.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    assert_body(code, &python, &compact);
    let php = compact
        .replace('/', "\\/")
        .replace('é', "\\u00e9")
        .replace('😀', "\\ud83d\\ude00");
    assert_body(code, BODY, &php);
    assert_body(code, BODY, "[object Object]");
}

#[test]
fn pitfall_9_another_text_encoding() {
    let code = CauseCode::TextEncoding;
    let latin: Vec<u8> = b"{\"a\": \"\xe9\"}".to_vec();
    assert_body(code, "{\"a\": \"é\"}", &latin);
    assert_everywhere(code, |scheme| {
        Captured::over(scheme, &latin).with_body("{\"a\": \"é\"}")
    });
    assert_body(code, "{\"a\": \"é\"}", "{\"a\": \"Ã©\"}");
    assert_body(code, "{\"a\": \"é\"}", "\u{feff}{\"a\": \"é\"}");
    assert_body(code, BODY, BODY.replace('é', "\u{fffd}\u{fffd}"));
    assert_body(code, "{\"a\": \"é\"}", r#"b'{"a": "\xc3\xa9"}'"#);
}

#[test]
fn pitfall_10_other_escapes() {
    let code = CauseCode::JsonEscapes;
    let ascii = BODY.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    assert_body(code, &ascii, BODY);
    assert_body(code, BODY, &ascii);
    assert_body(
        code,
        &ascii
            .replace("00e9", "00E9")
            .replace("d83d", "D83D")
            .replace("de00", "DE00"),
        &ascii,
    );
    assert_body(code, &BODY.replace('/', "\\/"), BODY);
    assert_body(code, BODY, BODY.replace('/', "\\/"));
    assert_body(
        code,
        &BODY.replace('<', "\\u003c").replace('>', "\\u003e"),
        BODY,
    );
}

#[test]
fn pitfall_11_the_envelope_of_a_platform() {
    let code = CauseCode::PlatformEnvelope;
    let base64 = STANDARD.encode(BODY);
    let literal = serde_json::to_string(BODY).unwrap();
    assert_body(code, BODY, &base64);
    assert_body(code, BODY, &literal);
    assert_body(
        code,
        BODY,
        format!(r#"{{"headers": {{}}, "body": "{base64}", "isBase64Encoded": true}}"#),
    );
    assert_body(
        code,
        BODY,
        format!(r#"{{"headers": {{}}, "body": {literal}, "isBase64Encoded": false}}"#),
    );
    assert_body(
        code,
        BODY,
        format!(r#"{{"Type": "Notification", "Message": {literal}}}"#),
    );
    assert_body(
        code,
        BODY,
        format!(r#"{{"Records": [{{"Sns": {{"Message": {literal}}}}}]}}"#),
    );
    let bytes = serde_json::to_string(BODY.as_bytes()).unwrap();
    assert_body(code, BODY, format!(r#"{{"type":"Buffer","data":{bytes}}}"#));
}

#[test]
fn pitfall_14_compression() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(BODY.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let code = CauseCode::CompressedBody;
    assert_body(code, BODY, &packed);
    assert_everywhere(code, |scheme| {
        let captured = Captured::over(scheme, &packed).with_body(BODY);
        captured
            .and("Content-Encoding", "gzip")
            .and("Content-Length", &packed.len().to_string())
    });
    let captured = Captured::good(&scheme("github.webhook")).and("Content-Length", "1");
    let explanation = captured.explained();
    let odd = explanation
        .checks
        .iter()
        .find(|check| check.outcome == CheckOutcome::Warn);
    assert_eq!(odd.map(|check| check.name), Some("content length"));
}

#[test]
fn pitfall_15_line_ends() {
    let code = CauseCode::TrailingNewline;
    let lines = BODY.replace(", ", ",\n");
    assert_body(code, BODY, format!("{BODY}\n"));
    assert_body(code, BODY, format!("{BODY}\r\n"));
    assert_body(code, &format!("{BODY}\n"), BODY);
    assert_body(code, &lines, lines.replace('\n', "\r\n"));
    assert_body(code, &lines.replace('\n', "\r\n"), &lines);
}

#[test]
fn a_large_body_ends_the_search_early_and_says_so() {
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(3 << 20));
    let captured = Captured::good(&scheme("github.webhook")).with_body(body);
    let explanation = captured.explained();
    assert_eq!(codes(&explanation), [CauseCode::NoNearMiss]);
    assert_eq!(
        explanation.checks.last().map(|check| check.name),
        Some("near-miss search")
    );
}

/// What a few bytes cost to whoever unpacks them is counted, and not the few bytes.
#[test]
fn a_body_that_unpacks_to_megabytes_ends_the_search() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![0; 8 << 20]).unwrap();
    let bomb = packed.finish().unwrap();
    assert!(bomb.len() < 10_000);
    for (id, ends) in [("stream.webhook", true), ("github.webhook", false)] {
        let captured = Captured::good(&scheme(id)).with_body(bomb.clone());
        let checks = captured.explained().checks;
        let ended = checks.iter().any(|check| check.name == "near-miss search");
        assert_eq!(ended, ends, "{id}: {checks:#?}");
    }
}
