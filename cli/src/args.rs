//! The command line: the verbs, and how every client verb finds its server. The arguments of a verb stand beside the
//! code that reads them.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use countersign_client::{Client, SecretString};
use secrecy::ExposeSecret;

use crate::{
    audit::AuditArgs,
    backup::{BackupArgs, RestoreArgs},
    conformance::ConformanceArgs,
    dev::DevArgs,
    explain::ExplainArgs,
    health::HealthArgs,
    init::InitArgs,
    input::{duration, without_newline},
    kek::KekArgs,
    proof::{SignArgs, VerifyArgs},
    scheme::SchemeArgs,
    secret::SecretArgs,
    serve::{ConfigArgs, ServeArgs},
    token::TokenArgs,
    webhook::WebhookArgs,
};

const EXAMPLES: &str = "\
Start here:
  countersign dev            a server to try, with secrets of known vendors
  countersign scheme list    what can be signed and verified

With the demo server running:
  countersign sign demo/chatwoot-identity --id user-42
  countersign verify demo/chatwoot-identity --id user-42 --hash HASH
  countersign webhook verify demo/stripe-webhook --headers-file h --body b
  countersign secret rotate demo/stripe-webhook --grace 24h

Exit codes:
  0   verified, or done
  1   not verified, refused by the linter, not restored yet (without
      --accept), treated wrongly by a receiver (webhook sign --send), or an
      audit that is not intact
  64  the command, one of its values or a setting is wrong
  65  the store cannot be used with this release and key-encryption key, or
      is damaged
  69  no server, no answer, or overloaded; for serve and dev: the port, the
      data directory or its disk is in use or not there
  70  any other error
  75  the secret was changed in between (--expected-version, --etag): read it
      again, then repeat
  77  not permitted";

/// Signs and verifies chat identities and webhooks, and keeps and rotates their secrets.
#[derive(Parser)]
#[command(name = "countersign", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start an open server on this machine, with demo secrets, to try things
    Dev(DevArgs),
    /// Make the first token of a server for real use
    Init(InitArgs),
    /// Start a server for real use
    Serve(ServeArgs),
    /// Create, look at, rotate and revoke secrets
    Secret(SecretArgs),
    /// Sign an identity (a hash or a token) or make an id unguessable
    Sign(SignArgs),
    /// Check whether an identity is proven
    Verify(VerifyArgs),
    /// Sign or check a webhook delivery
    Webhook(WebhookArgs),
    /// Say why a proof or delivery does not hold, and what to change
    Explain(ExplainArgs),
    /// Look at the catalogue of schemes, and add schemes of your own
    Scheme(SchemeArgs),
    /// Say who may call, and what each may do
    Token(TokenArgs),
    /// Read who did what, and check that no record of it is missing or was edited
    Audit(AuditArgs),
    /// Ask whether a server serves
    Health(HealthArgs),
    /// Check a configuration file
    Config(ConfigArgs),
    /// Copy the store of a running server
    Backup(BackupArgs),
    /// Put a copy in the place of a store, after showing what would be live again
    Restore(RestoreArgs),
    /// Tell key-encryption keys apart
    Kek(KekArgs),
    /// Put a verifier in any language to the test
    Conformance(ConformanceArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// How a client verb finds its server and prints its answer.
#[derive(Args)]
#[command(next_help_heading = "Server and output")]
pub(crate) struct Connection {
    /// The server
    #[arg(
        long,
        env = "COUNTERSIGN_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    server: String,
    /// The bearer token; others can see it in the process list, so better use the variable or --token-file
    #[arg(long, env = "COUNTERSIGN_TOKEN", hide_env_values = true, value_parser = secret_text)]
    token: Option<SecretString>,
    /// Read the bearer token from a file; beats --token and its variable
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate authority of the server, as a PEM file; unset: those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A client certificate with its chain, as a PEM file, for a server that knows callers by theirs
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its private key, as a PEM file
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// The longest time to wait for an answer
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Connection {
    /// Connects as the arguments say.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let mut builder = Client::builder(&self.server).deadline(self.timeout);
        if let Some(token) = self.read_token()? {
            builder = builder.token(token);
        }
        if let Some(path) = &self.ca {
            let pem =
                fs::read(path).with_context(|| format!("cannot read --ca {}", path.display()))?;
            builder = builder.ca_certificate_pem(pem);
        }
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            let pem = fs::read(certificate).with_context(|| {
                format!("cannot read --client-certificate {}", certificate.display())
            })?;
            let key = fs::read_to_string(key)
                .with_context(|| format!("cannot read --client-key {}", key.display()))?;
            builder = builder.client_certificate_pem(pem, key.into());
        }
        Ok(builder.connect().await?)
    }

    fn read_token(&self) -> anyhow::Result<Option<SecretString>> {
        let Some(path) = &self.token_file else {
            // A variable that is set to nothing is no token.
            let given = |token: &&SecretString| !token.expose_secret().is_empty();
            return Ok(self.token.as_ref().filter(given).cloned());
        };
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read --token-file {}", path.display()))?;
        Ok(Some(without_newline(text).into()))
    }
}

