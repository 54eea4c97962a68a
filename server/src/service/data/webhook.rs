//! VerifyWebhook, and what the replay record makes of a delivery that holds.

use std::sync::Arc;

use countersign_core::{
    Reason, Timestamp,
    policy::ReplayPolicy,
    secret::ProvenDelivery,
    webhook::{Delivery, Header, Headers, ProvenPart},
};
use countersign_proto::v1::{
    self, Replay, VerifyWebhookRequest, VerifyWebhookResponse, verify_webhook_request::Payload,
};

use super::{By, Shared, misfit_failure, take_body};
use crate::{
    convert,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    replay::{Call, Identity, Owner, Sighting, TIMELESS_RETENTION},
    ring::Entry,
};

/// Longest HTTP method in bytes.
const MAX_METHOD_BYTES: usize = 32;
/// Longest URL in bytes.
const MAX_URL_BYTES: usize = 8192;

impl Shared {
    /// `call` tells a caller's own retry from a replay.
    pub(super) fn verify_webhook(
        &self,
        request: &VerifyWebhookRequest,
        by: &By,
        call: Call,
    ) -> Result<VerifyWebhookResponse, Failure> {
        let (entry, body) = self.delivery(by, request)?;
        let headers = core_headers(&request.headers);
        let delivery = Delivery {
            headers: Headers(&headers),
            body,
            method: &request.method,
            url: &request.url,
        };
        let now = self.clock.now();
        let verdict = entry
            .secret
            .verify_webhook(delivery, now)
            .map_err(|misfit| misfit_failure(misfit, "secret"))?;
        let mut response = match verdict.outcome {
            Ok(proven) => {
                entry.verified(proven.version.number, now);
                self.proven_delivery(&entry, proven, (body, Some(call)), now)?
            }
            Err(reason) => refused_delivery(reason, Replay::Unspecified),
        };
        // A replayed handshake is no event either, but nothing is answered to it.
        if response.reason() != v1::Reason::Replayed {
            response.handshake = verdict.handshake.map(convert::handshake_to_wire);
        }
        log_delivery(&by.rpc_id, &entry, &response, now);
        Ok(response)
    }

    /// The secret of a delivery and its body, if every part is within its limits.
    pub(super) fn delivery<'r>(
        &self,
        by: &By,
        request: &'r VerifyWebhookRequest,
    ) -> Result<(Arc<Entry>, &'r [u8]), Failure> {
        convert::check_name("secret", &request.secret)?;
        self.check_headers("headers", &request.headers)?;
        check_method_and_url(("method", &request.method), ("url", &request.url))?;
        let body = match &request.payload {
            Some(Payload::Body(body)) => &body[..],
            Some(Payload::BodyText(text)) => text.as_bytes(),
            None => &[],
        };
        self.check_body("body", body)?;
        let entry = self.secret(&by.admitted, &request.secret)?;
        take_body(body, by, &entry)?;
        Ok((entry, body))
    }

    /// The answer for a delivery that holds, after a look into the replay record, which notes it if a call brought it.
    pub(super) fn proven_delivery(
        &self,
        entry: &Entry,
        delivery: ProvenDelivery,
        (body, call): (&[u8], Option<Call>),
        now: Timestamp,
    ) -> Result<VerifyWebhookResponse, Failure> {
        let deny = entry.secret.policy.replay == Some(ReplayPolicy::Deny);
        let replay = self.replay(entry, &delivery, (body, call), now);
        match replay {
            Replay::Duplicate | Replay::Conflict if deny => {
                return Ok(refused_delivery(Reason::Replayed, replay));
            }
            Replay::NotTracked if deny && is_before_the_record(entry, &delivery) => {
                return Ok(refused_delivery(Reason::Replayed, replay));
            }
            Replay::NotTracked if deny => {
                return Err(Failure::new(ErrorReason::ReplayRecordFull));
            }
            _ => {}
        }
        let signed_time = delivery.proof.signed_time;
        let proven = delivery.proof.proven;
        Ok(VerifyWebhookResponse {
            decision: v1::Decision::Allow.into(),
            reason: v1::Reason::Unspecified.into(),
            signed_time: signed_time.map(convert::timestamp_to_wire),
            age: signed_time.map(|time| convert::millis_to_wire(now.millis_since(time))),
            delivery_id: delivery.proof.delivery_id.unwrap_or_default(),
            proven: proven.parts().map(convert::part_to_wire).collect(),
            replay: replay.into(),
            version: Some(convert::version_to_wire(delivery.version)),
            handshake: None,
            proven_fields: proven.fields,
        })
    }

    fn replay(
        &self,
        entry: &Entry,
        delivery: &ProvenDelivery,
        (body, call): (&[u8], Option<Call>),
        now: Timestamp,
    ) -> Replay {
        let deny = match entry.secret.policy.replay {
            None | Some(ReplayPolicy::Off) => return Replay::NotTracked,
            Some(policy) => policy == ReplayPolicy::Deny,
        };
        if deny && is_before_the_record(entry, delivery) {
            return Replay::NotTracked;
        }
        let proves_id = delivery.proof.proven.has(ProvenPart::Id);
        let identity = match &delivery.proof.delivery_id {
            Some(id) if proves_id => Identity::Id { id, body },
            _ => Identity::Signed(&delivery.proof.tag),
        };
        let lifetime = entry.secret.delivery_lifetime();
        let retention = lifetime.unwrap_or(TIMELESS_RETENTION);
        let owner = Owner {
            namespace: entry.secret.name.namespace(),
            secret: entry.record.id,
        };
        let sighting = match call {
            Some(call) => self.replay.note(owner, identity, call, retention, now),
            None => self.replay.look(owner, identity, now),
        };
        match sighting {
            Sighting::First => Replay::First,
            Sighting::Duplicate => Replay::Duplicate,
            Sighting::Conflict => Replay::Conflict,
            Sighting::Full => Replay::NotTracked,
        }
    }

    pub(super) fn check_headers(
        &self,
        field: &'static str,
        headers: &[v1::Header],
    ) -> Result<(), Failure> {
        let (max, max_bytes) = (self.limits.max_headers, self.limits.max_header_bytes);
        let bytes: usize = headers
            .iter()
            .map(|header| header.name.len() + header.value.len())
            .sum();
        if headers.len() > max || bytes > max_bytes {
            let expected = format!("at most {max} headers of {max_bytes} bytes in all");
            return Err(Failure::field(field, expected));
        }
        let broken = |text: &str| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        if headers
            .iter()
            .any(|header| header.name.is_empty() || broken(&header.name) || broken(&header.value))
        {
            return Err(Failure::field(
                field,
                "names that are not empty, and no CR, LF or NUL",
            ));
        }
        Ok(())
    }
}

