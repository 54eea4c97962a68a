//! The control plane: secrets, versions, schemes, tokens and health. Nothing here is ever repeated by the client; a caller
//! that repeats a creation or a rotation sends the same `request_id` again.

use countersign_proto::v1::{
    self, scheme_service_client::SchemeServiceClient, secret_service_client::SecretServiceClient,
    token_service_client::TokenServiceClient,
};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{Client, Error, verdict::required};

/// The largest page that the server gives.
pub(crate) const PAGE_SIZE: i32 = 1000;
/// The most bytes that such a page may take.
pub(crate) const MAX_PAGE_BYTES: usize = 64 << 20;

impl Client {
    /// Creates a secret, generated or imported. `revealed_key` of the answer is shown just once.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn create_secret(
        &self,
        request: v1::CreateSecretRequest,
    ) -> Result<v1::CreateSecretResponse, Error> {
        let mut service = self.secrets();
        self.caller
            .once(request, |request| async move {
                service.create_secret(request).await
            })
            .await
    }

    /// One secret with all its versions, without keys.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn get_secret(&self, name: impl Into<String>) -> Result<v1::Secret, Error> {
        let mut service = self.secrets();
        let request = v1::GetSecretRequest { name: name.into() };
        let answer = self
            .caller
            .once(request, |request| async move {
                service.get_secret(request).await
            })
            .await?;
        required(answer.secret, "secret")
    }

    /// All secrets of a namespace by name, or of all namespaces if it is empty; as many calls as there are pages.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_secrets(
        &self,
        namespace: impl Into<String>,
    ) -> Result<Vec<v1::Secret>, Error> {
        let namespace = namespace.into();
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListSecretsRequest {
                namespace: namespace.clone(),
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = self.list_secrets_page(request).await?;
            all.extend(page.secrets);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
    }

    /// One page of secrets.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_secrets_page(
        &self,
        request: v1::ListSecretsRequest,
    ) -> Result<v1::ListSecretsResponse, Error> {
        let mut service = self.secrets();
        self.caller
            .once(request, |request| async move {
                service.list_secrets(request).await
            })
            .await
    }

    /// Changes mode, tolerance, timestamp unit, replay policy or labels.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn update_secret(
        &self,
        request: v1::UpdateSecretRequest,
    ) -> Result<v1::Secret, Error> {
        let mut service = self.secrets();
        let answer = self
            .caller
            .once(request, |request| async move {
                service.update_secret(request).await
            })
            .await?;
        required(answer.secret, "secret")
    }

    /// Deletes a secret and erases its keys, which cannot be undone. `force` deletes although versions are live.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn delete_secret(&self, name: impl Into<String>, force: bool) -> Result<(), Error> {
        let mut service = self.secrets();
        let request = v1::DeleteSecretRequest {
            name: name.into(),
            force,
        };
        self.caller
            .once(request, |request| async move {
                service.delete_secret(request).await
            })
            .await?;
        Ok(())
    }

    /// Makes a new version of a secret. `revealed_key` of the answer is shown just once.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn rotate_secret(
        &self,
        request: v1::RotateSecretRequest,
    ) -> Result<v1::RotateSecretResponse, Error> {
        let mut service = self.secrets();
        self.caller
            .once(request, |request| async move {
                service.rotate_secret(request).await
            })
            .await
    }

    /// Makes a pending version active.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn activate_version(
        &self,
        request: v1::ActivateVersionRequest,
    ) -> Result<v1::Secret, Error> {
        let mut service = self.secrets();
        let answer = self
            .caller
            .once(request, |request| async move {
                service.activate_version(request).await
            })
            .await?;
        required(answer.secret, "secret")
    }

    /// Ends a version at once; the active one only with `force`.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn revoke_version(
        &self,
        name: impl Into<String>,
        version: u32,
        force: bool,
    ) -> Result<v1::Secret, Error> {
        let mut service = self.secrets();
        let request = v1::RevokeVersionRequest {
            name: name.into(),
            version,
            force,
        };
        let answer = self
            .caller
            .once(request, |request| async move {
                service.revoke_version(request).await
            })
            .await?;
        required(answer.secret, "secret")
    }

    /// The catalogue, by id.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_schemes(&self) -> Result<Vec<v1::Scheme>, Error> {
        let mut service = self.schemes();
        let request = v1::ListSchemesRequest {};
        let answer = self
            .caller
            .once(request, |request| async move {
                service.list_schemes(request).await
            })
            .await?;
        Ok(answer.schemes)
    }

    /// One scheme of the catalogue.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn get_scheme(&self, id: impl Into<String>) -> Result<v1::Scheme, Error> {
        let mut service = self.schemes();
        let request = v1::GetSchemeRequest { id: id.into() };
        let answer = self
            .caller
            .once(request, |request| async move {
                service.get_scheme(request).await
            })
            .await?;
        required(answer.scheme, "scheme")
    }

    /// Adds a scheme of one's own from its description. The same description again answers the same.
    ///
    /// # Errors
    /// Any [`Error`] of a call. Where the linter refuses, the call's status names each finding.
    pub async fn create_scheme(
        &self,
        request: v1::CreateSchemeRequest,
    ) -> Result<v1::CreateSchemeResponse, Error> {
        let mut service = self.schemes();
        self.caller
            .once(request, |request| async move {
                service.create_scheme(request).await
            })
            .await
    }

    /// Removes a scheme of one's own that no secret uses.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn delete_scheme(&self, id: impl Into<String>) -> Result<(), Error> {
        let mut service = self.schemes();
        let request = v1::DeleteSchemeRequest { id: id.into() };
        self.caller
            .once(request, |request| async move {
                service.delete_scheme(request).await
            })
            .await?;
        Ok(())
    }

    /// Makes a token of a caller. `bearer_token` of the answer is shown just once.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn create_token(
        &self,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenResponse, Error> {
        let mut service = self.tokens();
        self.caller
            .once(request, |request| async move {
                service.create_token(request).await
            })
            .await
    }

    /// All tokens that the caller may write, by name; as many calls as there are pages.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_tokens(&self) -> Result<Vec<v1::Token>, Error> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let mut service = self.tokens();
            let request = v1::ListTokensRequest {
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = self
                .caller
                .once(request, |request| async move {
                    service.list_tokens(request).await
                })
                .await?;
            all.extend(page.tokens);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
    }

    /// Ends a token at once, by its name or its id.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn revoke_token(&self, name: impl Into<String>) -> Result<v1::Token, Error> {
        let mut service = self.tokens();
        let request = v1::RevokeTokenRequest { name: name.into() };
        let answer = self
            .caller
            .once(request, |request| async move {
                service.revoke_token(request).await
            })
            .await?;
        required(answer.token, "token")
    }

    /// Whether the service says that it can serve. A server that is starting or stopping answers false.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn health(&self) -> Result<bool, Error> {
        let mut service = HealthClient::new(self.caller.channel.clone());
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let answer = self
            .caller
            .once(
                request,
                |request| async move { service.check(request).await },
            )
            .await?;
        Ok(answer.status == i32::from(ServingStatus::Serving))
    }

    fn secrets(&self) -> SecretServiceClient<Channel> {
        SecretServiceClient::new(self.caller.channel.clone())
            .max_decoding_message_size(MAX_PAGE_BYTES)
    }

    fn schemes(&self) -> SchemeServiceClient<Channel> {
        SchemeServiceClient::new(self.caller.channel.clone())
            .max_decoding_message_size(MAX_PAGE_BYTES)
    }

    fn tokens(&self) -> TokenServiceClient<Channel> {
        TokenServiceClient::new(self.caller.channel.clone())
            .max_decoding_message_size(MAX_PAGE_BYTES)
    }
}
