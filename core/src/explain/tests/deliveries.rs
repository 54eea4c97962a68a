//! Pitfalls of keys, texts, URLs and times.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{captured::*, *};

#[test]
fn a_good_delivery_has_no_cause_and_no_failed_check() {
    for id in SCHEMES {
        let explanation = Captured::good(&scheme(id)).explained();
        assert_eq!(explanation.causes, [], "{id}");
        let bad = |check: &&Check| check.outcome != CheckOutcome::Pass;
        assert_eq!(explanation.checks.iter().find(bad), None, "{id}");
        assert!(explanation.checks.len() >= 5);
    }
}

#[test]
fn a_forged_delivery_has_nothing_near_it() {
    assert_everywhere_alone(|scheme| {
        Captured::signed(scheme, &key_of(scheme, &[77; 32]), BODY.as_bytes(), NOW)
    });
    // Another event under a good signature.
    assert_everywhere_alone(|scheme| {
        Captured::good(scheme).with_body("{\"type\": \"paid\", \"id\": 8}")
    });
}

#[track_caller]
fn assert_everywhere_alone(forge: impl Fn(&Arc<Scheme>) -> Captured) {
    for id in SCHEMES {
        let explanation = forge(&scheme(id)).explained();
        assert_eq!(
            codes(&explanation),
            [CauseCode::NoNearMiss],
            "{id}: {explanation:#?}"
        );
    }
}

#[test]
fn pitfall_2_the_key_of_another_secret() {
    assert_everywhere(CauseCode::WrongSecret, |scheme| {
        Captured::signed(scheme, &key(scheme, 9), BODY.as_bytes(), NOW)
    });
    // The vendor's other key, of another purpose.
    let identity = key(&scheme("chatwoot.identity"), 8);
    let captured = Captured::signed(&scheme("github.webhook"), &identity, BODY.as_bytes(), NOW);
    let explanation = captured.explained();
    assert_eq!(codes(&explanation), [CauseCode::WrongSecret]);
    assert!(explanation.causes[0].summary.contains("acme/foreign"));
}

#[test]
fn pitfall_3_the_key_decoded_in_another_way() {
    for (id, read) in [
        (
            "standard.webhook",
            (|text: &str| text.into()) as fn(&str) -> Vec<u8>,
        ),
        ("standard.webhook", |text| {
            text.trim_start_matches("whsec_").into()
        }),
        ("stripe.webhook", |text| {
            text.trim_start_matches("whsec_").into()
        }),
        ("stripe.webhook", |text| {
            hex::decode(text.trim_start_matches("whsec_")).unwrap()
        }),
        ("github.webhook", |text| hex::decode(text).unwrap()),
        ("github.webhook", |text| STANDARD.decode(text).unwrap()),
        ("github.webhook", |text| text.to_uppercase().into()),
        ("made-up.sha1", |text| hex::decode(text).unwrap()),
        ("slack.webhook", |text| format!("v1,whsec_{text}").into()),
    ] {
        let scheme = scheme(id);
        let text = key_text(&scheme, 3);
        let key = key_of(&scheme, &read(secrecy::ExposeSecret::expose_secret(&text)));
        let captured = Captured::signed(&scheme, &key, BODY.as_bytes(), NOW);
        assert_first(&captured, CauseCode::KeyDecoding);
    }
}

#[test]
fn pitfall_4_white_space_around_the_key() {
    for id in SCHEMES {
        let scheme = scheme(id);
        if id == "standard.webhook" {
            continue;
        }
        let text = key_text(&scheme, 3);
        let text = secrecy::ExposeSecret::expose_secret(&text);
        for spaced in [
            format!("{text}\n"),
            format!("{text}\r\n"),
            format!(" {text}"),
            format!("\"{text}\""),
        ] {
            let key = key_of(&scheme, spaced.as_bytes());
            let captured = Captured::signed(&scheme, &key, BODY.as_bytes(), NOW);
            assert_first(&captured, CauseCode::KeyWhitespace);
        }
    }
}

#[test]
fn pitfall_5_a_part_of_the_signed_text_forgotten() {
    let tag = |scheme: &Scheme, text: &str| {
        let text = text
            .replace("{body}", BODY)
            .replace("{ts}", &NOW_SECS.to_string());
        let tag = key(scheme, 3).tag(&[text.as_bytes()]);
        tag.expose_bytes().to_vec()
    };
    for (id, text) in [
        ("stripe.webhook", "{body}"),
        ("stripe.webhook", "{ts}{body}"),
        ("stripe.webhook", "{body}{ts}"),
        ("slack.webhook", "{body}"),
        ("slack.webhook", "{ts}:{body}"),
        ("slack.webhook", "{ts}.{body}"),
        ("chatwoot.webhook", "{body}"),
        ("standard.webhook", "{body}"),
        ("standard.webhook", "{ts}.{body}"),
        ("made-up.url", "{body}"),
        ("made-up.url", &format!("{URL}{{body}}")),
    ] {
        let scheme = scheme(id);
        let hex = hex::encode(tag(&scheme, text));
        let base64 = STANDARD.encode(tag(&scheme, text));
        let captured = Captured::good(&scheme).with_signature(|value| match id {
            "stripe.webhook" => format!("t={NOW_SECS},v1={hex}"),
            "standard.webhook" => format!("v1,{base64}"),
            "made-up.url" => base64.clone(),
            _ => format!("{}={hex}", value.split('=').next().unwrap()),
        });
        assert_first(&captured, CauseCode::SignedTextIncomplete);
    }
}

