//! The data plane: Sign, Verify, VerifyWebhook, BatchVerify, Explain. Nothing here but Explain waits for a store.

mod aside;
mod explain;
mod sign;
mod verify;
mod webhook;

use std::sync::Arc;

use countersign_core::secret::MisfitError;
use countersign_proto::v1::{
    BatchVerifyItem, BatchVerifyRequest, BatchVerifyResponse, BatchVerifyResult, ExplainRequest,
    ExplainResponse, ItemError, SignRequest, SignResponse, VerifyRequest, VerifyResponse,
    VerifyWebhookRequest, VerifyWebhookResponse, batch_verify_item::Check,
    batch_verify_result::Outcome, countersign_service_server::CountersignService,
    sign_request::Input, verify_webhook_request::Payload,
};
use tonic::{Request, Response, Status};

use super::Shared;
use crate::{
    access::Admitted,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    replay::Call,
    ring::Entry,
};

pub(crate) use aside::Aside;

/// By whom a call is made.
struct By {
    admitted: Admitted,
    rpc_id: RequestId,
}

impl By {
    fn of<T>(request: &Request<T>) -> Result<Self, Failure> {
        Ok(Self {
            admitted: Admitted::of(request)?,
            rpc_id: RequestId::of(request),
        })
    }
}

/// Metadata by which a caller marks the attempts of one call. Not `x-request-id`: receivers pass that on from the very
/// delivery, and a replayer would choose it.
pub(crate) const CALL_ID: &str = "countersign-call-id";

fn call_id<T>(request: &Request<T>) -> Option<&[u8]> {
    request
        .metadata()
        .get(CALL_ID)
        .map(|id| id.as_encoded_bytes())
}

/// `CountersignService`.
pub(crate) struct DataPlane(pub Arc<Shared>);

#[tonic::async_trait]
impl CountersignService for DataPlane {
    async fn sign(&self, request: Request<SignRequest>) -> Result<Response<SignResponse>, Status> {
        let by = By::of(&request)?;
        let (shared, request) = (self.0.clone(), request.into_inner());
        let bytes = match &request.input {
            Some(Input::Webhook(webhook)) => webhook.body.len(),
            _ => 0,
        };
        let signed = self.0.aside.run(bytes, move || shared.sign(request, &by));
        Ok(Response::new(signed.await?))
    }

    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        let by = By::of(&request)?;
        Ok(Response::new(self.0.verify(request.into_inner(), &by)?))
    }

    async fn verify_webhook(
        &self,
        request: Request<VerifyWebhookRequest>,
    ) -> Result<Response<VerifyWebhookResponse>, Status> {
        let by = By::of(&request)?;
        let caller = &by.admitted.principal.name;
        let call = self.0.replay.call_of(caller, call_id(&request), 0);
        let (shared, request) = (self.0.clone(), request.into_inner());
        let bytes = body_bytes(&request);
        let work = move || shared.verify_webhook(&request, &by, call);
        let verified = self.0.aside.run(bytes, work);
        Ok(Response::new(verified.await?))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        let by = By::of(&request)?;
        let answer = explain::explain(&self.0, by, request.into_inner());
        Ok(Response::new(answer.await?))
    }

    async fn batch_verify(
        &self,
        request: Request<BatchVerifyRequest>,
    ) -> Result<Response<BatchVerifyResponse>, Status> {
        let by = Arc::new(By::of(&request)?);
        let call_id = call_id(&request).map(<[u8]>::to_vec);
        let items = request.into_inner().items;
        let max = self.0.limits.max_batch_items;
        if items.is_empty() || items.len() > max {
            return Err(Failure::field("items", format!("1 to {max} items")).into());
        }
        if let Some(budget) = &by.admitted.principal.budget {
            // The gate took one.
            budget.take_calls(items.len() - 1)?;
        }
        let mut results = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let caller = &by.admitted.principal.name;
            let call = self.0.replay.call_of(caller, call_id.as_deref(), index);
            let (shared, by) = (self.0.clone(), by.clone());
            let bytes = match &item.check {
                Some(Check::VerifyWebhook(request)) => body_bytes(request),
                _ => 0,
            };
            let work = move || Ok(shared.batch_item(item, &by, call));
            results.push(self.0.aside.run(bytes, work).await?);
            // A long batch lets other calls through, and ends when its deadline does.
            tokio::task::consume_budget().await;
        }
        Ok(Response::new(BatchVerifyResponse { results }))
    }
}

fn body_bytes(request: &VerifyWebhookRequest) -> usize {
    match &request.payload {
        Some(Payload::Body(body)) => body.len(),
        Some(Payload::BodyText(text)) => text.len(),
        None => 0,
    }
}

impl Shared {
    fn batch_item(&self, item: BatchVerifyItem, by: &By, call: Call) -> BatchVerifyResult {
        let outcome = match item.check {
            Some(Check::Verify(request)) => self.verify(*request, by).map(Outcome::Verify),
            Some(Check::VerifyWebhook(request)) => self
                .verify_webhook(&request, by, call)
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
}

/// Counts a body to what the caller and the namespace may send in a second.
fn take_body(body: &[u8], by: &By, entry: &Entry) -> Result<(), Failure> {
    if let Some(budget) = &by.admitted.principal.budget {
        budget.take_body(body.len())?;
    }
    entry.budget.take_body(body.len())
}

/// Of VerifyWebhook `field` is the secret, and method and URL stand beside it; of Sign they stand in the delivery.
fn url_field(field: &str, name: &str) -> String {
    match field {
        "secret" => name.to_owned(),
        _ => format!("webhook.{name}"),
    }
}

/// `field` is where the fields of an identity stand.
fn misfit_failure(misfit: MisfitError, field: &'static str) -> Failure {
    match misfit {
        MisfitError::Purpose => Failure::new(ErrorReason::PurposeMismatch),
        MisfitError::ProofKind => Failure::field("proof", misfit.to_string()),
        MisfitError::NoUrl => Failure::field(url_field(field, "url"), misfit.to_string()),
        MisfitError::NoMethod => Failure::field(url_field(field, "method"), misfit.to_string()),
        MisfitError::Empty(signed) | MisfitError::Ambiguous(signed) => {
            Failure::field(format!("{field}.{}", signed.name()), misfit.to_string())
        }
    }
}
