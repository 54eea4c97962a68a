//! Rows about header fields and the grammar of their values.

use super::*;

#[test]
fn w01_a_missing_header_is_refused() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        for (name, _) in &good.headers {
            let rest = good.clone().without(name);
            let id = text(good.rules).id.as_ref();
            let unsigned_id = id.is_some_and(|id| matches!(id, Place::Header(own) if own == name));
            if unsigned_id {
                rest.assert_accepted();
            } else {
                rest.assert_refused(Reason::HeaderMissing);
            }
        }
        let bare = Sent {
            headers: Vec::new(),
            ..good
        };
        bare.assert_refused(Reason::HeaderMissing);
    }
}

#[test]
fn w01_a_missing_timestamp_pair_is_refused() {
    let good = sent("stripe.webhook");
    let (_, signature) = good.signature().split_once(',').unwrap();
    let bare = signature.to_owned();
    good.signed(&bare).assert_refused(Reason::TimestampMissing);
}

#[test]
fn w01_the_other_brands_headers_do_not_complete_a_delivery() {
    let good = sent("standard.webhook");
    let id = good.value("webhook-id").to_owned();
    good.without("webhook-id")
        .and("svix-id", &id)
        .assert_refused(Reason::HeaderMissing);
}

#[test]
fn w02_empty_values_and_spaces_are_refused() {
    use Reason::{
        IdMalformed, SignatureMalformed, SignatureMissing, TimestampMalformed, TimestampMissing,
    };
    for (scheme, header, empty, spaces) in [
        ("standard.webhook", "webhook-id", IdMalformed, IdMalformed),
        (
            "standard.webhook",
            "webhook-timestamp",
            TimestampMissing,
            TimestampMalformed,
        ),
        (
            "standard.webhook",
            "webhook-signature",
            SignatureMissing,
            SignatureMissing,
        ),
        (
            "stripe.webhook",
            "Stripe-Signature",
            SignatureMissing,
            SignatureMissing,
        ),
        (
            "slack.webhook",
            "X-Slack-Request-Timestamp",
            TimestampMissing,
            TimestampMalformed,
        ),
        (
            "slack.webhook",
            "X-Slack-Signature",
            SignatureMissing,
            SignatureMalformed,
        ),
        (
            "github.webhook",
            "X-Hub-Signature-256",
            SignatureMissing,
            SignatureMalformed,
        ),
        (
            "chatwoot.webhook",
            "X-Chatwoot-Timestamp",
            TimestampMissing,
            TimestampMalformed,
        ),
        (
            "chatwoot.webhook",
            "X-Chatwoot-Signature",
            SignatureMissing,
            SignatureMalformed,
        ),
        (
            "talkjs.webhook",
            "X-TalkJS-Timestamp",
            TimestampMissing,
            TimestampMalformed,
        ),
        (
            "talkjs.webhook",
            "X-TalkJS-Signature",
            SignatureMissing,
            SignatureMalformed,
        ),
    ] {
        sent(scheme).with(header, "").assert_refused(empty);
        sent(scheme).with(header, "   ").assert_refused(spaces);
    }
}

#[test]
fn w03_an_empty_signature_is_refused() {
    for (scheme, value) in [
        ("standard.webhook", "v1,"),
        ("standard.webhook", "v1, v1,"),
        ("stripe.webhook", "t=1700000000,v1="),
        ("slack.webhook", "v0="),
        ("github.webhook", "sha256="),
        ("chatwoot.webhook", "sha256="),
    ] {
        sent(scheme)
            .signed(value)
            .assert_refused(Reason::SignatureMalformed);
    }
    sent("standard.webhook")
        .signed("v1")
        .assert_refused(Reason::SignatureMissing);
    sent("stripe.webhook")
        .signed("t=1700000000,v1")
        .assert_refused(Reason::SignatureMissing);
}

#[test]
fn w04_only_a_whole_signature_is_one() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        let value = good.signature().to_owned();
        let (prefix, digits) = value.split_at(value.len() - 32);
        for end in 0..digits.len() {
            let cut = format!("{prefix}{}", &digits[..end]);
            good.clone()
                .signed(&cut)
                .assert_refused(Reason::SignatureMalformed);
        }
        for longer in [
            format!("{value}a"),
            format!("{value}00"),
            format!("{value}{digits}"),
        ] {
            good.clone()
                .signed(&longer)
                .assert_refused(Reason::SignatureMalformed);
        }
    }
}

#[test]
fn w04_the_fixed_prefix_is_needed_once() {
    for scheme in ["slack.webhook", "github.webhook", "chatwoot.webhook"] {
        let good = sent(scheme);
        let value = good.signature().to_owned();
        let (prefix, digits) = value.split_once('=').unwrap();
        for other in [
            digits.to_owned(),
            format!("{}={digits}", prefix.to_uppercase()),
            format!("{prefix}={value}"),
            format!(" {value}"),
            format!("{value} "),
            format!("{prefix}= {digits}"),
            format!("{prefix}=0x{}", &digits[2..]),
        ] {
            good.clone()
                .signed(&other)
                .assert_refused(Reason::SignatureMalformed);
        }
    }
}

#[test]
fn w05_a_second_signature_header_is_refused() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        let name = good.signature_header();
        let same = good.signature().to_owned();
        for second in [same.as_str(), "", "v1,AAAA"] {
            good.clone()
                .and(&name, second)
                .assert_refused(Reason::HeaderAmbiguous);
        }
    }
}

