//! What holds for every input.

use proptest::prelude::*;

use super::*;

fn any_scheme() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SCHEMES.to_vec())
}

/// Arbitrary text, and text that comes close to the grammars.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,200}",
        "(v1|v1a|t|v0|sha256)?[=, ]{0,2}[A-Za-z0-9+/=, ._-]{0,120}",
        "sha256=[0-9a-fA-F]{62,66}",
        "t=17000000[0-9]{2},v1=[0-9a-f]{64}(,v1=[0-9a-f]{64})?",
        "v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)?",
        "17000000[0-9]{2}(000)?",
    ]
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic_and_never_verify(
        scheme in any_scheme(),
        values in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..100),
        now in prop_oneof![Just(NOW_SECS * 1000), any::<i64>()],
    ) {
        let rules = rules(scheme);
        let names = rules.header_names();
        let headers = values
            .into_iter()
            .map(|(index, value)| (names[index.index(names.len())].clone(), value))
            .collect();
        let forged = Sent { rules, headers, body };
        prop_assert!(forged.verdict_at(Timestamp::from_unix_millis(now)).is_err());
    }

    #[test]
    fn arbitrary_values_in_a_whole_set_of_headers_never_verify(
        scheme in any_scheme(),
        values in prop::array::uniform3(any_value()),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let rules = rules(scheme);
        let headers = rules.header_names().into_iter().zip(values).collect();
        let forged = Sent { rules, headers, body };
        prop_assert!(forged.verdict_at(NOW).is_err());
    }

    #[test]
    fn whatever_is_signed_verifies(
        scheme in any_scheme(),
        id in "[A-Za-z0-9_-]{1,128}",
        body in prop::collection::vec(any::<u8>(), 0..300),
        secs in 1..=crate::time::MAX_UNIX_SECS,
    ) {
        let rules = rules(scheme);
        let time = Timestamp::from_unix_secs(secs);
        let headers = signed(rules, &key(), &id, time, &body);
        let good = Sent { rules, headers, body };
        prop_assert!(good.verdict_at(time).is_ok());
    }

    #[test]
    fn a_flipped_bit_of_the_body_is_refused(
        scheme in any_scheme(),
        body in prop::collection::vec(any::<u8>(), 1..300),
        place in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let rules = rules(scheme);
        let headers = signed(rules, &key(), ID, NOW, &body);
        let place = place.index(body.len());
        let mut spoiled = Sent { rules, headers, body };
        spoiled.body[place] ^= 1 << bit;
        prop_assert_eq!(
            spoiled.verdict_at(NOW).map(|proof| proof.version),
            Err(Reason::SignatureMismatch)
        );
    }
}

/// Every bit of every header that is signed or signs; few enough to try them all.
#[test]
fn a_flipped_bit_of_id_timestamp_or_signature_is_refused() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        for index in 0..good.headers.len() {
            let unsigned_id = text(good.rules).id.is_some()
                && !good.rules.proven().has(ProvenPart::Id)
                && index == 0;
            let value = good.headers[index].1.clone();
            for (place, bit) in
                (0..value.len()).flat_map(|place| (0..7).map(move |bit| (place, bit)))
            {
                let flipped = flipped(&value, place, bit);
                if unsigned_id || is_same_digest(&good, index, place, &value, &flipped) {
                    continue;
                }
                let mut spoiled = good.clone();
                spoiled.headers[index].1 = flipped;
                assert!(spoiled.verdict_at(NOW).is_err(), "{:?}", spoiled.headers);
            }
        }
    }
}

fn flipped(value: &str, place: usize, bit: u32) -> String {
    let mut bytes = value.as_bytes().to_vec();
    bytes[place] ^= 1 << bit;
    String::from_utf8(bytes).expect("still ASCII")
}

/// Whether the flip changed nothing but the case of a hexadecimal digit of the signature.
fn is_same_digest(good: &Sent, index: usize, place: usize, value: &str, flipped: &str) -> bool {
    text(good.rules).encoding != Encoding::Base64
        && index == good.headers.len() - 1
        && place >= value.len() - 64
        && flipped.eq_ignore_ascii_case(value)
}
