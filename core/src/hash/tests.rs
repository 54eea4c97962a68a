//! Table H of the attacks, as far as core decides it.

mod forms;
mod messages;
mod versions;

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use super::*;
use crate::{
    Catalogue, Rules, Scheme, Secret, SecretName, Timestamp,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, MisfitError, Proof, SignError},
    verdict::{IdentityVerdict, VersionUse},
};

const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn scheme(id: &str) -> &'static Arc<Scheme> {
    Catalogue::builtin().scheme(id).expect("a built-in scheme")
}

fn secret(id: &str, versions: &[(u32, VersionState, &str)]) -> Secret {
    let version = |&(number, state, key): &(u32, VersionState, &str)| KeyVersion {
        number,
        state,
        key: scheme(id)
            .decode_key(&key.to_owned().into())
            .expect("a key"),
        key_id: None,
    };
    Secret {
        name: SecretName::parse("acme/chat").expect("a name"),
        scheme: Arc::clone(scheme(id)),
        policy: Policy {
            mode: Some(Mode::Required),
            ..Policy::default()
        },
        versions: versions.iter().map(version).collect(),
    }
}

fn active(id: &str) -> Secret {
    secret(id, &[(1, VersionState::Active, KEY)])
}

fn of_id(id: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        ..Identity::default()
    }
}

fn of_email(email: &str) -> Identity {
    Identity {
        email: email.to_owned(),
        ..Identity::default()
    }
}

fn signed(secret: &Secret, identity: &Identity) -> String {
    let signed = secret.sign_identity(identity, None, NOW);
    signed.expect("can be signed").value
}

fn verified(secret: &Secret, identity: &Identity, hash: &str) -> IdentityVerdict {
    secret
        .verify(identity.clone(), Some(Proof::Hash(hash)), NOW)
        .expect("fits the secret")
}

fn reason(secret: &Secret, identity: &Identity, hash: &str) -> Option<Reason> {
    let verdict = verified(secret, identity, hash);
    assert_eq!(verdict.verified.is_some(), verdict.reason.is_none());
    verdict.reason
}

#[test]
fn h01_the_hash_of_nothing_is_neither_made_nor_checked() {
    let nobody = Identity::default();
    let other_field = Identity {
        name: "Jane".to_owned(),
        ..of_id("user_1")
    };
    for (scheme, identity, field) in [
        ("chatwoot.identity", &nobody, Field::Id),
        (
            "chatwoot.identity",
            &of_email("jane@example.com"),
            Field::Id,
        ),
        ("pylon.identity", &other_field, Field::Email),
        ("intercom.identity", &nobody, Field::Email),
    ] {
        let secret = active(scheme);
        let of_nothing = hex::encode(secret.versions[0].key.tag(&[]).expose_bytes());
        for hash in [of_nothing.as_str(), ""] {
            let outcome = secret.verify(identity.clone(), Some(Proof::Hash(hash)), NOW);
            assert_eq!(outcome.err(), Some(MisfitError::Empty(field)), "{scheme}");
        }
        assert_eq!(
            secret.sign_identity(identity, None, NOW).err(),
            Some(SignError::Misfit(MisfitError::Empty(field)))
        );
    }
    assert_eq!(
        active("talkjs.conversation-id").sign_resource_id("").err(),
        Some(SignError::Misfit(MisfitError::Empty(Field::Id)))
    );
}

#[test]
fn h04_identifiers_are_compared_byte_for_byte() {
    for (scheme, of) in [
        ("chatwoot.identity", of_id as fn(&str) -> Identity),
        ("pylon.identity", of_email),
    ] {
        let secret = active(scheme);
        for (one, other) in [
            ("caf\u{e9}", "cafe\u{301}"),
            ("User@X", "user@x"),
            ("user", "user "),
            ("user", " user"),
            ("user", "user\0"),
            ("user", "user\n"),
            ("user", "\u{feff}user"),
            ("user", "us\u{200b}er"),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let hash = signed(&secret, &of(one));
                assert_eq!(reason(&secret, &of(one), &hash), None);
                assert_eq!(
                    reason(&secret, &of(other), &hash),
                    Some(Reason::SignatureMismatch)
                );
            }
        }
    }
}

