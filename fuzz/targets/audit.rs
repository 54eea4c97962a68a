//! Exports of the audit as somebody hands them over: lines of JSON. A chain that is intact is one whose every record can be
//! computed from those before it, and no edit of one goes unseen.
#![no_main]

// The program's reader of a line, which names the client.
extern crate countersign_proto as countersign_client;

#[path = "../../cli/src/audit/line.rs"]
mod line;

use countersign_client::v1;
use countersign_core::audit::{Check, Hash, Head, Record};
use countersign_fuzz::choose;
use libfuzzer_sys::{Corpus, fuzz_target};
use line::Line;

/// More records make a run slower and find nothing else.
const MAX_RECORDS: usize = 32;

fuzz_target!(|data: &[u8]| -> Corpus {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(head) = text.parse::<Head>()
    {
        assert_eq!(head.to_string().parse(), Ok(head));
    }
    let lines = data.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let records: Vec<_> = lines.filter_map(Line::read).take(MAX_RECORDS).collect();
    if records.is_empty() {
        return Corpus::Reject;
    }
    for (record, hash) in &records {
        check_line(record, hash);
    }
    check_as_it_is(&records);
    check_edits(
        records.into_iter().map(|(record, _)| record).collect(),
        data,
    );
    Corpus::Keep
});

/// What was read is written and read again to the same.
fn check_line(record: &Record, hash: &[u8]) {
    let millis = record.time.unix_millis();
    let nanos = i32::try_from(millis.rem_euclid(1000)).expect("below 1000") * 1_000_000;
    let wire = v1::AuditRecord {
        number: record.number,
        time: Some(prost_types::Timestamp {
            seconds: record.time.unix_secs(),
            nanos,
        }),
        principal: record.principal.clone(),
        rpc_id: record.rpc_id.clone(),
        method: record.method.clone(),
        subject: record.subject.clone(),
        version: record.version,
        detail: record.detail.clone(),
        outcome: record.outcome.clone(),
        hash: hash.to_vec().into(),
    };
    let text = serde_json::to_vec(&Line::of(&wire)).expect("a line is JSON");
    let line: Line = serde_json::from_slice(&text).expect("it was just written");
    assert_eq!(line.read(), Some((record.clone(), hash.to_vec())));
}

fn intact(records: &[(Record, Vec<u8>)], anchor: Option<Head>) -> bool {
    let mut check = Check::new(anchor);
    for (record, hash) in records {
        check.next(record, hash);
    }
    check.finish().is_none()
}

/// The verdict is that of whoever computes every hash anew.
fn check_as_it_is(records: &[(Record, Vec<u8>)]) {
    let mut previous: Hash = Head::START.hash;
    let mut fits = true;
    for (at, (record, hash)) in records.iter().enumerate() {
        let own = record.hash(&previous);
        fits &= usize::try_from(record.number) == Ok(at + 1) && own.as_slice() == hash;
        previous = own;
    }
    assert_eq!(intact(records, None), fits);
}

/// A good chain of the same records, and the same with one thing changed.
fn check_edits(records: Vec<Record>, data: &[u8]) {
    let mut head = Head::START;
    let mut chain = Vec::new();
    for (mut record, number) in records.into_iter().zip(1..) {
        record.number = number;
        head = head.after(&record);
        chain.push((record, head.hash.to_vec()));
    }
    assert!(intact(&chain, None) && intact(&chain, Some(head)));

    let at = choose(data, chain.len());
    let edited = |edit: fn(&mut Record)| {
        let mut chain = chain.clone();
        edit(&mut chain[at].0);
        chain
    };
    for edit in EDITS {
        assert!(!intact(&edited(edit), None));
    }
    let mut without = chain.clone();
    without.remove(at);
    assert!(!intact(&without, Some(head)));
    let is_last = at + 1 == chain.len();
    assert!(is_last || !intact(&without, None));
    let mut twice = chain.clone();
    twice.insert(at, chain[at].clone());
    assert!(!intact(&twice, None));
    if !is_last {
        let mut swapped = chain.clone();
        swapped.swap(at, at + 1);
        assert!(!intact(&swapped, None));
    }
    let mut other = head;
    other.hash[0] ^= 1;
    assert!(!intact(&chain, Some(other)));
}

/// A change of each field. Text that moves from one field to the next is a change too.
const EDITS: [fn(&mut Record); 9] = [
    |record| record.number ^= 1,
    |record| {
        let millis = record.time.unix_millis() ^ 1;
        record.time = countersign_core::Timestamp::from_unix_millis(millis);
    },
    |record| record.principal.push('x'),
    |record| record.rpc_id.push('x'),
    |record| record.method.push('x'),
    |record| {
        let all = std::mem::take(&mut record.subject) + "x";
        record.method.push_str(&all);
    },
    |record| record.version ^= 1,
    |record| record.detail.push('x'),
    |record| record.outcome.push('x'),
];
