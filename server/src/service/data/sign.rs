//! Sign.

use countersign_core::{
    Purpose, Timestamp,
    hash::Field,
    secret::{MisfitError, SignError, Signed},
    token::SignTokenError,
    webhook::{DeliveryToSign, Headers, SignDeliveryError, is_id},
};
use countersign_proto::v1::{self, SignRequest, SignResponse, sign_request::Input};

use super::{
    By, Shared, misfit_failure, take_body,
    webhook::{check_method_and_url, core_headers},
};
use crate::{
    convert,
    failure::{ErrorReason, Failure},
    ring::Entry,
};

impl Shared {
    pub(super) fn sign(&self, request: SignRequest, by: &By) -> Result<SignResponse, Failure> {
        convert::check_name("secret", &request.secret)?;
        let entry = self.secret(&by.admitted, &request.secret)?;
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
                    answer(signed, |response, token| response.token = token)
                } else {
                    answer(signed, |response, hash| response.hash = hash)
                }
            }
            Input::ResourceId(id) => {
                convert::plain_text("resource_id", &id, self.limits.max_identifier_bytes)?;
                let signed = entry.secret.sign_resource_id(&id);
                let signed = signed.map_err(|error| sign_failure(error, "resource_id"))?;
                answer(signed, |response, id| response.resource_id = id)
            }
            Input::Webhook(webhook) => self.sign_webhook(by, &entry, webhook, now)?,
        };
        let version = response
            .version
            .as_ref()
            .map_or(0, |version| version.number);
        entry.signed(version, now);
        tracing::debug!(request_id = %by.rpc_id, secret = %entry.secret.name, version, "signed");
        Ok(response)
    }

    fn sign_webhook(
        &self,
        by: &By,
        entry: &Entry,
        webhook: v1::WebhookToSign,
        now: Timestamp,
    ) -> Result<SignResponse, Failure> {
        self.check_body("webhook.body", &webhook.body)?;
        take_body(&webhook.body, by, entry)?;
        self.check_headers("webhook.headers", &webhook.headers)?;
        check_method_and_url(
            ("webhook.method", &webhook.method),
            ("webhook.url", &webhook.url),
        )?;
        let rules = entry.secret.webhook_rules().map_err(purpose)?;
        let has_id = rules.text().is_some_and(|text| text.id.is_some());
        if !has_id && !webhook.id.is_empty() {
            return Err(Failure::field("webhook.id", "unset: the scheme has none"));
        }
        if !rules.has_timestamp() && webhook.timestamp.is_some() {
            return Err(Failure::field(
                "webhook.timestamp",
                "unset: the scheme has none",
            ));
        }
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
        let headers = core_headers(&webhook.headers);
        let delivery = DeliveryToSign {
            id: &id,
            body: &webhook.body,
            headers: Headers(&headers),
            method: match webhook.method.as_str() {
                "" => "POST",
                method => method,
            },
            url: &webhook.url,
            time,
        };
        let signed = entry.secret.sign_webhook(delivery);
        let signed = signed.map_err(|error| sign_failure(error, "webhook.body"))?;
        Ok(answer(signed, |response, signed| {
            response.headers = signed
                .headers
                .into_iter()
                .map(|(name, value)| v1::Header { name, value })
                .collect();
            response.body = signed.body.map(Into::into);
            response.url = signed.url.unwrap_or_default();
        }))
    }
}

fn answer<T>(signed: Signed<T>, set: impl FnOnce(&mut SignResponse, T)) -> SignResponse {
    let mut response = SignResponse {
        version: Some(convert::version_to_wire(signed.version)),
        expire_time: signed.expire_time.map(convert::timestamp_to_wire),
        ..SignResponse::default()
    };
    set(&mut response, signed.value);
    response
}

fn purpose(misfit: MisfitError) -> Failure {
    misfit_failure(misfit, "webhook")
}

/// `field` is what was to be signed.
fn sign_failure(error: SignError, field: &'static str) -> Failure {
    match error {
        SignError::Misfit(MisfitError::Empty(_)) if field == "resource_id" => {
            Failure::field(field, "not empty")
        }
        SignError::Misfit(misfit) => misfit_failure(misfit, field),
        SignError::NoActiveVersion => Failure::new(ErrorReason::NoActiveVersion),
        SignError::Delivery(SignDeliveryError::PublicKeyOnly) => {
            Failure::new(ErrorReason::PublicKeyOnly)
        }
        SignError::Delivery(SignDeliveryError::Incomplete | SignDeliveryError::OwnHeader) => {
            Failure::field("webhook.headers", error.to_string())
        }
        SignError::Delivery(SignDeliveryError::Body) => Failure::field(field, error.to_string()),
        SignError::SigningInput => Failure::new(ErrorReason::SigningInputRefused).at(field),
        SignError::TtlUnsupported => Failure::field("ttl", error.to_string()),
        SignError::Token(error) => {
            let field = match error {
                SignTokenError::InvalidId => "identity.id",
                SignTokenError::FieldRequired(Field::Email) => "identity.email",
                SignTokenError::FieldRequired(_) => "identity.name",
                SignTokenError::ReservedClaim
                | SignTokenError::AttributeRequired
                | SignTokenError::TooDeep
                | SignTokenError::TooLong => "identity.attributes",
                SignTokenError::Lifetime => "ttl",
                _ => field,
            };
            Failure::field(field, error.to_string())
        }
    }
}
