//! STUB
use crate::*;
use std::{collections::BTreeMap, time::Duration};
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRules {
    pub subject: String,
    #[serde(default)]
    pub fixed_claims: BTreeMap<String, String>,
    #[serde(default)]
    pub typ: Option<bool>,
    #[serde(default)]
    pub kid: Kid,
    #[serde(default)]
    pub exp: Option<String>,
    pub default_ttl_secs: Option<u32>,
    pub max_lifetime_secs: Option<u32>,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kid {
    #[default]
    None,
    Version,
    Vendor,
}
#[derive(Clone, Copy)]
pub struct TokenKey<'a> {
    pub version: u32,
    pub key_id: Option<&'a str>,
    pub key: &'a Key,
}
pub struct TokenProof {
    pub version: u32,
    pub identity: Identity,
    pub expire_time: Option<Timestamp>,
}
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignTokenError {
    #[error("x")]
    X,
}
pub fn verify<'a>(
    _: &TokenRules,
    _: &BTreeMap<String, String>,
    _: impl Iterator<Item = TokenKey<'a>> + Clone,
    _: &str,
    _: u32,
    _: Timestamp,
) -> Result<TokenProof, Reason> {
    todo!()
}
pub fn claims_unverified(_: &TokenRules, _: &str) -> Option<Identity> {
    todo!()
}
pub fn sign(
    _: &TokenRules,
    _: &BTreeMap<String, String>,
    _: TokenKey<'_>,
    _: &Identity,
    _: Option<Duration>,
    _: Timestamp,
) -> Result<(String, Timestamp), SignTokenError> {
    todo!()
}
pub fn looks_like_signing_input(_: &[u8]) -> bool {
    false
}
