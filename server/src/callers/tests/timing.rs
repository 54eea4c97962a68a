//! What the time of a refusal tells about a token.

#[expect(
    unreachable_pub,
    clippy::print_stdout,
    reason = "the stopwatch of the end-to-end tests"
)]
#[path = "../../../../tests/support/stopwatch.rs"]
mod stopwatch;

use subtle::ConstantTimeEq;

use self::stopwatch::{Stopwatch, wrong_at_either_end};
use super::*;
use crate::{
    Kek,
    seal::{Domain, Keks, Seal},
};

#[test]
fn a01_where_a_token_differs_does_not_show_in_time() {
    let stopwatch = Stopwatch::new();
    stopwatch.assert_sees_a_leak();

    let callers = Callers::closed(&Limits::DEFAULT);
    let bearer = NewBearer::make().unwrap();
    callers.publish(&record(&bearer, "acme/chat"));
    let right = format!("Bearer {}", bearer.text.expose_secret());
    let secret = right.len() - 43;
    let [first, last] = wrong_at_either_end(&right.as_bytes()[secret..]).map(|wrong| {
        let wrong = String::from_utf8(wrong).unwrap();
        shows(&[&format!("{}{wrong}", &right[..secret])])
    });
    stopwatch.assert_constant("the check of a bearer token", [&first, &last], |headers| {
        assert!(callers.authenticate(headers, None, NOW).is_err());
    });
}

/// Fingerprints say whether two keys, requests or rows are equal.
#[test]
fn where_a_fingerprint_differs_does_not_show_in_time() {
    let stopwatch = Stopwatch::new();
    stopwatch.assert_sees_a_leak();
    let keks = Keks {
        current: Kek::new(Box::new([7; 32])),
        previous: None,
    };
    let seal = Seal::create(&keks, [1; 16]).unwrap();
    let fingerprint = seal.fingerprint(Domain::Arguments, &[b"arguments"]);
    let [first, last] = wrong_at_either_end(&fingerprint);
    stopwatch.assert_constant("the comparison of fingerprints", [&first, &last], |other| {
        assert!(!bool::from(fingerprint.as_slice().ct_eq(other)));
    });
}
