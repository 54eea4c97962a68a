//! Rows about time: the form of a timestamp, its unit and its window.

use super::*;

const SECONDS: Option<TimestampUnit> = Some(TimestampUnit::Seconds);
const MILLISECONDS: Option<TimestampUnit> = Some(TimestampUnit::Milliseconds);
const FIVE_MINUTES: Option<Duration> = Some(Duration::from_secs(300));

fn millis_from_now(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(NOW.unix_millis() + millis)
}

fn verdict(sent: &Sent, freshness: Freshness, now: Timestamp) -> Result<(), Reason> {
    sent.judged(&[(1, &key())], freshness, now).map(|_| ())
}

/// A TalkJS delivery with this timestamp text, well signed: the one vendor that states no unit.
fn talkjs(timestamp: &str) -> Sent {
    sent("talkjs.webhook")
        .with("X-TalkJS-Timestamp", timestamp)
        .signed(&hex_tag(&[timestamp.as_bytes(), b".", BODY]))
}

/// Deliveries of every scheme that has a timestamp, with this text in its place and well signed.
fn stamped(timestamp: &str) -> [Sent; 5] {
    let text = timestamp.as_bytes();
    [
        sent("standard.webhook")
            .with("webhook-timestamp", timestamp)
            .signed(&format!(
                "v1,{}",
                base64_tag(&[ID.as_bytes(), b".", text, b".", BODY])
            )),
        sent("stripe.webhook").signed(&format!(
            "t={timestamp},v1={}",
            hex_tag(&[text, b".", BODY])
        )),
        sent("slack.webhook")
            .with("X-Slack-Request-Timestamp", timestamp)
            .signed(&format!("v0={}", hex_tag(&[b"v0:", text, b":", BODY]))),
        sent("chatwoot.webhook")
            .with("X-Chatwoot-Timestamp", timestamp)
            .signed(&format!("sha256={}", hex_tag(&[text, b".", BODY]))),
        talkjs(timestamp),
    ]
}

#[test]
fn w14_the_window_in_seconds_ends_where_it_says() {
    for scheme in [
        "standard.webhook",
        "stripe.webhook",
        "slack.webhook",
        "chatwoot.webhook",
    ] {
        let good = sent(scheme);
        let own = good.rules.freshness(None, None);
        for (millis, expect) in [
            (299_000, Ok(())),
            (300_000, Ok(())),
            (300_999, Ok(())),
            (301_000, Err(Reason::TimestampTooOld)),
            (-299_000, Ok(())),
            (-300_000, Ok(())),
            (-300_001, Err(Reason::TimestampInFuture)),
            (-301_000, Err(Reason::TimestampInFuture)),
        ] {
            assert_eq!(
                verdict(&good, own, millis_from_now(millis)),
                expect,
                "{scheme} {millis}"
            );
        }
    }
}

#[test]
fn w14_the_window_in_milliseconds_ends_where_it_says() {
    let good = sent("talkjs.webhook");
    let set = good.rules.freshness(FIVE_MINUTES, MILLISECONDS);
    for (millis, expect) in [
        (300_000, Ok(())),
        (300_001, Err(Reason::TimestampTooOld)),
        (-300_000, Ok(())),
        (-300_001, Err(Reason::TimestampInFuture)),
    ] {
        assert_eq!(
            verdict(&good, set, millis_from_now(millis)),
            expect,
            "{millis}"
        );
    }
}

#[test]
fn w15_only_a_plain_number_is_a_timestamp() {
    let twenty_digits = "17000000000000000000";
    for text in [
        "0",
        "00",
        "-1",
        "-1700000000",
        "-9223372036854775808",
        "9223372036854775808",
        twenty_digits,
        "1700000000.0",
        "1700000000.5",
        "1e9",
        "1.7e9",
        "0x6553f100",
        "6553f100",
        " 1700000000",
        "1700000000 ",
        "1700000000\n",
        "+1700000000",
        "01700000000",
        "1_700_000_000",
        "１７００００００００",
        "1700000000\0",
        "2023-11-14T22:13:20Z",
        "NaN",
    ] {
        for delivery in stamped(text) {
            delivery.assert_refused(Reason::TimestampMalformed);
        }
    }
    for delivery in stamped("") {
        delivery.assert_refused(Reason::TimestampMissing);
    }
    for delivery in stamped("1700000000") {
        delivery.assert_accepted();
    }
}

