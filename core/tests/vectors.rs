//! The vectors inside the scheme files hold: published and derived ones, good and bad.

use std::collections::{BTreeMap, BTreeSet};

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
fn every_scheme_says_how_keys_rotate_and_where_people_go_wrong() {
    for scheme in Catalogue::builtin().iter() {
        let secondary = scheme.confidence == Confidence::Secondary;
        assert_eq!(
            secondary,
            !scheme.confidence_note.is_empty(),
            "{}",
            scheme.id
        );
        assert!(!scheme.rotation.is_empty(), "{}", scheme.id);
        assert!(!scheme.traps.is_empty(), "{}", scheme.id);
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
                .all(|byte| readable(byte) || matches!(byte, b'-' | b'_')),
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

#[test]
fn every_webhook_scheme_shows_what_it_proves_and_how_it_ages() {
    for scheme in Catalogue::builtin().iter() {
        let Rules::Webhook(rules) = &scheme.rules else {
            continue;
        };
        let own = catalogue::vectors().filter(|(id, _)| *id == scheme.id);
        let (good, bad): (Vec<_>, Vec<_>) = own
            .map(|(_, vector)| vector)
            .partition(|vector| vector.expect == "ACCEPT");
        let shown = good.iter().all(|vector| vector.proven.is_some());
        assert!(shown && !good.is_empty(), "{}", scheme.id);
        let is_about_age = |vector: &Vector| vector.expect == "TIMESTAMP_TOO_OLD";
        let has_stale = bad.iter().any(is_about_age);
        assert_eq!(rules.window().is_some(), has_stale, "{}", scheme.id);
        for handshake in &rules.handshakes {
            let answered = |vector: &Vector| vector.handshake.as_ref() == Some(&handshake.name);
            let expect = if handshake.signed {
                "ACCEPT"
            } else {
                "HANDSHAKE"
            };
            let shown = good.iter().chain(&bad).find(|vector| answered(vector));
            assert_eq!(shown.unwrap().expect, expect, "{}", scheme.id);
        }
    }
}

/// Every vector of the sources, under its own name, and what it shows. Four of the vendors print no secret: theirs
/// show that the form is read and that it is no proof under another key. One is an illustration that does not follow
/// from its own key.
const PUBLISHED: [(&str, &str, &str); 41] = [
    ("stdwh-v1", "standard.webhook", "ACCEPT"),
    ("svix-v1", "svix.webhook", "ACCEPT"),
    ("stdwh-v1a-ed25519", "standard.webhook-ed25519", "ACCEPT"),
    ("stripe-v1", "stripe.webhook", "ACCEPT"),
    ("github-docs", "github.webhook", "ACCEPT"),
    ("octokit-sign", "github.webhook", "ACCEPT"),
    ("slack-docs", "slack.webhook", "ACCEPT"),
    ("twilio-form", "twilio.webhook", "ACCEPT"),
    ("twilio-https-port443", "twilio.webhook", "ACCEPT"),
    ("twilio-http-port80", "twilio.webhook", "ACCEPT"),
    ("twilio-http-port1234", "twilio.webhook", "ACCEPT"),
    ("line", "line.webhook", "ACCEPT"),
    ("sendgrid-ecdsa", "sendgrid.webhook", "ACCEPT"),
    ("hubspot-v1", "hubspot.webhook-v1", "ACCEPT"),
    ("hubspot-v2-get", "hubspot.webhook-v2", "ACCEPT"),
    ("hubspot-v3", "hubspot.webhook", "ACCEPT"),
    ("pagerduty-v3", "pagerduty.webhook", "ACCEPT"),
    ("helpscout", "helpscout.webhook", "ACCEPT"),
    ("stream-0", "stream.webhook", "ACCEPT"),
    ("square", "square.webhook", "ACCEPT"),
    ("paddle-rotation", "paddle.webhook", "ACCEPT"),
    ("paddle-standard_payload", "paddle.webhook", "ACCEPT"),
    ("box-primary", "box.webhook", "ACCEPT"),
    ("box-secondary", "box.webhook", "ACCEPT"),
    ("box-japanese", "box.webhook", "ACCEPT"),
    ("plaid-es256", "plaid.webhook", "ACCEPT"),
    ("talkjs-jwt-shape", "talkjs.token", "SIGNATURE_MISMATCH"),
    ("drift-jwt-shape", "drift.token", "SIGNATURE_MISMATCH"),
    (
        "helpscout-beacon-illustrative",
        "helpscout.identity",
        "SIGNATURE_MISMATCH",
    ),
    ("intercom-shape", "intercom.webhook", "SIGNATURE_MISMATCH"),
    ("mailgun-shape", "mailgun.webhook", "SIGNATURE_MISMATCH"),
    ("atlassian-docs", "jira.webhook", "ACCEPT"),
    ("greenhouse-ping", "greenhouse.webhook", "ACCEPT"),
    ("plain-thread-created", "plain.webhook", "ACCEPT"),
    ("paddle-node-a30042", "paddle.webhook", "ACCEPT"),
    ("chatwoot-identity", "chatwoot.identity", "ACCEPT"),
    ("pylon-identity", "pylon.identity", "ACCEPT"),
    ("talkjs-webhook", "talkjs.webhook", "ACCEPT"),
    ("chatwoot-webhook", "chatwoot.webhook", "ACCEPT"),
    ("kaltalk-jwt", "kaltalk.token", "ACCEPT"),
    ("talkjs-jwt", "talkjs.token", "ACCEPT"),
];

#[test]
fn every_published_vector_stands_in_a_scheme_file() {
    let all: BTreeMap<_, _> = catalogue::vectors()
        .map(|(id, vector)| (vector.name, (id, vector.expect)))
        .collect();
    for (name, scheme, expect) in PUBLISHED {
        let found = all.get(name).map(|(id, expect)| (&**id, &**expect));
        assert_eq!(found, Some((scheme, expect)), "{name}");
    }
    let names: BTreeSet<_> = PUBLISHED.iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), PUBLISHED.len());
}
