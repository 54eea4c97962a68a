//! Attacks on identity hashes that are decided between the wire and core.

mod support;

use countersign_core::{Catalogue, OwnScheme, Purpose, key::Algorithm};
use countersign_proto::v1::{
    Decision, Identity, Reason, Trust, sign_request::Input, verify_request::Proof,
};
use sha2::{Digest, Sha256};
use support::{
    Service,
    crypto::hex_hmac,
    new_secret,
    refusal::{CANARY, failed, invalid, refusal},
    user,
};
use tonic::Code;

fn hash_proof(hash: &str) -> Option<Proof> {
    Some(Proof::Hash(hash.to_owned()))
}

#[tokio::test]
async fn h01_an_empty_identifier_is_neither_signed_nor_verified() {
    let (service, _) = Service::with_hash().await;
    service.generate("acme/mail", "pylon.identity").await;
    service.generate("acme/either", "intercom.identity").await;
    service
        .generate("acme/rooms", "talkjs.conversation-id")
        .await;
    let hash = "0".repeat(64);
    for (secret, field) in [
        ("acme/chat", "id"),
        ("acme/mail", "email"),
        ("acme/either", "email"),
    ] {
        let named = Identity {
            name: CANARY.to_owned(),
            ..Identity::default()
        };
        let signed = service
            .try_sign(secret, Input::Identity(named.clone()))
            .await;
        assert_eq!(refusal(signed, ""), invalid(&format!("identity.{field}")));
        let verified = service.try_verify(secret, named, hash_proof(&hash)).await;
        assert_eq!(
            refusal(verified, &hash),
            invalid(&format!("claimed.{field}"))
        );
    }
    let signed = service
        .try_sign("acme/rooms", Input::ResourceId(String::new()))
        .await;
    assert_eq!(refusal(signed, ""), invalid("resource_id"));
}

#[tokio::test]
async fn h02_an_identifier_over_1_kib_is_refused_and_one_of_1_kib_is_not() {
    let (service, hash) = Service::with_hash().await;
    service
        .generate("acme/rooms", "talkjs.conversation-id")
        .await;
    let longest = "x".repeat(1024);
    let signed = service.hash_of("acme/chat", &longest).await;
    let answer = service.verify_hash("acme/chat", &longest, &signed).await;
    assert_eq!(answer.trust(), Trust::Verified);
    for too_long in [format!("{longest}x"), "x".repeat(1 << 20)] {
        let input = Input::Identity(user(&too_long));
        let signed = service.try_sign("acme/chat", input).await;
        assert_eq!(refusal(signed, &too_long), invalid("identity.id"));
        let verified = service
            .try_verify("acme/chat", user(&too_long), hash_proof(&hash))
            .await;
        assert_eq!(refusal(verified, &too_long), invalid("claimed.id"));
        let input = Input::ResourceId(too_long.clone());
        let signed = service.try_sign("acme/rooms", input).await;
        assert_eq!(refusal(signed, &too_long), invalid("resource_id"));
    }
}

#[tokio::test]
async fn h03_control_characters_in_an_identity_are_refused() {
    let (service, hash) = Service::with_hash().await;
    for control in ["\0", "\r\n", "\n", "\t", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
        let text = format!("{CANARY}{control}x");
        let mut identities = [
            Identity::default(),
            Identity::default(),
            Identity::default(),
        ];
        identities[0].id.clone_from(&text);
        identities[1].email.clone_from(&text);
        identities[2].name.clone_from(&text);
        for (identity, field) in identities.into_iter().zip(["id", "email", "name"]) {
            let signed = service
                .try_sign("acme/chat", Input::Identity(identity.clone()))
                .await;
            assert_eq!(
                refusal(signed, &text),
                invalid(&format!("identity.{field}"))
            );
            let verified = service
                .try_verify("acme/chat", identity, hash_proof(&hash))
                .await;
            assert_eq!(
                refusal(verified, &text),
                invalid(&format!("claimed.{field}"))
            );
        }
    }
}

