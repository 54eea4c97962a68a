//! A scheme: how one vendor builds one kind of proof, as data.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    hash::{HashRules, ResourceRules},
    key::{Algorithm, Key, KeyDecoding, KeyFormat, KeyFormatError},
    key_policy::{MIN_KEY_BYTES, MIN_TOKEN_KEY_BYTES},
    lint::Accepted,
    template::Template,
    token::{Kid, RulesError, TokenRules},
    webhook::{ProofRules, WebhookRules},
};

/// What a proof is for. A scheme has exactly one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A hash of fields of an identity, mostly of one.
    IdentityHash,
    /// A signed token with identity claims.
    IdentityToken,
    /// A signed webhook delivery.
    Webhook,
    /// A keyed hash that makes an id unguessable.
    ResourceId,
}

/// One scheme.
#[derive(Debug)]
pub struct Scheme {
    /// `vendor.kind`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What is signed and proven, and what to mind.
    pub description: String,
    /// Where the facts come from.
    pub source: String,
    /// How well the facts are known.
    pub confidence: Confidence,
    /// What is not confirmed; empty when all is.
    pub confidence_note: String,
    /// How keys are rotated at the vendor.
    pub rotation: String,
    /// Where the vendor's users go wrong.
    pub traps: Vec<String>,
    /// How key text becomes key bytes.
    pub key: KeyFormat,
    /// Schemes whose secrets may hold the same key, because the vendor issues one key for both.
    pub shares_key_with: Vec<String>,
    /// Values that a secret of this scheme needs, with what they are.
    pub parameters: BTreeMap<String, String>,
    /// Values that a secret of this scheme may have, with what they are.
    pub optional_parameters: BTreeMap<String, String>,
    /// The linter's findings that the description accepts, each with the reason why.
    pub accept: Accepted,
    /// How proofs are made and checked.
    pub rules: Rules,
}

/// How well the facts of a scheme are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read in the vendor's documentation, library or tests.
    #[default]
    Confirmed,
    /// Known from integrators' code or guides; the vendor has not confirmed it.
    Secondary,
}

/// The rules of a scheme, by purpose.
#[derive(Debug)]
pub enum Rules {
    /// Of an identity hash.
    IdentityHash(HashRules),
    /// Of an identity token.
    IdentityToken(TokenRules),
    /// Of a webhook.
    Webhook(WebhookRules),
    /// Of a resource id.
    ResourceId(ResourceRules),
}

/// One vendor's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorFile {
    vendor: String,
    #[serde(default)]
    source: String,
    pub(crate) scheme: Vec<SchemeEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemeEntry {
    kind: String,
    title: String,
    description: String,
    source: Option<String>,
    #[serde(default)]
    confidence: Confidence,
    #[serde(default)]
    confidence_note: String,
    #[serde(default)]
    rotation: String,
    #[serde(default)]
    traps: Vec<String>,
    key: KeyFormat,
    #[serde(default)]
    shares_key_with: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    optional_parameters: BTreeMap<String, String>,
    #[serde(default)]
    accept: Accepted,
    identity_hash: Option<HashRules>,
    identity_token: Option<TokenRules>,
    webhook: Option<WebhookRules>,
    resource_id: Option<ResourceRules>,
    #[serde(default)]
    pub(crate) vector: Vec<crate::vectors::Vector>,
}

/// A scheme file that does not make sense.
#[derive(Debug, thiserror::Error)]
pub enum SchemeError {
    /// It is not TOML of the right shape.
    #[error("{0}")]
    Syntax(String),
    /// The rules of a token contradict themselves.
    #[error("{0}: {1}")]
    Token(String, RulesError),
    /// The key format cannot hold keys of the algorithm.
    #[error("{0}: keys of the digest are not written in this format")]
    KeyFormat(String),
    /// A scheme has no rules, or rules for two purposes.
    #[error("{0}: a scheme has the rules of exactly one purpose")]
    Purpose(String),
}

