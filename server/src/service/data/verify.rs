//! Verify.

use std::sync::Arc;

use countersign_core::{Identity, Timestamp, secret::Proof};
use countersign_proto::v1::{self, VerifyRequest, VerifyResponse, verify_request};

use super::{By, Shared, misfit_failure};
use crate::{access::Admitted, convert, failure::Failure, gate::RequestId, ring::Entry};

impl Shared {
    pub(super) fn verify(
        &self,
        mut request: VerifyRequest,
        by: &By,
    ) -> Result<VerifyResponse, Failure> {
        let (entry, claimed, proof) = self.identity_proof(&by.admitted, &mut request)?;
        let now = self.clock.now();
        let verdict = entry
            .secret
            .verify(claimed, proof, now)
            .map_err(|misfit| misfit_failure(misfit, "claimed"))?;
        if let Some(version) = verdict.version {
            entry.verified(version.number, now);
        }
        let response = convert::verdict_to_wire(verdict);
        log_verdict(&by.rpc_id, &entry, &response, now);
        Ok(response)
    }

    /// The secret of a proof, what is claimed and the proof itself, if every part is within its limits.
    pub(super) fn identity_proof<'r>(
        &self,
        admitted: &Admitted,
        request: &'r mut VerifyRequest,
    ) -> Result<(Arc<Entry>, Identity, Option<Proof<'r>>), Failure> {
        convert::check_name("secret", &request.secret)?;
        let max = self.limits.max_identifier_bytes;
        let claimed = convert::identity("claimed", request.claimed.take(), max)?;
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
        Ok((self.secret(admitted, &request.secret)?, claimed, proof))
    }

    fn check_proof(&self, field: &'static str, proof: &str) -> Result<(), Failure> {
        let max = self.limits.max_token_bytes;
        if proof.len() > max {
            return Err(Failure::field(field, format!("at most {max} bytes")));
        }
        Ok(())
    }
}

/// A refusal is worth a line, as long as they are not many; an acceptance is, when somebody looks closely.
fn log_verdict(rpc_id: &RequestId, entry: &Entry, response: &VerifyResponse, now: Timestamp) {
    let secret = &entry.secret.name;
    let decision = response.decision().as_str_name();
    let trust = response.trust().as_str_name();
    let reason = response.reason().as_str_name();
    if response.reason() == v1::Reason::Unspecified {
        let version = response.version.as_ref().map(|version| version.number);
        tracing::debug!(request_id = %rpc_id, %secret, version, decision, trust, "verified");
    } else if let Some(refusals) = entry.refusals.count(response.reason(), now) {
        tracing::info!(
            request_id = %rpc_id, %secret, decision, trust, reason, refusals, "not verified"
        );
    } else {
        tracing::debug!(request_id = %rpc_id, %secret, decision, trust, reason, "not verified");
    }
}
