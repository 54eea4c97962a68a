//! Calls as text: the rpc, metadata a line each, an empty line, the bytes of the message.
//!
//! ```text
//! countersign.v1.SecretService/GetSecret
//! x-request-id abc
//!
//! …
//! ```

use countersign_core::{Catalogue, Scheme, Secret};
use countersign_proto::v1::{CreateSecretRequest, Mode};
use std::{collections::BTreeMap, sync::Arc};

use crate::secrets;

/// The secrets that a service has from the beginning: name, scheme.
pub const SECRETS: [(&str, &str); 6] = [
    ("fuzz/hash", "chatwoot.identity"),
    ("fuzz/id", "talkjs.conversation-id"),
    ("fuzz/jws", "plaid.webhook"),
    ("fuzz/token", "kaltalk.token"),
    ("fuzz/twilio", "twilio.webhook"),
    ("fuzz/webhook", "standard.webhook"),
];

/// The time of every call in Unix seconds.
pub const NOW: i64 = 1_700_000_000;

/// A call.
pub struct Call<'a> {
    /// `package.Service/Method`.
    pub path: &'a str,
    /// Names and values.
    pub metadata: Vec<(&'a str, &'a [u8])>,
    /// The message.
    pub message: &'a [u8],
}

impl<'a> Call<'a> {
    /// Reads the text form.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n")?;
        let mut lines = data[..end].split(|byte| *byte == b'\n');
        let path = std::str::from_utf8(lines.next()?).ok()?;
        let pair = |line: &'a [u8]| {
            let end = line.iter().position(|byte| *byte == b' ')?;
            let name = std::str::from_utf8(&line[..end]).ok()?;
            Some((name, &line[end + 1..]))
        };
        Some(Self {
            path,
            metadata: lines.map(pair).collect::<Option<_>>()?,
            message: &data[end + 2..],
        })
    }
}

/// The scheme of one of [`SECRETS`].
///
/// # Panics
/// There is no such scheme any more.
#[must_use]
pub fn scheme(id: &str) -> &'static Arc<Scheme> {
    Catalogue::builtin()
        .scheme(id)
        .unwrap_or_else(|| panic!("no scheme {id}"))
}

/// The secret of this name among [`SECRETS`], as the service has it.
///
/// # Panics
/// There is none.
#[must_use]
pub fn secret(name: &str) -> Secret {
    let index = SECRETS.iter().position(|(each, _)| *each == name);
    let index = index.unwrap_or_else(|| panic!("no secret {name}"));
    secrets::whole(scheme(SECRETS[index].1), seed(index))
}

/// Each has its own key, since no two secrets may share one.
fn seed(index: usize) -> u8 {
    u8::try_from(index).expect("a short list") + 10
}

/// What creates the secret at this place of [`SECRETS`].
#[must_use]
pub fn creation(index: usize) -> CreateSecretRequest {
    use secrecy::ExposeSecret;
    let (name, id) = SECRETS[index];
    let scheme = scheme(id);
    let key = scheme.generate_key(&zeroize::Zeroizing::new([seed(index); 32]));
    let is_identity = matches!(
        scheme.purpose(),
        countersign_core::Purpose::IdentityHash | countersign_core::Purpose::IdentityToken
    );
    let parameters = scheme.parameters.keys();
    let parameters: BTreeMap<_, _> = parameters
        .map(|name| (name.clone(), "parameter-value".to_owned()))
        .collect();
    CreateSecretRequest {
        request_id: format!("creation-{index}"),
        name: name.to_owned(),
        scheme: id.to_owned(),
        mode: if is_identity {
            Mode::Required
        } else {
            Mode::Unspecified
        }
        .into(),
        imported_key: key.expose_secret().to_owned(),
        parameters,
        key_id: if scheme.key_id_required() {
            "key-id".to_owned()
        } else {
            String::new()
        },
        ..CreateSecretRequest::default()
    }
}
