//! Timestamps that are not accepted: another unit, a wrong clock, a delay.

use super::{Cause, CauseCode};
use crate::{
    Reason, Timestamp,
    webhook::{Freshness, TimestampForm},
};

/// How far from now a timestamp is still taken for one: further off it is in another unit.
const PLAUSIBLE_MILLIS: i64 = 5 * 365 * 24 * 60 * 60 * 1000;

const FORMS: [TimestampForm; 3] = [
    TimestampForm::Seconds,
    TimestampForm::Milliseconds,
    TimestampForm::Rfc3339,
];

/// A time for people.
pub(super) fn date(time: Timestamp) -> String {
    TimestampForm::Rfc3339.write(time)
}

/// How a form is called.
pub(super) fn name(form: TimestampForm) -> &'static str {
    match form {
        TimestampForm::Seconds => "Unix seconds",
        TimestampForm::Milliseconds => "Unix milliseconds",
        TimestampForm::Rfc3339 => "an RFC 3339 date",
    }
}

/// What is wrong with a timestamp text, if it is not accepted now. `holds` tells whether the signature over it does.
pub(super) fn cause(
    text: &str,
    freshness: Freshness,
    now: Timestamp,
    holds: bool,
) -> Option<Cause> {
    let reason = freshness.check(text, now).err()?;
    let own = freshness.form().and_then(|form| plausible(form, text, now));
    if own.is_none()
        && let Some(cause) = unit(text, freshness, now, holds)
    {
        return Some(cause);
    }
    match freshness.form().and_then(|form| form.read(text).ok()) {
        Some(time) => Some(clock(reason, now.millis_since(time), freshness, holds)),
        None => {
            let expected = freshness.form().map_or("a number", name);
            let summary = format!("The timestamp is not {expected}.");
            Some(Cause::new(CauseCode::HeaderMalformed, summary))
        }
    }
}

fn unit(text: &str, freshness: Freshness, now: Timestamp, holds: bool) -> Option<Cause> {
    let form = freshness.form();
    let others = FORMS.into_iter().filter(|other| Some(*other) != form);
    let other = others
        .into_iter()
        .find(|other| plausible(*other, text, now).is_some())?;
    let summary = format!(
        "{}the timestamp reads as {} where the scheme has {}.",
        if holds {
            "The signature holds, but "
        } else {
            "Besides, "
        },
        name(other),
        form.map_or("a number", name),
    );
    Some(Cause::new(CauseCode::TimestampUnit, summary))
}

fn plausible(form: TimestampForm, text: &str, now: Timestamp) -> Option<Timestamp> {
    let time = form.read(text).ok()?;
    let distance = now.millis_since(time).saturating_abs();
    (distance <= PLAUSIBLE_MILLIS).then_some(time)
}

fn clock(reason: Reason, age_millis: i64, freshness: Freshness, holds: bool) -> Cause {
    let begin = if holds {
        "The signature holds, but it"
    } else {
        "Besides, it"
    };
    let window = freshness.window();
    let allowed = |pick: fn(crate::webhook::Window) -> std::time::Duration| {
        window.map_or(0, |window| pick(window).as_secs())
    };
    let summary = match reason {
        Reason::TimestampInFuture => format!(
            "{begin} is dated {} s into the future, and {} s are allowed: the signer's clock is ahead, or this one \
             behind.",
            -age_millis / 1000,
            allowed(|window| window.future)
        ),
        _ => format!(
            "{begin} is {} s old, and {} s are allowed: it was delayed, stored or replayed, or the signer's clock is \
             behind.",
            age_millis / 1000,
            allowed(|window| window.past)
        ),
    };
    Cause::new(CauseCode::ClockOrDelay, summary)
}

/// Other spellings of a timestamp that a signer may have signed while it sent this one.
pub(super) fn spellings(text: &str) -> impl Iterator<Item = String> + use<> {
    let trimmed = text.trim();
    let whole = trimmed.split('.').next().unwrap_or_default();
    let number = whole.parse::<i64>().ok();
    let scaled = number.into_iter().flat_map(|number| {
        let longer = number.checked_mul(1000);
        let shorter = (number >= 1000).then_some(number / 1000);
        [longer, shorter]
            .into_iter()
            .flatten()
            .map(|it| it.to_string())
    });
    let read = FORMS.into_iter().filter_map(|form| form.read(trimmed).ok());
    let printed: Vec<String> = read
        .flat_map(|time| FORMS.map(|form| form.write(time)))
        .collect();
    let own = text.to_owned();
    [trimmed.to_owned(), whole.to_owned()]
        .into_iter()
        .chain(scaled)
        .chain(printed)
        .filter(move |spelling| *spelling != own && !spelling.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Catalogue, Rules};

    fn code(scheme: &str, text: &str) -> Option<CauseCode> {
        let scheme = Catalogue::builtin().scheme(scheme).unwrap();
        let Rules::Webhook(rules) = &scheme.rules else {
            panic!()
        };
        let now = Timestamp::from_unix_secs(1_700_000_000);
        cause(text, rules.freshness(None, None), now, true).map(|cause| cause.code)
    }

    #[test]
    fn another_unit_is_told_from_a_delay() {
        for (text, expected) in [
            ("1700000000", None),
            ("1699999000", Some(CauseCode::ClockOrDelay)),
            ("1700001000", Some(CauseCode::ClockOrDelay)),
            ("1700000000000", Some(CauseCode::TimestampUnit)),
            ("2023-11-14T22:13:20Z", Some(CauseCode::TimestampUnit)),
            ("1000000000", Some(CauseCode::ClockOrDelay)),
            ("soon", Some(CauseCode::HeaderMalformed)),
            (
                "17000000000000000000000000",
                Some(CauseCode::HeaderMalformed),
            ),
        ] {
            assert_eq!(code("stripe.webhook", text), expected, "{text}");
        }
        let now = Timestamp::from_unix_secs(1_700_000_000);
        assert_eq!(date(now), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_timestamp_is_spelled_in_other_units() {
        let all: Vec<_> = spellings("1700000000").collect();
        assert!(all.contains(&"1700000000000".to_owned()));
        assert!(all.contains(&"2023-11-14T22:13:20Z".to_owned()));
        assert!(spellings("1700000000123").any(|it| it == "1700000000"));
        assert!(spellings("2023-11-14T22:13:20Z").any(|it| it == "1700000000"));
    }

    proptest! {
        #[test]
        fn any_text_has_few_spellings(text in ".{0,40}") {
            prop_assert!(spellings(&text).count() < 16);
            code("stripe.webhook", &text);
        }
    }
}
