//! The data plane: Sign, Verify, VerifyWebhook, BatchVerify. Nothing here waits for a store.

use std::sync::Arc;

use countersign_core::{
    Purpose, Reason, Timestamp,
    policy::ReplayPolicy,
    secret::{MisfitError, Proof, ProvenDelivery, SignError, Signed},
    template::Variable,
    token::SignTokenError,
    verdict::IdentityVerdict,
    webhook::{Delivery, Header, Headers, is_id},
};
use countersign_proto::v1::{
    self, BatchVerifyItem, BatchVerifyRequest, BatchVerifyResponse, BatchVerifyResult, ItemError,
    Replay, SignRequest, SignResponse, VerifyRequest, VerifyResponse, VerifyWebhookRequest,
    VerifyWebhookResponse, batch_verify_item::Check, batch_verify_result::Outcome,
    countersign_service_server::CountersignService, sign_request::Input, verify_request,
    verify_webhook_request::Payload,
};
use tonic::{Request, Response, Status};

use super::Shared;
use crate::{
    convert,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    replay::{Identity, Sighting, TIMELESS_RETENTION},
    ring::Entry,
};

/// `CountersignService`.
pub(crate) struct DataPlane(pub Arc<Shared>);

#[tonic::async_trait]
impl CountersignService for DataPlane {
    async fn sign(&self, request: Request<SignRequest>) -> Result<Response<SignResponse>, Status> {
        let rpc_id = RequestId::of(&request);
        Ok(Response::new(self.0.sign(request.into_inner(), &rpc_id)?))
    }

    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        let rpc_id = RequestId::of(&request);
        Ok(Response::new(self.0.verify(request.into_inner(), &rpc_id)?))
    }

    async fn verify_webhook(
        &self,
        request: Request<VerifyWebhookRequest>,
    ) -> Result<Response<VerifyWebhookResponse>, Status> {
        let rpc_id = RequestId::of(&request);
        let response = self.0.verify_webhook(&request.into_inner(), &rpc_id)?;
        Ok(Response::new(response))
    }

    async fn batch_verify(
        &self,
        request: Request<BatchVerifyRequest>,
    ) -> Result<Response<BatchVerifyResponse>, Status> {
        let rpc_id = RequestId::of(&request);
        let items = request.into_inner().items;
        let max = self.0.limits.max_batch_items;
        if items.is_empty() || items.len() > max {
            return Err(Failure::field("items", format!("1 to {max} items")).into());
        }
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            results.push(self.0.batch_item(item, &rpc_id));
            // A long batch lets other calls through, and ends when its deadline does.
            tokio::task::consume_budget().await;
        }
        Ok(Response::new(BatchVerifyResponse { results }))
    }
}

impl Shared {
    fn sign(&self, request: SignRequest, rpc_id: &RequestId) -> Result<SignResponse, Failure> {
        convert::check_name("secret", &request.secret)?;
        let entry = self.secret(&request.secret)?;
        let ttl = request
            .ttl
            .map(|ttl| convert::duration("ttl", ttl))
            .transpose()?;
        let input = request
            .input
            .ok_or_else(|| Failure::field("input", "identity, webhook or resource_id"))?;
        if ttl.is_some() && entry.secret.scheme.purpose() != Purpose::IdentityToken {
            return Err(Failure::field("ttl", "only tokens have one"));
        }
        let now = self.clock.now();
        let response = match input {
            Input::Identity(identity) => {
                let max = self.limits.max_identifier_bytes;
                let identity = convert::identity("identity", Some(identity), max)?;
                let signed = entry
                    .secret
                    .sign_identity(&identity, ttl, now)
                    .map_err(|error| sign_failure(error, "identity"))?;
                if entry.secret.scheme.purpose() == Purpose::IdentityToken {
                    answer(&signed, |response, token| response.token = token)
                } else {
                    answer(&signed, |response, hash| response.hash = hash)
                }
            }
            Input::ResourceId(id) => {
                convert::plain_text("resource_id", &id, self.limits.max_identifier_bytes)?;
                let signed = entry.secret.sign_resource_id(&id);
                let signed = signed.map_err(|error| sign_failure(error, "resource_id"))?;
                answer(&signed, |response, id| response.resource_id = id)
            }
            Input::Webhook(webhook) => self.sign_webhook(&entry, webhook, now)?,
        };
        let version = response
            .version
            .as_ref()
            .map_or(0, |version| version.number);
        entry.signed(version, now);
        tracing::debug!(request_id = %rpc_id, secret = %entry.secret.name, version, "signed");
        Ok(response)
    }