#[test]
fn w15_the_year_9999_is_the_last_one() {
    for text in ["253402300800", "9223372036854775", "9223372036854775807"] {
        let [standard, stripe, slack, chatwoot, _] = stamped(text);
        for delivery in [standard, stripe, slack, chatwoot] {
            delivery.assert_refused(Reason::TimestampMalformed);
        }
    }
    let [standard, ..] = stamped("253402300799");
    standard.assert_refused(Reason::TimestampInFuture);

    let set = |text| {
        let delivery = talkjs(text);
        let freshness = delivery.rules.freshness(FIVE_MINUTES, MILLISECONDS);
        verdict(&delivery, freshness, NOW)
    };
    assert_eq!(set("253402300799999"), Err(Reason::TimestampInFuture));
    assert_eq!(set("253402300800000"), Err(Reason::TimestampMalformed));
}

#[test]
fn w15_no_age_overflows() {
    for scheme in SCHEMES {
        let good = sent(scheme);
        for unit in [SECONDS, MILLISECONDS] {
            let freshness = good.rules.freshness(FIVE_MINUTES, unit);
            let dated = good.rules.has_timestamp();
            for (now, reason) in [
                (i64::MIN, Reason::TimestampInFuture),
                (i64::MIN + 1, Reason::TimestampInFuture),
                (i64::MAX, Reason::TimestampTooOld),
            ] {
                let verdict = verdict(&good, freshness, Timestamp::from_unix_millis(now));
                // TalkJS's text is in milliseconds here, which as seconds is no year.
                let unread = scheme == "talkjs.webhook" && unit == SECONDS;
                let expect = match () {
                    () if !dated => Ok(()),
                    () if unread => Err(Reason::TimestampMalformed),
                    () => Err(reason),
                };
                assert_eq!(verdict, expect, "{scheme} {unit:?} {now}");
            }
        }
    }
}

#[test]
fn w16_the_other_unit_is_refused() {
    let [standard, stripe, slack, chatwoot, _] = stamped("1700000000000");
    for delivery in [standard, stripe, slack, chatwoot] {
        delivery.assert_refused(Reason::TimestampMalformed);
    }
    for (text, unit, reason) in [
        ("1700000000", MILLISECONDS, Reason::TimestampTooOld),
        ("1700000000000", SECONDS, Reason::TimestampMalformed),
    ] {
        let delivery = talkjs(text);
        let freshness = delivery.rules.freshness(FIVE_MINUTES, unit);
        assert_eq!(verdict(&delivery, freshness, NOW), Err(reason));
    }
}

#[test]
fn a_secret_cannot_change_the_unit_that_the_vendor_states() {
    let good = sent("standard.webhook");
    let freshness = good.rules.freshness(None, MILLISECONDS);
    assert_eq!(verdict(&good, freshness, NOW), Ok(()));
}

#[test]
fn talkjs_is_not_checked_until_tolerance_and_unit_are_set() {
    let too_old = Err(Reason::TimestampTooOld);
    for (text, tolerance, unit, expect) in [
        ("1", None, None, Ok(())),
        ("1", FIVE_MINUTES, None, Ok(())),
        ("1000000000000", None, MILLISECONDS, Ok(())),
        ("1", FIVE_MINUTES, MILLISECONDS, too_old),
        ("1", FIVE_MINUTES, SECONDS, too_old),
    ] {
        let old = talkjs(text);
        let freshness = old.rules.freshness(tolerance, unit);
        assert_eq!(
            verdict(&old, freshness, NOW),
            expect,
            "{tolerance:?} {unit:?}"
        );
    }
}

