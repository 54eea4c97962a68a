//! Schemes of one's own: `scheme create`, `delete` and `lint`.

use std::{io::Write, path::Path};

use countersign_client::v1;
use countersign_core::{
    OwnScheme,
    lint::{Finding, Severity},
};
use serde_json::{Value, json};

use crate::{
    args::Connection,
    exit::{Exit, usage},
    input::read_text,
    json,
    render::{table, word},
};

/// Adds the scheme of a file, or says what adding it would answer.
pub(super) async fn create(
    file: &Path,
    dry_run: bool,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let request = v1::CreateSchemeRequest {
        definition: read_text(file)?,
        validate_only: dry_run,
    };
    let answer = connection.connect().await?.create_scheme(request).await?;
    let scheme = answer.scheme.unwrap_or_default();
    let findings: Vec<_> = answer.findings.iter().map(Row::of_wire).collect();
    if connection.json {
        let value = json!({
            "scheme": json::scheme(&scheme),
            "findings": findings.iter().map(Row::json).collect::<Vec<_>>(),
        });
        return json::print(&value, out);
    }
    print_findings(&findings, out)?;
    let done = if dry_run { "can be added" } else { "added" };
    writeln!(out, "{} {done}", scheme.id)?;
    Ok(())
}

/// Removes a scheme.
pub(super) async fn delete(
    id: &str,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    connection.connect().await?.delete_scheme(id).await?;
    if connection.json {
        return json::print(&json!({ "deleted": id }), out);
    }
    writeln!(out, "deleted")?;
    Ok(())
}

/// Lints the scheme of a file and runs its vectors, without a server.
pub(super) fn lint(file: &Path, as_json: bool, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let text = read_text(file)?;
    let own =
        OwnScheme::parse(&text).map_err(|error| usage(format!("{}: {error}", file.display())))?;
    let findings = own.review();
    let rows: Vec<_> = findings.iter().map(Row::of_core).collect();
    let refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    if as_json {
        let value = json!({
            "scheme": own.scheme.id,
            "vectors": own.vectors.len(),
            "findings": rows.iter().map(Row::json).collect::<Vec<_>>(),
        });
        json::print(&value, out)?;
    } else {
        print_findings(&rows, out)?;
        let verdict = if refused { "refused" } else { "can be added" };
        let vectors = own.vectors.len();
        writeln!(out, "{} {verdict}; {vectors} vectors ran", own.scheme.id)?;
    }
    Ok(if refused { Exit::NotVerified } else { Exit::Ok })
}

/// A finding as it is printed.
struct Row {
    severity: v1::LintSeverity,
    code: String,
    message: String,
}

impl Row {
    fn of_wire(finding: &v1::LintFinding) -> Self {
        Self {
            severity: finding.severity(),
            code: finding.code.clone(),
            message: finding.message.clone(),
        }
    }

    fn of_core(finding: &Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Warning => v1::LintSeverity::Warning,
                Severity::Error => v1::LintSeverity::Error,
            },
            code: finding.code.name().to_owned(),
            message: finding.message.clone(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "severity": self.severity.as_str_name(),
            "code": self.code,
            "message": self.message,
        })
    }
}

fn print_findings(findings: &[Row], out: &mut dyn Write) -> anyhow::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let rows = findings.iter().map(|row| {
        let severity = word(row.severity.as_str_name(), "LINT_SEVERITY_");
        [severity, row.code.clone(), row.message.clone()]
    });
    writeln!(
        out,
        "{}\n",
        table(["severity", "code", "what to mind"], rows)
    )?;
    Ok(())
}
