//! A demo secret for every scheme of some vendors, with a proof that was signed and verified through the port like anybody's.

use std::collections::HashSet;

use countersign_client::{Client, Identity, v1};

/// The user of the demo proofs.
pub(crate) const USER_ID: &str = "user-42";
/// Their email address, which some schemes sign in place of the id.
pub(crate) const USER_EMAIL: &str = "ada@example.com";
/// The body of the demo deliveries.
pub(crate) const BODY: &str = r#"{"hello":"world"}"#;
/// The vendors of the demo: of the chat widgets this began with, and of webhooks that everybody knows.
const VENDORS: [&str; 11] = [
    "chatwoot",
    "countersign",
    "github",
    "intercom",
    "kaltalk",
    "pylon",
    "slack",
    "standard",
    "stripe",
    "talkjs",
    "zendesk",
];
const RESOURCE_ID: &str = "order-1234";
const PARAMETER: &str = "demo-app";
const KEY_ID: &str = "app_demo";

/// A demo secret and what became of its proof.
pub(crate) struct Demo {
    /// Name of the secret.
    pub(crate) secret: String,
    /// Id of its scheme.
    pub(crate) scheme: String,
    /// What the scheme is for.
    pub(crate) purpose: v1::Purpose,
    /// The proof as text; of a delivery, its signature header.
    pub(crate) proof: String,
    /// The verdict in words.
    pub(crate) verdict: String,
    /// The version that signed.
    pub(crate) version: u32,
}

impl Demo {
    /// The beginning of the proof.
    pub(crate) fn shown_proof(&self) -> String {
        const SHOWN: usize = 28;
        let mut shown: String = self.proof.chars().take(SHOWN).collect();
        if shown.len() < self.proof.len() {
            shown.push('…');
        }
        shown
    }
}

/// Makes the demo secrets that are not there yet, and tries every one. Answers them and the number of all schemes.
pub(crate) async fn run(client: &Client) -> anyhow::Result<(Vec<Demo>, usize)> {
    let present: HashSet<_> = client
        .list_secrets("demo")
        .await?
        .into_iter()
        .map(|secret| secret.name)
        .collect();
    let mut demos = Vec::new();
    let schemes = client.list_schemes().await?;
    let count = schemes.len();
    for scheme in schemes.into_iter().filter(is_shown) {
        let secret = format!("demo/{}", scheme.id.replace('.', "-"));
        if !present.contains(&secret) {
            client.create_secret(creation(&secret, &scheme)).await?;
        }
        demos.push(attempt(client, secret, &scheme).await);
    }
    Ok((demos, count))
}

/// Not one of somebody's own: its demo secret would keep it from being deleted.
fn is_shown(scheme: &v1::Scheme) -> bool {
    let vendor = scheme.id.split('.').next();
    !scheme.custom && vendor.is_some_and(|vendor| VENDORS.contains(&vendor))
}

fn creation(secret: &str, scheme: &v1::Scheme) -> v1::CreateSecretRequest {
    let identity = matches!(
        scheme.purpose(),
        v1::Purpose::IdentityHash | v1::Purpose::IdentityToken
    );
    let mode = if identity {
        v1::Mode::Required
    } else {
        v1::Mode::Unspecified
    };
    v1::CreateSecretRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        name: secret.to_owned(),
        scheme: scheme.id.clone(),
        mode: mode.into(),
        parameters: scheme
            .parameters
            .iter()
            .map(|name| (name.clone(), PARAMETER.to_owned()))
            .collect(),
        key_id: if scheme.key_id_required {
            KEY_ID.to_owned()
        } else {
            String::new()
        },
        ..Default::default()
    }
}