#[test]
fn the_signed_time_is_told_only_where_the_unit_is_known() {
    let signed_time = |unit| {
        let delivery = talkjs("1700000000123");
        let freshness = delivery.rules.freshness(None, unit);
        let proof = delivery.judged(&[(1, &key())], freshness, NOW).unwrap();
        proof.signed_time.map(Timestamp::unix_millis)
    };
    assert_eq!(signed_time(None), None);
    assert_eq!(signed_time(MILLISECONDS), Some(1_700_000_000_123));
    let undated = sent("github.webhook").verdict_at(NOW).unwrap();
    assert_eq!(undated.signed_time, None);
}

#[test]
fn a_tolerance_replaces_the_window_on_both_sides() {
    let good = sent("standard.webhook");
    let minute = good.rules.freshness(Some(Duration::from_secs(60)), None);
    for (secs, expect) in [
        (60, Ok(())),
        (61, Err(Reason::TimestampTooOld)),
        (-60, Ok(())),
        (-61, Err(Reason::TimestampInFuture)),
    ] {
        assert_eq!(verdict(&good, minute, millis_from_now(secs * 1000)), expect);
    }
    let none = good.rules.freshness(Some(Duration::ZERO), None);
    assert_eq!(verdict(&good, none, NOW), Ok(()));
    assert_eq!(
        verdict(&good, none, millis_from_now(1000)),
        Err(Reason::TimestampTooOld)
    );
}

#[test]
fn a_side_on_which_the_scheme_allows_nothing_stays_closed() {
    let rules = made(
        "signed_text = '{timestamp}.{body}'
         encoding = 'hex-lower'
         signature = { grammar = 'single', header = 'Sig' }
         timestamp = { header = 'Time', unit = 'seconds' }
         window = { past_secs = 600, future_secs = 0 }",
    );
    let good = Sent {
        rules,
        headers: signed(rules, &key(), "", NOW, BODY),
        body: BODY.to_vec(),
    };
    for (tolerance, past) in [(None, 600), (FIVE_MINUTES, 300)] {
        let freshness = rules.freshness(tolerance, None);
        for (secs, expect) in [
            (0, Ok(())),
            (past, Ok(())),
            (past + 1, Err(Reason::TimestampTooOld)),
            (-1, Err(Reason::TimestampInFuture)),
        ] {
            assert_eq!(
                verdict(&good, freshness, millis_from_now(secs * 1000)),
                expect
            );
        }
    }
}

#[test]
fn a_tolerance_without_end_does_not_overflow() {
    let good = sent("standard.webhook");
    let endless = good.rules.freshness(Some(Duration::MAX), None);
    assert_eq!(
        verdict(&good, endless, millis_from_now(i64::MAX / 2)),
        Ok(())
    );
    assert_eq!(endless.span(), Some(Duration::MAX));
    let last = endless.last_moment(NOW).map(Timestamp::unix_millis);
    assert_eq!(last, Some(i64::MAX));
}

#[test]
fn w28_the_span_covers_every_moment_at_which_a_delivery_is_accepted() {
    let good = sent("standard.webhook");
    let own = good.rules.freshness(None, None);
    let accepted = |millis: &i64| verdict(&good, own, millis_from_now(*millis)).is_ok();
    let first = (-302_000..0).find(accepted).unwrap();
    let last = (0..302_000).rev().find(accepted).unwrap();
    assert!(i128::from(last - first) < own.span().unwrap().as_millis() as i128);
}

#[test]
fn a_delivery_without_a_known_unit_has_no_span() {
    let talkjs = rules("talkjs.webhook");
    assert_eq!(talkjs.freshness(FIVE_MINUTES, None).span(), None);
    assert_eq!(talkjs.freshness(FIVE_MINUTES, None).last_moment(NOW), None);
    assert_eq!(rules("github.webhook").freshness(None, None).span(), None);
}