impl VendorFile {
    pub(crate) fn parse(text: &str) -> Result<Self, SchemeError> {
        toml::from_str(text).map_err(|error| SchemeError::Syntax(error.to_string()))
    }

    /// What the ids of its schemes are made of, each with its field.
    pub(crate) fn id_parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let kinds = self
            .scheme
            .iter()
            .map(|entry| ("kind", entry.kind.as_str()));
        std::iter::once(("vendor", self.vendor.as_str())).chain(kinds)
    }

    /// The ids of its schemes, in their order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        self.scheme
            .iter()
            .map(|entry| format!("{}.{}", self.vendor, entry.kind))
    }

    /// The schemes of the file, with their vectors.
    pub(crate) fn into_schemes(
        self,
    ) -> Result<Vec<(Scheme, Vec<crate::vectors::Vector>)>, SchemeError> {
        let Self {
            vendor,
            source,
            scheme,
        } = self;
        scheme
            .into_iter()
            .map(|entry| entry.into_scheme(&vendor, &source))
            .collect()
    }
}

impl SchemeEntry {
    fn into_scheme(
        self,
        vendor: &str,
        source: &str,
    ) -> Result<(Scheme, Vec<crate::vectors::Vector>), SchemeError> {
        let id = format!("{vendor}.{}", self.kind);
        let rules = [
            self.identity_hash.map(Rules::IdentityHash),
            self.identity_token.map(Rules::IdentityToken),
            self.webhook.map(Rules::Webhook),
            self.resource_id.map(Rules::ResourceId),
        ];
        let mut rules = rules.into_iter().flatten();
        let (Some(rules), None) = (rules.next(), rules.next()) else {
            return Err(SchemeError::Purpose(id));
        };
        if let Rules::IdentityToken(rules) = &rules {
            rules
                .check()
                .map_err(|error| SchemeError::Token(id.clone(), error))?;
        }
        let scheme = Scheme {
            id,
            title: self.title,
            description: self.description,
            source: self.source.unwrap_or_else(|| source.to_owned()),
            confidence: self.confidence,
            confidence_note: self.confidence_note,
            rotation: self.rotation,
            traps: self.traps,
            key: self.key,
            shares_key_with: self.shares_key_with,
            parameters: self.parameters,
            optional_parameters: self.optional_parameters,
            accept: self.accept,
            rules,
        };
        if !scheme.key.fits(scheme.algorithm()) {
            return Err(SchemeError::KeyFormat(scheme.id));
        }
        Ok((scheme, self.vector))
    }
}