#[test]
fn w06_a_second_timestamp_or_id_header_is_refused() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        for (name, value) in &good.headers {
            for second in [value.as_str(), "1"] {
                good.clone()
                    .and(name, second)
                    .assert_refused(Reason::HeaderAmbiguous);
            }
        }
    }
}

#[test]
fn w07_header_names_are_compared_without_case() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        let mut shouted = good.clone();
        for (name, _) in &mut shouted.headers {
            name.make_ascii_uppercase();
        }
        shouted.assert_accepted();
        for (name, value) in &good.headers {
            good.clone()
                .and(&name.to_uppercase(), value)
                .assert_refused(Reason::HeaderAmbiguous);
        }
    }
}

#[test]
fn w11_the_older_sha1_header_proves_nothing() {
    let sha1 = "sha1=d03207e4b030cf234e3447bac4d93add4c6643d8";
    let good = sent("github.webhook").and("X-Hub-Signature", sha1);
    good.assert_accepted();
    good.clone()
        .without("X-Hub-Signature-256")
        .assert_refused(Reason::HeaderMissing);
    good.clone()
        .signed(sha1)
        .assert_refused(Reason::SignatureMalformed);
}

#[test]
fn w12_a_bad_sha256_signature_is_refused_beside_any_older_one() {
    let sha1 = "sha1=d03207e4b030cf234e3447bac4d93add4c6643d8";
    sent("github.webhook")
        .and("X-Hub-Signature", sha1)
        .signed(&format!("sha256={}", hex_tag(&[b"other"])))
        .assert_refused(Reason::SignatureMismatch);
}

#[test]
fn w13_an_algorithm_named_in_the_request_is_not_asked() {
    let stripe = sent("stripe.webhook");
    let value = stripe.signature().to_owned();
    stripe
        .clone()
        .signed(&format!("alg=md5,{value}"))
        .assert_accepted();
    stripe
        .signed(&value.replace("v1=", "v0="))
        .assert_refused(Reason::SignatureMissing);

    let github = sent("github.webhook");
    let value = github.signature().to_owned();
    github
        .clone()
        .and("X-Hub-Algorithm", "none")
        .assert_accepted();
    for named in ["md5=", "sha1=", "sha512=", "none="] {
        github
            .clone()
            .signed(&value.replace("sha256=", named))
            .assert_refused(Reason::SignatureMalformed);
    }
}

#[test]
fn w32_a_key_is_padded_standard_base64_after_one_prefix() {
    let scheme = Catalogue::builtin().scheme("standard.webhook").unwrap();
    let decoded = |text: &str| scheme.decode_key(&text.to_owned().into()).is_ok();
    assert!(decoded("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert!(decoded("whsec_/+8="));
    for bad in [
        "whsec_whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_/+8",
        "whsec_/+9=",
        "whsec_-_8=",
        "whsec_ /+8=",
        "whsec_/+8=\n",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        assert!(!decoded(bad), "{bad:?}");
    }
}

#[test]
fn w36_a_colon_in_slacks_timestamp_is_refused() {
    // The signed text `v0:1700000000:x:{body}` can be cut in two ways; only one of them is a timestamp.
    let text = "1700000000:x";
    let signature = hex_tag(&[b"v0:", text.as_bytes(), b":", BODY]);
    sent("slack.webhook")
        .with("X-Slack-Request-Timestamp", text)
        .signed(&format!("v0={signature}"))
        .assert_refused(Reason::TimestampMalformed);
}

#[test]
fn w39_the_case_of_hexadecimal_digits_carries_nothing() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        if text(good.rules).encoding == Encoding::Base64 {
            continue;
        }
        let value = good.signature().to_owned();
        let (prefix, digits) = value.split_at(value.len() - 64);
        for digits in [digits.to_lowercase(), digits.to_uppercase()] {
            good.clone()
                .signed(&format!("{prefix}{digits}"))
                .assert_accepted();
        }
    }
}

#[test]
fn w39_a_strict_scheme_refuses_the_other_case() {
    let strict = made(
        "signed_text = '{body}'\nencoding = 'hex-upper'\nstrict = true\nsignature = { grammar = 'single', header = 'Sig' }",
    );
    let good = Sent {
        headers: signed(strict, &key(), "", NOW, BODY),
        rules: strict,
        body: BODY.to_vec(),
    };
    good.assert_accepted();
    let value = good.signature().to_owned();
    good.clone()
        .signed(&value.to_lowercase())
        .assert_refused(Reason::SignatureMalformed);
    let (first, rest) = value.split_at(63);
    // A mixed case, whichever digit the last one is.
    good.signed(&format!("{}{rest}", first.to_lowercase()))
        .assert_refused(Reason::SignatureMalformed);
}

#[test]
fn an_unknown_field_of_the_grammar_is_refused() {
    for text in [
        "signed_text = '{body}'\nencoding = 'hex-lower'\nsignature = { grammar = 'single', header = 'Sig', prefx = 'a' }",
        "signed_text = '{body}'\nencoding = 'hex-lower'\nsignature = { grammar = 'guess', header = 'Sig' }",
        "signed_text = '{body}'\nencoding = 'hex-lower'\nstric = true\nsignature = { grammar = 'single', header = 'Sig' }",
        "signed_text = '{body}'\nencoding = 'hex-lower'\nsignature = { grammar = 'pairs', header = 'Sig', key = 'v1' }\ntimestamp = { header = 'T', pair = 't' }",
    ] {
        assert!(toml::from_str::<WebhookRules>(text).is_err(), "{text}");
    }
}
