//! The chain of the audit: every record has a hash over itself and the record before it, so that one who was written
//! down elsewhere speaks for all before it. It needs no key; `docs/audit.md` has it in words for other checkers.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Timestamp;

/// What every hash begins with.
const DOMAIN: &[u8] = b"countersign audit record 1";

/// A hash of the chain.
pub type Hash = [u8; 32];

/// One call of the control plane, or what else is worth a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number; the first is 1.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub principal: String,
    /// Id of the RPC.
    pub rpc_id: String,
    /// Name of the RPC's method.
    pub method: String,
    /// What it was done to; may be empty.
    pub subject: String,
    /// Number of the version, where one was made or changed; else 0.
    pub version: u32,
    /// How.
    pub detail: String,
    /// How it ended.
    pub outcome: String,
}

impl Record {
    /// The hash of this record after that one.
    #[must_use]
    pub fn hash(&self, previous: &Hash) -> Hash {
        let parts: [&[u8]; 11] = [
            DOMAIN,
            previous,
            &self.number.to_be_bytes(),
            &self.time.unix_millis().to_be_bytes(),
            self.principal.as_bytes(),
            self.rpc_id.as_bytes(),
            self.method.as_bytes(),
            self.subject.as_bytes(),
            &u64::from(self.version).to_be_bytes(),
            self.detail.as_bytes(),
            self.outcome.as_bytes(),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            // Widening: usize has at most 64 bits.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; 0 before the first.
    pub number: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
}

impl Head {
    /// The head of a chain without records.
    pub const START: Self = Self {
        number: 0,
        hash: [0; 32],
    };

    /// The head after one more record.
    #[must_use]
    pub fn after(&self, record: &Record) -> Self {
        Self {
            number: record.number,
            hash: record.hash(&self.hash),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, hex::encode(self.hash))
    }
}

/// The text is not a number, a colon and 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number, a colon and 64 hex digits")]
pub struct HeadError;

impl std::str::FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (number, hash) = text.split_once(':').ok_or(HeadError)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HeadError);
        }
        let number = number.parse().map_err(|_| HeadError)?;
        let bytes = hex::decode(hash).map_err(|_| HeadError)?;
        let hash = Hash::try_from(bytes).map_err(|_| HeadError)?;
        Ok(Self { number, hash })
    }
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No record has this number, though a later one or the head says that it was there.
    Missing(u64),
    /// A record stands where none was written: before this number, or twice.
    Inserted(u64),
    /// The record is not the one that was written, cannot be read, or does not follow the one before it.
    Edited(u64),
    /// The chain fits together, but its record of this number is not the one that was written down elsewhere.
    OffAnchor(u64),
    /// The chain fits together, but its last record is not the one of the head.
    OffHead(u64),
    /// Records follow the last one that was written.
    PastHead(u64),
    /// The head was not written by the service.
    ForgedHead(u64),
    /// Something was changed after the last record.
    Behind(u64),
}

impl Finding {
    /// The number of the first record that is missing or does not fit.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Missing(number)
            | Self::Inserted(number)
            | Self::Edited(number)
            | Self::OffAnchor(number)
            | Self::OffHead(number)
            | Self::PastHead(number)
            | Self::ForgedHead(number)
            | Self::Behind(number) => number,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(n) => write!(f, "record {n} is missing"),
            Self::Inserted(n) => {
                write!(
                    f,
                    "a record that was never written stands before record {n}"
                )
            }
            Self::Edited(n) => write!(
                f,
                "record {n} was edited, or is another one than the record before it was followed by"
            ),
            Self::OffAnchor(n) => write!(
                f,
                "the records fit together, but record {n} is not the one of the anchor: it or one before it was rewritten"
            ),
            Self::OffHead(n) => write!(
                f,
                "the records fit together, but record {n} is not the one of the head: it or one before it was rewritten"
            ),
            Self::PastHead(n) => write!(
                f,
                "record {n} and those after it were not written by the service"
            ),
            Self::ForgedHead(n) => write!(
                f,
                "the head behind record {n} does not carry the seal of the service: it or the records were edited"
            ),
            Self::Behind(n) => write!(
                f,
                "something was changed after the last record: record {n} and maybe others after it are missing"
            ),
        }
    }
}

/// A check of a chain, record by record. It stops at the first fault.
#[derive(Clone, Debug)]
pub struct Check {
    at: Head,
    anchor: Option<Head>,
    finding: Option<Finding>,
}

