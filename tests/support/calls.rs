//! Shorter ways to ask a [`Service`].

use countersign_proto::v1::{
    self, ActivateVersionRequest, CreateSecretRequest, CreateSecretResponse, DeleteSecretRequest,
    ListSecretsRequest, ListSecretsResponse, Mode, ReplayPolicy, RevokeVersionRequest,
    RotateSecretRequest, Secret, UpdateSecretRequest, VerifyResponse, VersionState,
    sign_request::Input, verify_request::Proof,
};
use tonic::{Response, Status};

use super::{Service, new_secret, rotation, user};

impl Service {
    /// A service with the secret `acme/chat`, and the hash of `user_1` under its first version.
    pub async fn with_hash() -> (Self, String) {
        let service = Self::start().await;
        service.generate("acme/chat", "chatwoot.identity").await;
        let hash = service.hash_of("acme/chat", "user_1").await;
        (service, hash)
    }

    /// Creates a secret with a generated key, REQUIRED if it has a mode; answers the key.
    pub async fn generate(&self, name: &str, scheme: &str) -> String {
        self.create(new_secret(name, scheme)).await.revealed_key
    }

    /// Creates a secret with a key of the test's.
    pub async fn import(&self, name: &str, scheme: &str, key: &str) -> CreateSecretResponse {
        self.try_import(name, scheme, key).await.unwrap()
    }

    pub async fn try_import(
        &self,
        name: &str,
        scheme: &str,
        key: &str,
    ) -> Result<CreateSecretResponse, Status> {
        self.try_create(importing(name, scheme, key)).await
    }

    /// Creates a webhook secret with a replay policy; answers the key.
    pub async fn webhook(&self, name: &str, scheme: &str, replay: ReplayPolicy) -> String {
        let request = CreateSecretRequest {
            replay_policy: replay.into(),
            ..new_secret(name, scheme)
        };
        self.create(request).await.revealed_key
    }

    /// The hash of an id.
    pub async fn hash_of(&self, secret: &str, id: &str) -> String {
        self.sign(secret, Input::Identity(user(id))).await.hash
    }

    /// A token for an id.
    pub async fn token_of(&self, secret: &str, id: &str) -> String {
        self.sign(secret, Input::Identity(user(id))).await.token
    }

    pub async fn verify_hash(&self, secret: &str, id: &str, hash: &str) -> VerifyResponse {
        let proof = Proof::Hash(hash.to_owned());
        self.verify(secret, user(id), Some(proof)).await
    }

    /// Verifies a token beside no claimed field.
    pub async fn verify_token(&self, secret: &str, token: &str) -> VerifyResponse {
        let proof = Proof::Token(token.to_owned());
        self.verify(secret, v1::Identity::default(), Some(proof))
            .await
    }

    pub async fn try_update(&self, secret: Secret, paths: &[&str]) -> Result<Secret, Status> {
        let request = UpdateSecretRequest {
            secret: Some(secret),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            }),
            validate_only: false,
        };
        let answered = self.secrets.clone().update_secret(request).await;
        answered.map(|response| response.into_inner().secret.unwrap())
    }

    pub async fn set_mode(&self, name: &str, mode: Mode) {
        let secret = Secret {
            name: name.to_owned(),
            mode: mode.into(),
            ..Secret::default()
        };
        self.try_update(secret, &["mode"]).await.unwrap();
    }

    pub async fn activate(&self, name: &str, version: u32) -> Result<Secret, Status> {
        let request = ActivateVersionRequest {
            name: name.to_owned(),
            version,
            grace_period: None,
        };
        let answered = self.secrets.clone().activate_version(request).await;
        answered.map(|response| response.into_inner().secret.unwrap())
    }

    pub async fn revoke(&self, name: &str, version: u32, force: bool) -> Result<Secret, Status> {
        let request = RevokeVersionRequest {
            name: name.to_owned(),
            version,
            force,
        };
        let answered = self.secrets.clone().revoke_version(request).await;
        answered.map(|response| response.into_inner().secret.unwrap())
    }

    pub async fn delete(&self, name: &str, force: bool) -> Result<(), Status> {
        let request = DeleteSecretRequest {
            name: name.to_owned(),
            force,
        };
        let answered = self.secrets.clone().delete_secret(request).await;
        answered.map(|_| ())
    }

    pub async fn list(
        &self,
        namespace: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListSecretsResponse, Status> {
        let request = ListSecretsRequest {
            namespace: namespace.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let answered = self.secrets.clone().list_secrets(request).await;
        answered.map(Response::into_inner)
    }

    /// The states of all versions, oldest first.
    pub async fn states(&self, name: &str) -> Vec<VersionState> {
        let secret = self.secret(name).await;
        secret.versions.iter().map(v1::Version::state).collect()
    }
}

/// A request to create a secret with a key of the test's.
pub fn importing(name: &str, scheme: &str, key: &str) -> CreateSecretRequest {
    CreateSecretRequest {
        imported_key: key.to_owned(),
        ..new_secret(name, scheme)
    }
}

/// A rotation that only stages the new version.
pub fn staging(name: &str) -> RotateSecretRequest {
    RotateSecretRequest {
        ending: None,
        stage: true,
        ..rotation(name, 1)
    }
}

/// One header.
pub fn header(name: &str, value: &str) -> v1::Header {
    v1::Header {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// The value of a header of a signed delivery.
pub fn value_of<'h>(headers: &'h [v1::Header], name: &str) -> &'h str {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name));
    &found.unwrap().value
}

/// The headers with one of them changed.
pub fn with_header(headers: &[v1::Header], name: &str, value: &str) -> Vec<v1::Header> {
    let mut headers = headers.to_vec();
    let found = headers
        .iter_mut()
        .find(|header| header.name.eq_ignore_ascii_case(name));
    value.clone_into(&mut found.unwrap().value);
    headers
}
