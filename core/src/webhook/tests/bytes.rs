//! Rows about the exact bytes that are signed.

use super::*;

#[test]
fn w17_another_timestamp_under_the_same_signature_is_refused() {
    for (scheme, header, other) in [
        ("standard.webhook", "webhook-timestamp", "1700000001"),
        ("slack.webhook", "X-Slack-Request-Timestamp", "1700000001"),
        ("chatwoot.webhook", "X-Chatwoot-Timestamp", "1700000001"),
        ("talkjs.webhook", "X-TalkJS-Timestamp", "1700000000001"),
    ] {
        sent(scheme)
            .with(header, other)
            .assert_refused(Reason::SignatureMismatch);
    }
    let stripe = sent("stripe.webhook");
    let value = stripe.signature().replace("t=1700000000", "t=1700000001");
    stripe
        .signed(&value)
        .assert_refused(Reason::SignatureMismatch);
}

#[test]
fn w18_another_id_under_the_same_signature_is_refused() {
    sent("standard.webhook")
        .with("webhook-id", "msg_other")
        .assert_refused(Reason::SignatureMismatch);
}

#[test]
fn w18_an_id_that_is_not_signed_proves_nothing_and_breaks_nothing() {
    for (scheme, header) in [
        ("github.webhook", "X-GitHub-Delivery"),
        ("chatwoot.webhook", "X-Chatwoot-Delivery"),
    ] {
        let good = sent(scheme);
        assert!(!good.rules.proven().has(ProvenPart::Id));
        for (id, reported) in [("other", Some("other")), ("a.b", None), ("", None)] {
            let proof = good.clone().with(header, id).verdict_at(NOW).unwrap();
            assert_eq!(proof.delivery_id.as_deref(), reported);
        }
    }
}

#[test]
fn w19_no_byte_moves_between_id_timestamp_and_body() {
    // One signed text, cut at every other dot.
    let text = b"a.1700000000.1700000001.x";
    let signature = format!("v1,{}", base64_tag(&[text]));
    let cut = |id: &str, timestamp: &str, body: &[u8]| {
        sent("standard.webhook")
            .with("webhook-id", id)
            .with("webhook-timestamp", timestamp)
            .body(body)
            .signed(&signature)
    };
    cut("a", "1700000000", b"1700000001.x").assert_accepted();
    cut("a.1700000000", "1700000001", b"x").assert_refused(Reason::IdMalformed);
    cut("a", "1700000000.1700000001", b"x").assert_refused(Reason::TimestampMalformed);
}

#[test]
fn w19_a_signed_id_is_1_to_128_plain_characters() {
    let signed = |id: &str| {
        let signature = base64_tag(&[id.as_bytes(), b".1700000000.", BODY]);
        sent("standard.webhook")
            .with("webhook-id", id)
            .signed(&format!("v1,{signature}"))
    };
    for good in ["a", "-", "_", "0", &"x".repeat(128)] {
        signed(good).assert_accepted();
    }
    for bad in [
        "",
        ".",
        "a.1",
        "a b",
        " a",
        "a\n",
        "a/b",
        "é",
        "a\0",
        &"x".repeat(129),
    ] {
        signed(bad).assert_refused(Reason::IdMalformed);
    }
}

#[test]
fn w20_every_byte_of_the_body_counts() {
    for scheme in SCHEMES {
        for body in [
            &b"{\"event\": \"ping\"}\n"[..],
            b"{\"event\":\"ping\"}",
            b"{\"event\":\"ping\"}\n\n",
            b"{\"event\":\"ping\"}\r\n",
            b"\xef\xbb\xbf{\"event\":\"ping\"}\n",
            b"{\"event\":\"ping\"}\n\0",
            b"",
        ] {
            sent(scheme)
                .body(body)
                .assert_refused(Reason::SignatureMismatch);
        }
    }
}

#[test]
fn w21_a_body_is_bytes_and_need_not_be_text() {
    for body in [&b"\xff\xfe\0\x80"[..], b"\xc0\xaf", b"\0"] {
        for scheme in SCHEMES {
            let mut good = sent(scheme).body(body);
            good.headers = signed(good.rules, &key(), ID, NOW, body);
            good.assert_accepted();
            good.body(
                &String::from_utf8_lossy(b"\xff\xfe")
                    .into_owned()
                    .into_bytes(),
            )
            .assert_refused(Reason::SignatureMismatch);
        }
    }
}

#[test]
fn w22_an_empty_body_is_accepted_when_it_was_signed() {
    for scheme in SCHEMES {
        let mut good = sent(scheme).body(b"");
        good.headers = signed(good.rules, &key(), ID, NOW, b"");
        good.assert_accepted();
        good.body(b"x").assert_refused(Reason::SignatureMismatch);
    }
}
