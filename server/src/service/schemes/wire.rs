//! Schemes as the wire shows them.

use countersign_core::{
    Rules, Scheme,
    lint::{Finding, Severity},
    scheme::Confidence,
};
use countersign_proto::v1;

use crate::convert;

/// Everything but the description.
pub(super) fn to_wire(scheme: &Scheme, custom: bool) -> v1::Scheme {
    let webhook = match &scheme.rules {
        Rules::Webhook(rules) => Some(rules),
        _ => None,
    };
    let window = webhook.and_then(|rules| rules.window());
    let proven = webhook.map(|rules| rules.proven()).unwrap_or_default();
    v1::Scheme {
        id: scheme.id.clone(),
        purpose: convert::purpose_to_wire(scheme.purpose()).into(),
        title: scheme.title.clone(),
        description: scheme.description.clone(),
        source: scheme.source.clone(),
        key_format: scheme.describe_key(),
        signed_text: scheme.describe_signed_text(),
        signature_format: scheme.describe_signature(),
        headers: webhook
            .map(|rules| rules.header_names())
            .unwrap_or_default()
            .into_iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        tolerance_past: window.map(|window| convert::duration_to_wire(window.past)),
        tolerance_future: window.map(|window| convert::duration_to_wire(window.future)),
        parameters: scheme.parameters.keys().cloned().collect(),
        key_id_required: scheme.key_id_required(),
        confidence: confidence_to_wire(scheme.confidence, custom).into(),
        confidence_note: scheme.confidence_note.clone(),
        rotation: scheme.rotation.clone(),
        traps: scheme.traps.clone(),
        proven: proven.parts().map(convert::part_to_wire).collect(),
        proven_fields: proven.fields,
        optional_parameters: scheme.optional_parameters.keys().cloned().collect(),
        custom,
        // Too long for a list; GetScheme and CreateScheme put it in.
        definition: String::new(),
    }
}

/// What an operator says of their own description is not for us to vouch for.
fn confidence_to_wire(confidence: Confidence, custom: bool) -> v1::Confidence {
    match confidence {
        _ if custom => v1::Confidence::Unspecified,
        Confidence::Confirmed => v1::Confidence::Confirmed,
        Confidence::Secondary => v1::Confidence::Secondary,
    }
}

pub(super) fn finding_to_wire(finding: &Finding) -> v1::LintFinding {
    let severity = match finding.severity {
        Severity::Warning => v1::LintSeverity::Warning,
        Severity::Error => v1::LintSeverity::Error,
    };
    v1::LintFinding {
        severity: severity.into(),
        code: finding.code.name().to_owned(),
        message: finding.message.clone(),
    }
}
