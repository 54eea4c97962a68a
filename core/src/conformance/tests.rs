use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{Reason, key_policy};

fn all() -> Vec<Case> {
    cases(Catalogue::builtin()).collect()
}

#[test]
fn what_is_done_to_a_proof_decides_what_comes_of_it() {
    for case in all() {
        let Expect { accept, reason } = &case.expect;
        let reason = reason.as_deref().and_then(Reason::from_name);
        let as_meant = match reason {
            None => *accept && case.kind.may_hold(),
            Some(reason) => !accept && case.kind.may_be_refused_for(reason),
        };
        assert!(as_meant, "{}: {:?}", case.id, case.expect);
    }
}

#[test]
fn every_vector_is_a_case_and_every_case_has_an_id_of_its_own() {
    let all = all();
    let ids: BTreeSet<_> = all.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), all.len());
    let vectors = all.iter().filter(|case| case.kind == Kind::Vector);
    assert_eq!(vectors.count(), catalogue::vectors().count());
}

#[test]
fn a_vector_expects_what_it_says() {
    let all = all();
    let vectors = all.iter().filter(|case| case.kind == Kind::Vector);
    let mut said: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (scheme, vector) in catalogue::vectors() {
        said.entry(scheme).or_default().push(vector.expect);
    }
    let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for case in vectors {
        let reason = case.expect.reason.clone();
        let expects = expected.entry(case.scheme.clone()).or_default();
        expects.push(reason.unwrap_or_else(|| ACCEPT.to_owned()));
    }
    assert_eq!(expected, said);
}

#[test]
fn every_scheme_has_a_proof_that_holds_and_five_that_do_not() {
    for scheme in Catalogue::builtin().iter() {
        let made: Vec<_> = all_of(scheme);
        let holds = |case: &&Case| case.kind == Kind::Positive && case.expect.accept;
        assert_eq!(made.iter().filter(holds).count(), 1, "{}", scheme.id);
        let refused = made.iter().filter(|case| !case.expect.accept).count();
        let least = match scheme.purpose() {
            Purpose::ResourceId | Purpose::IdentityHash => 4,
            _ => 5,
        };
        assert!(refused >= least, "{}: {refused}", scheme.id);
    }
}

fn all_of(scheme: &Arc<Scheme>) -> Vec<Case> {
    let drafts = made(scheme, NOW).into_iter();
    drafts.filter_map(|draft| Case::of(scheme, draft)).collect()
}

#[test]
fn keys_of_made_cases_can_be_imported() {
    for case in all().iter().filter(|case| case.kind != Kind::Vector) {
        let scheme = Catalogue::builtin().scheme(&case.scheme).unwrap();
        let text = case.key.clone().into();
        let least = scheme.min_key_bytes();
        let checked = key_policy::check(&scheme.key, scheme.algorithm(), least, &text);
        assert!(checked.is_ok(), "{}", case.id);
    }
}

#[test]
fn no_case_shows_a_private_key() {
    for case in all() {
        let scheme = Catalogue::builtin().scheme(&case.scheme).unwrap();
        let key = scheme.decode_key(&case.key.clone().into()).unwrap();
        let has_halves = scheme.algorithm().is_public_key();
        assert_eq!(key.is_public_only(), has_halves, "{}", case.id);
    }
}

#[test]
fn names_of_kinds_are_those_in_the_cases() {
    for kind in Kind::ALL {
        let written = serde_json::to_value(kind).unwrap();
        assert_eq!(written, kind.name());
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn cases_are_the_same_every_time() {
    assert_eq!(all(), all());
}