/// Signs and verifies one proof. A scheme that fails is shown as such and does not stop the rest.
async fn attempt(client: &Client, secret: String, scheme: &v1::Scheme) -> Demo {
    let purpose = scheme.purpose();
    let tried = match purpose {
        v1::Purpose::Webhook => webhook(client, &secret, scheme).await,
        v1::Purpose::ResourceId => resource_id(client, &secret).await,
        _ => identity(client, &secret).await,
    };
    let tried = tried.unwrap_or_else(|error| Tried {
        proof: String::new(),
        verdict: format!("FAILED: {error}"),
        version: 0,
    });
    let Tried {
        proof,
        verdict,
        version,
    } = tried;
    Demo {
        secret,
        scheme: scheme.id.clone(),
        purpose,
        proof,
        verdict,
        version,
    }
}

struct Tried {
    proof: String,
    verdict: String,
    version: u32,
}

type Attempt = Result<Tried, countersign_client::Error>;

async fn identity(client: &Client, secret: &str) -> Attempt {
    use countersign_client::IdentityProof::{Hash, Token};
    let user = Identity::new(USER_ID)
        .with_email(USER_EMAIL)
        .with_name("Ada");
    let signed = client.sign_identity(secret, user.clone(), None).await?;
    let verdict = match &signed.proof {
        Hash(hash) => client.verify_hash(secret, user, hash).await?,
        Token(token) => client.verify_token(secret, user, token).await?,
    };
    let words = outcome(verdict.is_verified(), verdict.reason);
    Ok(Tried {
        proof: signed.proof.as_str().to_owned(),
        verdict: words,
        version: signed.version.number,
    })
}

async fn webhook(client: &Client, secret: &str, scheme: &v1::Scheme) -> Attempt {
    let signed = client.sign_webhook(secret, BODY).await?;
    let verdict = client.verify_webhook(secret, &signed.proof, BODY).await?;
    // The signature stands last, after its timestamp.
    let signature = scheme
        .headers
        .iter()
        .rev()
        .filter(|name| name.contains("signature"));
    let header = signature
        .chain(&scheme.headers)
        .find_map(|name| signed.proof.get(name));
    let proof = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let words = outcome(verdict.is_verified(), verdict.reason);
    Ok(Tried {
        proof,
        verdict: words,
        version: signed.version.number,
    })
}

/// Nobody verifies an unguessable id; it is right if it is the same every time.
async fn resource_id(client: &Client, secret: &str) -> Attempt {
    let first = client.sign_resource_id(secret, RESOURCE_ID).await?;
    let second = client.sign_resource_id(secret, RESOURCE_ID).await?;
    let words = if first.proof == second.proof {
        "the same twice"
    } else {
        "FAILED: not the same twice"
    };
    Ok(Tried {
        proof: first.proof,
        verdict: words.to_owned(),
        version: first.version.number,
    })
}

fn outcome(verified: bool, reason: Option<countersign_client::Reason>) -> String {
    match (verified, reason) {
        (true, _) => "verified".to_owned(),
        (false, Some(reason)) => format!("FAILED: {reason}"),
        (false, None) => "FAILED".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_secret_has_what_its_scheme_needs() {
        let scheme = v1::Scheme {
            id: "talkjs.token".into(),
            purpose: v1::Purpose::IdentityToken.into(),
            parameters: vec!["app_id".into()],
            key_id_required: true,
            ..Default::default()
        };
        let request = creation("demo/talkjs-token", &scheme);
        assert_eq!(request.parameters["app_id"], PARAMETER);
        assert_eq!(request.key_id, KEY_ID);
        assert_eq!(request.mode(), v1::Mode::Required);
        let webhook = v1::Scheme {
            purpose: v1::Purpose::Webhook.into(),
            ..Default::default()
        };
        assert_eq!(creation("demo/x", &webhook).mode(), v1::Mode::Unspecified);
    }

    #[test]
    fn a_long_proof_is_shown_in_part() {
        let demo = Demo {
            secret: String::new(),
            scheme: String::new(),
            purpose: v1::Purpose::IdentityHash,
            proof: "a".repeat(64),
            verdict: String::new(),
            version: 1,
        };
        assert_eq!(demo.shown_proof().chars().count(), 29);
    }
}
