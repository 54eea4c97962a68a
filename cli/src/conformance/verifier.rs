//! The verifier as a program of its own: a question a line, an answer a line. It is believed nothing but its answer,
//! and waited for no longer than a question is worth.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use countersign_core::conformance::Case;
use serde_json::Value;

/// How long one answer may take.
const MAX_ANSWER: Duration = Duration::from_secs(10);
/// How long all answers together may take.
const MAX_RUN: Duration = Duration::from_secs(15 * 60);
/// How long the verifier may take to end once it was asked everything.
const MAX_END: Duration = Duration::from_secs(2);
/// Longest answer in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// How much of an answer that is none is shown, in characters.
const SHOWN_CHARS: usize = 120;

/// What came of one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A verdict.
    Verdict {
        accept: bool,
        reason: Option<String>,
    },
    /// The verifier does not know the scheme.
    Skipped,
    /// No answer, in words.
    None(String),
}

/// A running verifier.
pub(super) struct Verifier {
    child: Child,
    questions: Option<Sender<String>>,
    answers: Receiver<Vec<u8>>,
    begin: Instant,
    /// Why it is asked nothing more.
    over: Option<&'static str>,
}

impl Verifier {
    /// Starts the command.
    pub(super) fn start(command: &[OsString]) -> anyhow::Result<Self> {
        let (program, arguments) = command.split_first().context("no command was given")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut input = child.stdin.take().context("the command has no input")?;
        let output = child.stdout.take().context("the command has no output")?;
        let (questions, asked) = channel::<String>();
        // Apart, so that a verifier that does not read stops nothing.
        thread::spawn(move || {
            for line in asked {
                if input.write_all(line.as_bytes()).is_err() || input.flush().is_err() {
                    break;
                }
            }
        });
        let (said, answers) = sync_channel(16);
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(line) = line(&mut output) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            questions: Some(questions),
            answers,
            begin: Instant::now(),
            over: None,
        })
    }

    /// Asks one question.
    pub(super) fn ask(&mut self, case: &Case) -> anyhow::Result<Answer> {
        if let Some(why) = self.over {
            return Ok(Answer::None(format!("not asked: {why}")));
        }
        let question = question(case)?;
        let sent = self.questions.as_ref().map(|it| it.send(question));
        if !matches!(sent, Some(Ok(()))) {
            return Ok(self.stop("the verifier ended"));
        }
        let left = MAX_RUN.saturating_sub(self.begin.elapsed());
        Ok(match self.answers.recv_timeout(left.min(MAX_ANSWER)) {
            Ok(line) => answer(&case.id, &line),
            Err(RecvTimeoutError::Disconnected) => self.stop("the verifier ended"),
            Err(RecvTimeoutError::Timeout) => self.stop("the verifier took too long"),
        })
    }

    /// A later answer could not be told from the one that is missing, so nothing more is asked.
    fn stop(&mut self, why: &'static str) -> Answer {
        self.over = Some(why);
        self.questions = None;
        Answer::None(why.to_owned())
    }

    /// Lets it end by itself, and ends it if it does not.
    pub(super) fn end(mut self) {
        self.questions = None;
        let begin = Instant::now();
        let patience = if self.over.is_some() {
            Duration::ZERO
        } else {
            MAX_END
        };
        while begin.elapsed() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A case as the verifier sees it: without what it has to answer.
fn question(case: &Case) -> anyhow::Result<String> {
    let mut question = serde_json::to_value(case)?;
    if let Some(members) = question.as_object_mut() {
        members.remove("expect");
    }
    Ok(format!("{question}\n"))
}

fn line(output: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let read = output.take(MAX_ANSWER_BYTES).read_until(b'\n', &mut line);
    match read {
        Ok(1..) => Some(line),
        _ => None,
    }
}

fn answer(id: &str, line: &[u8]) -> Answer {
    let Ok(Value::Object(members)) = serde_json::from_slice(line) else {
        let text = String::from_utf8_lossy(line);
        let shown: String = text.trim().chars().take(SHOWN_CHARS).collect();
        return Answer::None(format!("not an answer in JSON: {shown}"));
    };
    if members.get("id").and_then(Value::as_str) != Some(id) {
        return Answer::None("the answer to another case".to_owned());
    }
    if members.get("skip") == Some(&Value::Bool(true)) {
        return Answer::Skipped;
    }
    let reason = members.get("reason").and_then(Value::as_str);
    match members.get("accept") {
        Some(Value::Bool(accept)) => Answer::Verdict {
            accept: *accept,
            reason: reason.map(str::to_owned),
        },
        _ => Answer::None("an answer without accept".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_to_the_case_counts_as_none() {
        for line in [
            "",
            "garbage",
            "[]",
            r#"{"accept":true}"#,
            r#"{"id":"b","accept":true}"#,
            r#"{"id":"a"}"#,
            r#"{"id":"a","accept":"true"}"#,
        ] {
            let read = answer("a", line.as_bytes());
            assert!(matches!(read, Answer::None(_)), "{line}");
        }
    }

    #[test]
    fn a_verdict_is_read_with_its_reason() {
        let line = br#"{"id":"a","accept":false,"reason":"SIGNATURE_MISMATCH"}"#;
        let verdict = Answer::Verdict {
            accept: false,
            reason: Some("SIGNATURE_MISMATCH".to_owned()),
        };
        assert_eq!(answer("a", line), verdict);
        assert_eq!(answer("a", br#"{"id":"a","skip":true}"#), Answer::Skipped);
    }
}
