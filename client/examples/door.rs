//! The Rust door of `tests/doors`: answers a question a line. `sdk/README.md` says what they look like.

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_client::{
    Client, Identity, IdentityProof, VersionUse,
    v1::{self, verify_request::Proof, verify_webhook_request::Payload},
};
use prost_types::value::Kind;
use serde_json::{Map, Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(env::var("COUNTERSIGN_SERVER")?).await?;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let mut answer = match answer(&client, &question).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": refusal(&error) }),
        };
        answer["id"] = question["id"].clone();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

async fn answer(client: &Client, question: &Value) -> Result<Value, countersign_client::Error> {
    let secret = text(question, "secret");
    match &*text(question, "rpc") {
        "Sign" => {
            let identity = identity(&question["identity"]);
            let signed = client.sign_identity(secret, identity, None).await?;
            let (hash, token) = match signed.proof {
                IdentityProof::Hash(hash) => (json!(hash), Value::Null),
                IdentityProof::Token(token) => (Value::Null, json!(token)),
            };
            Ok(with_version(
                json!({ "hash": hash, "token": token }),
                Some(&signed.version),
            ))
        }
        "Verify" => {
            let request = v1::VerifyRequest {
                secret,
                claimed: Some(identity(&question["claimed"]).into()),
                proof: proof(question),
            };
            let verdict = client.verify(request).await?;
            let answer = json!({
                "decision": plain(verdict.decision.as_str_name()),
                "reason": verdict.reason.map(|reason| plain(reason.as_str_name())),
                "trust": plain(verdict.trust.as_str_name()),
                "shield": plain(verdict.shield.as_str_name()),
                "verified": verdict.verified.as_ref().map(shown),
                "claimed": verdict.claimed.as_ref().map(shown),
            });
            Ok(with_version(answer, verdict.version.as_ref()))
        }
        _ => {
            let verdict = client
                .verify_webhook_request(delivery(secret, question))
                .await?;
            let proven = verdict.proven.iter().map(|part| plain(part.as_str_name()));
            let answer = json!({
                "decision": plain(verdict.decision.as_str_name()),
                "reason": verdict.reason.map(|reason| plain(reason.as_str_name())),
                "proven": proven.collect::<Vec<_>>(),
                "proven_fields": verdict.proven_fields,
                "handshake": verdict.handshake.map(|handshake| handshake.name),
            });
            Ok(with_version(answer, verdict.version.as_ref()))
        }
    }
}

fn proof(question: &Value) -> Option<Proof> {
    match (question["hash"].as_str(), question["token"].as_str()) {
        (Some(hash), _) => Some(Proof::Hash(hash.to_owned())),
        (None, Some(token)) => Some(Proof::Token(token.to_owned())),
        (None, None) => None,
    }
}

fn delivery(secret: String, question: &Value) -> v1::VerifyWebhookRequest {
    let headers = question["headers"].as_array().into_iter().flatten();
    let headers = headers.map(|header| v1::Header {
        name: header[0].as_str().unwrap_or_default().to_owned(),
        value: header[1].as_str().unwrap_or_default().to_owned(),
    });
    let body = STANDARD
        .decode(text(question, "body"))
        .expect("it is base64");
    v1::VerifyWebhookRequest {
        secret,
        headers: headers.collect(),
        payload: Some(Payload::Body(body.into())),
        method: text(question, "method"),
        url: text(question, "url"),
    }
}

fn identity(value: &Value) -> Identity {
    let identity = Identity::new(text(value, "id"))
        .with_email(text(value, "email"))
        .with_name(text(value, "name"));
    let attributes = value["attributes"].as_object().into_iter().flatten();
    attributes.fold(identity, |identity, (name, value)| {
        identity.with_attribute(name, to_wire(value))
    })
}

fn shown(identity: &Identity) -> Value {
    let attributes = identity.attributes.iter();
    let attributes: Map<_, _> = attributes
        .map(|(name, value)| (name.clone(), from_wire(value)))
        .collect();
    json!({
        "id": identity.id,
        "email": identity.email,
        "name": identity.name,
        "attributes": (!attributes.is_empty()).then_some(attributes),
    })
}

fn to_wire(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(to_wire).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields
                .iter()
                .map(|(name, value)| (name.clone(), to_wire(value)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

fn from_wire(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => json!(value),
        Some(Kind::NumberValue(value)) => json!(value),
        Some(Kind::StringValue(value)) => json!(value),
        Some(Kind::ListValue(list)) => list.values.iter().map(from_wire).collect(),
        Some(Kind::StructValue(fields)) => {
            let fields = fields.fields.iter();
            fields
                .map(|(name, value)| (name.clone(), from_wire(value)))
                .collect()
        }
    }
}

fn with_version(mut answer: Value, version: Option<&VersionUse>) -> Value {
    answer["version"] = json!(version.map(|version| version.number));
    answer["state"] = json!(version.map(|version| plain(version.state.as_str_name())));
    answer
}

fn refusal(error: &countersign_client::Error) -> Value {
    let countersign_client::Error::Call(call) = error else {
        return json!(error.to_string());
    };
    let code = v1_code(call.code());
    let fields: Vec<_> = call
        .violations()
        .iter()
        .map(|violation| &violation.field)
        .collect();
    json!({ "code": code, "reason": call.reason(), "fields": fields })
}

fn v1_code(code: countersign_client::Code) -> String {
    let name = format!("{code:?}");
    let words = name.char_indices().map(|(at, letter)| match letter {
        'A'..='Z' if at > 0 => format!("_{letter}"),
        _ => letter.to_ascii_uppercase().to_string(),
    });
    words.collect()
}

/// The name of an enum value without its prefix.
fn plain(name: &str) -> &str {
    const PREFIXES: [&str; 6] = [
        "DECISION_",
        "REASON_",
        "TRUST_",
        "SHIELD_",
        "VERSION_STATE_",
        "PROVEN_PART_",
    ];
    PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