pub(super) fn core_headers(headers: &[v1::Header]) -> Vec<Header<'_>> {
    headers
        .iter()
        .map(|header| Header {
            name: &header.name,
            value: &header.value,
        })
        .collect()
}

/// Method and URL of a delivery, each with the name of its field.
pub(super) fn check_method_and_url(
    (method_field, method): (&'static str, &str),
    (url_field, url): (&'static str, &str),
) -> Result<(), Failure> {
    if method.len() > MAX_METHOD_BYTES || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let expected = format!("at most {MAX_METHOD_BYTES} letters, such as POST");
        return Err(Failure::field(method_field, expected));
    }
    if url.len() > MAX_URL_BYTES || url.chars().any(|c| c.is_control() || c == ' ') {
        let expected =
            format!("at most {MAX_URL_BYTES} bytes without spaces and control characters");
        return Err(Failure::field(url_field, expected));
    }
    Ok(())
}

/// The record is kept in memory: of what was signed before it knew this secret's deliveries, its silence says nothing.
fn is_before_the_record(entry: &Entry, delivery: &ProvenDelivery) -> bool {
    let signed = delivery.proof.signed_time;
    signed.is_some_and(|time| time.unix_secs() < entry.replay_since.unix_secs())
}

pub(super) fn refused_delivery(reason: Reason, replay: Replay) -> VerifyWebhookResponse {
    VerifyWebhookResponse {
        decision: v1::Decision::Deny.into(),
        reason: convert::reason_to_wire(reason).into(),
        replay: replay.into(),
        ..VerifyWebhookResponse::default()
    }
}

fn log_delivery(
    rpc_id: &RequestId,
    entry: &Entry,
    response: &VerifyWebhookResponse,
    now: Timestamp,
) {
    let secret = &entry.secret.name;
    let decision = response.decision().as_str_name();
    let replay = response.replay().as_str_name();
    let reason = response.reason().as_str_name();
    if response.decision() == v1::Decision::Allow {
        let version = response.version.as_ref().map(|version| version.number);
        tracing::debug!(
            request_id = %rpc_id, %secret, version, decision, replay, "webhook verified"
        );
    } else if let Some(refusals) = entry.refusals.count(response.reason(), now) {
        tracing::info!(
            request_id = %rpc_id, %secret, decision, reason, replay, refusals, "webhook refused"
        );
    } else {
        tracing::debug!(
            request_id = %rpc_id, %secret, decision, reason, replay, "webhook refused"
        );
    }
}
