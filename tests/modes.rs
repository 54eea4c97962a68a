//! The mode table, cell by cell, for a hash scheme and a token scheme.

mod support;

use countersign_proto::v1::{
    CreateSecretRequest, Decision, Identity, Mode, Reason, Shield, Trust, VerifyResponse,
    verify_request::Proof,
};
use support::{
    NOW, Service,
    crypto::{hex_hmac, hs256, key_text},
    emergency, new_secret, user,
};

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Valid,
    Bad,
    Expired,
    Malformed,
    Nothing,
}

use Sent::{Bad, Expired, Malformed, Nothing, Valid};

type Cell = (Mode, &'static [Sent], Decision, Trust, Shield);

/// The table of the documentation: mode, what was sent, decision, trust, shield.
const TABLE: [Cell; 7] = {
    use Decision::{Allow, Deny};
    use Mode::{Off, Optional, Required};
    use Shield::{Clear, Keep, Set};
    use Trust::{NotChecked, Unverified, Verified};
    let bad: &[Sent] = &[Bad, Expired, Malformed];
    [
        (
            Off,
            &[Valid, Bad, Expired, Malformed, Nothing],
            Allow,
            NotChecked,
            Keep,
        ),
        (Optional, &[Valid], Allow, Verified, Set),
        (Optional, bad, Allow, Unverified, Clear),
        (Optional, &[Nothing], Allow, Unverified, Keep),
        (Required, &[Valid], Allow, Verified, Set),
        (Required, bad, Deny, Unverified, Clear),
        (Required, &[Nothing], Deny, Unverified, Keep),
    ]
};

/// The cells of the table with one thing sent each.
fn cells() -> impl Iterator<Item = (Mode, Sent, (Decision, Trust, Shield))> {
    TABLE
        .iter()
        .flat_map(|(mode, sent, decision, trust, shield)| {
            sent.iter()
                .map(move |sent| (*mode, *sent, (*decision, *trust, *shield)))
        })
}

fn outcome(answer: &VerifyResponse) -> (Decision, Trust, Shield) {
    (answer.decision(), answer.trust(), answer.shield())
}

#[test]
fn the_table_has_a_cell_for_each_mode_and_proof() {
    assert_eq!(cells().count(), 15);
}

#[tokio::test]
async fn j72_the_mode_table_holds_for_a_hash_scheme() {
    let service = Service::start().await;
    let old_key = service.generate("acme/chat", "chatwoot.identity").await;
    let rotated = service.rotate(emergency("acme/chat")).await;
    let key = rotated.revealed_key;
    for (mode, sent, expected) in cells() {
        service.set_mode("acme/chat", mode).await;
        let (proof, reason) = match sent {
            Valid => (
                Some(hex_hmac(key.as_bytes(), b"user_1")),
                Reason::Unspecified,
            ),
            Bad => (
                Some(hex_hmac(b"guess", b"user_1")),
                Reason::SignatureMismatch,
            ),
            // A hash has no time: it ends with its version.
            Expired => {
                let hash = hex_hmac(old_key.as_bytes(), b"user_1");
                (Some(hash), Reason::SignatureMismatch)
            }
            Malformed => (Some("zz".to_owned()), Reason::SignatureMalformed),
            Nothing => (None, Reason::ProofMissing),
        };
        let claimed = Identity {
            name: "Jane".to_owned(),
            ..user("user_1")
        };
        let answer = service
            .verify("acme/chat", claimed, proof.map(Proof::Hash))
            .await;
        assert_eq!(outcome(&answer), expected, "{mode:?} {sent:?}");
        let reason = if mode == Mode::Off {
            Reason::Unspecified
        } else {
            reason
        };
        assert_eq!(answer.reason(), reason, "{mode:?} {sent:?}");
        let claimed = answer.claimed.clone().unwrap();
        assert_eq!(claimed.name, "Jane", "the name is never proven");
        match answer.trust() {
            Trust::Verified => {
                assert_eq!(answer.verified, Some(user("user_1")));
                assert_eq!(
                    (claimed.id.as_str(), answer.version.unwrap().number),
                    ("", 2)
                );
            }
            _ => {
                assert_eq!((answer.verified, answer.version), (None, None));
                assert_eq!(claimed.id, "user_1");
            }
        }
    }
}

#[tokio::test]
async fn j72_the_mode_table_holds_for_a_token_scheme() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "kaltalk.token").await;
    let claims = |exp: i64| {
        format!(
            r#"{{"sub":"user_1","email":"jane@example.com","plan":"pro","iat":{},"exp":{exp}}}"#,
            NOW - 60
        )
    };
    for (mode, sent, expected) in cells() {
        service.set_mode("acme/chat", mode).await;
        let (token, reason) = match sent {
            Valid => (Some(hs256(&key, &claims(NOW + 60))), Reason::Unspecified),
            Bad => {
                let token = hs256(&key_text("guess", 64), &claims(NOW + 60));
                (Some(token), Reason::SignatureMismatch)
            }
            Expired => (Some(hs256(&key, &claims(NOW - 1))), Reason::TokenExpired),
            Malformed => (Some("no token".to_owned()), Reason::TokenMalformed),
            Nothing => (None, Reason::ProofMissing),
        };
        let named = Identity {
            name: "Jane".to_owned(),
            ..Identity::default()
        };
        let answer = service
            .verify("acme/chat", named.clone(), token.map(Proof::Token))
            .await;
        assert_eq!(outcome(&answer), expected, "{mode:?} {sent:?}");
        let reason = if mode == Mode::Off {
            Reason::Unspecified
        } else {
            reason
        };
        assert_eq!(answer.reason(), reason, "{mode:?} {sent:?}");
        let claimed = answer.claimed.clone().unwrap();
        assert_eq!(claimed.name, "Jane", "the token says nothing of it");
        match (answer.trust(), sent) {
            (Trust::Verified, _) => {
                let verified = answer.verified.unwrap();
                assert_eq!(verified.id, "user_1");
                assert_eq!(verified.email, "jane@example.com");
                assert!(verified.attributes.unwrap().fields.contains_key("plan"));
                assert_eq!(claimed, named);
            }
            (_, Valid | Bad | Expired) => {
                assert_eq!((answer.verified, answer.version), (None, None));
                assert_eq!(claimed.id, "user_1", "readable claims fill the row");
                assert_eq!(claimed.email, "jane@example.com");
                assert!(claimed.attributes.unwrap().fields.contains_key("plan"));
            }
            (_, Malformed | Nothing) => {
                assert_eq!((answer.verified, answer.version), (None, None));
                assert_eq!(claimed, named);
            }
        }
    }
}

#[tokio::test]
async fn an_empty_proof_is_a_bad_one_and_not_a_missing_one() {
    let service = Service::start().await;
    for (scheme, proof) in [
        ("chatwoot.identity", Proof::Hash(String::new())),
        ("kaltalk.token", Proof::Token(String::new())),
    ] {
        let name = format!("acme/{scheme}");
        let request = CreateSecretRequest {
            mode: Mode::Optional.into(),
            ..new_secret(&name, scheme)
        };
        service.create(request).await;
        let answer = service.verify(&name, user("user_1"), Some(proof)).await;
        let unverified = (Decision::Allow, Trust::Unverified, Shield::Clear);
        assert_eq!(outcome(&answer), unverified, "{scheme}");
    }
}
