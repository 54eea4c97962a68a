//! A verifier for the conformance kit: asks a Countersign server about every case.
//!
//! `countersign conformance run -- target/debug/examples/conformance`, with the server in `COUNTERSIGN_SERVER`. The
//! cases are checked at a time of their own, so the clock of the server has to stand there, as in the project's own test.
//! Any other server, such as `countersign dev`, is asked with `--live`.

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_client::{
    Client, Identity, Reason,
    v1::{self, verify_webhook_request::Payload},
};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let server =
        env::var("COUNTERSIGN_SERVER").unwrap_or_else(|_| "http://127.0.0.1:50051".to_owned());
    let builder = Client::builder(server);
    let builder = match env::var("COUNTERSIGN_TOKEN") {
        Ok(token) => builder.token(token.into()),
        Err(_) => builder,
    };
    let mut verifier = Verifier {
        client: builder.connect().await?,
        made: 0,
        current: None,
    };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", verifier.answer(&case).await)?;
        out.flush()?;
    }
    verifier.clear().await
}

struct Verifier {
    client: Client,
    made: u32,
    /// The secret of the latest case, and what it was made of: cases of one scheme have one key.
    current: Option<(String, Value)>,
}

impl Verifier {
    async fn answer(&mut self, case: &Value) -> Value {
        match self.judge(case).await {
            Ok((accept, reason)) => {
                let name = reason.map(|it| it.as_str_name().replace("REASON_", ""));
                match name {
                    Some(name) => json!({ "id": case["id"], "accept": accept, "reason": name }),
                    None => json!({ "id": case["id"], "accept": accept }),
                }
            }
            Err(error) => {
                json!({ "id": case["id"], "accept": false, "reason": error.to_string() })
            }
        }
    }

    async fn judge(&mut self, case: &Value) -> Outcome<(bool, Option<Reason>)> {
        let secret = self.secret(case).await?;
        match text(case, "purpose") {
            "webhook" => {
                let verdict = self.client.verify_webhook_request(delivery(&secret, case)?);
                let verdict = verdict.await?;
                Ok((verdict.is_verified(), verdict.reason))
            }
            "resource_id" => {
                let id = text(&case["claimed"], "id");
                let signed = self.client.sign_resource_id(secret, id).await?;
                let same = signed.proof == text(case, "hash");
                let reason = (!same).then_some(Reason::SignatureMismatch);
                Ok((same, reason))
            }
            _ => {
                let verdict = match case["token"].as_str() {
                    Some(token) => self.client.verify_token(secret, claimed(case), token).await,
                    None => {
                        let hash = text(case, "hash");
                        self.client.verify_hash(secret, claimed(case), hash).await
                    }
                };
                let verdict = verdict?;
                Ok((verdict.is_verified(), verdict.reason))
            }
        }
    }

    /// A secret with the key of the case. One key belongs to one secret, so the one before goes first.
    async fn secret(&mut self, case: &Value) -> Outcome<String> {
        let made_of = json!([
            case["scheme"],
            case["key"],
            case["key_id"],
            case["parameters"]
        ]);
        if let Some((name, current)) = &self.current
            && *current == made_of
        {
            return Ok(name.clone());
        }
        self.clear().await?;
        self.made += 1;
        let name = format!("conformance-{}/case-{}", process::id(), self.made);
        self.client.create_secret(creation(&name, case)).await?;
        self.current = Some((name.clone(), made_of));
        Ok(name)
    }

    async fn clear(&mut self) -> Outcome<()> {
        if let Some((name, _)) = self.current.take() {
            self.client.delete_secret(name, true).await?;
        }
        Ok(())
    }
}

fn creation(name: &str, case: &Value) -> v1::CreateSecretRequest {
    let identity = text(case, "purpose").starts_with("identity");
    let mode = match identity {
        true => v1::Mode::Required,
        false => v1::Mode::Unspecified,
    };
    let parameters = case["parameters"].as_object().into_iter().flatten();
    let parameters =
        parameters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    v1::CreateSecretRequest {
        request_id: request_id(name),
        name: name.to_owned(),
        scheme: text(case, "scheme").to_owned(),
        mode: mode.into(),
        imported_key: text(case, "key").to_owned(),
        key_id: text(case, "key_id").to_owned(),
        parameters: parameters.collect(),
        ..Default::default()
    }
}

/// Used once for ever: a process of the same number may have been here before.
fn request_id(name: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("{}.{nanos}", name.replace('/', "."))
}

fn delivery(secret: &str, case: &Value) -> Outcome<v1::VerifyWebhookRequest> {
    let body = match case["body_base64"].as_str() {
        Some(text) => STANDARD.decode(text)?,
        None => text(case, "body").as_bytes().to_vec(),
    };
    let headers = case["headers"].as_array().into_iter().flatten();
    let headers = headers.map(|header| v1::Header {
        name: header[0].as_str().unwrap_or_default().to_owned(),
        value: header[1].as_str().unwrap_or_default().to_owned(),
    });
    Ok(v1::VerifyWebhookRequest {
        secret: secret.to_owned(),
        headers: headers.collect(),
        payload: Some(Payload::Body(body.into())),
        method: text(case, "method").to_owned(),
        url: text(case, "url").to_owned(),
    })
}

fn claimed(case: &Value) -> Identity {
    let claimed = &case["claimed"];
    Identity::new(text(claimed, "id"))
        .with_email(text(claimed, "email"))
        .with_name(text(claimed, "name"))
}

fn text<'c>(case: &'c Value, name: &str) -> &'c str {
    case[name].as_str().unwrap_or_default()
}
