//! The four chat vendors and some more, with the traps of their own documents.

mod support;

use countersign_proto::v1::{
    Decision, Identity, Mode, Reason, Secret, Shield, TimestampUnit, Trust, VerifyResponse,
    sign_request::Input, verify_request::Proof,
};
use support::{
    NOW, Service,
    calls::{header, importing, value_of, with_header},
    crypto::{hex_hmac, hs256, key_text, token},
    delivery, new_secret,
    refusal::{invalid, refusal},
    user,
};

const BODY: &[u8] = br#"{"type":"message.sent"}"#;

fn is_verified(answer: &VerifyResponse) -> bool {
    answer.trust() == Trust::Verified
}

fn of_email(email: &str) -> Identity {
    Identity {
        email: email.to_owned(),
        ..Identity::default()
    }
}

#[tokio::test]
async fn chatwoot_proves_the_identifier_and_nothing_else() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "chatwoot.identity").await;
    let hash = service.hash_of("acme/chat", "user_1").await;
    assert_eq!(hash, hex_hmac(key.as_bytes(), b"user_1"), "the key is text");
    let claimed = Identity {
        name: "The Boss".to_owned(),
        email: "boss@example.com".to_owned(),
        ..user("user_1")
    };
    let proof = Some(Proof::Hash(hash));
    let answer = service.verify("acme/chat", claimed, proof).await;
    assert_eq!(answer.verified, Some(user("user_1")));
    let claimed = answer.claimed.unwrap();
    assert_eq!(claimed.name, "The Boss");
    assert_eq!(claimed.email, "boss@example.com");
}

#[tokio::test]
async fn h07_chatwoot_hashes_are_printed_in_lower_case_and_taken_in_either() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let hash = service.hash_of("acme/chat", "user_1").await;
    assert_eq!(hash, hash.to_lowercase());
    let upper = hash.to_uppercase();
    assert!(is_verified(
        &service.verify_hash("acme/chat", "user_1", &upper).await
    ));
}

#[tokio::test]
async fn h05_an_empty_chatwoot_hash_is_a_bad_proof_in_every_mode_that_checks() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    for (mode, decision) in [
        (Mode::Optional, Decision::Allow),
        (Mode::Required, Decision::Deny),
    ] {
        service.set_mode("acme/chat", mode).await;
        let answer = service.verify_hash("acme/chat", "user_1", "").await;
        assert_eq!(answer.decision(), decision);
        assert_eq!(answer.shield(), Shield::Clear);
        assert_eq!(answer.reason(), Reason::SignatureMalformed);
    }
}

#[tokio::test]
async fn h12_pylon_decodes_the_secret_to_bytes() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "pylon.identity").await;
    let claimed = Identity {
        email: "jane@example.com".to_owned(),
        ..Identity::default()
    };
    let input = Input::Identity(claimed.clone());
    let hash = service.sign("acme/chat", input).await.hash;
    let bytes = hex::decode(&key).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(hash, hex_hmac(&bytes, b"jane@example.com"));
    let good = service
        .verify("acme/chat", claimed.clone(), Some(Proof::Hash(hash)))
        .await;
    assert_eq!(good.verified, Some(claimed.clone()), "the email is proven");
    let trap = hex_hmac(key.as_bytes(), b"jane@example.com");
    let bad = service
        .verify("acme/chat", claimed, Some(Proof::Hash(trap)))
        .await;
    assert_eq!(bad.reason(), Reason::SignatureMismatch);
    assert_eq!(bad.decision(), Decision::Deny);
}

#[tokio::test]
async fn h12_pylon_webhooks_take_the_secret_as_text() {
    let service = Service::start().await;
    let key = service.generate("acme/hook", "pylon.webhook").await;
    let good = [header("X-Pylon-Signature", &hex_hmac(key.as_bytes(), BODY))];
    let answer = service
        .verify_webhook("acme/hook", good.to_vec(), BODY)
        .await;
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.signed_time, None);
}

