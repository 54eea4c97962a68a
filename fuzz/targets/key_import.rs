//! Keys as somebody pastes them: text, hexadecimal, base64, DER, JWK sets. What is taken has an honest length, signs and
//! verifies, and its public half is a key again.
#![no_main]

use countersign_core::{
    Catalogue, Key, Scheme,
    key::Algorithm,
    key_policy::{self, MAX_KEY_BYTES, SHORTEST_KEY_BYTES},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

// The id of a scheme, a line feed, the key text.
fuzz_target!(|text: &str| -> Corpus {
    let Some((id, text)) = text.split_once('\n') else {
        return Corpus::Reject;
    };
    let Some(scheme) = Catalogue::builtin().scheme(id) else {
        return Corpus::Reject;
    };
    let text = SecretString::from(text);
    let taken = key_policy::check(
        &scheme.key,
        scheme.algorithm(),
        scheme.min_key_bytes(),
        &text,
    );
    let decoded = scheme.decode_key(&text);
    assert!(taken.is_err() || decoded.is_ok());
    if let Ok((key, _)) = taken
        && !scheme.algorithm().is_public_key()
    {
        let length = key.expose_bytes().len();
        assert!((SHORTEST_KEY_BYTES..=MAX_KEY_BYTES).contains(&length));
    }
    if let Ok(key) = decoded {
        check_key(scheme, &key);
        check_again(scheme, &key, &text);
    }
    check_generated(scheme, text.expose_secret());
    Corpus::Keep
});

fn check_key(scheme: &Scheme, key: &Key) {
    assert!(!key.expose_bytes().is_empty());
    assert_eq!(key.algorithm(), scheme.algorithm());
    assert_eq!(format!("{key:?}"), "Key([redacted])");
    let is_bound = !matches!(key.algorithm(), Algorithm::Token);
    let Some(signature) = key.sign(&[b"one", b"text"]) else {
        assert!(key.is_public_only());
        return;
    };
    let signatures = [signature.as_slice()];
    assert!(key.check(&[b"onetext"], signatures.into_iter()).is_some());
    if is_bound {
        assert!(key.check(&[b"onetexT"], signatures.into_iter()).is_none());
    }
    assert!(key.check(&[b"onetext"], [&[][..]].into_iter()).is_none());
}

/// The same text is the same key, and its public half is a key that verifies what it signs.
fn check_again(scheme: &Scheme, key: &Key, text: &SecretString) {
    let again = scheme.decode_key(text).expect("it was decoded before");
    assert_eq!(*again.effective_block(), *key.effective_block());
    let Some(public) = scheme.key.public_text(key) else {
        return;
    };
    let half = scheme.decode_key(&public.clone().into());
    let half = half.expect("the public half is a key");
    assert!(half.is_public_only());
    assert_eq!(*half.effective_block(), *key.effective_block());
    assert_eq!(scheme.key.public_text(&half), Some(public));
    if let Some(signature) = key.sign(&[b"text"]) {
        let signatures = [signature.as_slice()];
        assert!(half.check(&[b"text"], signatures.into_iter()).is_some());
    }
}

/// What the service makes of random bytes, it takes.
fn check_generated(scheme: &Scheme, random: &str) {
    let Some(random) = random.as_bytes().first_chunk::<32>() else {
        return;
    };
    let text = scheme.generate_key(&Zeroizing::new(*random));
    let key = scheme.decode_key(&text).expect("a key of the scheme");
    check_key(scheme, &key);
}
