//! The client: the data plane. The control plane stands in `control`.

use std::time::{Duration, SystemTime};

use countersign_proto::v1::{
    self, batch_verify_item::Check as WireCheck, batch_verify_result::Outcome,
    countersign_service_client::CountersignServiceClient, explain_request::Check as Question,
    sign_request::Input, verify_request::Proof, verify_webhook_request::Payload,
};
use http::HeaderMap;
use tonic::transport::Channel;

use crate::{
    Builder, CallError, Error, Explanation, Identity, Verdict, VersionUse, WebhookVerdict,
    call::Caller,
    headers,
    signed::{IdentityProof, Signed},
    verdict::{required, system_time},
};

/// A connection to the service. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) caller: Caller,
}

impl Client {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Connects without a token to `http://HOST:PORT` or `https://HOST:PORT`. For anything more see
    /// [`Client::builder`].
    ///
    /// # Errors
    /// [`Error::Endpoint`] if it is no URL, [`Error::Connect`] if the server cannot be reached.
    pub async fn connect(endpoint: impl Into<String>) -> Result<Self, Error> {
        Self::builder(endpoint).connect().await
    }

    /// Starts a client with a token, a deadline or TLS settings.
    pub fn builder(endpoint: impl Into<String>) -> Builder {
        Builder::new(endpoint)
    }

    /// Checks a webhook delivery: the headers and the raw bytes of the body as they were received, before any parser.
    ///
    /// [`crate::wire_headers`] says which headers are sent. For schemes that sign the method or the URL use
    /// [`Client::verify_webhook_request`].
    ///
    /// # Errors
    /// Any [`Error`] of a call. A refused delivery is a verdict, not an error.
    pub async fn verify_webhook(
        &self,
        secret: impl Into<String>,
        headers: &HeaderMap,
        body: impl AsRef<[u8]>,
    ) -> Result<WebhookVerdict, Error> {
        self.verify_webhook_request(v1::VerifyWebhookRequest {
            secret: secret.into(),
            headers: headers::to_wire(headers),
            payload: Some(Payload::Body(body.as_ref().to_vec().into())),
            ..Default::default()
        })
        .await
    }

    /// Checks a webhook delivery with every field under the caller's control. [`crate::wire_headers`] makes the
    /// headers.
    ///
    /// All attempts of one call carry the same `countersign-call-id`, by which the service can tell a retry after a lost answer
    /// from a delivery that came twice. Another call of yours is another delivery to it.
    ///
    /// # Errors
    /// As [`Client::verify_webhook`].
    pub async fn verify_webhook_request(
        &self,
        request: v1::VerifyWebhookRequest,
    ) -> Result<WebhookVerdict, Error> {
        let call = |request| {
            let mut service = self.data_plane();
            async move { service.verify_webhook(request).await }
        };
        self.caller.retrying(request, call).await?.try_into()
    }

    /// Checks a user hash against the identity that the client claims.
    ///
    /// # Errors
    /// Any [`Error`] of a call. A refused proof is a verdict, not an error.
    pub async fn verify_hash(
        &self,
        secret: impl Into<String>,
        claimed: Identity,
        hash: impl Into<String>,
    ) -> Result<Verdict, Error> {
        self.verify_proof(secret.into(), claimed, Proof::Hash(hash.into()))
            .await
    }

    /// Checks an identity token against the identity that the client claims, which may be empty.
    ///
    /// # Errors
    /// As [`Client::verify_hash`].
    pub async fn verify_token(
        &self,
        secret: impl Into<String>,
        claimed: Identity,
        token: impl Into<String>,
    ) -> Result<Verdict, Error> {
        self.verify_proof(secret.into(), claimed, Proof::Token(token.into()))
            .await
    }

    /// Checks an identity with every field under the caller's control, such as one without a proof.
    ///
    /// # Errors
    /// As [`Client::verify_hash`].
    pub async fn verify(&self, request: v1::VerifyRequest) -> Result<Verdict, Error> {
        let call = |request| {
            let mut service = self.data_plane();
            async move { service.verify(request).await }
        };
        self.caller.retrying(request, call).await?.try_into()
    }

    /// Runs many checks in one call, at most 1000 by default. Results stand in the order of the checks; a check that
    /// cannot be made has its own error and never fails the rest.
    ///
    /// # Errors
    /// Any [`Error`] of the call as a whole.
    pub async fn batch_verify(
        &self,
        checks: impl IntoIterator<Item = Check>,
    ) -> Result<Vec<Result<CheckVerdict, Error>>, Error> {
        let items: Vec<_> = checks.into_iter().map(Check::into_item).collect();
        let count = items.len();
        let call = |request| {
            let mut service = self.data_plane();
            async move { service.batch_verify(request).await }
        };
        let answer = self
            .caller
            .retrying(v1::BatchVerifyRequest { items }, call)
            .await?;
        if answer.results.len() != count {
            return Err(Error::IncompleteAnswer { field: "results" });
        }
        Ok(answer
            .results
            .into_iter()
            .map(CheckVerdict::from_result)
            .collect())
    }