    fn sign_webhook(
        &self,
        entry: &Entry,
        webhook: v1::WebhookToSign,
        now: Timestamp,
    ) -> Result<SignResponse, Failure> {
        self.check_body("webhook.body", &webhook.body)?;
        let id = if webhook.id.is_empty() {
            crate::random::id("msg_").map_err(|_| Failure::new(ErrorReason::Internal))?
        } else {
            webhook.id
        };
        if !is_id(&id) {
            return Err(Failure::field(
                "webhook.id",
                "1 to 128 characters of A-Z a-z 0-9 _ -",
            ));
        }
        let time = match webhook.timestamp {
            Some(time) => convert::timestamp("webhook.timestamp", time)?,
            None => now,
        };
        let signed = entry
            .secret
            .sign_webhook(&id, &webhook.body, time)
            .map_err(|error| sign_failure(error, "webhook.body"))?;
        Ok(answer(&signed, |response, headers| {
            response.headers = headers
                .into_iter()
                .map(|(name, value)| v1::Header { name, value })
                .collect();
        }))
    }

    fn verify(
        &self,
        request: VerifyRequest,
        rpc_id: &RequestId,
    ) -> Result<VerifyResponse, Failure> {
        convert::check_name("secret", &request.secret)?;
        let max = self.limits.max_identifier_bytes;
        let claimed = convert::identity("claimed", request.claimed, max)?;
        let proof = match &request.proof {
            Some(verify_request::Proof::Hash(hash)) => {
                self.check_proof("hash", hash)?;
                Some(Proof::Hash(hash))
            }
            Some(verify_request::Proof::Token(token)) => {
                self.check_proof("token", token)?;
                Some(Proof::Token(token))
            }
            None => None,
        };
        let entry = self.secret(&request.secret)?;
        let now = self.clock.now();
        let verdict = entry
            .secret
            .verify(claimed, proof, now)
            .map_err(|misfit| misfit_failure(misfit, "claimed"))?;
        if let Some(version) = verdict.version {
            entry.verified(version.number, now);
        }
        let response = verdict_to_wire(verdict);
        log_verdict(rpc_id, &entry, &response);
        Ok(response)
    }

