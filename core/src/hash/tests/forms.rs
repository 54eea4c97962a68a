//! Rows about the text form of a hash.

use super::*;

#[test]
fn h05_an_empty_hash_is_refused() {
    let secret = active("chatwoot.identity");
    for empty in ["", " ", "\0"] {
        assert_eq!(
            reason(&secret, &of_id("user_1"), empty),
            Some(Reason::SignatureMalformed)
        );
    }
}

#[test]
fn h06_only_a_whole_hash_is_one() {
    let secret = active("chatwoot.identity");
    let user = of_id("user_1");
    let hash = signed(&secret, &user);
    let cut = (1..64).map(|end| hash[..end].to_owned());
    let longer = ["a", "00", &hash].map(|more| format!("{hash}{more}"));
    for bad in cut.chain(longer) {
        assert_eq!(
            reason(&secret, &user, &bad),
            Some(Reason::SignatureMalformed),
            "{bad}"
        );
    }
}

#[test]
fn h07_the_case_of_digits_carries_nothing() {
    let secret = active("chatwoot.identity");
    let user = of_id("user_1");
    let hash = signed(&secret, &user);
    assert_eq!(hash, hash.to_lowercase());
    let mixed = hash[..32].to_uppercase() + &hash[32..];
    for text in [hash.to_uppercase(), mixed] {
        assert_ne!(text, hash);
        assert_eq!(reason(&secret, &user, &text), None);
    }
}

#[test]
fn h07_a_strict_scheme_refuses_the_other_case() {
    let rules: HashRules =
        toml::from_str("message = '{id}'\nencoding = 'hex-lower'\nstrict = true").unwrap();
    let key = Key::new(Zeroizing::new(KEY.as_bytes().to_vec()));
    let user = of_id("user_1");
    let hash = rules.sign(&key, &user).unwrap();
    let judge = |text: &str| {
        let proof = rules.verify(&user, text, [(1, &key)].into_iter());
        proof.map(|proof| proof.version)
    };
    assert_eq!(judge(&hash), Ok(1));
    let mixed = hash[..32].to_uppercase() + &hash[32..];
    for text in [hash.to_uppercase(), mixed] {
        assert_eq!(judge(&text), Err(Reason::SignatureMalformed));
    }
}

#[test]
fn h08_another_text_form_of_the_same_hash_is_refused() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let secret = active("chatwoot.identity");
    let user = of_id("user_1");
    let hash = signed(&secret, &user);
    for bad in [
        STANDARD.encode(hex::decode(&hash).unwrap()),
        format!("0x{hash}"),
        format!("0x{}", &hash[2..]),
        format!("sha256={hash}"),
        format!("\"{hash}\""),
        // SHA-1, as in row H16.
        hash[..40].to_owned(),
    ] {
        assert_eq!(
            reason(&secret, &user, &bad),
            Some(Reason::SignatureMalformed),
            "{bad}"
        );
    }
}

#[test]
fn h09_spaces_and_foreign_digits_are_refused() {
    let secret = active("chatwoot.identity");
    let user = of_id("user_1");
    let hash = signed(&secret, &user);
    let wide: String = hash
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap())
        .collect();
    for bad in [
        wide,
        format!(" {hash}"),
        format!("{hash}\n"),
        format!(" {}", &hash[1..]),
        format!("{} {}", &hash[..31], &hash[32..]),
        format!("{} {}", &hash[..32], &hash[32..]),
    ] {
        assert_eq!(
            reason(&secret, &user, &bad),
            Some(Reason::SignatureMalformed),
            "{bad}"
        );
    }
}

#[test]
fn h11_every_flipped_bit_is_refused() {
    let secret = active("chatwoot.identity");
    let user = of_id("user_1");
    let hash = hex::decode(signed(&secret, &user)).unwrap();
    for bit in 0..256 {
        let mut other = hash.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            reason(&secret, &user, &hex::encode(other)),
            Some(Reason::SignatureMismatch),
            "{bit}"
        );
    }
}