impl Scheme {
    /// What a proof of this scheme is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self.rules {
            Rules::IdentityHash(_) => Purpose::IdentityHash,
            Rules::IdentityToken(_) => Purpose::IdentityToken,
            Rules::Webhook(_) => Purpose::Webhook,
            Rules::ResourceId(_) => Purpose::ResourceId,
        }
    }

    /// What its keys are for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.rules {
            Rules::Webhook(rules) => rules.algorithm(),
            Rules::IdentityHash(_) | Rules::IdentityToken(_) | Rules::ResourceId(_) => {
                Algorithm::HmacSha256
            }
        }
    }

    /// Decodes a key of this scheme.
    ///
    /// # Errors
    /// The text is not in the scheme's format, or holds no key.
    pub fn decode_key(&self, text: &SecretString) -> Result<Key, KeyFormatError> {
        self.key.decode(self.algorithm(), text)
    }

    /// Makes a key of 32 random bytes, as the vendor would show it.
    #[must_use]
    pub fn generate_key(&self, random: &Zeroizing<[u8; 32]>) -> SecretString {
        self.key.generated(self.algorithm(), random)
    }

    /// The shortest key in bytes that is taken without a word: 32 for HS256 (RFC 7518 §3.2), else 16.
    #[must_use]
    pub fn min_key_bytes(&self) -> usize {
        match self.rules {
            Rules::IdentityToken(_) => MIN_TOKEN_KEY_BYTES,
            _ => MIN_KEY_BYTES,
        }
    }

    /// Whether each key needs the vendor's id of it.
    #[must_use]
    pub fn key_id_required(&self) -> bool {
        matches!(&self.rules, Rules::IdentityToken(rules) if rules.kid == Kid::Vendor)
    }

    /// The key format in words.
    #[must_use]
    pub fn describe_key(&self) -> String {
        let KeyFormat {
            decoding, prefix, ..
        } = &self.key;
        match (decoding, prefix.as_str()) {
            (KeyDecoding::Utf8, "") => "the text as shown".to_owned(),
            (KeyDecoding::Utf8, prefix) => format!("the text as shown, \"{prefix}\" included"),
            (KeyDecoding::Hex, _) => "hexadecimal, decoded to bytes".to_owned(),
            (KeyDecoding::Base64, "") => "base64, decoded to bytes".to_owned(),
            (KeyDecoding::Base64, prefix) => {
                format!("base64 after \"{prefix}\", which may be left out, decoded to bytes")
            }
            (KeyDecoding::Base64OrUtf8, prefix) => {
                format!("base64 after \"{prefix}\", decoded to bytes, else the text as shown")
            }
            (KeyDecoding::SpkiDer, _) => {
                "base64 of DER: SubjectPublicKeyInfo, or PKCS#8 to sign too".to_owned()
            }
            (KeyDecoding::Jwks, _) => "a JWK or a JWK set, as JSON".to_owned(),
        }
    }

    /// The signed text, or the claims of a token.
    #[must_use]
    pub fn describe_signed_text(&self) -> String {
        match &self.rules {
            Rules::IdentityHash(rules) => rules.message.as_str().to_owned(),
            Rules::Webhook(rules) => describe_webhook_text(rules),
            Rules::ResourceId(_) => "{resource_id}".to_owned(),
            Rules::IdentityToken(rules) => {
                let fixed = rules
                    .fixed_claims
                    .iter()
                    .map(|(claim, text)| format!("{claim} = {text}"));
                let required = rules.required_claims.iter();
                let required = required.map(|claim| match claim.as_str() {
                    "email" | "name" => format!("{claim} = {{{claim}}}"),
                    _ => claim.clone(),
                });
                let refused = rules.refused_claims.iter();
                std::iter::once(format!("{} = {{id}}", rules.subject))
                    .chain(fixed)
                    .chain(required)
                    .chain(refused.map(|claim| format!("no {claim}")))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        }
    }

    /// Digest and encoding in words.
    #[must_use]
    pub fn describe_signature(&self) -> String {
        let encoding = match &self.rules {
            Rules::IdentityHash(rules) => rules.encoding,
            Rules::Webhook(rules) => match &rules.proof {
                ProofRules::Text(rules) => rules.encoding,
                ProofRules::Jws(rules) => {
                    return format!("JWS {}, compact", rules.algorithm.name());
                }
            },
            Rules::ResourceId(rules) => rules.encoding,
            Rules::IdentityToken(_) => return "JWS HS256, compact".to_owned(),
        };
        format!("{}, {}", self.algorithm().describe(), encoding.describe())
    }
}

fn describe_webhook_text(rules: &WebhookRules) -> String {
    match &rules.proof {
        ProofRules::Text(rules) if rules.signed_text.is_empty() => "nothing".to_owned(),
        ProofRules::Text(rules) => {
            let texts: Vec<_> = rules.signed_text.iter().map(Template::as_str).collect();
            texts.join(" or ")
        }
        ProofRules::Jws(rules) => match &rules.body_hash_claim {
            Some(claim) => format!("{claim} = SHA-256 of {{body}}"),
            None => "the claims of the token".to_owned(),
        },
    }
}
