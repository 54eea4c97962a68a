//! `backup` and `restore`: a copy of the store, and the way back, which is never taken unseen.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Args;
use countersign_core::{SecretName, rotation::VersionState};
use countersign_server::{
    Clock, Config, config,
    store::{Fate, Present, Restoration, RestoreOptions, RestoredVersion, StoreOptions, restore},
    telemetry,
};

use crate::{
    args::Connection,
    exit::{Exit, usage},
    input::PrivateFile,
    render,
    serve::SettingsArgs,
};

/// Arguments of `backup`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign backup --out store-2026-11-21.backup

The file is the whole store as of one moment, with its keys sealed as they are in the store: keep
the key-encryption key apart from it. `countersign restore` is the way back; a server does not open
it as it is.")]
pub(crate) struct BackupArgs {
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn backup(args: BackupArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    // Half a copy is none.
    let mut file = PrivateFile::create(&args.out)?;
    let bytes = receive(&args.connection, &mut file).await?;
    file.keep()?;
    writeln!(out, "Wrote {bytes} bytes to {}.", args.out.display())?;
    Ok(Exit::Ok)
}

async fn receive(connection: &Connection, file: &mut impl Write) -> anyhow::Result<u64> {
    let mut copy = connection.connect().await?.create_backup().await?;
    let mut bytes = 0;
    while let Some(piece) = copy.next().await? {
        file.write_all(&piece)?;
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}

/// Arguments of `restore`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign restore store.backup --config countersign.toml
  countersign restore store.backup --config countersign.toml \\
    --accept --keep acme/stripe:3

Without --accept it says what it would do, changes nothing and exits with 1. The server must be
stopped. A version that was in its grace is ended, because what replaced it was made before the
copy; --keep leaves one live. If the store of the copy is still there and can be read, what it has
ended since stays ended. It is kept aside under another name.")]
pub(crate) struct RestoreArgs {
    /// The file that `countersign backup` wrote
    backup: PathBuf,
    /// Do it
    #[arg(long)]
    accept: bool,
    /// A version that stays live although its grace or its secret was to end
    #[arg(long, value_name = "SECRET:VERSION", value_parser = version)]
    keep: Vec<(SecretName, u32)>,
    #[command(flatten)]
    settings: SettingsArgs,
}

fn version(text: &str) -> Result<(SecretName, u32), String> {
    let expected = || "a secret and a version number, such as acme/stripe:3".to_owned();
    let (name, number) = text.rsplit_once(':').ok_or_else(expected)?;
    let name = SecretName::parse(name).map_err(|_| expected())?;
    Ok((name, number.parse().map_err(|_| expected())?))
}

pub(crate) fn run(args: RestoreArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = args.settings.load()?;
    telemetry::init(&config::Log {
        format: config::LogFormat::Human,
        level: "error".to_owned(),
    });
    if !args.backup.is_file() {
        return Err(usage(format!("{} is not a file", args.backup.display())));
    }
    let data_dir = config.data_dir.clone();
    let done = restore(RestoreOptions {
        store: store_of(config),
        copy: args.backup,
        keep: args.keep.into_iter().collect::<BTreeSet<_>>(),
        accept: args.accept,
    })?;
    tell(&done, args.accept, &data_dir, out)?;
    Ok(match args.accept {
        true => Exit::Ok,
        false => Exit::NotVerified,
    })
}

fn store_of(config: Config) -> StoreOptions {
    StoreOptions {
        data_dir: config.data_dir,
        kek: config.key_encryption_key,
        previous_kek: config.previous_key_encryption_key,
        clock: Clock::System,
        limits: countersign_core::rotation::RotationLimits {
            max_live: config.limits.max_live_versions,
            max_grace: config.limits.max_grace,
        },
        trust_clock: true,
        degraded: false,
        ballast_bytes: 0,
        queue: 1,
    }
}

fn tell(
    done: &Restoration,
    accepted: bool,
    data_dir: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "{}", age(done))?;
    writeln!(out, "{}", present(done.present))?;
    let rows = done.versions.iter().map(|version| {
        [
            version.secret.as_str().to_owned(),
            version.number.to_string(),
            state(version).to_owned(),
            fate(version.fate).to_owned(),
        ]
    });
    writeln!(
        out,
        "{}",
        render::table(["secret", "version", "in the copy", "restored"], rows)
    )?;
    let rows = done.tokens.iter().map(|token| {
        let fate = match token.is_revoked {
            true => "revoked: was revoked since",
            false => "valid",
        };
        [token.id.clone(), token.name.to_string(), fate.to_owned()]
    });
    if !done.tokens.is_empty() {
        let table = render::table(["token", "name", "restored"], rows);
        writeln!(out, "\n{table}\n")?;
    }
    for name in &done.corrupt {
        writeln!(out, "{name} is damaged in the copy and will not serve.")?;
    }
    if let Some(finding) = done.audit {
        writeln!(
            out,
            "WARNING: the audit of the copy is not intact: {finding}."
        )?;
    }
    if let Some(path) = &done.kept_aside {
        writeln!(out, "The store that was there is kept: {}", path.display())?;
    }
    let folder = data_dir.display();
    match accepted {
        true => writeln!(out, "Restored into {folder}. The next start serves it.")?,
        false => writeln!(
            out,
            "Nothing is changed in {folder} yet. If this is what you want, repeat it with --accept."
        )?,
    }
    Ok(())
}

fn age(done: &Restoration) -> String {
    let Some(time) = done.copy_time else {
        return "It is not known when the copy was taken.".to_owned();
    };
    let millis = u64::try_from(time.unix_millis()).unwrap_or(0);
    let taken = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let ago = render::since(Some(&taken.into()), SystemTime::now());
    format!("The copy was taken {ago}.")
}

fn present(present: Present) -> String {
    match present {
        Present::Absent => "No store is there now: what was ended since the copy is not known. Check each version and token.".to_owned(),
        Present::Unreadable => "The store that is there cannot be read: what was ended since the copy is not known. Check each version and token.".to_owned(),
        Present::Another => "The store that is there is another one: what was ended since the copy is not known. Check each version and token.".to_owned(),
        Present::Same { later_changes } => format!(
            "The store that is there has {later_changes} changes that the copy lacks; what it ended stays ended, the rest is lost."
        ),
    }
}

fn state(version: &RestoredVersion) -> &'static str {
    match version.state {
        VersionState::Pending => "pending",
        VersionState::Active => "active",
        VersionState::Grace { .. } => "grace",
        VersionState::Retired | VersionState::Revoked => "ended",
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Live => "live",
        Fate::Kept => "live (--keep)",
        Fate::EndedGrace => "ended: was in its grace",
        Fate::EndedSince => "ended: was ended since",
        Fate::EndedWithSecret => "ended: its secret was deleted since",
    }
}