impl Check {
    /// A check of a whole chain, against a head that was written down elsewhere if there is one.
    #[must_use]
    pub fn new(anchor: Option<Head>) -> Self {
        Self::after(Head::START, anchor)
    }

    /// A check of the records after a head that is known to be good.
    #[must_use]
    pub fn after(start: Head, anchor: Option<Head>) -> Self {
        let mut check = Self {
            at: start,
            anchor,
            finding: None,
        };
        check.compare_with_anchor();
        check
    }

    /// The last record that fits.
    #[must_use]
    pub fn head(&self) -> Head {
        self.at
    }

    /// What was found so far.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        self.finding
    }

    /// Looks at the next record and the hash that stands beside it.
    pub fn next(&mut self, record: &Record, hash: &[u8]) {
        let due = self.due();
        if self.finding.is_some() {
            return;
        }
        let after = self.at.after(record);
        self.finding = match record.number {
            number if number > due => Some(Finding::Missing(due)),
            number if number < due => Some(Finding::Inserted(due)),
            number if after.hash != *hash => Some(Finding::Edited(number)),
            _ => None,
        };
        if self.finding.is_none() {
            self.at = after;
            self.compare_with_anchor();
        }
    }

    /// Ends the check of records that have no head beside them: what was found, or `None`.
    #[must_use]
    pub fn finish(self) -> Option<Finding> {
        let missing = self.anchor.filter(|anchor| anchor.number > self.at.number);
        self.finding
            .or_else(|| missing.map(|_| Finding::Missing(self.due())))
    }

    /// Ends the check against the head that stands beside the records.
    #[must_use]
    pub fn finish_at(self, head: &Head) -> Option<Finding> {
        let (due, last) = (self.due(), self.at);
        self.finding.or_else(|| match head.number {
            number if number > last.number => Some(Finding::Missing(due)),
            number if number < last.number => Some(Finding::PastHead(number.saturating_add(1))),
            number if head.hash != last.hash => Some(Finding::OffHead(number)),
            _ => self.finish(),
        })
    }

    fn due(&self) -> u64 {
        self.at.number.saturating_add(1)
    }

    fn compare_with_anchor(&mut self) {
        let anchor = self.anchor.filter(|anchor| anchor.number == self.at.number);
        if anchor.is_some_and(|anchor| anchor.hash != self.at.hash) {
            self.finding = Some(Finding::OffAnchor(self.at.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        Record {
            number,
            time: Timestamp::from_unix_millis(1_800_000_000_123),
            principal: "acme/ops".to_owned(),
            rpc_id: "rpc-1".to_owned(),
            method: "RotateSecret".to_owned(),
            subject: "acme/chat".to_owned(),
            version: 2,
            detail: "emergency generated".to_owned(),
            outcome: "OK".to_owned(),
        }
    }

    fn chain(length: u64) -> Vec<(Record, Hash)> {
        let mut head = Head::START;
        let mut chain = Vec::new();
        for number in 1..=length {
            let record = record(number);
            head = head.after(&record);
            chain.push((record, head.hash));
        }
        chain
    }

    fn check(chain: &[(Record, Hash)], anchor: Option<Head>) -> Option<Finding> {
        let mut check = Check::new(anchor);
        for (record, hash) in chain {
            check.next(record, hash);
        }
        check.finish()
    }

    /// A chain of the same records by who can compute hashes.
    fn rewritten(records: Vec<Record>) -> Vec<(Record, Hash)> {
        let mut head = Head::START;
        let chain = records.into_iter().zip(1..).map(|(mut record, number)| {
            record.number = number;
            head = head.after(&record);
            (record, head.hash)
        });
        chain.collect()
    }

    #[test]
    fn the_hash_is_the_one_of_the_documents() {
        // The same bytes as docs/audit.md and its checker hash.
        let hash = record(1).hash(&[0; 32]);
        assert_eq!(
            hex::encode(hash),
            "cfa401f48f8ec25ce21488aeeca8837c0248a623a3cc3bdb519501a9ddb5a4f3"
        );
    }

    #[test]
    fn every_field_moves_the_hash_and_no_two_fields_run_into_each_other() {
        let mut all = vec![record(1)];
        let edits: [fn(&mut Record); 9] = [
            |r| r.number = 2,
            |r| r.time = r.time.minus_millis(1),
            |r| r.principal.push('x'),
            |r| r.rpc_id.push('x'),
            |r| r.method.push('x'),
            |r| r.subject.push('x'),
            |r| r.version += 1,
            |r| r.detail.push('x'),
            |r| r.outcome.push('x'),
        ];
        for edit in edits {
            let mut edited = record(1);
            edit(&mut edited);
            all.push(edited);
        }
        let mut shifted = record(1);
        shifted.detail.push_str("OK");
        shifted.outcome.clear();
        all.push(shifted);
        let mut hashes: Vec<_> = all.iter().map(|each| each.hash(&[0; 32])).collect();
        hashes.push(record(1).hash(&[1; 32]));
        let number = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), number);
    }

    #[test]
    fn a29_an_edited_deleted_swapped_or_inserted_record_is_found_wherever_it_is() {
        let sound = chain(20);
        assert_eq!(check(&sound, None), None);
        for at in 0..19 {
            let number = at as u64 + 1;
            let mut edited = sound.clone();
            edited[at].0.outcome = "DENIED".to_owned();
            assert_eq!(check(&edited, None), Some(Finding::Edited(number)));
            let mut deleted = sound.clone();
            deleted.remove(at);
            assert_eq!(check(&deleted, None), Some(Finding::Missing(number)));
            let mut swapped = sound.clone();
            swapped.swap(at, at + 1);
            assert_eq!(check(&swapped, None), Some(Finding::Missing(number)));
            let mut renumbered = swapped;
            renumbered[at].0.number = number;
            renumbered[at + 1].0.number = number + 1;
            assert_eq!(check(&renumbered, None), Some(Finding::Edited(number)));
            let mut inserted = sound.clone();
            inserted.insert(at + 1, sound[at].clone());
            assert_eq!(check(&inserted, None), Some(Finding::Inserted(number + 1)));
        }
    }

    #[test]
    fn a29_truncation_and_a_chain_that_was_computed_anew_are_found_against_an_anchor_or_a_head() {
        let sound = chain(20);
        let head = |number: usize| Head {
            number: number as u64,
            hash: sound[number - 1].1,
        };
        for anchor in (1..=20).map(head) {
            assert_eq!(check(&sound, Some(anchor)), None);
        }
        for length in 1..20 {
            let cut = &sound[..length];
            assert_eq!(check(cut, None), None, "by itself it is a chain");
            let missing = Some(Finding::Missing(length as u64 + 1));
            assert_eq!(check(cut, Some(head(20))), missing);
            let mut checked = Check::new(None);
            cut.iter()
                .for_each(|(record, hash)| checked.next(record, hash));
            assert_eq!(checked.clone().finish_at(&head(20)), missing);
            assert_eq!(checked.finish_at(&head(length)), None);
        }
        let mut records: Vec<_> = sound.iter().map(|(record, _)| record.clone()).collect();
        records[4].principal = "somebody/else".to_owned();
        let forged = rewritten(records);
        assert_eq!(check(&forged, Some(head(4))), None, "it begins after it");
        assert_eq!(check(&forged, Some(head(9))), Some(Finding::OffAnchor(9)));
        let mut checked = Check::new(None);
        forged
            .iter()
            .for_each(|(record, hash)| checked.next(record, hash));
        assert_eq!(
            checked.clone().finish_at(&head(20)),
            Some(Finding::OffHead(20))
        );
        assert_eq!(checked.finish_at(&head(9)), Some(Finding::PastHead(10)));
    }

    #[test]
    fn a_part_of_a_chain_is_checked_from_the_record_before_it() {
        let sound = chain(20);
        let start = Head {
            number: 5,
            hash: sound[4].1,
        };
        let mut checked = Check::after(start, None);
        sound[5..]
            .iter()
            .for_each(|(record, hash)| checked.next(record, hash));
        assert_eq!((checked.head().number, checked.finish()), (20, None));
        let mut checked = Check::new(None);
        checked.next(&sound[5].0, &sound[5].1);
        assert_eq!(checked.finish(), Some(Finding::Missing(1)));
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head::START.after(&record(1));
        assert_eq!(head.to_string().parse(), Ok(head));
        for text in [
            "",
            "1",
            "1:",
            "x:00",
            ":00",
            "1:zz",
            &head.to_string()[..60],
        ] {
            assert_eq!(text.parse::<Head>(), Err(HeadError), "{text}");
        }
        assert_eq!(
            head.to_string().replace("1:", "+1:").parse::<Head>(),
            Err(HeadError)
        );
    }
}
