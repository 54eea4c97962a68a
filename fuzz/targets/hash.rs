//! Identity hashes: whatever is sent, a hash that holds is the one that Sign makes, and no other key takes it.
#![no_main]

use countersign_core::{
    Identity, Purpose, Secret,
    secret::Proof,
    verdict::{IdentityVerdict, Trust},
};
use countersign_fuzz::{captured::Captured, secrets};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(captured) = Captured::parse(data) else {
        return Corpus::Reject;
    };
    let is_hash = |secret: &Secret| secret.scheme.purpose() == Purpose::IdentityHash;
    let Some(secret) = captured.secret().filter(is_hash) else {
        return Corpus::Reject;
    };
    if let Some(verdict) = verdict(&secret, &captured, captured.proof())
        && verdict.trust == Trust::Verified
        && captured.hash.is_some()
    {
        check_held(&secret, &captured, &verdict);
    }
    check_signed(&secret, &captured);
    Corpus::Keep
});

fn verdict(
    secret: &Secret,
    captured: &Captured,
    proof: Option<Proof<'_>>,
) -> Option<IdentityVerdict> {
    let verdict = secret.verify(captured.identity.clone(), proof, captured.now());
    verdict.ok()
}

fn check_held(secret: &Secret, captured: &Captured, verdict: &IdentityVerdict) {
    let own = secret.sign_identity(&captured.identity, None, captured.now());
    let own = own.expect("what a hash holds over can be signed").value;
    let sent = captured.hash.as_deref().unwrap_or_default();
    assert!(own.eq_ignore_ascii_case(sent));
    let verified = verdict.verified.as_ref().expect("it is verified");
    assert!(!verified.is_empty() && verified.attributes.is_empty());
    let other = secrets::with_another_key(secret, 3);
    for refusing in [other, secrets::without_live_version(secret)] {
        let refused = self::verdict(&refusing, captured, captured.proof());
        assert!(refused.is_none_or(|refused| refused.trust != Trust::Verified));
    }
}

/// What Sign makes verifies, and a digit less, more or changed does not.
fn check_signed(secret: &Secret, captured: &Captured) {
    let Ok(signed) = secret.sign_identity(&captured.identity, None, captured.now()) else {
        return;
    };
    let hash = signed.value;
    let holds = |hash: &str, identity: &Identity| {
        let proof = Some(Proof::Hash(hash));
        let verdict = secret.verify(identity.clone(), proof, captured.now());
        verdict.is_ok_and(|verdict| verdict.trust == Trust::Verified)
    };
    assert!(holds(&hash, &captured.identity));
    assert!(
        !holds(&hash[1..], &captured.identity) && !holds(&format!("{hash}0"), &captured.identity)
    );
    let at = countersign_fuzz::choose(&captured.body, hash.len().saturating_sub(2).max(1));
    let mut changed = hash.clone().into_bytes();
    changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(!holds(&changed, &captured.identity));
}
