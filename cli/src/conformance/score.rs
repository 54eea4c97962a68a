//! The score card.

use std::{collections::BTreeMap, io::Write};

use countersign_core::conformance::{Case, Expect};
use serde_json::{Value, json};

use super::verifier::Answer;
use crate::render::table;

/// Most failures that are shown to people.
const MAX_SHOWN: usize = 50;

/// What a verifier has answered so far.
pub(super) struct Score {
    strict_reasons: bool,
    total: Count,
    vendors: BTreeMap<String, Count>,
    kinds: BTreeMap<&'static str, Count>,
    failures: Vec<Failure>,
}

/// Answers of one row.
#[derive(Clone, Copy, Default)]
struct Count {
    judged: usize,
    right: usize,
    skipped: usize,
    /// Refusals that were right.
    refused: usize,
    /// Of these, the ones with a reason.
    told: usize,
    /// Of these, the ones with the right reason.
    reasons: usize,
}

struct Failure {
    id: String,
    expected: String,
    got: String,
}

impl Score {
    pub(super) fn new(strict_reasons: bool) -> Self {
        Self {
            strict_reasons,
            total: Count::default(),
            vendors: BTreeMap::new(),
            kinds: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Counts one answer.
    pub(super) fn add(&mut self, case: &Case, answer: Answer) {
        let count = self.judged(&case.expect, &answer);
        for row in [
            &mut self.total,
            self.vendors.entry(case.vendor.clone()).or_default(),
            self.kinds.entry(case.kind.name()).or_default(),
        ] {
            row.add(count);
        }
        if count.right < count.judged {
            self.failures.push(Failure {
                id: case.id.clone(),
                expected: in_words(case.expect.accept, case.expect.reason.as_deref()),
                got: match answer {
                    Answer::Verdict { accept, reason } => in_words(accept, reason.as_deref()),
                    Answer::Skipped => "skipped".to_owned(),
                    Answer::None(why) => why,
                },
            });
        }
    }

    fn judged(&self, expect: &Expect, answer: &Answer) -> Count {
        let Answer::Verdict { accept, reason } = answer else {
            let skipped = usize::from(*answer == Answer::Skipped);
            return Count {
                judged: 1 - skipped,
                skipped,
                ..Count::default()
            };
        };
        let as_expected = *accept == expect.accept;
        let refused = as_expected && !accept;
        let with_reason = refused && *reason == expect.reason;
        let right = as_expected && (*accept || with_reason || !self.strict_reasons);
        Count {
            judged: 1,
            right: right.into(),
            skipped: 0,
            refused: refused.into(),
            told: (refused && reason.is_some()).into(),
            reasons: with_reason.into(),
        }
    }

    /// Whether something was answered, and nothing wrong.
    pub(super) fn is_perfect(&self) -> bool {
        self.total.judged > 0 && self.total.right == self.total.judged
    }

    pub(super) fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let vendors = self.vendors.iter().map(|(name, count)| count.row(name));
        writeln!(out, "{}\n", table(Count::header("vendor"), vendors))?;
        let kinds = self.kinds.iter().map(|(name, count)| count.row(name));
        writeln!(out, "{}\n", table(Count::header("kind"), kinds))?;
        if !self.failures.is_empty() {
            let shown = self.failures.iter().take(MAX_SHOWN);
            let rows = shown.map(|it| [it.id.clone(), it.expected.clone(), it.got.clone()]);
            writeln!(out, "{}", table(["failed case", "expected", "got"], rows))?;
            if let Some(more @ 1..) = self.failures.len().checked_sub(MAX_SHOWN) {
                writeln!(out, "and {more} more: --json lists them all")?;
            }
            writeln!(out)?;
        }
        let Count {
            judged,
            right,
            skipped,
            told,
            reasons,
            ..
        } = self.total;
        let percent = percent(right, judged);
        writeln!(
            out,
            "{right} of {judged} right, {percent}; {skipped} skipped"
        )?;
        let of_reasons = self::percent(reasons, told);
        writeln!(
            out,
            "{reasons} of {told} refusals with a reason for the right one, {of_reasons}"
        )?;
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let failures = self.failures.iter();
        let failures: Vec<_> = failures
            .map(|it| json!({ "id": it.id, "expected": it.expected, "got": it.got }))
            .collect();
        let vendors = self.vendors.iter();
        let kinds = self.kinds.iter();
        json!({
            "total": self.total.json(),
            "vendors": vendors.map(|(name, it)| (name.clone(), it.json())).collect::<BTreeMap<_, _>>(),
            "kinds": kinds.map(|(name, it)| (*name, it.json())).collect::<BTreeMap<_, _>>(),
            "failures": failures,
        })
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.judged += other.judged;
        self.right += other.right;
        self.skipped += other.skipped;
        self.refused += other.refused;
        self.told += other.told;
        self.reasons += other.reasons;
    }

    fn header(first: &str) -> [&str; 5] {
        [first, "right", "of", "right reason", "skipped"]
    }

    fn row(&self, name: &str) -> [String; 5] {
        [
            name.to_owned(),
            self.right.to_string(),
            self.judged.to_string(),
            percent(self.reasons, self.told),
            self.skipped.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "judged": self.judged,
            "right": self.right,
            "skipped": self.skipped,
            "refused": self.refused,
            "reasons": self.told,
            "right_reasons": self.reasons,
        })
    }
}

/// Rounded down: only all is 100 %.
fn percent(part: usize, whole: usize) -> String {
    match (part * 1000).checked_div(whole) {
        None => "-".to_owned(),
        Some(mille) => format!("{}.{} %", mille / 10, mille % 10),
    }
}

fn in_words(accept: bool, reason: Option<&str>) -> String {
    match (accept, reason) {
        (true, _) => "accept".to_owned(),
        (false, None) => "refuse".to_owned(),
        (false, Some(reason)) => format!("refuse: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(1999, 2000), "99.9 %");
        assert_eq!(percent(2000, 2000), "100.0 %");
        assert_eq!(percent(0, 0), "-");
    }

    #[test]
    fn a_verifier_that_skips_everything_is_not_perfect() {
        let mut score = Score::new(false);
        assert!(!score.is_perfect());
        score.total.skipped = 7;
        assert!(!score.is_perfect());
    }
}
