//! Explain: the verdict as Verify or VerifyWebhook would give it now, and what led to it. It notes no use and no
//! replay; its one trace is a row of the audit.

use std::sync::Arc;

use countersign_core::{
    Reason, Secret, SecretName,
    explain::{Explanation, KeyText, Known, explain_identity, explain_webhook},
    secret::MisfitError,
    webhook::{Delivery, Headers},
};
use countersign_proto::v1::{
    self, ExplainRequest, ExplainResponse, VerifyRequest, VerifyWebhookRequest,
    explain_request::Check,
};

use super::{
    By, Shared, misfit_failure,
    webhook::{core_headers, refused_delivery},
};
use crate::{
    access::Admitted,
    convert,
    failure::{ErrorReason, Failure},
    ring::Entry,
    service::secrets::change_failure,
};

/// The most other secrets of a namespace whose keys are tried.
const MAX_OTHERS: usize = 256;

/// What the audit says of a proof that holds.
const HOLDS: &str = "HOLDS";

/// Answers Explain. What was begun runs to its end and into the audit, whether or not its caller waits.
pub(super) async fn explain(
    shared: &Arc<Shared>,
    by: By,
    request: ExplainRequest,
) -> Result<ExplainResponse, Failure> {
    let question = shared.question(&by, request.check)?;
    let entry = question.entry(&by, shared)?;
    let permit = shared.explains.admit(entry.record.id, shared.clock.now())?;
    let shared = Arc::clone(shared);
    let caller = by.admitted.caller(&by.rpc_id);
    let running = tokio::spawn(async move {
        let _permit = permit;
        let name = entry.secret.name.clone();
        let texts = shared.store.key_texts(name.clone()).await;
        let texts = texts.map_err(change_failure)?;
        let search = Arc::clone(&shared);
        let answer =
            tokio::task::spawn_blocking(move || search.answer(&by, question, &entry, &texts));
        let (response, explanation) = answer.await.map_err(|_| internal())??;
        let outcome = explanation.causes.first().map(|cause| cause.code.name());
        let outcome = outcome.unwrap_or(HOLDS);
        let audited = shared.store.explained(caller, name, outcome).await;
        audited.map_err(change_failure)?;
        Ok(response)
    });
    running.await.map_err(|_| internal())?
}

fn internal() -> Failure {
    Failure::new(ErrorReason::Internal)
}

/// A request within its limits.
enum Question {
    Identity(VerifyRequest),
    Webhook(Box<VerifyWebhookRequest>),
}

impl Question {
    fn entry(&self, by: &By, shared: &Shared) -> Result<Arc<Entry>, Failure> {
        let name = match self {
            Self::Identity(request) => &request.secret,
            Self::Webhook(request) => &request.secret,
        };
        shared.secret(&by.admitted, name)
    }
}

impl Shared {
    fn question(&self, by: &By, check: Option<Check>) -> Result<Question, Failure> {
        match check {
            Some(Check::Verify(request)) => {
                self.identity_proof(&by.admitted, &mut VerifyRequest::clone(&request))?;
                Ok(Question::Identity(*request))
            }
            Some(Check::Webhook(request)) => {
                self.delivery(by, &request)?;
                Ok(Question::Webhook(request))
            }
            None => Err(Failure::field("check", "verify or webhook")),
        }
    }

    /// The search; it takes its time.
    fn answer(
        &self,
        by: &By,
        question: Question,
        entry: &Entry,
        texts: &[KeyText],
    ) -> Result<(ExplainResponse, Explanation), Failure> {
        let others = self.others(&by.admitted, &entry.secret.name);
        let others: Vec<&Secret> = others.iter().map(|other| &other.secret).collect();
        let known = Known {
            texts,
            others: &others,
        };
        let (decision, reason, explanation) = match question {
            Question::Identity(request) => self.identity(by, request, entry, known)?,
            Question::Webhook(request) => self.webhook(by, &request, entry, known)?,
        };
        let response = ExplainResponse {
            decision: decision.into(),
            reason: reason.into(),
            checks: explanation
                .checks
                .iter()
                .map(convert::check_to_wire)
                .collect(),
            causes: explanation
                .causes
                .iter()
                .map(convert::cause_to_wire)
                .collect(),
        };
        Ok((response, explanation))
    }

    /// The other secrets of the namespace that the caller may ask about.
    fn others(&self, admitted: &Admitted, name: &SecretName) -> Vec<Arc<Entry>> {
        let shown = |other: &str| other != name.as_str() && admitted.may(other);
        let namespace = Some(name.namespace());
        self.ring.page(namespace, None, MAX_OTHERS, shown).0
    }

    fn identity(
        &self,
        by: &By,
        mut request: VerifyRequest,
        entry: &Entry,
        known: Known<'_>,
    ) -> Result<(v1::Decision, v1::Reason, Explanation), Failure> {
        let (_, claimed, proof) = self.identity_proof(&by.admitted, &mut request)?;
        let now = self.clock.now();
        let misfit = |misfit: MisfitError| misfit_failure(misfit, "claimed");
        let verdict = entry.secret.verify(claimed.clone(), proof, now);
        let verdict = convert::verdict_to_wire(verdict.map_err(misfit)?);
        let explanation = explain_identity(&entry.secret, &claimed, proof, known, now);
        Ok((
            verdict.decision(),
            verdict.reason(),
            explanation.map_err(misfit)?,
        ))
    }

    fn webhook(
        &self,
        by: &By,
        request: &VerifyWebhookRequest,
        entry: &Entry,
        known: Known<'_>,
    ) -> Result<(v1::Decision, v1::Reason, Explanation), Failure> {
        let (_, body) = self.delivery(by, request)?;
        let headers = core_headers(&request.headers);
        let delivery = Delivery {
            headers: Headers(&headers),
            body,
            method: &request.method,
            url: &request.url,
        };
        let now = self.clock.now();
        let misfit = |misfit| misfit_failure(misfit, "secret");
        let verdict = entry.secret.verify_webhook(delivery, now).map_err(misfit)?;
        let (response, refusal) = match verdict.outcome {
            Err(reason) => {
                let response = refused_delivery(reason, v1::Replay::Unspecified);
                (response, Some(reason))
            }
            Ok(proven) => {
                let response = self.proven_delivery(entry, proven, (body, None), now)?;
                let is_replay = response.reason() == v1::Reason::Replayed;
                (response, is_replay.then_some(Reason::Replayed))
            }
        };
        let explanation = explain_webhook(&entry.secret, delivery, refusal, known, now);
        Ok((
            response.decision(),
            response.reason(),
            explanation.map_err(misfit)?,
        ))
    }
}
