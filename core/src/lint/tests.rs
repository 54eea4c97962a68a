use std::collections::BTreeSet;

use super::*;
use crate::{Catalogue, catalogue};

/// A description of one's own with these rules, without vectors.
fn own(rules: &str) -> OwnScheme {
    let text = format!(
        "vendor = \"acme\"\n[[scheme]]\nkind = \"x\"\ntitle = \"x\"\ndescription = \"x\"\n\
         key = {{ decoding = \"utf8\" }}\n{rules}"
    );
    OwnScheme::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A webhook that has nothing to find, with lines put in the place of others of the same key.
fn webhook(lines: &str) -> OwnScheme {
    let mut all = vec![
        "signed_text = \"{id}.{timestamp}.{body}\"",
        "encoding = \"base64\"",
        "signature = { grammar = \"single\", header = \"X-Sig\" }",
        "timestamp = { header = \"X-Time\", unit = \"seconds\" }",
        "id = { header = \"X-Id\" }",
        "window = { past_secs = 300, future_secs = 300 }",
    ];
    let key = |line: &str| line.split(" =").next().unwrap().to_owned();
    for line in lines.lines() {
        all.retain(|old| key(old) != key(line));
        if !line.ends_with("= none") {
            all.push(line);
        }
    }
    own(&format!("[scheme.webhook]\n{}\n", all.join("\n")))
}

fn codes(own: &OwnScheme) -> Vec<(Severity, Code)> {
    let findings = lint(&own.scheme);
    findings.iter().map(|it| (it.severity, it.code)).collect()
}

#[test]
fn a_sound_webhook_has_no_finding() {
    assert_eq!(codes(&webhook("")), []);
}

#[test]
fn each_risk_of_a_webhook_is_found() {
    use Severity::{Error, Warning};
    for (lines, severity, code) in [
        (
            "signed_text = \"{id}.{timestamp}\"",
            Error,
            Code::BodyNotBound,
        ),
        (
            "signed_text = \"{json:/a}{json:/b}.{id}.{timestamp}.{body}\"",
            Error,
            Code::AmbiguousJoining,
        ),
        (
            "signed_text = \"{id}{timestamp}.{body}\"",
            Warning,
            Code::AmbiguousJoining,
        ),
        (
            "signed_text = \"{id}.{timestamp}{body}\"",
            Warning,
            Code::AmbiguousJoining,
        ),
        (
            "signed_text = [\"{id}.{timestamp}.{body}\", \"{timestamp}.{id}.{body}\"]",
            Warning,
            Code::AmbiguousJoining,
        ),
        (
            "signed_text = \"{id}.{body}\"\ntimestamp = none\nwindow = none",
            Warning,
            Code::NoFreshness,
        ),
        (
            "timestamp = { header = \"X-Time\" }\nwindow = none",
            Warning,
            Code::NoFreshness,
        ),
        ("window = none", Warning, Code::NoFreshness),
        (
            "signed_text = \"{id}.{body}\"",
            Warning,
            Code::TimestampNotSigned,
        ),
        (
            "window = { past_secs = 3601, future_secs = 0 }",
            Warning,
            Code::WideWindow,
        ),
        (
            "window = { past_secs = 300, future_secs = 3601 }",
            Warning,
            Code::WideWindow,
        ),
        (
            "signed_text = \"{timestamp}.{body}\"",
            Warning,
            Code::UnsignedId,
        ),
        ("digest = \"hmac-sha1\"", Warning, Code::WeakDigest),
        (
            "digest = \"sha256\"\nsigned_text = \"{secret}{id}.{timestamp}.{body}\"",
            Warning,
            Code::WeakDigest,
        ),
        (
            "digest = \"sha256\"\nsigned_text = \"{id}.{timestamp}.{body}{secret}\"",
            Warning,
            Code::WeakDigest,
        ),
    ] {
        let found = codes(&webhook(lines));
        assert_eq!(found, [(severity, code)], "{lines}");
    }
}

#[test]
fn a_webhook_that_sends_its_key_proves_nothing() {
    let token = "digest = \"token\"\nsigned_text = none\nencoding = none\ntimestamp = none\nid = none\nwindow = none";
    assert_eq!(
        codes(&webhook(token)),
        [(Severity::Warning, Code::NoIntegrity)]
    );
}

#[test]
fn each_risk_of_a_jws_is_found() {
    let jws = |lines: &str| {
        own(&format!(
            "[scheme.webhook.jws]\nheader = \"X-Jws\"\nalgorithm = \"HS256\"\n{lines}"
        ))
    };
    let bound = "body_hash_claim = \"sha\"";
    assert_eq!(
        codes(&jws(&format!("{bound}\nissued_at_window_secs = 300"))),
        []
    );
    for (lines, severity, code) in [
        (
            "issued_at_window_secs = 300",
            Severity::Error,
            Code::BodyNotBound,
        ),
        (bound, Severity::Warning, Code::NoFreshness),
        (
            &format!("{bound}\nissued_at_window_secs = 7200"),
            Severity::Warning,
            Code::WideWindow,
        ),
    ] {
        assert_eq!(codes(&jws(lines)), [(severity, code)], "{lines}");
    }
}

#[test]
fn each_risk_of_a_token_is_found() {
    let token = |line: &str| {
        own(&format!(
            "[scheme.identity_token]\nsubject = \"sub\"\nfixed_claims = {{ aud = \"acme\" }}\n{line}"
        ))
    };
    assert_eq!(codes(&token("")), []);
    let warning = |code| [(Severity::Warning, code)];
    assert_eq!(
        codes(&token("exp = \"optional\"")),
        warning(Code::TokenWithoutExp)
    );
    assert_eq!(
        codes(&token("max_lifetime_secs = 86401")),
        warning(Code::LongLifetime)
    );
    let nobodys = own("[scheme.identity_token]\nsubject = \"sub\"\n");
    assert_eq!(codes(&nobodys), warning(Code::NoAudience));
}

#[test]
fn a_description_accepts_by_name_what_it_cannot_change() {
    let text = "vendor = \"acme\"\n[[scheme]]\nkind = \"x\"\ntitle = \"x\"\ndescription = \"x\"\n\
                key = { decoding = \"utf8\" }\naccept = { CODE = \"WHY\" }\n[scheme.webhook]\n\
                signed_text = \"{timestamp}.\"\nencoding = \"hex-lower\"\n\
                signature = { grammar = \"single\", header = \"X-Sig\" }\n\
                timestamp = { header = \"X-Time\", unit = \"seconds\" }\n\
                window = { past_secs = 300, future_secs = 300 }\n";
    let accepting = |code: &str, why: &str| {
        OwnScheme::parse(&text.replace("CODE", code).replace("WHY", why)).map(|own| codes(&own))
    };
    let accepted = accepting("BODY_NOT_BOUND", "the vendor signs no body").unwrap();
    assert_eq!(accepted, [(Severity::Warning, Code::BodyNotBound)]);
    let other = accepting("AMBIGUOUS_JOINING", "it is another finding").unwrap();
    assert_eq!(other, [(Severity::Error, Code::BodyNotBound)]);
    for (code, why) in [
        ("BODY_NOT_BOUND", ""),
        ("VECTOR_FAILED", "it does not hold"),
        ("PURPOSE_MIXED", "one key for all"),
        ("BODY", "no such code"),
    ] {
        assert!(accepting(code, why).is_err(), "{code}");
    }
}

#[test]
fn a_description_without_vectors_or_with_a_wrong_one_is_found() {
    let review = |own: &OwnScheme| -> Vec<_> {
        own.review()
            .iter()
            .map(|it| (it.severity, it.code))
            .collect()
    };
    assert_eq!(review(&webhook("")), [(Severity::Warning, Code::NoVectors)]);
    let text = catalogue::definition("slack.webhook").unwrap();
    let text = text.replace("vendor = \"slack\"", "vendor = \"acme\"");
    assert_eq!(review(&OwnScheme::parse(&text).unwrap()), []);
    let wrong = text.replacen("expect = \"ACCEPT\"", "expect = \"TIMESTAMP_TOO_OLD\"", 1);
    let found = OwnScheme::parse(&wrong).unwrap().review();
    assert_eq!(found.len(), 1);
    let said = found[0].to_string();
    assert!(
        said.starts_with("VECTOR_FAILED: vector slack-")
            && said.ends_with("expected TIMESTAMP_TOO_OLD, got ACCEPT"),
        "{said}"
    );
}

/// What the built-in schemes are known for. A vendor is as it is; a new finding needs a line there, with its reason.
const KNOWN: &str = include_str!("builtin.txt");

#[test]
fn the_findings_of_the_built_in_schemes_are_the_known_ones() {
    let known: BTreeSet<_> = KNOWN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.splitn(3, ' ').collect::<Vec<_>>())
        .inspect(|fields| assert!(fields.len() == 3, "scheme, code and reason: {fields:?}"))
        .map(|fields| format!("{} {}", fields[0], fields[1]))
        .collect();
    let (mut found, mut refused) = (BTreeSet::new(), Vec::new());
    for scheme in Catalogue::builtin().iter() {
        for finding in lint(scheme) {
            let line = format!("{} {}", scheme.id, finding.code.name());
            match finding.severity {
                Severity::Warning => drop(found.insert(line)),
                Severity::Error => refused.push(line),
            }
        }
    }
    let new: Vec<_> = found.difference(&known).collect();
    let is_there = |line: &&String| {
        let id = line.split(' ').next().unwrap();
        Catalogue::builtin().scheme(id).is_some()
    };
    let gone: Vec<_> = known.difference(&found).filter(is_there).collect();
    assert!(
        refused.is_empty() && new.is_empty() && gone.is_empty(),
        "what the scheme files must accept, with `accept = {{ CODE = \"why\" }}`: {refused:#?}\n\
         new, for a line in core/src/lint/builtin.txt: {new:#?}\n\
         gone, whose lines are to go: {gone:#?}"
    );
}

#[test]
fn a_timestamp_that_may_be_left_out_is_not_signed() {
    let found = codes(&webhook(
        "signed_text = \"{id}.{?{timestamp}.{header:X-A}.?}{body}\"",
    ));
    let warning = (Severity::Warning, Code::TimestampNotSigned);
    assert!(found.contains(&warning), "{found:?}");
}
