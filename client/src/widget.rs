//! What a chat vendor's widget wants to know of a signed-in user.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Identity, IdentityProof};

static WIDGETS: LazyLock<BTreeMap<String, Widget>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../sdk/widgets.json")).expect("a test reads it")
});

#[derive(Deserialize)]
struct Widget {
    fields: Map<String, Value>,
}

/// The fields that the widget of a scheme's vendor takes for this user, with the proof that [`crate::Client::sign_identity`]
/// answered; fields without a value are left out. `sdk/widgets.json` says to which call of the vendor they go.
///
/// # Errors
/// [`Error::UnknownWidget`] for a scheme that no widget is known of, with those that are; [`Error::WidgetProof`] for a
/// proof of another kind than the widget takes.
pub fn widget_fields(
    scheme: &str,
    identity: &Identity,
    proof: &IdentityProof,
) -> Result<Map<String, Value>, Error> {
    let Some(widget) = WIDGETS.get(scheme) else {
        let known = WIDGETS.keys().map(String::as_str).collect::<Vec<_>>();
        return Err(Error::UnknownWidget {
            known: known.join(", "),
        });
    };
    let (place, proof) = match proof {
        IdentityProof::Hash(hash) => ("{hash}", hash.as_str()),
        IdentityProof::Token(token) => ("{token}", token.as_str()),
    };
    if proof.is_empty() || !widget.fields.values().any(|field| has(field, place)) {
        return Err(Error::WidgetProof);
    }
    let values = [
        ("{id}", identity.id.as_str()),
        ("{email}", &identity.email),
        ("{name}", &identity.name),
        (place, proof),
    ];
    Ok(filled_object(&widget.fields, &values))
}

fn has(template: &Value, place: &str) -> bool {
    match template {
        Value::String(text) => text == place,
        Value::Array(items) => items.iter().any(|item| has(item, place)),
        Value::Object(fields) => fields.values().any(|field| has(field, place)),
        _ => false,
    }
}

fn filled_object(template: &Map<String, Value>, values: &[(&str, &str)]) -> Map<String, Value> {
    let fields = template.iter().filter_map(|(name, template)| {
        let value = filled(template, values)?;
        Some((name.clone(), value))
    });
    fields.collect()
}

/// None for what has no value.
fn filled(template: &Value, values: &[(&str, &str)]) -> Option<Value> {
    match template {
        Value::String(text) => {
            let place = values.iter().find(|(place, _)| place == text);
            let value = place.map_or(text.as_str(), |(_, value)| value);
            (!value.is_empty()).then(|| value.into())
        }
        Value::Array(items) => {
            // In a list the place counts.
            let items: Option<_> = items.iter().map(|item| filled(item, values)).collect();
            items.map(Value::Array)
        }
        Value::Object(fields) => {
            let fields = filled_object(fields, values);
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_widget_of_the_file_takes_one_kind_of_proof() {
        let ada = Identity::new("user-42")
            .with_email("ada@example.com")
            .with_name("Ada");
        assert!(WIDGETS.len() >= 15);
        for scheme in WIDGETS.keys() {
            let hash = IdentityProof::Hash("the-proof".into());
            let token = IdentityProof::Token("the-proof".into());
            let told = [hash, token].map(|proof| widget_fields(scheme, &ada, &proof));
            let told: Vec<_> = told.into_iter().flatten().collect();
            assert_eq!(told.len(), 1, "{scheme}");
            let told = Value::from(told[0].clone()).to_string();
            assert!(
                told.contains("\"the-proof\"") && !told.contains("\"{"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        let proof = IdentityProof::Hash("00".into());
        let fields = widget_fields("intercom.identity", &Identity::new("u"), &proof).unwrap();
        assert_eq!(
            Value::from(fields),
            serde_json::json!({ "user_id": "u", "user_hash": "00" })
        );
    }

    #[test]
    fn a_scheme_without_a_widget_is_told_which_have_one() {
        let proof = IdentityProof::Hash("00".into());
        let error = widget_fields("acme.chat", &Identity::new("u"), &proof).unwrap_err();
        assert!(error.to_string().contains("chatwoot.identity"), "{error}");
        assert!(!error.to_string().contains("acme"));
        let empty = IdentityProof::Hash(String::new());
        let error = widget_fields("intercom.identity", &Identity::new("u"), &empty);
        assert!(matches!(error, Err(Error::WidgetProof)));
    }
}
