//! What holds of every text.

use proptest::prelude::*;

use super::*;

fn jsonish() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        "[a-z\\\\u0-9]{0,6}".prop_map(|s| format!("\"{s}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = "(alg|typ|kid|sub|exp|nbf|iat|aud|iss|email|x)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((name, inner), 0..5).prop_map(|v| {
                let members = v.iter().map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        prop_assert!(check(&text).is_err());
        let _ = claims_unverified(&rules(""), &text);
        let _ = looks_like_signing_input(text.as_bytes());
    }

    #[test]
    fn no_header_or_payload_panics(header in jsonish(), payload in jsonish(), bytes in any::<Vec<u8>>()) {
        let _ = check_header(&header);
        let _ = check_payload(&payload);
        let _ = check_payload(&bytes);
        let _ = check_header(&bytes);
        let _ = claims_unverified(&rules(""), &seal(header, payload));
    }

    #[test]
    fn a_token_changed_at_any_byte_proves_nothing(at in any::<prop::sample::Index>(), to in any::<char>()) {
        let token = seal(GOOD_HEADER, r#"{"sub":"u1","exp":1700003600,"name":"Ada"}"#);
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        prop_assert!(check(&changed).is_err(), "{changed}");
    }

    #[test]
    fn what_is_signed_verifies_to_the_same(id in "\\PC{1,40}", email in "\\PC{0,20}", name in "\\PC{0,20}", x in any::<String>()) {
        let attributes = serde_json::json!({"x": x}).as_object().unwrap().clone();
        let identity = Identity { id, email, name, attributes };
        let key = key(KEY);
        let signer = TokenKey { version: 1, key_id: None, key: &key };
        let (token, _) = sign(&rules(""), &BTreeMap::new(), signer, &identity, None, now()).unwrap();
        prop_assert_eq!(check(&token).unwrap().identity, identity);
    }
}

#[test]
fn a_token_changed_at_every_byte_proves_nothing() {
    let token = seal(GOOD_HEADER, GOOD_PAYLOAD);
    for at in 0..token.len() {
        for to in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0" {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = *to;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(changed == token || check(&changed).is_err(), "{changed}");
        }
    }
}