#[tokio::test]
async fn h04_identifiers_are_compared_byte_for_byte() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    for (signed, sent) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("user@x", "User@x"),
        ("user_1", "user_1 "),
        ("user_1", " user_1"),
        ("user_1", "user_1\u{200b}"),
        ("user_1", "user_11"),
    ] {
        let hash = service.hash_of("acme/chat", signed).await;
        let answer = service.verify_hash("acme/chat", signed, &hash).await;
        assert_eq!(answer.trust(), Trust::Verified, "{signed}");
        let answer = service.verify_hash("acme/chat", sent, &hash).await;
        assert_eq!(answer.reason(), Reason::SignatureMismatch, "{sent}");
        assert_eq!((answer.verified, answer.version), (None, None));
    }
}

#[tokio::test]
async fn h06_h08_h09_h16_a_hash_in_another_form_is_malformed() {
    let (service, hash) = Service::with_hash().await;
    let full_width: String = hash
        .chars()
        .map(|c| match c {
            '0'..='9' => char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap(),
            c => c,
        })
        .collect();
    let forms = [
        hash[..62].to_owned(),
        hash[..63].to_owned(),
        hash[..40].to_owned(),
        format!("{hash}0"),
        format!("{hash}{hash}"),
        format!("0x{hash}"),
        format!("sha256={hash}"),
        format!(" {hash}"),
        format!("{hash}\n"),
        format!("{} {}", &hash[..32], &hash[32..]),
        full_width,
        "\0".repeat(64),
        "z".repeat(64),
    ];
    for form in forms {
        let answer = service.verify_hash("acme/chat", "user_1", &form).await;
        assert_eq!(answer.reason(), Reason::SignatureMalformed, "{form:?}");
        assert_eq!(answer.decision(), Decision::Deny);
        assert_eq!(answer.verified, None);
    }
}

#[tokio::test]
async fn h19_guessing_never_locks_a_namespace_out() {
    let (service, _) = Service::with_hash().await;
    let right = service.hash_of("acme/chat", "user_1").await;
    for guess in 0..1000 {
        let answer = service
            .verify_hash("acme/chat", "user_1", &format!("{guess:064x}"))
            .await;
        assert_eq!(answer.reason(), Reason::SignatureMismatch);
    }
    let answer = service.verify_hash("acme/chat", "user_1", &right).await;
    assert_eq!(answer.trust(), Trust::Verified);
}

#[tokio::test]
async fn h10_a_hash_of_another_namespace_or_purpose_does_not_hold() {
    let (service, hash) = Service::with_hash().await;
    for (secret, scheme) in [
        ("evil/chat", "chatwoot.identity"),
        ("acme/other", "chatwoot.identity"),
        ("acme/intercom", "intercom.identity"),
    ] {
        service.generate(secret, scheme).await;
        let answer = service.verify_hash(secret, "user_1", &hash).await;
        assert_eq!(answer.reason(), Reason::SignatureMismatch, "{secret}");
        let foreign = service.hash_of(secret, "user_1").await;
        let answer = service.verify_hash("acme/chat", "user_1", &foreign).await;
        assert_eq!(answer.reason(), Reason::SignatureMismatch, "{secret}");
    }
    // The resource-id hash of a text is no identity hash of it.
    service
        .generate("acme/rooms", "talkjs.conversation-id")
        .await;
    let room = Input::ResourceId("user_1".to_owned());
    let room = service.sign("acme/rooms", room).await.resource_id;
    let answer = service.verify_hash("acme/chat", "user_1", &room).await;
    assert_eq!(answer.reason(), Reason::SignatureMismatch);
}

#[tokio::test]
async fn h10_each_purpose_refuses_the_calls_of_the_others() {
    let (service, hash) = Service::with_hash().await;
    service.generate("acme/hook", "github.webhook").await;
    service.generate("acme/token", "kaltalk.token").await;
    service
        .generate("acme/rooms", "talkjs.conversation-id")
        .await;
    let misfit = || failed(Code::FailedPrecondition, "PURPOSE_MISMATCH");
    for secret in ["acme/hook", "acme/rooms"] {
        let answer = service
            .try_verify(secret, user("user_1"), hash_proof(&hash))
            .await;
        assert_eq!(refusal(answer, &hash), misfit());
        let signed = service
            .try_sign(secret, Input::Identity(user(CANARY)))
            .await;
        assert_eq!(refusal(signed, ""), misfit());
    }
    for secret in ["acme/chat", "acme/token", "acme/rooms"] {
        let answer = service
            .try_verify_webhook(secret, vec![], CANARY.as_bytes())
            .await;
        assert_eq!(refusal(answer, ""), misfit());
        let signed = service
            .try_sign(secret, support::delivery(CANARY.as_bytes()))
            .await;
        assert_eq!(refusal(signed, ""), misfit());
    }
    for secret in ["acme/chat", "acme/token", "acme/hook"] {
        let id = Input::ResourceId(CANARY.to_owned());
        assert_eq!(refusal(service.try_sign(secret, id).await, ""), misfit());
    }
    let token = Some(Proof::Token(CANARY.to_owned()));
    let crossed = service.try_verify("acme/chat", user("user_1"), token).await;
    assert_eq!(refusal(crossed, ""), invalid("proof"));
    let crossed = service
        .try_verify("acme/token", user("user_1"), hash_proof(&hash))
        .await;
    assert_eq!(refusal(crossed, &hash), invalid("proof"));
}

