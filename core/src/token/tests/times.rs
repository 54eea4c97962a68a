//! J48 to J59: when a well-signed token is good.

use super::*;

/// Judges claims about time alone, with a lifetime that is long enough for all of them.
fn times(members: &str, leeway_secs: u32) -> Result<TokenProof, Reason> {
    let rules = rules("max_lifetime_secs = 4294967295");
    judge(&rules, &format!(r#""sub":"u1",{members}"#), leeway_secs)
}

fn exp(exp: &str) -> Result<TokenProof, Reason> {
    times(&format!(r#""exp":{exp}"#), 0)
}

fn reason(verdict: Result<TokenProof, Reason>) -> Option<Reason> {
    verdict.err()
}

#[test]
fn j48_exp_is_required_unless_the_scheme_says_otherwise() {
    let no_exp = r#""sub":"u1""#;
    assert_eq!(judge(&rules(""), no_exp, 0), Err(Reason::ClaimMissing));
    let optional = rules("exp = \"optional\"");
    assert_eq!(judge(&optional, no_exp, 0).unwrap().expire_time, None);
    // What is there is honoured.
    assert_eq!(
        judge(&optional, r#""sub":"u1","exp":1600000000"#, 0),
        Err(Reason::TokenExpired)
    );
    assert_eq!(
        judge(&optional, r#""sub":"u1","exp":null"#, 0),
        Err(Reason::ClaimInvalid)
    );
}

#[test]
fn j49_exp_is_a_number() {
    for bad in [
        "null",
        "\"1700003600\"",
        "true",
        "[1700003600]",
        "{\"n\":1700003600}",
    ] {
        assert_eq!(exp(bad), Err(Reason::ClaimInvalid), "{bad}");
    }
}

#[test]
fn j50_a_fraction_of_exp_is_cut_off() {
    for good in [
        "1700003600.5",
        "1700003600.9999",
        "1.7000036e9",
        "1700003600.0",
    ] {
        let expire_time = exp(good).unwrap().expire_time;
        assert_eq!(
            expire_time,
            Some(Timestamp::from_unix_secs(NOW + 3600)),
            "{good}"
        );
    }
    assert_eq!(exp("1.5e9"), Err(Reason::TokenExpired));
    assert_eq!(exp("1700000000.9"), Err(Reason::TokenExpired));
    assert!(exp("1700000001.1").is_ok());
}

#[test]
fn j51_exp_lies_between_1970_and_9999() {
    for bad in [
        "1e300",
        "9e18",
        "9000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "-0.5",
        "-9223372036854775808",
        "253402300800",
        "253402300799.5",
    ] {
        assert_eq!(exp(bad), Err(Reason::ClaimInvalid), "{bad}");
    }
    // No JSON number for this parser at all.
    assert_eq!(exp("1e400"), Err(Reason::TokenMalformed));
    for long_ended in ["-0", "0", "-0.0", "0.4", "1e-400"] {
        assert_eq!(exp(long_ended), Err(Reason::TokenExpired), "{long_ended}");
    }
    // In range, and only too long.
    assert_eq!(exp("253402300799"), Err(Reason::TokenLifetime));
}

#[test]
fn j52_exp_in_milliseconds_is_refused() {
    assert_eq!(exp("1700003600000"), Err(Reason::ClaimInvalid));
}

#[test]
fn j53_exp_ends_the_token_at_its_second() {
    let at =
        |offset: i64, leeway_secs| reason(times(&format!("\"exp\":{}", NOW + offset), leeway_secs));
    assert_eq!(at(0, 0), Some(Reason::TokenExpired));
    assert_eq!(at(-1, 0), Some(Reason::TokenExpired));
    assert_eq!(at(1, 0), None);
    assert_eq!(at(-60, 60), Some(Reason::TokenExpired));
    assert_eq!(at(-61, 60), Some(Reason::TokenExpired));
    assert_eq!(at(-59, 60), None);
}

#[test]
fn j53_milliseconds_of_now_change_nothing() {
    let key = key(KEY);
    let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
    let at = |millis| {
        let keys = [TokenKey {
            version: 1,
            key_id: None,
            key: &key,
        }];
        let now = Timestamp::from_unix_millis(millis);
        let keys = keys.into_iter();
        reason(verify(&rules(""), &BTreeMap::new(), keys, &token, 0, now))
    };
    let end = (NOW + 3600) * 1000;
    assert_eq!(at(end - 1), None);
    assert_eq!(at(end), Some(Reason::TokenExpired));
}

#[test]
fn j54_no_leeway_overflows() {
    assert!(times(r#""exp":1700003600,"nbf":1700000001"#, u32::MAX).is_ok());
    assert!(times(r#""exp":1"#, u32::MAX).is_ok());
    for now in [i64::MIN, i64::MAX] {
        let key = key(KEY);
        let keys = [TokenKey {
            version: 1,
            key_id: None,
            key: &key,
        }];
        let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
        let now = Timestamp::from_unix_millis(now);
        let keys = keys.into_iter();
        assert!(verify(&rules(""), &BTreeMap::new(), keys, &token, u32::MAX, now).is_err());
    }
}

#[test]
fn j55_nbf_in_the_future_is_refused() {
    let nbf = |offset: i64, leeway_secs| {
        let members = format!("\"exp\":1700003600,\"nbf\":{}", NOW + offset);
        reason(times(&members, leeway_secs))
    };
    assert_eq!(nbf(3000, 0), Some(Reason::TokenNotYetValid));
    assert_eq!(nbf(-3000, 0), None);
    // Clocks differ a little, whatever the leeway.
    assert_eq!(nbf(5, 0), None);
    assert_eq!(nbf(6, 0), Some(Reason::TokenNotYetValid));
    assert_eq!(nbf(60, 60), None);
    assert_eq!(nbf(61, 60), Some(Reason::TokenNotYetValid));
}

#[test]
fn j56_nbf_is_a_number_and_rounds_up() {
    for bad in [
        "\"1700000000\"",
        "-1",
        "null",
        "true",
        "[0]",
        "1700000000000",
        "1e300",
    ] {
        let verdict = times(&format!("\"exp\":1700003600,\"nbf\":{bad}"), 0);
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{bad}");
    }
    assert!(times(r#""exp":1700003600,"nbf":1700000004.5"#, 0).is_ok());
    assert_eq!(
        times(r#""exp":1700003600,"nbf":1700000005.5"#, 0),
        Err(Reason::TokenNotYetValid)
    );
}

#[test]
fn j57_iat_in_the_future_is_refused() {
    let iat = |offset: i64, leeway_secs| {
        let members = format!("\"exp\":1700003600,\"iat\":{}", NOW + offset);
        reason(times(&members, leeway_secs))
    };
    assert_eq!(iat(3000, 0), Some(Reason::TokenNotYetValid));
    assert_eq!(iat(0, 0), None);
    assert_eq!(iat(5, 0), None);
    assert_eq!(iat(6, 0), Some(Reason::TokenNotYetValid));
    assert_eq!(iat(600, 600), None);
    for bad in ["\"1700000000\"", "-1", "null", "true", "1700000000000"] {
        let verdict = times(&format!("\"exp\":1700003600,\"iat\":{bad}"), 0);
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{bad}");
    }
}

#[test]
fn j58_a_lifetime_over_the_maximum_is_refused() {
    let one_hour = rules("max_lifetime_secs = 3600");
    let judge = |members: &str| judge(&one_hour, &format!(r#""sub":"u1",{members}"#), 0);
    assert!(judge(r#""iat":1700000000,"exp":1700003600"#).is_ok());
    assert!(judge(r#""exp":1700003600"#).is_ok());
    for bad in [
        r#""iat":1700000000,"exp":1700003601"#,
        r#""iat":1699999999,"exp":1700003600"#,
        r#""exp":1700003601"#,
        r#""iat":0,"exp":1700000001"#,
    ] {
        assert_eq!(judge(bad), Err(Reason::TokenLifetime), "{bad}");
    }
}

#[test]
fn j59_a_token_ends_after_it_starts() {
    for bad in [
        r#""exp":1700003600,"nbf":1700003601"#,
        r#""exp":1700003600,"iat":1700003601"#,
        r#""exp":1600000000,"iat":1600000001"#,
    ] {
        assert_eq!(times(bad, 0), Err(Reason::ClaimInvalid), "{bad}");
    }
    // An instant is not wrong, only short.
    assert!(times(r#""exp":1700000003,"nbf":1700000003,"iat":1700000003"#, 0).is_ok());
    assert_eq!(
        times(r#""exp":1700000000,"nbf":1700000000"#, 0),
        Err(Reason::TokenExpired)
    );
}