#[tokio::test]
async fn kaltalk_downgrades_a_failed_token_and_still_fills_the_row() {
    let service = Service::start().await;
    service.generate("acme/chat", "kaltalk.token").await;
    service.set_mode("acme/chat", Mode::Optional).await;
    let identity = Identity {
        email: "jane@example.com".to_owned(),
        name: "Jane".to_owned(),
        ..user("user_1")
    };
    let signed = service
        .sign("acme/chat", Input::Identity(identity.clone()))
        .await;
    assert_eq!(signed.expire_time.unwrap().seconds, NOW + 3600);
    let good = service.verify_token("acme/chat", &signed.token).await;
    assert_eq!(good.shield(), Shield::Set);
    assert_eq!(good.verified, Some(identity.clone()));
    assert_eq!(good.proof_expire_time.unwrap().seconds, NOW + 3600);
    service.at(3600);
    let late = service.verify_token("acme/chat", &signed.token).await;
    assert_eq!(late.decision(), Decision::Allow);
    assert_eq!(late.shield(), Shield::Clear);
    assert_eq!(late.reason(), Reason::TokenExpired);
    assert_eq!(late.verified, None);
    assert_eq!(late.claimed, Some(identity));
}

#[tokio::test]
async fn talkjs_tokens_are_bound_to_the_app_and_carry_no_typ() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "talkjs.token").await;
    let signed = service.token_of("acme/chat", "user_1").await;
    assert!(
        signed.starts_with("eyJhbGciOiJIUzI1NiJ9."),
        "{{\"alg\":\"HS256\"}}"
    );
    assert!(is_verified(
        &service.verify_token("acme/chat", &signed).await
    ));
    let endless = r#"{"tokenType":"user","iss":"app","sub":"user_1"}"#;
    let sample = token(&key, r#"{"alg":"HS256"}"#, endless);
    let answer = service.verify_token("acme/chat", &sample).await;
    assert!(is_verified(&answer), "the vendor's own sample has no exp");
    assert_eq!(answer.proof_expire_time, None);
    for claims in [
        r#"{"tokenType":"user","iss":"other","sub":"user_1"}"#,
        r#"{"tokenType":"app","iss":"app","sub":"user_1"}"#,
        r#"{"tokenType":"user","sub":"user_1"}"#,
    ] {
        let answer = service
            .verify_token("acme/chat", &hs256(&key, claims))
            .await;
        assert!(!is_verified(&answer), "{claims}");
    }
}

#[tokio::test]
async fn w39_talkjs_webhooks_are_signed_in_upper_case_and_taken_in_either() {
    let service = Service::start().await;
    service.generate("acme/hook", "talkjs.webhook").await;
    let headers = service.sign("acme/hook", delivery(BODY)).await.headers;
    let signature = value_of(&headers, "X-TalkJS-Signature");
    assert_eq!(signature, signature.to_uppercase());
    let lower = with_header(&headers, "X-TalkJS-Signature", &signature.to_lowercase());
    for headers in [headers, lower] {
        let answer = service.verify_webhook("acme/hook", headers, BODY).await;
        assert_eq!(answer.decision(), Decision::Allow);
    }
}

#[tokio::test]
async fn talkjs_webhooks_are_fresh_only_once_the_operator_says_how() {
    let service = Service::start().await;
    service.generate("acme/hook", "talkjs.webhook").await;
    let headers = service.sign("acme/hook", delivery(BODY)).await.headers;
    service.at(1_000_000);
    let before = service
        .verify_webhook("acme/hook", headers.clone(), BODY)
        .await;
    assert_eq!(before.decision(), Decision::Allow);
    assert_eq!(before.signed_time, None, "the unit is not known");

    let window = Secret {
        name: "acme/hook".to_owned(),
        tolerance: Some(prost_types::Duration {
            seconds: 300,
            nanos: 0,
        }),
        timestamp_unit: TimestampUnit::Milliseconds.into(),
        ..Secret::default()
    };
    let half = service.try_update(window.clone(), &["tolerance"]).await;
    assert_eq!(refusal(half, ""), invalid("timestamp_unit"));
    let paths = ["tolerance", "timestamp_unit"];
    service.try_update(window, &paths).await.unwrap();

    let after = service.verify_webhook("acme/hook", headers, BODY).await;
    assert_eq!(after.decision(), Decision::Deny);
    assert_eq!(after.reason(), Reason::TimestampTooOld);
    let fresh = service.sign("acme/hook", delivery(BODY)).await.headers;
    let answer = service.verify_webhook("acme/hook", fresh, BODY).await;
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.signed_time.unwrap().seconds, NOW + 1_000_000);
}

#[tokio::test]
async fn talkjs_conversation_ids_depend_on_the_key_and_on_every_byte() {
    let service = Service::start().await;
    service
        .generate("acme/rooms", "talkjs.conversation-id")
        .await;
    service
        .generate("acme/other", "talkjs.conversation-id")
        .await;
    let id = |secret, id: &str| service.sign(secret, Input::ResourceId(id.to_owned()));
    let first = id("acme/rooms", "order-1").await.resource_id;
    assert_eq!(first.len(), 64);
    assert_eq!(id("acme/rooms", "order-1").await.resource_id, first);
    assert_ne!(id("acme/rooms", "order-2").await.resource_id, first);
    assert_ne!(id("acme/other", "order-1").await.resource_id, first);
}