    fn verify_webhook(
        &self,
        request: &VerifyWebhookRequest,
        rpc_id: &RequestId,
    ) -> Result<VerifyWebhookResponse, Failure> {
        convert::check_name("secret", &request.secret)?;
        self.check_headers(&request.headers)?;
        let body = match &request.payload {
            Some(Payload::Body(body)) => &body[..],
            Some(Payload::BodyText(text)) => text.as_bytes(),
            None => &[],
        };
        self.check_body("body", body)?;
        let entry = self.secret(&request.secret)?;
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|header| Header {
                name: &header.name,
                value: &header.value,
            })
            .collect();
        let delivery = Delivery {
            headers: Headers(&headers),
            body,
        };
        let now = self.clock.now();
        let verdict = entry
            .secret
            .verify_webhook(delivery, now)
            .map_err(|misfit| misfit_failure(misfit, "secret"))?;
        let response = match verdict {
            Ok(proven) => {
                entry.verified(proven.version.number, now);
                self.proven_delivery(&entry, proven, body, now)?
            }
            Err(reason) => refused_delivery(reason, Replay::Unspecified),
        };
        log_delivery(rpc_id, &entry, &response);
        Ok(response)
    }

    /// The answer for a delivery that holds, after a look into the replay record.
    fn proven_delivery(
        &self,
        entry: &Entry,
        delivery: ProvenDelivery,
        body: &[u8],
        now: Timestamp,
    ) -> Result<VerifyWebhookResponse, Failure> {
        let deny = entry.secret.policy.replay == Some(ReplayPolicy::Deny);
        let replay = self.replay(entry, &delivery, body, now);
        match replay {
            Replay::Duplicate | Replay::Conflict if deny => {
                return Ok(refused_delivery(Reason::Replayed, replay));
            }
            Replay::NotTracked if deny && self.signed_before_start(&delivery) => {
                return Ok(refused_delivery(Reason::Replayed, replay));
            }
            Replay::NotTracked if deny => {
                return Err(Failure::new(ErrorReason::ReplayRecordFull));
            }
            _ => {}
        }
        let signed_time = delivery.proof.signed_time;
        let proven = entry
            .secret
            .proven_parts()
            .map(|parts| parts.map(part_to_wire).collect())
            .unwrap_or_default();
        Ok(VerifyWebhookResponse {
            decision: v1::Decision::Allow.into(),
            reason: v1::Reason::Unspecified.into(),
            signed_time: signed_time.map(convert::timestamp_to_wire),
            age: signed_time.map(|time| convert::millis_to_wire(now.millis_since(time))),
            delivery_id: delivery.proof.delivery_id.unwrap_or_default(),
            proven,
            replay: replay.into(),
            version: Some(convert::version_to_wire(delivery.version)),
        })
    }

    fn replay(
        &self,
        entry: &Entry,
        delivery: &ProvenDelivery,
        body: &[u8],
        now: Timestamp,
    ) -> Replay {
        let deny = match entry.secret.policy.replay {
            None | Some(ReplayPolicy::Off) => return Replay::NotTracked,
            Some(policy) => policy == ReplayPolicy::Deny,
        };
        if deny && self.signed_before_start(delivery) {
            return Replay::NotTracked;
        }
        let proves_id = entry
            .secret
            .proven_parts()
            .is_ok_and(|mut parts| parts.any(|part| part == Variable::Id));
        let identity = match &delivery.proof.delivery_id {
            Some(id) if proves_id => Identity::Id { id, body },
            _ => Identity::Signed(&delivery.proof.tag),
        };
        let lifetime = entry.secret.delivery_lifetime();
        let retention = lifetime.unwrap_or(TIMELESS_RETENTION);
        match self.replay.note(entry.record.id, identity, retention, now) {
            Sighting::First => Replay::First,
            Sighting::Duplicate => Replay::Duplicate,
            Sighting::Conflict => Replay::Conflict,
            Sighting::Full => Replay::NotTracked,
        }
    }

    /// The record is kept in memory: of deliveries signed before this process started it knows nothing.
    fn signed_before_start(&self, delivery: &ProvenDelivery) -> bool {
        let signed = delivery.proof.signed_time;
        signed.is_some_and(|time| time.unix_secs() < self.start_time.unix_secs())
    }

    fn batch_item(&self, item: BatchVerifyItem, rpc_id: &RequestId) -> BatchVerifyResult {
        let outcome = match item.check {
            Some(Check::Verify(request)) => self.verify(request, rpc_id).map(Outcome::Verify),
            Some(Check::VerifyWebhook(request)) => self
                .verify_webhook(&request, rpc_id)
                .map(Outcome::VerifyWebhook),
            None => Err(Failure::field("check", "verify or verify_webhook")),
        };
        let outcome = outcome.unwrap_or_else(|failure| {
            Outcome::Error(ItemError {
                code: failure.reason().code().into(),
                reason: failure.reason().as_str().to_owned(),
                message: failure.message(),
            })
        });
        BatchVerifyResult {
            outcome: Some(outcome),
        }
    }

    fn check_body(&self, field: &'static str, body: &[u8]) -> Result<(), Failure> {
        let max = self.limits.max_body_bytes;
        if body.len() > max {
            let message = format!("at most {max} bytes");
            return Err(Failure::with_message(ErrorReason::BodyTooLarge, message).at(field));
        }
        Ok(())
    }

    fn check_proof(&self, field: &'static str, proof: &str) -> Result<(), Failure> {
        let max = self.limits.max_token_bytes;
        if proof.len() > max {
            return Err(Failure::field(field, format!("at most {max} bytes")));
        }
        Ok(())
    }

    fn check_headers(&self, headers: &[v1::Header]) -> Result<(), Failure> {
        let (max, max_bytes) = (self.limits.max_headers, self.limits.max_header_bytes);
        let bytes: usize = headers
            .iter()
            .map(|header| header.name.len() + header.value.len())
            .sum();
        if headers.len() > max || bytes > max_bytes {
            let expected = format!("at most {max} headers of {max_bytes} bytes in all");
            return Err(Failure::field("headers", expected));
        }
        let broken = |text: &str| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        if headers
            .iter()
            .any(|header| header.name.is_empty() || broken(&header.name) || broken(&header.value))
        {
            return Err(Failure::field(
                "headers",
                "names that are not empty, and no CR, LF or NUL",
            ));
        }
        Ok(())
    }
}

