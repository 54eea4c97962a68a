//! Answers as JSON, for `--json`. Names are those of the proto in lower snake case, enum values have their full
//! names, times are RFC 3339, lengths of time are seconds with an `s`. What is not set is `null`, so that every field
//! is always there.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::{io::Write, time::SystemTime};

use countersign_client::{
    Age, Explanation, Handshake, Identity, Verdict, VersionUse, WebhookVerdict, v1,
};
use prost_types::{Struct, Timestamp, value::Kind};
use serde_json::{Map, Value, json};

/// Prints a value, pretty, with a newline.
pub(crate) fn print(value: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

pub(crate) fn secret(secret: &v1::Secret) -> Value {
    json!({
        "name": secret.name,
        "scheme": secret.scheme,
        "purpose": named(secret.purpose, secret.purpose().as_str_name()),
        "mode": named(secret.mode, secret.mode().as_str_name()),
        "versions": secret.versions.iter().map(version).collect::<Vec<_>>(),
        "tolerance": secret.tolerance.as_ref().map(ToString::to_string),
        "timestamp_unit": named(secret.timestamp_unit, secret.timestamp_unit().as_str_name()),
        "replay_policy": named(secret.replay_policy, secret.replay_policy().as_str_name()),
        "parameters": secret.parameters,
        "labels": secret.labels,
        "create_time": time(secret.create_time.as_ref()),
        "update_time": time(secret.update_time.as_ref()),
        "etag": secret.etag,
    })
}

fn version(version: &v1::Version) -> Value {
    let warnings = version.warnings().map(|warning| warning.as_str_name());
    json!({
        "number": version.number,
        "state": named(version.state, version.state().as_str_name()),
        "create_time": time(version.create_time.as_ref()),
        "activate_time": time(version.activate_time.as_ref()),
        "grace_end_time": time(version.grace_end_time.as_ref()),
        "revoke_time": time(version.revoke_time.as_ref()),
        "last_sign_time": time(version.last_sign_time.as_ref()),
        "last_verify_time": time(version.last_verify_time.as_ref()),
        "key_id": text(&version.key_id),
        "imported": version.imported,
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

/// The answer to a creation or a rotation, the one place where a key is printed.
pub(crate) fn new_version(
    secret_after: Option<&v1::Secret>,
    version: u32,
    revealed_key: &str,
) -> Value {
    json!({
        "secret": secret_after.map(secret),
        "version": version,
        "revealed_key": text(revealed_key),
    })
}

pub(crate) fn scheme(scheme: &v1::Scheme) -> Value {
    json!({
        "id": scheme.id,
        "purpose": named(scheme.purpose, scheme.purpose().as_str_name()),
        "title": scheme.title,
        "description": scheme.description,
        "source": scheme.source,
        "key_format": scheme.key_format,
        "signed_text": scheme.signed_text,
        "signature_format": scheme.signature_format,
        "headers": scheme.headers,
        "tolerance_past": scheme.tolerance_past.as_ref().map(ToString::to_string),
        "tolerance_future": scheme.tolerance_future.as_ref().map(ToString::to_string),
        "parameters": scheme.parameters,
        "optional_parameters": scheme.optional_parameters,
        "key_id_required": scheme.key_id_required,
        "confidence": named(scheme.confidence, scheme.confidence().as_str_name()),
        "confidence_note": text(&scheme.confidence_note),
        "rotation": text(&scheme.rotation),
        "traps": scheme.traps,
        "proven": scheme.proven().map(|part| part.as_str_name()).collect::<Vec<_>>(),
        "proven_fields": scheme.proven_fields,
        "custom": scheme.custom,
    })
}

pub(crate) fn signed(answer: &v1::SignResponse) -> Value {
    json!({
        "hash": text(&answer.hash),
        "token": text(&answer.token),
        "headers": answer.headers.iter().map(|h| json!({"name": h.name, "value": h.value})).collect::<Vec<_>>(),
        "resource_id": text(&answer.resource_id),
        "body_base64": answer.body.as_ref().map(|body| STANDARD.encode(body)),
        "url": text(&answer.url),
        "version": answer.version.as_ref().map(|version| json!({
            "number": version.number,
            "state": named(version.state, version.state().as_str_name()),
            "grace_end_time": time(version.grace_end_time.as_ref()),
        })),
        "expire_time": time(answer.expire_time.as_ref()),
    })
}

pub(crate) fn verdict(verdict: &Verdict) -> Value {
    json!({
        "decision": verdict.decision.as_str_name(),
        "trust": verdict.trust.as_str_name(),
        "shield": verdict.shield.as_str_name(),
        "reason": verdict.reason.map(|reason| reason.as_str_name()),
        "verified": verdict.verified.as_ref().map(identity),
        "claimed": verdict.claimed.as_ref().map(identity),
        "version": verdict.version.as_ref().map(version_use),
        "proof_expire_time": verdict.proof_expire_time.map(instant),
    })
}

pub(crate) fn webhook_verdict(verdict: &WebhookVerdict) -> Value {
    json!({
        "decision": verdict.decision.as_str_name(),
        "reason": verdict.reason.map(|reason| reason.as_str_name()),
        "signed_time": verdict.signed_time.map(instant),
        "age": verdict.age.map(age),
        "delivery_id": verdict.delivery_id,
        "proven": verdict.proven.iter().map(|part| part.as_str_name()).collect::<Vec<_>>(),
        "replay": verdict.replay.map(|replay| replay.as_str_name()),
        "version": verdict.version.as_ref().map(version_use),
        "proven_fields": verdict.proven_fields,
        "handshake": verdict.handshake.as_ref().map(handshake),
    })
}

pub(crate) fn explanation(explanation: &Explanation) -> Value {
    let checks = explanation.steps.iter().map(|step| {
        json!({"name": step.name, "outcome": step.outcome.as_str_name(), "detail": step.detail})
    });
    let causes = explanation.causes.iter().map(|cause| {
        json!({"code": cause.code.as_str_name(), "summary": cause.summary, "fix": cause.fix})
    });
    json!({
        "decision": explanation.decision.as_str_name(),
        "reason": explanation.reason.map(|reason| reason.as_str_name()),
        "checks": checks.collect::<Vec<_>>(),
        "causes": causes.collect::<Vec<_>>(),
    })
}

fn handshake(handshake: &Handshake) -> Value {
    let headers = handshake.headers.iter().map(|(name, value)| {
        json!({"name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes())})
    });
    json!({
        "name": handshake.name,
        "status": handshake.status,
        "headers": headers.collect::<Vec<_>>(),
        "body": String::from_utf8_lossy(&handshake.body),
    })
}

fn identity(identity: &Identity) -> Value {
    let attributes = identity
        .attributes
        .iter()
        .map(|(key, value)| (key.clone(), from_wire_value(value)));
    json!({
        "id": text(&identity.id),
        "email": text(&identity.email),
        "name": text(&identity.name),
        "attributes": attributes.collect::<Map<_, _>>(),
    })
}

fn version_use(version: &VersionUse) -> Value {
    json!({
        "number": version.number,
        "state": version.state.as_str_name(),
        "grace_end_time": version.grace_end_time.map(instant),
    })
}

/// The name of an enum value; null for "unspecified", the number for one that has no name here.
fn named(number: i32, name: &str) -> Value {
    match number {
        0 => Value::Null,
        _ if name.ends_with("_UNSPECIFIED") => number.into(),
        _ => name.into(),
    }
}

pub(crate) fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(crate) fn time(time: Option<&Timestamp>) -> Option<String> {
    time.map(ToString::to_string)
}

fn instant(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

fn age(age: Age) -> String {
    match age {
        Age::Past(length) => format!("{}s", length.as_secs_f64()),
        Age::Future(length) => format!("-{}s", length.as_secs_f64()),
    }
}

/// A value of `attributes` as JSON.
pub(crate) fn from_wire_value(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(switch)) => (*switch).into(),
        Some(Kind::NumberValue(number)) => from_number(*number),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::ListValue(list)) => list.values.iter().map(from_wire_value).collect(),
        Some(Kind::StructValue(object)) => object
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), from_wire_value(value)))
            .collect(),
    }
}

/// The wire has floating point only; a whole number is shown as one as far as it is exact.
fn from_number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within the exact range"
        )]
        return (number as i64).into();
    }
    number.into()
}