/// An argument that must not be printed.
pub(crate) fn secret_text(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::exit::Exit;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_line_of_the_examples_is_too_long_for_a_terminal() {
        fn long_lines(command: &clap::Command) -> Vec<String> {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            // The rest is wrapped where it is shown.
            let examples = help.lines().filter(|line| line.starts_with("  "));
            let long = examples.filter(|line| line.chars().count() > 78);
            let own = long.map(str::to_owned);
            let of_others = command.get_subcommands().flat_map(long_lines);
            own.chain(of_others).collect()
        }
        assert_eq!(long_lines(&Cli::command()), Vec::<String>::new());
    }

    #[test]
    fn the_verbs_of_the_help_parse() {
        for line in [
            "countersign dev --listen 127.0.0.1:0 --data-dir x",
            "countersign serve --config x.toml --listen 127.0.0.1:1",
            "countersign secret create a/b --scheme chatwoot.identity --import",
            "countersign secret list --json",
            "countersign secret rotate a/b --grace 24h --expected-version 3 --dry-run",
            "countersign secret rotate a/b --emergency --key-file k",
            "countersign secret update a/b --mode optional --label team=chat --label cost=",
            "countersign secret activate a/b 2 --grace 7d",
            "countersign secret revoke a/b 2 --force",
            "countersign sign a/b --id user-42 --attribute plan=pro --ttl 1h",
            "countersign sign a/b --resource-id order_1",
            "countersign verify a/b --id user-42 --hash 00",
            "countersign verify a/b --id user-42",
            "countersign verify a/b --jwt-file -",
            "countersign webhook sign a/b --body-file -",
            "countersign webhook sign a/b --body -1",
            "countersign webhook verify a/b --headers-file - --body {}",
            "countersign webhook verify a/b -H a:b -H a:c --body-file b",
            "countersign explain a/b -H a:b --body-file b --method POST --url https://a.example/",
            "countersign explain a/b --body {}",
            "countersign explain a/b --id user-42 --hash 00 --json",
            "countersign explain a/b --jwt-file -",
            "countersign explain a/b",
            "countersign explain a/b --method GET --url https://a.example/?x=1",
            "countersign scheme show chatwoot.identity",
            "countersign scheme show chatwoot.identity --definition",
            "countersign scheme lint acme.toml --json",
            "countersign scheme create acme.toml --dry-run",
            "countersign scheme delete acme.webhook",
            "countersign init --config x.toml --name ops/ada --expires-in 90d --out t",
            "countersign token create a/b --grant verify:a/* --grant *:b/c --expires-in 90d --out t",
            "countersign token create a/b --grant verify:* --certificate-san dns:x --json",
            "countersign token list",
            "countersign token revoke a/b",
            "countersign audit list --subject acme/chat --after 7 --json",
            "countersign audit export --after 7 --out audit.jsonl",
            "countersign audit verify",
            "countersign audit verify --anchor 0:0000000000000000000000000000000000000000000000000000000000000000",
            "countersign audit verify --file audit.jsonl --json",
            "countersign health --server http://localhost:1",
            "countersign config check --config x.toml",
            "countersign backup --out store.backup --server http://localhost:1",
            "countersign restore store.backup --config x.toml --accept --keep a/b:1 --keep a/b:2",
            "countersign kek id /etc/countersign/kek",
            "countersign completions bash",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn the_examples_of_the_help_parse_and_name_secrets_that_dev_has() {
        let lines = EXAMPLES.lines().map(str::trim);
        let examples: Vec<_> = lines.filter(|l| l.starts_with("countersign ")).collect();
        assert_eq!(examples.len(), 6);
        for line in examples {
            let line = line.split("  ").next().unwrap_or(line);
            assert!(parses(line), "{line}");
            let secret = line.split(' ').find(|word| word.contains('/'));
            assert!(
                secret.is_none_or(|name| name.starts_with("demo/")),
                "{line}"
            );
        }
    }

    #[test]
    fn the_help_and_the_readme_list_the_exit_codes() {
        let readme = include_str!("../../README.md");
        for exit in [
            Exit::Usage,
            Exit::Data,
            Exit::Unavailable,
            Exit::Software,
            Exit::Conflict,
            Exit::NotPermitted,
        ] {
            let code = exit as u8;
            assert!(EXAMPLES.contains(&format!("\n  {code}  ")), "{exit:?}");
            assert!(readme.contains(&format!("\n| {code} |")), "{exit:?}");
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for line in [
            "countersign secret rotate a/b --grace 24h --emergency",
            "countersign secret rotate a/b --stage --emergency",
            "countersign secret rotate a/b --grace 24h --stage",
            "countersign secret create a/b --scheme s --import --key-stdin",
            "countersign secret create a/b --scheme s --key hunter2",
            "countersign secret rotate a/b --grace soon",
            "countersign sign a/b --id x --resource-id y",
            "countersign verify a/b --hash x --jwt y",
            "countersign token create a/b",
            "countersign token create a/b --grant all:*",
            "countersign webhook verify a/b -H novalue --body-file b",
            "countersign webhook verify a/b",
            "countersign webhook verify a/b --body-file b --body {}",
            "countersign restore store.backup --keep a/b",
            "countersign backup",
            "countersign audit verify --anchor 7",
            "countersign audit verify --anchor 7:00",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