fn answer<T: Clone>(signed: &Signed<T>, set: impl FnOnce(&mut SignResponse, T)) -> SignResponse {
    let mut response = SignResponse {
        version: Some(convert::version_to_wire(signed.version)),
        expire_time: signed.expire_time.map(convert::timestamp_to_wire),
        ..SignResponse::default()
    };
    set(&mut response, signed.value.clone());
    response
}

fn refused_delivery(reason: Reason, replay: Replay) -> VerifyWebhookResponse {
    VerifyWebhookResponse {
        decision: v1::Decision::Deny.into(),
        reason: convert::reason_to_wire(reason).into(),
        replay: replay.into(),
        ..VerifyWebhookResponse::default()
    }
}

fn verdict_to_wire(verdict: IdentityVerdict) -> VerifyResponse {
    VerifyResponse {
        decision: convert::decision_to_wire(verdict.decision).into(),
        trust: convert::trust_to_wire(verdict.trust).into(),
        shield: convert::shield_to_wire(verdict.shield).into(),
        reason: verdict
            .reason
            .map_or(v1::Reason::Unspecified, convert::reason_to_wire)
            .into(),
        verified: verdict.verified.and_then(convert::identity_to_wire),
        claimed: convert::identity_to_wire(verdict.claimed),
        version: verdict.version.map(convert::version_to_wire),
        proof_expire_time: verdict.proof_expire_time.map(convert::timestamp_to_wire),
    }
}

fn part_to_wire(part: Variable) -> i32 {
    match part {
        Variable::Body => v1::ProvenPart::Body,
        Variable::Timestamp => v1::ProvenPart::Timestamp,
        Variable::Id => v1::ProvenPart::Id,
    }
    .into()
}

/// `field` is where the fields of an identity stand.
fn misfit_failure(misfit: MisfitError, field: &'static str) -> Failure {
    match misfit {
        MisfitError::Purpose => Failure::new(ErrorReason::PurposeMismatch),
        MisfitError::ProofKind => Failure::field("proof", misfit.to_string()),
        MisfitError::Empty(empty) => {
            Failure::field(format!("{field}.{}", empty.name()), misfit.to_string())
        }
    }
}

/// `field` is what was to be signed.
fn sign_failure(error: SignError, field: &'static str) -> Failure {
    match error {
        SignError::Misfit(MisfitError::Empty(_)) if field == "resource_id" => {
            Failure::field(field, "not empty")
        }
        SignError::Misfit(misfit) => misfit_failure(misfit, field),
        SignError::NoActiveVersion => Failure::new(ErrorReason::NoActiveVersion),
        SignError::SigningInput => Failure::new(ErrorReason::SigningInputRefused).at(field),
        SignError::TtlUnsupported => Failure::field("ttl", error.to_string()),
        SignError::Token(error) => {
            let field = match error {
                SignTokenError::InvalidId => "identity.id",
                SignTokenError::ReservedClaim
                | SignTokenError::TooDeep
                | SignTokenError::TooLong => "identity.attributes",
                SignTokenError::Lifetime => "ttl",
                _ => field,
            };
            Failure::field(field, error.to_string())
        }
    }
}

/// A refusal is worth a line; an acceptance is, when somebody looks closely.
fn log_verdict(rpc_id: &RequestId, entry: &Entry, response: &VerifyResponse) {
    let secret = &entry.secret.name;
    let decision = response.decision().as_str_name();
    let trust = response.trust().as_str_name();
    let reason = response.reason().as_str_name();
    if response.reason() == v1::Reason::Unspecified {
        let version = response.version.as_ref().map(|version| version.number);
        tracing::debug!(request_id = %rpc_id, %secret, version, decision, trust, "verified");
    } else {
        tracing::info!(request_id = %rpc_id, %secret, decision, trust, reason, "not verified");
    }
}

fn log_delivery(rpc_id: &RequestId, entry: &Entry, response: &VerifyWebhookResponse) {
    let secret = &entry.secret.name;
    let decision = response.decision().as_str_name();
    let replay = response.replay().as_str_name();
    if response.decision() == v1::Decision::Allow {
        let version = response.version.as_ref().map(|version| version.number);
        tracing::debug!(
            request_id = %rpc_id, %secret, version, decision, replay, "webhook verified"
        );
    } else {
        let reason = response.reason().as_str_name();
        tracing::info!(
            request_id = %rpc_id, %secret, decision, reason, replay, "webhook refused"
        );
    }
}
