//! Which settings a secret of a scheme may have.

use std::{collections::BTreeMap, time::Duration};

use countersign_core::{
    Rules, Scheme, name::is_segment, policy::ReplayPolicy, token::MAX_LEEWAY_SECS,
};

use crate::{convert, failure::Failure, store::Settings};

/// The longest freshness window of a webhook.
const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest leeway of a token.
const MAX_LEEWAY: Duration = Duration::from_secs(MAX_LEEWAY_SECS as u64);

const MAX_LABELS: usize = 32;
const MAX_VALUE_BYTES: usize = 256;
const MAX_KEY_ID_BYTES: usize = 128;

/// Gives a new secret the defaults of its purpose.
pub(super) fn complete(scheme: &Scheme, settings: &mut Settings) {
    if matches!(scheme.rules, Rules::Webhook(_)) {
        settings.replay.get_or_insert(ReplayPolicy::Report);
    }
}

/// Checks all settings together.
///
/// # Errors
/// The first field that does not fit the scheme.
pub(super) fn check(scheme: &Scheme, settings: &Settings) -> Result<(), Failure> {
    check_mode(scheme, settings)?;
    check_time(scheme, settings)?;
    check_parameters(scheme, &settings.parameters)?;
    check_labels(&settings.labels)?;
    let webhook = matches!(scheme.rules, Rules::Webhook(_));
    if settings.replay.is_some() != webhook {
        return Err(Failure::field(
            "replay_policy",
            "set for webhooks, unspecified for other purposes",
        ));
    }
    Ok(())
}

fn check_mode(scheme: &Scheme, settings: &Settings) -> Result<(), Failure> {
    let identity = matches!(
        scheme.rules,
        Rules::IdentityHash(_) | Rules::IdentityToken(_)
    );
    match (identity, settings.mode) {
        (true, None) => Err(Failure::field(
            "mode",
            "MODE_OFF, MODE_OPTIONAL or MODE_REQUIRED",
        )),
        (false, Some(_)) => Err(Failure::field(
            "mode",
            "unspecified: webhooks and resource ids have no mode",
        )),
        _ => Ok(()),
    }
}

fn check_time(scheme: &Scheme, settings: &Settings) -> Result<(), Failure> {
    let rules = match &scheme.rules {
        Rules::Webhook(rules) if rules.has_timestamp() => rules,
        Rules::IdentityToken(_) => return check_leeway(settings),
        _ => {
            return match (settings.tolerance, settings.timestamp_unit) {
                (None, None) => Ok(()),
                (Some(_), _) => Err(Failure::field("tolerance", "unset: the proof has no time")),
                (None, _) => Err(Failure::field(
                    "timestamp_unit",
                    "unset: the proof has no time",
                )),
            };
        }
    };
    match (rules.timestamp_form(), settings.timestamp_unit) {
        (Some(_), Some(_)) => {
            return Err(Failure::field(
                "timestamp_unit",
                "unspecified: the scheme states the unit",
            ));
        }
        (None, None) if settings.tolerance.is_some() => {
            return Err(Failure::field(
                "timestamp_unit",
                "set together with tolerance: the vendor does not state the unit",
            ));
        }
        _ => {}
    }
    match settings.tolerance {
        Some(tolerance) if tolerance.is_zero() || tolerance > MAX_WINDOW => Err(Failure::field(
            "tolerance",
            "more than 0 and at most 24 hours",
        )),
        _ => Ok(()),
    }
}

fn check_leeway(settings: &Settings) -> Result<(), Failure> {
    if settings.timestamp_unit.is_some() {
        return Err(Failure::field("timestamp_unit", "unset for tokens"));
    }
    match settings.tolerance {
        Some(leeway) if leeway > MAX_LEEWAY || leeway.subsec_nanos() != 0 => Err(Failure::field(
            "tolerance",
            "whole seconds, at most 600, as the leeway of a token",
        )),
        _ => Ok(()),
    }
}

fn check_parameters(scheme: &Scheme, parameters: &BTreeMap<String, String>) -> Result<(), Failure> {
    let missing = (scheme.parameters.keys()).any(|name| !parameters.contains_key(name));
    let known = |name| {
        scheme.parameters.contains_key(name) || scheme.optional_parameters.contains_key(name)
    };
    if missing || !parameters.keys().all(known) {
        return Err(Failure::field("parameters", expected_parameters(scheme)));
    }
    for value in parameters.values() {
        convert::plain_text("parameters", value, MAX_VALUE_BYTES)?;
        if value.is_empty() {
            return Err(Failure::field("parameters", "no empty value"));
        }
    }
    Ok(())
}

fn expected_parameters(scheme: &Scheme) -> String {
    let list = |parameters: &BTreeMap<String, String>| {
        let names: Vec<_> = parameters.keys().map(String::as_str).collect();
        names.join(", ")
    };
    let (needed, optional) = (&scheme.parameters, &scheme.optional_parameters);
    match (needed.is_empty(), optional.is_empty()) {
        (true, true) => "none for this scheme".to_owned(),
        (false, true) => format!("exactly these: {}", list(needed)),
        (true, false) => format!("none, or these: {}", list(optional)),
        (false, false) => format!("these: {}; and if wanted: {}", list(needed), list(optional)),
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Failure> {
    if labels.len() > MAX_LABELS {
        return Err(Failure::field("labels", "at most 32"));
    }
    for (key, value) in labels {
        if !is_segment(key) {
            return Err(Failure::field(
                "labels",
                "keys of a-z 0-9 . _ -, at most 63",
            ));
        }
        convert::plain_text("labels", value, MAX_VALUE_BYTES)?;
    }
    Ok(())
}

/// The vendor's id of a key: given exactly where the scheme needs one.
///
/// # Errors
/// The field does not fit the scheme.
pub(super) fn key_id(scheme: &Scheme, key_id: String) -> Result<Option<String>, Failure> {
    if !scheme.key_id_required() {
        return match key_id.is_empty() {
            true => Ok(None),
            false => Err(Failure::field("key_id", "empty: the scheme names no keys")),
        };
    }
    let printable = key_id.bytes().all(|byte| byte.is_ascii_graphic());
    if key_id.is_empty() || key_id.len() > MAX_KEY_ID_BYTES || !printable {
        return Err(Failure::field(
            "key_id",
            "the vendor's id of the key, 1 to 128 visible ASCII characters",
        ));
    }
    Ok(Some(key_id))
}
