//! Pitfalls of headers.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{captured::*, *};

#[test]
fn pitfall_13_a_signature_in_another_form() {
    let code = CauseCode::SignatureForm;
    let reformed = |id: &str, change: fn(&str) -> String| {
        let captured = Captured::good(&scheme(id)).with_signature(change);
        assert_first(&captured, code);
    };
    reformed("github.webhook", |value| value.replace("sha256=", ""));
    reformed("github.webhook", |value| {
        format!(
            "sha256={}",
            STANDARD.encode(hex::decode(&value[7..]).unwrap())
        )
    });
    reformed("github.webhook", |value| {
        value.replace("sha256=", "SHA256=")
    });
    reformed("chatwoot.webhook", |value| {
        value.replace("sha256=", "sha256 ")
    });
    reformed("made-up.sha1", |value| value.replace("sha1=", "sha1: "));
    reformed("stripe.webhook", |value| {
        let (time, hex) = value.split_once(",v1=").unwrap();
        format!("{time},v1={}", STANDARD.encode(hex::decode(hex).unwrap()))
    });
    reformed("standard.webhook", |value| value.replace("v1,", ""));
    reformed("standard.webhook", |value| {
        format!("v1,{}", hex::encode(STANDARD.decode(&value[3..]).unwrap()))
    });
    reformed("made-up.url", |value| {
        value.trim_end_matches('=').to_owned()
    });
    reformed("made-up.url", |value| {
        STANDARD.encode(hex::encode(STANDARD.decode(value).unwrap()))
    });
    // SHA-1 with the same key.
    let github = scheme("github.webhook");
    let key = Key::of(
        crate::key::Algorithm::HmacSha1,
        key(&github, 3).expose_bytes().to_vec().into(),
    );
    let hex = hex::encode(key.unwrap().tag(&[BODY.as_bytes()]).expose_bytes());
    let mut captured = Captured::good(&github);
    captured.headers = vec![("X-Hub-Signature".to_owned(), format!("sha1={hex}"))];
    assert_first(&captured, code);
}

#[test]
fn pitfall_13_a_header_whose_name_is_almost_right() {
    for id in SCHEMES {
        let good = Captured::good(&scheme(id));
        for rename in [
            (|name: &str| format!("HTTP_{}", name.to_uppercase().replace('-', "_")))
                as fn(&str) -> String,
            |name| name.replace('-', "_"),
        ] {
            let mut captured = good.clone();
            for (name, _) in &mut captured.headers {
                *name = rename(name);
            }
            assert_first(&captured, CauseCode::SignatureForm);
        }
    }
}

#[test]
fn a_malformed_header_is_named() {
    let code = CauseCode::HeaderMalformed;
    for id in SCHEMES {
        let good = Captured::good(&scheme(id));
        let (name, value) = good.headers.last().unwrap().clone();
        // Twice, once with something else; joined by a proxy; in quotes; cut.
        assert_first(&good.clone().and(&name, "nothing"), code);
        assert_first(
            &good.clone().with_signature(|value| format!("\"{value}\"")),
            code,
        );
        let cut = good
            .clone()
            .with_signature(|_| value[..value.len() - 9].to_owned());
        assert_first(&cut, code);
    }
    let joined = Captured::good(&scheme("github.webhook"))
        .with_signature(|value| format!("{value}, {value}"));
    assert_first(&joined, code);
}

#[test]
fn a_delivery_without_a_signature_is_unsigned() {
    assert_everywhere(CauseCode::UnsignedDelivery, |scheme| Captured {
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        ..Captured::good(scheme)
    });
    // The scheme's other headers are no signature.
    for id in ["standard.webhook", "slack.webhook", "chatwoot.webhook"] {
        let mut captured = Captured::good(&scheme(id));
        captured.headers.pop();
        assert_first(&captured, CauseCode::UnsignedDelivery);
    }
    let captured = Captured {
        headers: Vec::new(),
        ..Captured::good(&scheme("made-up.sha1"))
    };
    let explanation = captured.explained();
    assert!(
        explanation.causes[0]
            .fix
            .contains("The secret is not the API key.")
    );
}
