//! `conformance`: asks a verifier in any language every question of the catalogue, and counts what it answers. No
//! server has a part in it.

mod score;
mod verifier;

use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use countersign_core::{
    Catalogue,
    conformance::{Case, Kind, cases, live_cases},
};

use self::{score::Score, verifier::Verifier};
use crate::exit::{Exit, usage};

/// Arguments of `conformance`.
#[derive(Args)]
pub(crate) struct ConformanceArgs {
    #[command(subcommand)]
    command: ConformanceCommand,
}

#[derive(Subcommand)]
enum ConformanceCommand {
    /// Put a verifier of yours to the test; exits 1 unless it is right every time
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Write all cases into a folder, one file a vendor
    Export {
        /// The folder
        dir: PathBuf,
    },
}

const RUN_HELP: &str = "\
The command is started once. It reads one case a line on its standard input, as JSON, and writes one answer a line:
  {\"id\": \"…\", \"accept\": true}
  {\"id\": \"…\", \"accept\": false, \"reason\": \"SIGNATURE_MISMATCH\"}
  {\"id\": \"…\", \"skip\": true}
conformance/README.md says what stands in a case.

Example:
  countersign conformance run --vendor github -- python3 my_verifier.py";

#[derive(Args)]
struct RunArgs {
    /// Only cases of this vendor; can be given more than once
    #[arg(long)]
    vendor: Vec<String>,
    /// Only cases of this kind, such as positive or stale; can be given more than once
    #[arg(long, value_parser = kind)]
    kind: Vec<Kind>,
    /// Cases of this file, or of all .json files in this folder, instead of the built-in ones
    #[arg(long, value_name = "FILE|DIR")]
    cases: Option<PathBuf>,
    /// Make the cases for the present moment, for a verifier that reads the clock itself; leaves the vectors out, whose
    /// times are fixed
    #[arg(long, conflicts_with = "cases")]
    live: bool,
    /// A wrong or missing reason is a failure too
    #[arg(long)]
    strict_reasons: bool,
    /// Print the score as JSON
    #[arg(long)]
    json: bool,
    /// The verifier and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

pub(crate) fn run(args: ConformanceArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        ConformanceCommand::Run(args) => test(&args, out),
        ConformanceCommand::Export { dir } => export(&dir, out),
    }
}

fn test(args: &RunArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut cases = args.cases()?.peekable();
    if cases.peek().is_none() {
        return Err(usage("there is no such case: see conformance/cases"));
    }
    let mut verifier = Verifier::start(&args.command)?;
    let mut score = Score::new(args.strict_reasons);
    for case in cases {
        score.add(&case, verifier.ask(&case)?);
    }
    verifier.end();
    match args.json {
        true => crate::json::print(&score.json(), out)?,
        false => score.print(out)?,
    }
    Ok(match score.is_perfect() {
        true => Exit::Ok,
        false => Exit::NotVerified,
    })
}

fn export(dir: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let all: Vec<_> = cases(Catalogue::builtin()).collect();
    for cases in all.chunk_by(|a, b| a.vendor == b.vendor) {
        let Some(first) = cases.first() else { continue };
        let path = dir.join(format!("{}.json", first.vendor));
        let text = serde_json::to_string_pretty(cases).map_err(std::io::Error::from)?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    writeln!(out, "{} cases in {}", all.len(), dir.display())?;
    Ok(Exit::Ok)
}

impl RunArgs {
    /// The chosen cases; live ones are made when their turn comes.
    fn cases(&self) -> anyhow::Result<impl Iterator<Item = Case>> {
        let all: Box<dyn Iterator<Item = Case>> = match &self.cases {
            None if self.live => Box::new(live_cases(Catalogue::builtin(), unix_secs)),
            None => Box::new(cases(Catalogue::builtin())),
            Some(path) => Box::new(read(path)?.into_iter()),
        };
        Ok(all.filter(|case| {
            let vendor = self.vendor.is_empty() || self.vendor.contains(&case.vendor);
            vendor && (self.kind.is_empty() || self.kind.contains(&case.kind))
        }))
    }
}

fn unix_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<Case>> {
    let refusal = || format!("cannot read --cases {}", path.display());
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path).with_context(refusal)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        files = paths.collect::<Result<_, _>>().with_context(refusal)?;
        files.retain(|path| path.extension().is_some_and(|end| end == "json"));
        files.sort();
    }
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(refusal)?;
        let read: Vec<Case> = serde_json::from_str(&text)
            .map_err(|error| usage(format!("{} holds no cases: {error}", file.display())))?;
        cases.extend(read);
    }
    Ok(cases)
}