#[tokio::test]
async fn h11_a_hash_vouches_for_its_own_identifier_only() {
    let (service, hash) = Service::with_hash().await;
    let answer = service.verify_hash("acme/chat", "user_2", &hash).await;
    assert_eq!(answer.reason(), Reason::SignatureMismatch);
    assert_eq!(answer.claimed.unwrap().id, "user_2");
}

#[tokio::test]
async fn a12_an_unknown_secret_answers_not_found_whatever_is_asked_of_it() {
    let service = Service::start().await;
    service
        .create(new_secret("acme/deleted", "chatwoot.identity"))
        .await;
    service.delete("acme/deleted", true).await.unwrap();
    let unknown = || failed(Code::NotFound, "SECRET_NOT_FOUND");
    let hash = hex_hmac(b"any", b"user_1");
    for name in ["acme/canary-4d61c7", "acme/deleted"] {
        let answer = service
            .try_verify(name, user("user_1"), hash_proof(&hash))
            .await;
        assert_eq!(refusal(answer, name), unknown());
        let answer = service
            .try_sign(name, Input::Identity(user("user_1")))
            .await;
        assert_eq!(refusal(answer, name), unknown());
        let answer = service.try_verify_webhook(name, vec![], b"").await;
        assert_eq!(refusal(answer, name), unknown());
    }
}

/// A plain SHA-256 over secret and text can be prolonged by who knows neither: no identity scheme hashes so, none of
/// one's own can, and the two old webhook schemes of HubSpot that do are never taken for the one with a MAC.
#[test]
fn h15_no_identity_is_hashed_without_a_mac() {
    let plain = Catalogue::builtin()
        .iter()
        .filter(|scheme| scheme.algorithm() == Algorithm::Sha256);
    let plain: Vec<_> = plain
        .map(|scheme| (scheme.id.as_str(), scheme.purpose()))
        .collect();
    assert_eq!(
        plain,
        [
            ("hubspot.webhook-v1", Purpose::Webhook),
            ("hubspot.webhook-v2", Purpose::Webhook)
        ]
    );
    let own = |rules: &str| {
        OwnScheme::parse(&format!(
            "vendor = \"acme\"\n[[scheme]]\nkind = \"identity\"\ntitle = \"x\"\ndescription = \"x\"\n\
             key = {{ decoding = \"utf8\" }}\nidentity_hash = {{ {rules} }}\n"
        ))
    };
    own("message = \"{id}\", encoding = \"hex-lower\"").unwrap();
    for digest in ["sha256", "sha1", "md5"] {
        let rules =
            format!("message = \"{{id}}\", encoding = \"hex-lower\", digest = \"{digest}\"");
        assert!(own(&rules).is_err(), "{digest}");
    }
    for rules in ["message = \"{secret}{id}\"", "message = \"{id}{secret}\""] {
        assert!(own(&format!("{rules}, encoding = \"hex-lower\"")).is_err());
    }
}

#[tokio::test]
async fn h15_a_hash_that_was_prolonged_is_no_hash() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "chatwoot.identity").await;
    // What a verifier of SHA-256(secret ‖ id) would take.
    let plain = hex::encode(Sha256::digest([key.as_bytes(), b"user_1"].concat()));
    let answer = service.verify_hash("acme/chat", "user_1", &plain).await;
    assert_eq!(answer.reason(), Reason::SignatureMismatch);
    assert_eq!(answer.trust(), Trust::Unverified);
}
