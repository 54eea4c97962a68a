//! The vectors inside the scheme files hold: published and derived ones, good and bad.

use std::collections::BTreeSet;

use countersign_core::{
    Catalogue, Purpose, Rules, catalogue,
    scheme::Confidence,
    vectors::{Vector, VectorFailure},
    webhook::ProvenPart,
};

#[test]
fn every_vector_holds() {
    for (id, vector) in catalogue::vectors() {
        let scheme = Catalogue::builtin().scheme(&id).expect("its own scheme");
        assert_eq!(vector.run(scheme), Ok(()), "{}", vector.name);
    }
}

/// What the runner of vectors says is worth nothing if it says it of everything.
#[test]
fn a_vector_that_is_bent_does_not_hold() {
    for (id, vector) in catalogue::vectors() {
        let scheme = Catalogue::builtin().scheme(&id).expect("its own scheme");
        let other = match vector.expect.as_str() {
            "ACCEPT" => "TOKEN_LIFETIME",
            _ => "ACCEPT",
        };
        let bent = Vector {
            expect: other.to_owned(),
            ..vector.clone()
        };
        assert!(bent.run(scheme).is_err(), "{}", vector.name);
        if vector.signs && scheme.purpose() == Purpose::Webhook {
            let bent = Vector {
                proven: Some(vec!["EVERYTHING".to_owned()]),
                ..vector.clone()
            };
            let proven = bent.run(scheme).unwrap_err();
            assert!(
                matches!(proven, VectorFailure::Proven(_)),
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn every_scheme_has_good_and_bad_vectors() {
    for scheme in Catalogue::builtin().iter() {
        let expectations: Vec<_> = catalogue::vectors()
            .filter(|(id, _)| *id == scheme.id)
            .map(|(_, vector)| vector.expect)
            .collect();
        let accepted = |expect: &String| expect == "ACCEPT";
        assert!(expectations.iter().any(accepted), "{}", scheme.id);
        // No resource id is ever refused: nothing checks one.
        assert!(
            scheme.purpose() == Purpose::ResourceId
                || expectations.iter().any(|expect| !accepted(expect)),
            "{}",
            scheme.id
        );
    }
}

#[test]
fn every_identity_scheme_says_how_keys_rotate_and_where_people_go_wrong() {
    for scheme in Catalogue::builtin().iter() {
        let secondary = scheme.confidence == Confidence::Secondary;
        assert_eq!(
            secondary,
            !scheme.confidence_note.is_empty(),
            "{}",
            scheme.id
        );
        if scheme.purpose() != Purpose::Webhook {
            assert!(!scheme.rotation.is_empty(), "{}", scheme.id);
            assert!(!scheme.traps.is_empty(), "{}", scheme.id);
        }
    }
}

#[test]
fn a_vector_of_every_hash_and_webhook_scheme_is_signed() {
    for scheme in Catalogue::builtin().iter() {
        let signs = catalogue::vectors().any(|(id, vector)| id == scheme.id && vector.signs);
        assert!(
            signs || scheme.purpose() == Purpose::IdentityToken,
            "{}",
            scheme.id
        );
    }
}

#[test]
fn names_of_vectors_are_unique_and_readable() {
    let mut names = BTreeSet::new();
    for (_, vector) in catalogue::vectors() {
        let readable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        assert!(
            vector
                .name
                .bytes()
                .all(|byte| readable(byte) || byte == b'-'),
            "{}",
            vector.name
        );
        assert!(!vector.source.is_empty(), "{}", vector.name);
        assert!(names.insert(vector.name.clone()), "{}", vector.name);
    }
}

#[test]
fn schemes_that_share_a_key_say_so_of_each_other() {
    for scheme in Catalogue::builtin().iter() {
        for other in &scheme.shares_key_with {
            let other = Catalogue::builtin().scheme(other).unwrap();
            assert!(other.shares_key_with.contains(&scheme.id), "{}", scheme.id);
            assert_eq!(other.key, scheme.key, "one key is decoded in one way");
        }
    }
}

#[test]
fn a_freshness_window_goes_with_a_proven_timestamp() {
    for scheme in Catalogue::builtin().iter() {
        let Rules::Webhook(rules) = &scheme.rules else {
            continue;
        };
        // An unsigned timestamp would make old deliveries fresh.
        let proves_time = rules.proven().has(ProvenPart::Timestamp);
        assert!(rules.window().is_none() || proves_time, "{}", scheme.id);
    }
}