#[tokio::test]
async fn intercom_hashes_the_id_and_only_without_one_the_email() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "intercom.identity").await;
    let both = Identity {
        email: "jane@example.com".to_owned(),
        ..user("user_1")
    };
    let email = Identity {
        email: "jane@example.com".to_owned(),
        ..Identity::default()
    };
    let hash = |text: &[u8]| Some(Proof::Hash(hex_hmac(key.as_bytes(), text)));
    let (id_hash, email_hash) = (hash(b"user_1"), hash(b"jane@example.com"));

    let by_id = service
        .verify("acme/chat", both.clone(), id_hash.clone())
        .await;
    assert_eq!(
        by_id.verified,
        Some(user("user_1")),
        "the email is not proven"
    );
    let by_email = service
        .verify("acme/chat", email.clone(), email_hash.clone())
        .await;
    assert_eq!(by_email.verified, Some(email.clone()));
    let mixed = service.verify("acme/chat", both, email_hash).await;
    assert_eq!(mixed.reason(), Reason::SignatureMismatch);
    let crossed = service.verify("acme/chat", email, id_hash).await;
    assert_eq!(crossed.reason(), Reason::SignatureMismatch);
}

#[tokio::test]
async fn customerly_proves_the_address_in_lower_case() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "customerly.identity").await;
    let claimed = of_email("Jane@Example.com");
    let input = Input::Identity(claimed.clone());
    let hash = service.sign("acme/chat", input).await.hash;
    assert_eq!(hash, hex_hmac(key.as_bytes(), b"jane@example.com"));
    let good = service
        .verify("acme/chat", claimed.clone(), Some(Proof::Hash(hash)))
        .await;
    assert_eq!(good.verified, Some(of_email("jane@example.com")));
    assert_eq!(good.claimed, None);
    let as_typed = hex_hmac(key.as_bytes(), b"Jane@Example.com");
    let bad = service
        .verify("acme/chat", claimed, Some(Proof::Hash(as_typed)))
        .await;
    assert_eq!(bad.reason(), Reason::SignatureMismatch);
}

#[tokio::test]
async fn thena_proves_two_fields_and_takes_no_other_border_between_them() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "thena.identity").await;
    let of = |email: &str, name: &str| Identity {
        name: name.to_owned(),
        ..of_email(email)
    };
    let jane = of("jane@example.com", "Jane: Doe");
    let input = Input::Identity(jane.clone());
    let hash = service.sign("acme/chat", input).await.hash;
    assert_eq!(
        hash,
        hex_hmac(key.as_bytes(), b"jane@example.com:Jane: Doe")
    );
    let proof = Some(Proof::Hash(hash));
    let good = service
        .verify("acme/chat", jane.clone(), proof.clone())
        .await;
    assert_eq!(good.verified, Some(jane));

    let moved = of("jane@example.com:Jane", " Doe");
    let bad = service
        .verify("acme/chat", moved.clone(), proof.clone())
        .await;
    assert_eq!(bad.reason(), Reason::ClaimInvalid);
    assert_eq!(bad.decision(), Decision::Deny);
    assert_eq!(bad.verified, None);
    for (identity, field) in [
        (moved, "identity.email"),
        (of("", "Jane"), "identity.email"),
        (of("jane@example.com", ""), "identity.name"),
    ] {
        let refused = service
            .try_sign("acme/chat", Input::Identity(identity))
            .await;
        assert_eq!(refusal(refused, ""), invalid(field));
    }
}

#[tokio::test]
async fn canny_tokens_carry_email_and_name() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "canny.token").await;
    let jane = Identity {
        name: "Jane".to_owned(),
        id: "user_1".to_owned(),
        ..of_email("jane@example.com")
    };
    let signed = service
        .sign("acme/chat", Input::Identity(jane.clone()))
        .await;
    let answer = service.verify_token("acme/chat", &signed.token).await;
    assert_eq!(answer.verified, Some(jane.clone()));
    let nameless = Identity {
        name: String::new(),
        ..jane.clone()
    };
    let without_email = Identity {
        email: String::new(),
        ..jane
    };
    for (identity, field) in [
        (nameless, "identity.name"),
        (without_email, "identity.email"),
    ] {
        let refused = service
            .try_sign("acme/chat", Input::Identity(identity))
            .await;
        assert_eq!(refusal(refused, ""), invalid(field));
    }
    for (claims, reason) in [
        (
            r#"{"id":"u","email":"jane@example.com"}"#,
            Reason::ClaimMissing,
        ),
        (
            r#"{"id":"u","email":"jane@example.com","name":""}"#,
            Reason::ClaimInvalid,
        ),
    ] {
        let token = hs256(&key, claims);
        let answer = service.verify_token("acme/chat", &token).await;
        assert_eq!(answer.reason(), reason, "{claims}");
    }
}