    /// Says why a check fails and what to change, for a person who repairs an integration. It changes no verdict and
    /// records no replay; the service limits how often it may be asked and writes each into its audit.
    ///
    /// # Errors
    /// Any [`Error`] of a call. A refused proof is an explanation, not an error.
    pub async fn explain(&self, check: Check) -> Result<Explanation, Error> {
        let check = match check {
            Check::Identity(request) => Question::Verify(request.into()),
            Check::Webhook(request) => Question::Webhook(request.into()),
        };
        let call = |request| {
            let mut service = self.data_plane();
            async move { service.explain(request).await }
        };
        let request = v1::ExplainRequest { check: Some(check) };
        self.caller.retrying(request, call).await?.try_into()
    }

    /// Vouches for a user: a hash or a token, by the purpose of the secret. `lifetime` is for tokens; without one the
    /// scheme's default holds.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn sign_identity(
        &self,
        secret: impl Into<String>,
        identity: Identity,
        lifetime: Option<Duration>,
    ) -> Result<Signed<IdentityProof>, Error> {
        let ttl = lifetime.map(prost_types::Duration::try_from).transpose();
        let ttl =
            ttl.map_err(|_| CallError::invalid("ttl", "is longer than the wire can carry"))?;
        let input = Some(Input::Identity(identity.into()));
        let answer = self
            .sign(v1::SignRequest {
                secret: secret.into(),
                input,
                ttl,
            })
            .await?;
        signed(answer, |answer| {
            IdentityProof::from_wire(&mut answer.hash, &mut answer.token)
        })
    }

    /// Signs a delivery as the vendor would, now, and answers the headers to send beside the body. For a given id or
    /// time use [`Client::sign`].
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn sign_webhook(
        &self,
        secret: impl Into<String>,
        body: impl AsRef<[u8]>,
    ) -> Result<Signed<HeaderMap>, Error> {
        let delivery = v1::WebhookToSign {
            body: body.as_ref().to_vec().into(),
            ..Default::default()
        };
        let input = Some(Input::Webhook(delivery));
        let answer = self
            .sign(v1::SignRequest {
                secret: secret.into(),
                input,
                ttl: None,
            })
            .await?;
        signed(answer, |answer| {
            headers::from_wire(std::mem::take(&mut answer.headers))
        })
    }

    /// Makes an id unguessable. The same id gives the same answer as long as the secret is not rotated.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn sign_resource_id(
        &self,
        secret: impl Into<String>,
        resource_id: impl Into<String>,
    ) -> Result<Signed<String>, Error> {
        let input = Some(Input::ResourceId(resource_id.into()));
        let answer = self
            .sign(v1::SignRequest {
                secret: secret.into(),
                input,
                ttl: None,
            })
            .await?;
        signed(answer, |answer| {
            let id = std::mem::take(&mut answer.resource_id);
            required(Some(id).filter(|id| !id.is_empty()), "resource_id")
        })
    }

    /// Signs with every field under the caller's control.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn sign(&self, request: v1::SignRequest) -> Result<v1::SignResponse, Error> {
        let call = |request| {
            let mut service = self.data_plane();
            async move { service.sign(request).await }
        };
        self.caller.retrying(request, call).await
    }

    fn data_plane(&self) -> CountersignServiceClient<Channel> {
        CountersignServiceClient::new(self.caller.channel.clone())
    }

    async fn verify_proof(
        &self,
        secret: String,
        claimed: Identity,
        proof: Proof,
    ) -> Result<Verdict, Error> {
        self.verify(v1::VerifyRequest {
            secret,
            claimed: Some(claimed.into()),
            proof: Some(proof),
        })
        .await
    }
}

/// One check, of a batch or to be explained.
#[derive(Debug, Clone)]
pub enum Check {
    /// Of an identity.
    Identity(v1::VerifyRequest),
    /// Of a webhook delivery.
    Webhook(v1::VerifyWebhookRequest),
}

impl Check {
    fn into_item(self) -> v1::BatchVerifyItem {
        let check = match self {
            Self::Identity(request) => WireCheck::Verify(request.into()),
            Self::Webhook(request) => WireCheck::VerifyWebhook(request.into()),
        };
        v1::BatchVerifyItem { check: Some(check) }
    }
}

/// The verdict of one check of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckVerdict {
    /// On an identity.
    Identity(Verdict),
    /// On a webhook delivery.
    Webhook(WebhookVerdict),
}

impl CheckVerdict {
    fn from_result(result: v1::BatchVerifyResult) -> Result<Self, Error> {
        match required(result.outcome, "outcome")? {
            Outcome::Verify(verdict) => verdict.try_into().map(Self::Identity),
            Outcome::VerifyWebhook(verdict) => verdict.try_into().map(Self::Webhook),
            Outcome::Error(error) => Err(Error::Call(CallError::from(error))),
        }
    }

    /// Whether the proof holds.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        match self {
            Self::Identity(verdict) => verdict.is_verified(),
            Self::Webhook(verdict) => verdict.is_verified(),
        }
    }
}

fn signed<T>(
    mut answer: v1::SignResponse,
    proof: impl FnOnce(&mut v1::SignResponse) -> Result<T, Error>,
) -> Result<Signed<T>, Error> {
    let expire_time: Option<SystemTime> = answer
        .expire_time
        .take()
        .map(|time| system_time(time, "expire_time"))
        .transpose()?;
    let version: VersionUse = required(answer.version.take(), "version")?.try_into()?;
    Ok(Signed {
        proof: proof(&mut answer)?,
        version,
        expire_time,
    })
}