#[test]
fn pitfall_6_another_url() {
    let good = Captured::good(&scheme("made-up.url"));
    for (url, header) in [
        ("http://hooks.example.com/in?x=1", None),
        ("https://hooks.example.com:443/in?x=1", None),
        ("http://hooks.example.com:80/in?x=1", None),
        (
            "http://127.0.0.1:3000/in?x=1",
            Some(("X-Forwarded-Host", "hooks.example.com")),
        ),
        (
            "http://127.0.0.1:3000/in?x=1",
            Some(("Host", "hooks.example.com")),
        ),
        ("https://hooks.example.com/in/?x=1", None),
    ] {
        let mut captured = Captured {
            url: url.to_owned(),
            ..good.clone()
        };
        if let Some((name, value)) = header {
            captured = captured.and(name, value);
        }
        assert_first(&captured, CauseCode::UrlDiffers);
    }
    let captured = Captured {
        method: "post".to_owned(),
        ..good
    };
    assert_first(&captured, CauseCode::UrlDiffers);
}

#[test]
fn pitfall_7_a_clock_or_a_delay() {
    for id in [
        "stripe.webhook",
        "standard.webhook",
        "slack.webhook",
        "chatwoot.webhook",
        "made-up.question",
    ] {
        let scheme = scheme(id);
        for offset in [-4000, 4000] {
            let time = Timestamp::from_unix_secs(NOW_SECS + offset);
            let captured = Captured::signed(&scheme, &key(&scheme, 3), BODY.as_bytes(), time);
            let explanation = captured.explained();
            assert_eq!(codes(&explanation), [CauseCode::ClockOrDelay], "{id}");
            assert!(explanation.causes[0].summary.contains("4000 s"));
        }
        // What was wrong before the capture got old comes first.
        let time = Timestamp::from_unix_secs(NOW_SECS - 4000);
        let captured = Captured::signed(&scheme, &key(&scheme, 3), BODY.as_bytes(), time);
        let explanation = captured.with_body(BODY.replace(": ", ":")).explained();
        let both = [CauseCode::BodyReserialised, CauseCode::ClockOrDelay];
        assert_eq!(codes(&explanation), both, "{id}");
    }
}

#[test]
fn pitfall_8_seconds_and_milliseconds() {
    // Signed and sent in the wrong unit.
    let stripe = scheme("stripe.webhook");
    let millis = NOW_SECS * 1000;
    let tag = key(&stripe, 3).tag(&[format!("{millis}.{BODY}").as_bytes()]);
    let hex = hex::encode(tag.expose_bytes());
    let captured = Captured::good(&stripe).with_signature(|_| format!("t={millis},v1={hex}"));
    assert_first(&captured, CauseCode::TimestampUnit);
    let question = scheme("made-up.question");
    let tag = key(&question, 3).tag(&[format!("{NOW_SECS}{BODY}").as_bytes()]);
    let mut captured = Captured::good(&question);
    captured.headers = vec![
        ("X-Timestamp".to_owned(), NOW_SECS.to_string()),
        ("X-Signature".to_owned(), hex::encode(tag.expose_bytes())),
    ];
    assert_first(&captured, CauseCode::TimestampUnit);
    // Signed in one unit and sent in another.
    let captured = Captured::good(&stripe)
        .with_signature(|value| value.replace("t=1700000000", "t=1700000000000"));
    assert_first(&captured, CauseCode::TimestampUnit);
    let mut captured = Captured::good(&scheme("slack.webhook"));
    captured.headers[0].1 = "1700000000000".to_owned();
    assert_first(&captured, CauseCode::TimestampUnit);
}

#[test]
fn pitfall_12_an_ended_version() {
    for (number, state) in [(1, "REVOKED"), (2, "RETIRED")] {
        for id in SCHEMES {
            let scheme = scheme(id);
            let captured = Captured::signed(&scheme, &key(&scheme, number), BODY.as_bytes(), NOW);
            let explanation = captured.explained();
            assert_eq!(codes(&explanation), [CauseCode::OldVersion], "{id}");
            let summary = &explanation.causes[0].summary;
            assert!(
                summary.contains(&format!(
                    "version {number}, {state} since 2023-11-13T22:13:20Z"
                )),
                "{summary}"
            );
        }
    }
}

#[test]
fn a_handshake_a_replay_and_an_empty_body_are_told() {
    let question = Captured {
        headers: Vec::new(),
        ..Captured::good(&scheme("made-up.question"))
            .with_body(r#"{"type":"challenge","challenge":"x"}"#)
    };
    assert_eq!(codes(&question.explained()), [CauseCode::Handshake]);
    assert_body(CauseCode::BodyEmpty, BODY, "");

    let github = scheme("github.webhook");
    let good = Captured::good(&github);
    let headers: Vec<_> = good
        .headers
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect();
    let delivery = Delivery {
        headers: Headers(&headers),
        body: &good.body,
        method: "",
        url: "",
    };
    let secret = secret_of("acme/asked", &github, 3);
    let replayed = Some(Reason::Replayed);
    let explanation = explain_webhook(&secret, delivery, replayed, Known::default(), NOW).unwrap();
    assert_eq!(codes(&explanation), [CauseCode::Replay]);
    let failed = explanation
        .checks
        .iter()
        .find(|check| check.outcome == CheckOutcome::Fail);
    assert_eq!(failed.map(|check| check.name), Some("replay"));
}
