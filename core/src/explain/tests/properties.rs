//! Whatever is asked: no panic, no invented cause, and no value of the request or of a key in an answer.

use proptest::prelude::*;

use super::{captured::Captured, *};

/// Causes that are found without a key: what the delivery itself shows.
const SHOWN: [CauseCode; 10] = [
    CauseCode::NoNearMiss,
    CauseCode::HeaderMalformed,
    CauseCode::UnsignedDelivery,
    CauseCode::BodyEmpty,
    CauseCode::TextEncoding,
    CauseCode::CompressedBody,
    CauseCode::TokenShape,
    CauseCode::IdentifierDiffers,
    CauseCode::SignatureForm,
    CauseCode::Handshake,
];

fn any_scheme() -> impl Strategy<Value = Arc<Scheme>> {
    let ids = [
        "github.webhook",
        "stripe.webhook",
        "standard.webhook",
        "made-up.url",
        "made-up.sha1",
        "made-up.question",
    ];
    prop::sample::select(ids.to_vec()).prop_map(scheme)
}

fn any_header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "Stripe-Signature",
        "X-Hub-Signature-256",
        "webhook-signature",
        "webhook-id",
        "webhook-timestamp",
        "X-Signature",
        "X-Timestamp",
        "x-sha1-signature",
        "Content-Encoding",
        "Host",
        "X-Forwarded-Host",
    ];
    let values = prop_oneof![
        ".{0,60}",
        "(sha256=|v1,|t=17[0-9]{8},v1=|t=|)[0-9a-f]{60,66}",
        "17[0-9]{8,11}",
        "v1,[A-Za-z0-9+/]{43}=",
    ];
    (
        prop::sample::select(names.to_vec()).prop_map(str::to_owned),
        values,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_is_explained_by_what_it_shows(
        scheme in any_scheme(),
        headers in prop::collection::vec(any_header(), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..60),
        url in ".{1,40}",
    ) {
        let captured = Captured { scheme, headers, body, method: "POST".to_owned(), url };
        let explanation = captured.explained();
        prop_assert!(!explanation.causes.is_empty());
        for code in codes(&explanation) {
            prop_assert!(SHOWN.contains(&code), "{explanation:#?}");
        }
    }

    #[test]
    fn answers_hold_no_value_of_the_request(canary in "[g-z]{24}") {
        for id in ["github.webhook", "stripe.webhook", "standard.webhook", "made-up.url"] {
            let good = Captured::over(&scheme(id), canary.as_bytes());
            let mut spoilt = good.clone();
            for (_, value) in &mut spoilt.headers {
                value.push_str(&canary);
            }
            spoilt.url.push_str(&canary);
            for captured in [good, spoilt] {
                let text = format!("{:?}", captured.explained());
                prop_assert!(!text.contains(&canary), "{text}");
            }
        }
    }
}
