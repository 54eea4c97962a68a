//! Secrets without a store.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use countersign_core::{
    Catalogue, Purpose, Scheme, Secret, SecretName,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::KeyVersion,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The built-in schemes of webhooks, by id.
pub static WEBHOOKS: LazyLock<Vec<Arc<Scheme>>> = LazyLock::new(|| {
    let all = Catalogue::builtin().iter();
    let webhooks = all.filter(|scheme| scheme.purpose() == Purpose::Webhook);
    webhooks.cloned().collect()
});

/// A secret with one ACTIVE version of this key; `None` if the text is no key of the scheme.
#[must_use]
pub fn of_key(
    scheme: &Arc<Scheme>,
    key: &SecretString,
    key_id: Option<&str>,
    parameters: &BTreeMap<String, String>,
) -> Option<Secret> {
    let identity = matches!(
        scheme.purpose(),
        Purpose::IdentityHash | Purpose::IdentityToken
    );
    Some(Secret {
        name: SecretName::parse("fuzz/one").expect("a name"),
        scheme: Arc::clone(scheme),
        policy: Policy {
            mode: identity.then_some(Mode::Required),
            parameters: parameters.clone(),
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: scheme.decode_key(key).ok()?,
            key_id: key_id.map(Into::into),
        }],
    })
}

/// The same secret with a key that nobody else has.
#[must_use]
pub fn with_another_key(secret: &Secret, seed: u8) -> Secret {
    let key = secret.scheme.generate_key(&Zeroizing::new([seed; 32]));
    let key_id = secret
        .versions
        .first()
        .and_then(|version| version.key_id.as_deref());
    of_key(&secret.scheme, &key, key_id, &secret.policy.parameters)
        .expect("a generated key is one of its scheme")
}

/// The same secret when its last version has ended.
#[must_use]
pub fn without_live_version(secret: &Secret) -> Secret {
    let mut ended = with_another_key(secret, 1);
    ended.versions.clear();
    ended
}

/// A secret with everything that its scheme needs or may have, with the key of this seed.
#[must_use]
pub fn whole(scheme: &Arc<Scheme>, seed: u8) -> Secret {
    let key = scheme.generate_key(&Zeroizing::new([seed; 32]));
    let names = scheme
        .parameters
        .keys()
        .chain(scheme.optional_parameters.keys());
    let parameters = names.map(|name| {
        let value = match name.as_str() {
            "url" => "https://example.com/hook?a=1",
            _ => "parameter-value",
        };
        (name.clone(), value.to_owned())
    });
    of_key(scheme, &key, Some("key-id"), &parameters.collect())
        .expect("a generated key is one of its scheme")
}
