//! Which keys verify, and which one is named.

use super::*;

fn judged(sent: &Sent, keys: &[(u32, &Key)]) -> Result<u32, Reason> {
    let freshness = sent.rules.freshness(None, None);
    sent.judged(keys, freshness, NOW).map(|proof| proof.version)
}

#[test]
fn each_live_version_verifies_and_is_named() {
    let (old, new) = (key_of(b"the old one"), key());
    for scheme in SCHEMES {
        let by_new = sent(scheme);
        let mut by_old = sent(scheme);
        by_old.headers = signed(by_old.rules, &old, ID, NOW, BODY);
        for keys in [[(3, &old), (7, &new)], [(7, &new), (3, &old)]] {
            assert_eq!(judged(&by_old, &keys), Ok(3));
            assert_eq!(judged(&by_new, &keys), Ok(7));
        }
        assert_eq!(
            judged(&by_old, &[(7, &new)]),
            Err(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn w38_a_list_with_a_signature_of_each_version_names_the_first() {
    let (old, new) = (key_of(b"the old one"), key());
    let both = sent("standard.webhook");
    let by_old = signed(both.rules, &old, ID, NOW, BODY);
    let list = format!("{} {}", both.signature(), by_old[2].1);
    let both = both.signed(&list);
    assert_eq!(judged(&both, &[(3, &old), (7, &new)]), Ok(3));
    assert_eq!(judged(&both, &[(7, &new)]), Ok(7));
}

#[test]
fn without_a_live_version_nothing_verifies() {
    for scheme in SCHEMES {
        assert_eq!(judged(&sent(scheme), &[]), Err(Reason::NoLiveVersion));
    }
}

#[test]
fn the_tag_of_a_proof_is_the_signature_that_was_sent() {
    let good = sent("standard.webhook");
    let proof = good.verdict_at(NOW).unwrap();
    let text = format!("v1,{}", STANDARD.encode(proof.tag.expose_bytes()));
    assert_eq!(good.signature(), text);
    assert_eq!(proof.delivery_id.as_deref(), Some(ID));
    assert_eq!(proof.signed_time, Some(NOW));
}
