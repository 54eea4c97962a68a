//! Tokens that others made.

use super::*;

/// RFC 7515 §A.1.1: the key, in base64url.
const RFC_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
/// RFC 7515 §A.1.1: `iss` joe, `exp` 1300819380, `http://example.com/is_root`, and no `sub`.
const RFC_TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog\
     Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7515 §A.5: the same claims, unsecured.
const RFC_UNSECURED: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl\
     LmNvbS9pc19yb290Ijp0cnVlfQ.";

fn check_at(
    rules: &TokenRules,
    secret: &[u8],
    parameters: &[(&str, &str)],
    token: &str,
    now: i64,
) -> Result<TokenProof, Reason> {
    let key = key(secret);
    let keys = [TokenKey {
        version: 1,
        key_id: None,
        key: &key,
    }];
    let parameters = parameters
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let now = Timestamp::from_unix_secs(now);
    verify(
        rules,
        &parameters.collect(),
        keys.into_iter(),
        token,
        0,
        now,
    )
}

#[test]
fn rfc_7515_a_1_which_is_rfc_7519_3_1_passes_the_mac_and_lacks_a_subject() {
    let secret = URL_SAFE_NO_PAD.decode(RFC_KEY).unwrap();
    let check =
        |rules: &TokenRules, secret: &[u8]| check_at(rules, secret, &[], RFC_TOKEN, 1_300_819_379);
    assert!(
        Compact::parse(RFC_TOKEN)
            .unwrap()
            .is_signed_by(&key(&secret))
    );
    assert_eq!(check(&rules(""), &secret), Err(Reason::ClaimMissing));
    assert_eq!(check(&rules(""), KEY), Err(Reason::SignatureMismatch));
    let by_issuer = TokenRules {
        subject: "iss".to_owned(),
        ..rules("")
    };
    let proof = check(&by_issuer, &secret).unwrap();
    assert_eq!(proof.identity.id, "joe");
    assert_eq!(
        proof.identity.attributes["http://example.com/is_root"],
        true
    );
}

#[test]
fn j01_rfc_7515_a_5_which_is_rfc_7519_6_1_is_refused() {
    assert_eq!(check(RFC_UNSECURED), Err(Reason::TokenAlgorithm));
}

#[test]
fn kaltalk_jwt() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyXzEiLCJlbWFpbCI6ImphbmVAZXhhbXBsZS5jb20iLCJuYW\
         1lIjoiSmFuZSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwfQ.SvcW9L3Zc7q3WjZYLOSIu_5kzEHpbZE9Tl6m5nyOsxc";
    let secret = b"kaltalk-iv-secret";
    let proof = check_at(&rules(""), secret, &[], token, NOW).unwrap();
    assert_eq!(proof.identity.id, "user_1");
    assert_eq!(proof.identity.email, "jane@example.com");
    assert_eq!(proof.identity.name, "Jane");
    assert_eq!(
        check_at(&rules(""), secret, &[], token, NOW + 3600),
        Err(Reason::TokenExpired)
    );
}

#[test]
fn talkjs_jwt() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlblR5cGUiOiJ1c2VyIiwiaXNzIjoiRVhBTVBMRV9BUFAiLCJzdWIiOiJFWEFNUExFX1VTRV\
         IifQ.IgcpWwC9i2x-XqQ0SUaVmc439dn0vuM2xsCQgwWFCNc";
    let rules = rules(
        "exp = \"optional\"\ntyp = false\nfixed_claims = { iss = \"{app_id}\", tokenType = \"user\" }",
    );
    let secret = b"sk_test_example";
    let check = |app_id| check_at(&rules, secret, &[("app_id", app_id)], token, NOW);
    let proof = check("EXAMPLE_APP").unwrap();
    assert_eq!(proof.identity.id, "EXAMPLE_USER");
    assert_eq!(proof.expire_time, None);
    assert_eq!(check("OTHER_APP"), Err(Reason::ClaimInvalid));
}