#[tokio::test]
async fn stream_tokens_are_of_users_and_signed() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "stream.token").await;
    let endless = hs256(&key, r#"{"user_id":"user_1"}"#);
    let answer = service.verify_token("acme/chat", &endless).await;
    assert!(is_verified(&answer), "Stream's libraries write no exp");
    let (input, _) = endless.rsplit_once('.').unwrap();
    let development = format!("{input}.devtoken");
    let answer = service.verify_token("acme/chat", &development).await;
    assert_eq!(answer.reason(), Reason::SignatureMalformed);
    for claims in [
        r#"{"server":true}"#,
        r#"{"user_id":"user_1","server":true}"#,
    ] {
        let answer = service
            .verify_token("acme/chat", &hs256(&key, claims))
            .await;
        assert_eq!(answer.reason(), Reason::ClaimInvalid, "{claims}");
    }
}

#[tokio::test]
async fn j73_no_caller_makes_a_server_token_of_stream() {
    let service = Service::start().await;
    service.generate("acme/chat", "stream.token").await;
    let yes = prost_types::Value {
        kind: Some(prost_types::value::Kind::BoolValue(true)),
    };
    let admin = Identity {
        attributes: Some(prost_types::Struct {
            fields: [("server".to_owned(), yes)].into(),
        }),
        ..user("user_1")
    };
    let refused = service.try_sign("acme/chat", Input::Identity(admin)).await;
    assert_eq!(refusal(refused, ""), invalid("identity.attributes"));
}

#[tokio::test]
async fn userjot_tokens_live_an_hour_from_a_stated_issue() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "userjot.token").await;
    let token = service.token_of("acme/chat", "user_1").await;
    assert!(is_verified(
        &service.verify_token("acme/chat", &token).await
    ));
    let fixed = r#""sub":"user_1","iss":"app","aud":"userjot""#;
    for (times, reason) in [
        (
            format!(r#""iat":{NOW},"exp":{}"#, NOW + 3600),
            Reason::Unspecified,
        ),
        (
            format!(r#""iat":{NOW},"exp":{}"#, NOW + 3601),
            Reason::TokenLifetime,
        ),
        (format!(r#""exp":{}"#, NOW + 3600), Reason::ClaimMissing),
        (format!(r#""iat":{NOW}"#), Reason::ClaimMissing),
    ] {
        let token = hs256(&key, &format!("{{{fixed},{times}}}"));
        let answer = service.verify_token("acme/chat", &token).await;
        assert_eq!(answer.reason(), reason, "{times}");
    }
}

#[tokio::test]
async fn zendesk_needs_the_key_id_and_binds_it() {
    let service = Service::start().await;
    let mut without = new_secret("acme/chat", "zendesk.token");
    without.key_id.clear();
    let refused = service.try_create(without).await;
    assert_eq!(refusal(refused, ""), invalid("key_id"));

    let key = key_text("zendesk", 64);
    service
        .create(importing("acme/chat", "zendesk.token", &key))
        .await;
    let signed = service.token_of("acme/chat", "user_1").await;
    assert!(is_verified(
        &service.verify_token("acme/chat", &signed).await
    ));
    let claims = r#"{"scope":"user","external_id":"user_1"}"#;
    for (kid, verified) in [("app_key", true), ("app_other", false), ("1", false)] {
        let jose = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#);
        let answer = service
            .verify_token("acme/chat", &token(&key, &jose, claims))
            .await;
        assert_eq!(is_verified(&answer), verified, "{kid}");
    }
}

#[tokio::test]
async fn a_key_id_is_refused_where_the_scheme_names_no_keys() {
    let service = Service::start().await;
    let mut request = new_secret("acme/chat", "chatwoot.identity");
    request.key_id = "app_1".to_owned();
    let refused = service.try_create(request).await;
    assert_eq!(refusal(refused, ""), invalid("key_id"));
}