/// An attribute of the command line: JSON, or else a text.
pub(crate) fn to_wire_value(text: &str) -> prost_types::Value {
    serde_json::from_str(text).map_or_else(|_| text.into(), to_wire)
}

fn to_wire(value: Value) -> prost_types::Value {
    match value {
        Value::Null => Kind::NullValue(0).into(),
        Value::Bool(switch) => switch.into(),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)).into(),
        Value::String(text) => text.into(),
        Value::Array(values) => values.into_iter().map(to_wire).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| (key, to_wire(value)))
                .collect();
            Kind::StructValue(Struct { fields }).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_secret_has_every_field_with_full_enum_names_and_rfc_3339_times() {
        let wire = v1::Secret {
            name: "acme/chat".into(),
            purpose: v1::Purpose::IdentityHash.into(),
            mode: v1::Mode::Required.into(),
            create_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            tolerance: Some(prost_types::Duration {
                seconds: 300,
                nanos: 0,
            }),
            versions: vec![v1::Version {
                number: 1,
                state: v1::VersionState::Active.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let value = secret(&wire);
        assert_eq!(value["mode"], "MODE_REQUIRED");
        assert_eq!(value["purpose"], "PURPOSE_IDENTITY_HASH");
        assert_eq!(value["replay_policy"], Value::Null);
        assert_eq!(value["create_time"], "2023-11-14T22:13:20Z");
        assert_eq!(value["tolerance"], "300s");
        assert_eq!(value["versions"][0]["state"], "VERSION_STATE_ACTIVE");
        assert_eq!(value["versions"][0]["last_sign_time"], Value::Null);
    }

    #[test]
    fn an_enum_value_without_a_name_is_its_number() {
        let wire = v1::Secret {
            mode: 42,
            ..Default::default()
        };
        assert_eq!(secret(&wire)["mode"], 42);
    }

    #[test]
    fn a_key_that_was_not_revealed_is_null() {
        assert_eq!(new_version(None, 2, "")["revealed_key"], Value::Null);
        assert_eq!(new_version(None, 2, "k")["revealed_key"], "k");
    }

    #[test]
    fn an_age_in_the_future_is_negative() {
        assert_eq!(age(Age::Future(Duration::from_millis(1500))), "-1.5s");
        assert_eq!(age(Age::Past(Duration::from_secs(3))), "3s");
    }

    #[test]
    fn attributes_survive_the_way_to_the_wire_and_back() {
        for text in [
            "true",
            "null",
            "3",
            "1.5",
            "[1,\"a\"]",
            "{\"a\":{\"b\":[]}}",
        ] {
            assert_eq!(from_wire_value(&to_wire_value(text)).to_string(), text);
        }
        assert_eq!(
            from_wire_value(&to_wire_value("pro plan")),
            Value::from("pro plan")
        );
    }
}
