//! J60 to J65, J72: fixed claims, audience, subject and the other claims of an identity.

use super::*;

#[test]
fn j60_the_subject_is_a_usable_text() {
    for claim in ["sub", "user_id", "external_id", "id", "jti"] {
        let rules = TokenRules {
            subject: claim.to_owned(),
            ..rules("")
        };
        let judge = |members: &str| judge(&rules, &format!("\"exp\":1700003600{members}"), 0);
        assert_eq!(judge(""), Err(Reason::ClaimMissing), "{claim}");
        let long = |len: usize| format!("\"{}\"", "u".repeat(len));
        for bad in [
            r#""""#,
            "null",
            "42",
            r#"["u1"]"#,
            r#"{"id":"u1"}"#,
            "true",
            &long(513),
            r#""u\n1""#,
            r#""u\u0000""#,
            r#""u\u007f""#,
            r#""u\u0085""#,
        ] {
            let verdict = judge(&format!(",\"{claim}\":{bad}"));
            assert_eq!(verdict, Err(Reason::ClaimInvalid), "{claim} {bad}");
        }
        for (good, id) in [(r#""u1""#, "u1"), (r#""\u0075\u0031""#, "u1")] {
            let proof = judge(&format!(",\"{claim}\":{good}")).unwrap();
            assert_eq!(proof.identity.id, id);
            assert!(proof.identity.attributes.is_empty());
        }
        assert!(judge(&format!(",\"{claim}\":{}", long(512))).is_ok());
    }
}

#[test]
fn j61_and_j62_the_subject_comes_out_byte_for_byte() {
    for id in ["caf\u{e9}", "cafe\u{301}", "u1 ", " u1", "U1", "u1"] {
        let payload = format!(r#"{{"sub":"{id}","exp":1700003600}}"#);
        let proof = check_payload(payload).unwrap();
        assert_eq!(proof.identity.id.as_bytes(), id.as_bytes());
    }
}

#[test]
fn j63_an_audience_is_refused_where_none_is_fixed() {
    for aud in ["\"app1\"", "5", "[]", "[\"app1\"]", "null", "\"\""] {
        let verdict = check_with(&format!("\"aud\":{aud}"));
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{aud}");
    }
}

#[test]
fn j64_a_fixed_audience_must_be_there_whole() {
    let rules = rules("fixed_claims = { aud = \"{app_id}\" }");
    let judge = |aud: &str| judge(&rules, &format!(r#""sub":"u1","exp":1700003600{aud}"#), 0);
    assert_eq!(judge(""), Err(Reason::ClaimMissing));
    let sixteen = format!("[{}\"app1\"]", "\"x\",".repeat(15));
    for good in ["\"app1\"", "[\"app1\"]", "[\"x\",\"app1\"]", &sixteen] {
        assert!(judge(&format!(",\"aud\":{good}")).is_ok(), "{good}");
    }
    let seventeen = format!("[{}\"app1\"]", "\"x\",".repeat(16));
    let many = format!("[{}\"app1\"]", "1,".repeat(2500));
    for bad in [
        "5",
        "null",
        "[]",
        "[[\"app1\"]]",
        "\"app\"",
        "\"app12\"",
        "[\"app12\",\"app\"]",
        "\"\"",
        "[\"app1\",5]",
        "{\"app1\":1}",
        "\"APP1\"",
        &seventeen,
        &many,
    ] {
        let verdict = judge(&format!(",\"aud\":{bad}"));
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{bad}");
    }
}

#[test]
fn j65_a_fixed_issuer_is_exact_and_any_issuer_is_text() {
    let rules = rules("fixed_claims = { iss = \"{app_id}\", tokenType = \"user\" }");
    let judge = |iss: &str| {
        let members = format!(r#""sub":"u1","exp":1700003600,"tokenType":"user"{iss}"#);
        judge(&rules, &members, 0)
    };
    let proof = judge(r#","iss":"app1""#).unwrap();
    assert!(proof.identity.attributes.is_empty());
    assert_eq!(judge(""), Err(Reason::ClaimMissing));
    for bad in [
        "1",
        "[\"app1\"]",
        "\"app\"",
        "\"app11\"",
        "\"APP1\"",
        "\"{app_id}\"",
        "null",
    ] {
        let verdict = judge(&format!(",\"iss\":{bad}"));
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{bad}");
    }
    assert!(check_with(r#""iss":"anyone""#).is_ok());
    for bad in ["1", "[\"anyone\"]", "null"] {
        let verdict = check_with(&format!("\"iss\":{bad}"));
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{bad}");
    }
}

#[test]
fn a_fixed_claim_without_its_parameter_lets_nothing_pass() {
    let rules = rules("fixed_claims = { iss = \"{org_id}\" }");
    for iss in ["\"app1\"", "\"{org_id}\"", "\"\"", "null"] {
        let members = format!(r#""sub":"u1","exp":1700003600,"iss":{iss}"#);
        assert_eq!(judge(&rules, &members, 0), Err(Reason::ClaimInvalid));
    }
    // Nor does one that the scheme or the secret leaves empty.
    let empty = TokenRules {
        fixed_claims: BTreeMap::from([("iss".to_owned(), String::new())]),
        ..rules
    };
    let members = r#""sub":"u1","exp":1700003600,"iss":"""#;
    assert_eq!(judge(&empty, members, 0), Err(Reason::ClaimInvalid));
}

#[test]
fn email_and_name_are_text_and_the_rest_are_attributes() {
    let proof = check_with(
        r#""email":"a@b.c","name":"Ada","jti":"1","iss":"x","iat":1700000000,"plan":{"tier":1}"#,
    );
    let identity = proof.unwrap().identity;
    assert_eq!(
        (identity.email.as_str(), identity.name.as_str()),
        ("a@b.c", "Ada")
    );
    let attributes = serde_json::json!({"plan": {"tier": 1}});
    assert_eq!(serde_json::Value::Object(identity.attributes), attributes);
    for bad in [r#""email":5"#, r#""email":null"#, r#""name":["Ada"]"#] {
        assert_eq!(check_with(bad), Err(Reason::ClaimInvalid), "{bad}");
    }
}

#[test]
fn j72_unverified_claims_are_read_strictly_and_only_as_text() {
    let read = |payload: &str| {
        let token = format!("{}.{}.{}", b64(GOOD_HEADER), b64(payload), b64([0; 32]));
        claims_unverified(&rules(""), &token)
    };
    let identity = read(r#"{"sub":"u1","email":"a@b.c","exp":1,"plan":"pro"}"#).unwrap();
    assert_eq!(
        (identity.id.as_str(), identity.email.as_str()),
        ("u1", "a@b.c")
    );
    assert_eq!(identity.attributes.len(), 1);
    let identity = read(r#"{"sub":"u\n1","email":7,"name":"Ada"}"#).unwrap();
    assert_eq!((identity.id.as_str(), identity.email.as_str()), ("", ""));
    assert_eq!(identity.name, "Ada");
    for nothing in [
        "{}",
        "[]",
        r#"{"exp":1}"#,
        r#"{"sub":"a","sub":"b"}"#,
        "x",
        "",
    ] {
        assert_eq!(read(nothing), None, "{nothing}");
    }
    for no_token in ["", "a", "a.b", "..", "a.b.c.d"] {
        assert_eq!(claims_unverified(&rules(""), no_token), None, "{no_token}");
    }
}

#[test]
fn required_claims_are_there_and_say_something() {
    let rules = rules("required_claims = [\"email\", \"iat\", \"team\"]");
    let judge = |members: &str| {
        judge(
            &rules,
            &format!(r#""sub":"u1","exp":1700003600{members}"#),
            0,
        )
    };
    let all = r#","email":"a@b.c","iat":1700000000,"team":{}"#;
    assert_eq!(judge(all).unwrap().identity.email, "a@b.c");
    for missing in [
        r#","iat":1700000000,"team":1"#,
        r#","email":"a@b.c","team":1"#,
        r#","email":"a@b.c","iat":1700000000"#,
    ] {
        assert_eq!(judge(missing), Err(Reason::ClaimMissing), "{missing}");
    }
    for empty in [
        r#","email":"","iat":1700000000,"team":1"#,
        r#","email":"a@b.c","iat":1700000000,"team":null"#,
        r#","email":"a@b.c","iat":1700000000,"team":"""#,
    ] {
        assert_eq!(judge(empty), Err(Reason::ClaimInvalid), "{empty}");
    }
}

#[test]
fn a_refused_claim_lets_nothing_pass_whatever_its_value() {
    let rules = rules("refused_claims = [\"server\"]");
    let judge = |members: &str| {
        judge(
            &rules,
            &format!(r#""sub":"u1","exp":1700003600{members}"#),
            0,
        )
    };
    assert!(judge(r#","Server":true"#).is_ok());
    for value in ["true", "false", "null", "1", "\"\"", "{}"] {
        let verdict = judge(&format!(",\"server\":{value}"));
        assert_eq!(verdict, Err(Reason::ClaimInvalid), "{value}");
    }
}