#[test]
fn h11_a_hash_of_somebody_else_is_refused() {
    let secret = active("chatwoot.identity");
    let hash = signed(&secret, &of_id("user_1"));
    for other in ["user_2", "user_11", "user_"] {
        assert_eq!(
            reason(&secret, &of_id(other), &hash),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn h12_a_hexadecimal_key_as_text_and_a_text_key_as_bytes_are_refused() {
    let text = Key::new(Zeroizing::new(KEY.as_bytes().to_vec()));
    let bytes = Key::new(Zeroizing::new(hex::decode(KEY).unwrap()));
    for (scheme, identity, right, wrong) in [
        (
            "pylon.identity",
            of_email("jane@example.com"),
            &bytes,
            &text,
        ),
        ("chatwoot.identity", of_id("user_1"), &text, &bytes),
    ] {
        let secret = active(scheme);
        let hash = |key: &Key| {
            let Rules::IdentityHash(rules) = &secret.scheme.rules else {
                panic!("{scheme} is no hash scheme");
            };
            rules.sign(key, &identity).unwrap()
        };
        assert_eq!(reason(&secret, &identity, &hash(right)), None);
        assert_eq!(
            reason(&secret, &identity, &hash(wrong)),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn intercom_signs_the_id_if_there_is_one_and_else_the_email() {
    let secret = active("intercom.identity");
    let email = of_email("jane@example.com");
    let both = Identity {
        id: "user_1".to_owned(),
        ..email.clone()
    };
    let of_email = signed(&secret, &email);
    let of_both = signed(&secret, &both);
    assert_eq!(of_both, signed(&secret, &of_id("user_1")));

    assert_eq!(
        verified(&secret, &email, &of_email).verified,
        Some(email.clone())
    );
    assert_eq!(
        verified(&secret, &both, &of_both).verified,
        Some(of_id("user_1"))
    );
    for (identity, hash) in [(&both, &of_email), (&email, &of_both)] {
        assert_eq!(
            reason(&secret, identity, hash),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn a_hash_proves_one_field_and_no_other() {
    let claimed = Identity {
        id: "user_1".to_owned(),
        email: "jane@example.com".to_owned(),
        name: "Jane".to_owned(),
        attributes: [("admin".to_owned(), true.into())].into_iter().collect(),
    };
    for (scheme, proven, left) in [
        (
            "chatwoot.identity",
            of_id("user_1"),
            Identity {
                id: String::new(),
                ..claimed.clone()
            },
        ),
        (
            "pylon.identity",
            of_email("jane@example.com"),
            Identity {
                email: String::new(),
                ..claimed.clone()
            },
        ),
    ] {
        let secret = active(scheme);
        let verdict = verified(&secret, &claimed, &signed(&secret, &claimed));
        assert_eq!(verdict.verified, Some(proven));
        assert_eq!(verdict.claimed, left);
        assert_eq!(verdict.proof_expire_time, None);
    }
}

#[test]
fn a_hash_has_no_time_to_live() {
    let secret = active("chatwoot.identity");
    let signed = secret.sign_identity(&of_id("user_1"), Some(Duration::from_secs(1)), NOW);
    assert_eq!(signed.err(), Some(SignError::TtlUnsupported));
}

#[test]
fn j68_a_key_that_also_signs_deliveries_signs_no_signed_text_of_one() {
    let signed = |scheme, id| {
        active(scheme)
            .sign_identity(&of_id(id), None, NOW)
            .map(|_| ())
    };
    let delivery = r#"1700000000000.{"type":"message.sent"}"#;
    assert_eq!(
        signed("talkjs.user-hash", delivery),
        Err(SignError::SigningInput)
    );
    assert_eq!(signed("talkjs.user-hash", "1700000000000"), Ok(()));
    assert_eq!(signed("chatwoot.identity", delivery), Ok(()));
}

#[test]
fn token_j68_a_key_that_also_signs_tokens_signs_no_signing_input() {
    let input = of_id("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0");
    let signed = |scheme| active(scheme).sign_identity(&input, None, NOW).map(|_| ());
    assert_eq!(signed("talkjs.user-hash"), Err(SignError::SigningInput));
    assert_eq!(signed("chatwoot.identity"), Ok(()));
}
