//! VerifyWebhook, and what the replay record makes of a delivery that holds.

use countersign_core::{
    Reason, Timestamp,
    policy::ReplayPolicy,
    secret::ProvenDelivery,
    template::Variable,
    webhook::{Delivery, Header, Headers},
};
use countersign_proto::v1::{
    self, Replay, VerifyWebhookRequest, VerifyWebhookResponse, verify_webhook_request::Payload,
};

use super::{Shared, misfit_failure};
use crate::{
    convert,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    replay::{Call, Identity, Sighting, TIMELESS_RETENTION},
    ring::Entry,
};

impl Shared {
    /// `call` tells a caller's own retry from a replay.
    pub(super) fn verify_webhook(
        &self,
        request: &VerifyWebhookRequest,
        rpc_id: &RequestId,
        call: Call,
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
                self.proven_delivery(&entry, proven, (body, call), now)?
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
        (body, call): (&[u8], Call),
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
        let proven = entry
            .secret
            .proven_parts()
            .map(|parts| parts.map(convert::part_to_wire).collect())
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
            handshake: None,
            proven_fields: Vec::new(),
        })
    }

    fn replay(
        &self,
        entry: &Entry,
        delivery: &ProvenDelivery,
        (body, call): (&[u8], Call),
        now: Timestamp,
    ) -> Replay {
        let deny = match entry.secret.policy.replay {
            None | Some(ReplayPolicy::Off) => return Replay::NotTracked,
            Some(policy) => policy == ReplayPolicy::Deny,
        };
        if deny && is_before_the_record(entry, delivery) {
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
        match self
            .replay
            .note(entry.record.id, identity, call, retention, now)
        {
            Sighting::First => Replay::First,
            Sighting::Duplicate => Replay::Duplicate,
            Sighting::Conflict => Replay::Conflict,
            Sighting::Full => Replay::NotTracked,
        }
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

/// The record is kept in memory: of what was signed before it knew this secret's deliveries, its silence says nothing.
fn is_before_the_record(entry: &Entry, delivery: &ProvenDelivery) -> bool {
    let signed = delivery.proof.signed_time;
    signed.is_some_and(|time| time.unix_secs() < entry.replay_since.unix_secs())
}

fn refused_delivery(reason: Reason, replay: Replay) -> VerifyWebhookResponse {
    VerifyWebhookResponse {
        decision: v1::Decision::Deny.into(),
        reason: convert::reason_to_wire(reason).into(),
        replay: replay.into(),
        ..VerifyWebhookResponse::default()
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
