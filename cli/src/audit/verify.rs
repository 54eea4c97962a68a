//! `audit verify`: by the server, or of an export without one.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
};

use anyhow::Context;
use countersign_client::v1;
use countersign_core::audit::{Check, Finding, Hash, Head, Record};
use serde_json::json;

use super::line::Line;
use crate::{args::Connection, exit::Exit, json, render::plain};

/// The longest line of an export that is read.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Has the server check its chain.
pub(super) async fn ask(
    anchor: Option<Head>,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let anchor = anchor.map(|head| v1::AuditHead {
        number: head.number,
        hash: head.hash.to_vec().into(),
    });
    let client = connection.connect().await?;
    let answer = client.verify_audit_chain(anchor).await?;
    let head = answer.head.unwrap_or_default();
    let verdict = Verdict {
        intact: answer.intact,
        head: Head {
            number: head.number,
            hash: Hash::try_from(head.hash.as_ref()).unwrap_or_default(),
        },
        first_bad_number: answer.first_bad_number,
        finding: answer.finding,
    };
    verdict.print(connection.json, out)
}

/// Checks an export.
pub(super) fn file(
    path: &Path,
    anchor: Option<Head>,
    as_json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let file =
        File::open(path).with_context(|| format!("cannot read --file {}", path.display()))?;
    check(&mut BufReader::new(file), anchor)?.print(as_json, out)
}

struct Verdict {
    intact: bool,
    /// The last record; of an export that is not intact, the last one before the fault.
    head: Head,
    first_bad_number: u64,
    finding: String,
}

impl Verdict {
    fn of(check: Check) -> Self {
        let head = check.head();
        let finding = check.finish();
        Self {
            intact: finding.is_none(),
            head,
            first_bad_number: finding.map_or(0, Finding::number),
            finding: finding.map_or_else(String::new, |finding| finding.to_string()),
        }
    }

    fn print(&self, as_json: bool, out: &mut dyn Write) -> anyhow::Result<Exit> {
        if as_json {
            let head = self.head.to_string();
            let finding = Some(&self.finding).filter(|finding| !finding.is_empty());
            json::print(
                &json!({
                    "intact": self.intact,
                    "head": head,
                    "first_bad_number": Some(self.first_bad_number).filter(|number| *number != 0),
                    "finding": finding,
                }),
                out,
            )?;
        } else if self.intact {
            writeln!(out, "Intact up to {}", self.head)?;
        } else {
            writeln!(out, "NOT INTACT: {}.", plain(&self.finding))?;
        }
        Ok(match self.intact {
            true => Exit::Ok,
            false => Exit::NotVerified,
        })
    }
}

/// Without an anchor an export begins with the first record; with one it may begin behind it.
fn check(export: &mut dyn BufRead, anchor: Option<Head>) -> anyhow::Result<Verdict> {
    let mut check = None;
    for number in 1_u64.. {
        let mut line = Vec::new();
        let mut limited = (&mut *export).take(MAX_LINE_BYTES);
        if limited.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let read = serde_json::from_slice(&line).ok().and_then(Line::read);
        let Some((record, hash)) = read else {
            return Ok(no_record(number, check.as_ref()));
        };
        check
            .get_or_insert_with(|| begin(&record, anchor))
            .next(&record, &hash);
    }
    Ok(Verdict::of(check.unwrap_or_else(|| Check::new(anchor))))
}

fn begin(first: &Record, anchor: Option<Head>) -> Check {
    match anchor {
        Some(head) if head.number.checked_add(1) == Some(first.number) => {
            Check::after(head, anchor)
        }
        _ => Check::new(anchor),
    }
}

fn no_record(line: u64, check: Option<&Check>) -> Verdict {
    let head = check.map_or(Head::START, Check::head);
    Verdict {
        intact: false,
        head,
        first_bad_number: head.number.saturating_add(1),
        finding: format!("line {line} is no record as a service writes it"),
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;

    use super::*;

    fn export(records: u64) -> (Vec<String>, Vec<Head>) {
        let mut heads = vec![Head::START];
        let lines = (1..=records).map(|number| {
            let record = Record {
                number,
                time: Timestamp::from_unix_millis(1_800_000_000_123),
                principal: "acme/ops".to_owned(),
                rpc_id: "7".to_owned(),
                method: "RotateSecret".to_owned(),
                subject: "acme/chat".to_owned(),
                version: 2,
                detail: String::new(),
                outcome: "OK".to_owned(),
            };
            let head = heads[heads.len() - 1].after(&record);
            heads.push(head);
            let line = Line::of(&v1::AuditRecord {
                number,
                time: Some(prost_types::Timestamp {
                    seconds: 1_800_000_000,
                    nanos: 123_000_000,
                }),
                principal: record.principal,
                rpc_id: record.rpc_id,
                method: record.method,
                subject: record.subject,
                version: record.version,
                detail: record.detail,
                outcome: record.outcome,
                hash: head.hash.to_vec().into(),
            });
            serde_json::to_string(&line).unwrap()
        });
        (lines.collect(), heads)
    }

    fn checked(lines: &[String], anchor: Option<Head>) -> (bool, u64) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let verdict = check(&mut text.as_bytes(), anchor).unwrap();
        assert_eq!(verdict.intact, verdict.finding.is_empty());
        (verdict.intact, verdict.first_bad_number)
    }

    #[test]
    fn an_export_is_intact_from_the_first_record_or_from_its_anchor_on() {
        let (lines, heads) = export(9);
        assert_eq!(checked(&lines, None), (true, 0));
        assert_eq!(checked(&[], None), (true, 0));
        for (number, head) in heads.iter().enumerate() {
            assert_eq!(checked(&lines, Some(*head)), (true, 0));
            let rest = &lines[number..];
            // Nothing is no proof of what the anchor says.
            let expected = rest.is_empty().then_some((false, 1));
            assert_eq!(checked(rest, Some(*head)), expected.unwrap_or((true, 0)));
        }
        assert_eq!(checked(&lines[4..], None), (false, 1));
        assert_eq!(checked(&lines[4..], Some(heads[3])), (false, 1));
    }

    #[test]
    fn a29_an_edited_deleted_swapped_inserted_or_cut_off_line_of_an_export_is_found() {
        let (lines, heads) = export(9);
        for at in 0..9 {
            let number = at as u64 + 1;
            for (from, to) in [
                ("acme/ops", "mallory"),
                ("RotateSecret", "GetSecret"),
                ("acme/chat", "acme/other"),
                ("\"version\":2", "\"version\":3"),
                (".123Z", ".124Z"),
                (".123Z", ".1230001Z"),
                ("\"detail\":null", "\"detail\":\"emergency\""),
                ("\"OK\"", "\"DENIED\""),
                ("{", "{\"note\":1,"),
                ("\"OK\"", "\"OK\",\"outcome\":\"DENIED\""),
                ("{", "x"),
            ] {
                let mut edited = lines.clone();
                edited[at] = edited[at].replacen(from, to, 1);
                assert_ne!(edited[at], lines[at], "{from}");
                assert_eq!(checked(&edited, None), (false, number), "{from}");
            }
            let mut deleted = lines.clone();
            deleted.remove(at);
            assert_eq!(checked(&deleted, Some(heads[9])), (false, number));
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at].clone());
            assert_eq!(checked(&doubled, None), (false, number + 1));
            assert_eq!(checked(&lines[..at], Some(heads[9])), (false, number));
            if at > 0 {
                let mut swapped = lines.clone();
                swapped.swap(at - 1, at);
                assert_eq!(checked(&swapped, None), (false, number - 1));
            }
        }
    }
}
