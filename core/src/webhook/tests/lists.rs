//! Rows about headers that list several signatures.

use super::*;

#[test]
fn w08_one_good_signature_among_ten_is_enough() {
    let good = sent("standard.webhook");
    let value = good.signature().to_owned();
    for place in 0..10 {
        let list: Vec<_> = (0..10)
            .map(|index| match index {
                index if index == place => value.clone(),
                0..3 => "v1a,bm90IG91cnM=".to_owned(),
                3..6 => "v1,not base64".replace(' ', "_"),
                _ => format!("v1,{}", base64_tag(&[b"other", &[index]])),
            })
            .collect();
        good.clone().signed(&list.join(" ")).assert_accepted();
    }
}

#[test]
fn w09_a_list_of_more_than_sixteen_entries_is_refused() {
    let good = sent("standard.webhook");
    let value = good.signature().to_owned();
    for (others, fits) in [(15, true), (16, false), (9_999, false)] {
        let bad = format!("v1,{} ", base64_tag(&[b"other"])).repeat(others);
        let last = good.clone().signed(&format!("{bad}{value}"));
        let first = good.clone().signed(&format!("{value} {}", bad.trim_end()));
        if fits {
            last.assert_accepted();
            first.assert_accepted();
        } else {
            last.assert_refused(Reason::SignatureMalformed);
            first.assert_refused(Reason::SignatureMalformed);
        }
    }
}

#[test]
fn w09_the_pairs_of_other_keys_count_too() {
    let good = sent("stripe.webhook");
    let value = good.signature().to_owned();
    for (others, fits) in [(14, true), (15, false)] {
        let padded = good
            .clone()
            .signed(&format!("{}{value}", "v0=00,".repeat(others)));
        if fits {
            padded.assert_accepted();
        } else {
            padded.assert_refused(Reason::SignatureMalformed);
        }
    }
}

#[test]
fn w10_signatures_of_other_versions_are_none() {
    let good = sent("standard.webhook");
    let value = good.signature().to_owned();
    for version in ["v1a,", "v2,", "V1,", "v11,", "1,", ",", "v1=", "v1 ,"] {
        good.clone()
            .signed(&value.replacen("v1,", version, 1))
            .assert_refused(Reason::SignatureMissing);
    }
}

#[test]
fn w37_two_timestamps_in_one_header_are_refused() {
    let good = sent("stripe.webhook");
    let value = good.signature().to_owned();
    for second in ["t=1700000000", "t=1700000001", "t="] {
        for list in [format!("{second},{value}"), format!("{value},{second}")] {
            good.clone()
                .signed(&list)
                .assert_refused(Reason::HeaderAmbiguous);
        }
    }
}

#[test]
fn w38_one_good_v1_of_two_is_enough() {
    let good = sent("stripe.webhook");
    let value = good.signature().to_owned();
    let other = format!("v1={}", hex_tag(&[b"other"]));
    good.clone()
        .signed(&format!("{value},{other}"))
        .assert_accepted();
    good.clone()
        .signed(&format!("{other},{value}"))
        .assert_accepted();
    good.signed(&format!("t={NOW_SECS},{other},{other}"))
        .assert_refused(Reason::SignatureMismatch);
}
