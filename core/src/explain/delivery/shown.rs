//! What a delivery shows although no candidate for it holds.

use super::Search;
use crate::explain::{
    Cause, CauseCode,
    bodies::Bodies,
    encodings, envelopes, keys, no_near_miss,
    repairs::{self, Fields},
    with_traps,
};
use crate::{
    Reason,
    webhook::{ProvenPart, WebhookRules},
};

impl Search<'_, '_> {
    /// What can be said although no candidate holds.
    pub(super) fn without_a_hit(&self, reason: Reason, own: &Fields) -> Vec<Cause> {
        let mut causes = Vec::new();
        let is_readable = self.best_repair(own).is_none();
        if let Some(cause) = self.structure(reason, own) {
            causes.push(cause);
        }
        causes.extend(self.likely());
        let is_judged = matches!(reason, Reason::SignatureMismatch | Reason::NoLiveVersion)
            || (is_readable && causes.is_empty());
        if is_judged {
            causes.push(self.nothing_near(reason));
        }
        causes
    }

    fn nothing_near(&self, reason: Reason) -> Cause {
        let cause = no_near_miss(self.secret, Some(reason));
        let body = Bodies::of(self.delivery.body);
        match binds_body(self.rules) && body.is_in_order() {
            true => cause.and(
                "The names in the body stand in order: if your code parsed and printed it, the vendor's own order is \
                 lost, and no search finds it again.",
            ),
            false => cause,
        }
    }

    /// What the refusal itself says about the headers.
    fn structure(&self, reason: Reason, own: &Fields) -> Option<Cause> {
        let token = |summary: &str| Some(Cause::new(CauseCode::TokenShape, summary));
        match reason {
            Reason::SignatureMismatch
            | Reason::NoLiveVersion
            | Reason::TimestampTooOld
            | Reason::TimestampInFuture
            | Reason::BodyMalformed
            | Reason::BodyUnsigned => None,
            Reason::HeaderMissing | Reason::SignatureMissing => Some(self.missing(own)),
            Reason::TokenMalformed => {
                token("The header does not hold a token: three parts of base64url.")
            }
            Reason::TokenAlgorithm => token("The token names another algorithm than the scheme's."),
            Reason::TokenHeader => token("The token's header has a member that is not accepted."),
            Reason::ClaimMissing | Reason::ClaimInvalid => {
                token("A claim of the token is missing, or not what the scheme has.")
            }
            _ => Some(Cause::new(
                CauseCode::HeaderMalformed,
                "A header is not in the scheme's form, and no reading of it makes the signature hold; see the checks.",
            )),
        }
    }

    fn missing(&self, own: &Fields) -> Cause {
        let expected = self.rules.header_names();
        let (signatures, others) = match self.text() {
            Some(text) => {
                let brand = repairs::brand(text, own);
                (
                    repairs::signature_headers(text, brand),
                    repairs::other_headers(text, brand),
                )
            }
            None => (expected.clone(), Vec::new()),
        };
        let is_in =
            |names: &[String], name: &str| names.iter().any(|it| it.eq_ignore_ascii_case(name));
        let is_like_one = own.iter().any(|(name, _)| {
            is_in(&signatures, name) || (repairs::is_suspect(name) && !is_in(&others, name))
        });
        let expected = expected.join("`, `");
        if is_like_one {
            let summary = format!("A header is missing or empty; the scheme reads `{expected}`.");
            return Cause::new(CauseCode::HeaderMalformed, summary);
        }
        let summary = format!(
            "There is no signature at all: the scheme reads `{expected}`, and no header is like it."
        );
        with_traps(
            Cause::new(CauseCode::UnsignedDelivery, summary),
            self.secret,
        )
    }

    /// Whether the request says itself that it has no body.
    fn sends_no_body(&self) -> bool {
        let length = self.delivery.headers.find("", "content-length");
        let is_zero = length
            .ok()
            .flatten()
            .is_some_and(|length| length.trim() == "0");
        let bodiless = ["GET", "HEAD", "DELETE", "OPTIONS"];
        is_zero || bodiless.contains(&self.delivery.method)
    }

    /// What is likely from the delivery alone.
    fn likely(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let body = self.delivery.body;
        let binds_body = binds_body(self.rules);
        if body.is_empty() && binds_body && !self.sends_no_body() {
            causes.push(Cause::new(
                CauseCode::BodyEmpty,
                "The body is empty, and the signature covers it.",
            ));
        }
        if body.starts_with(b"[object ") && binds_body {
            let summary = "The body is the name of an object's type: it was parsed and then joined to a text.";
            causes.push(Cause::new(CauseCode::BodyReserialised, summary));
        }
        if std::str::from_utf8(body).is_ok_and(encodings::has_lost_bytes) && binds_body {
            let summary = "The body holds replacement characters: its bytes were read as text and some were lost.";
            causes.push(Cause::new(CauseCode::TextEncoding, summary));
        }
        let encoding = self
            .delivery
            .headers
            .find("", "content-encoding")
            .ok()
            .flatten();
        let is_packed =
            encoding.is_some_and(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity"));
        if is_packed && binds_body && !envelopes::is_gzip(body) {
            let summary = "Content-Encoding says that the body is compressed, and it is not: it may have been signed \
                           compressed and unpacked on the way.";
            causes.push(Cause::new(CauseCode::CompressedBody, summary));
        }
        let texts = self.known.texts.iter();
        if texts
            .clone()
            .any(|it| keys::is_api_key(&self.secret.scheme, &it.text))
        {
            let summary =
                "The stored key begins like a key for calling an API, not like a signing secret.";
            causes.push(Cause::new(CauseCode::WrongSecret, summary));
        }
        causes
    }
}

/// Whether a change of the body changes the verdict.
fn binds_body(rules: &WebhookRules) -> bool {
    let proven = rules.proven();
    proven.has(ProvenPart::Body) || proven.has(ProvenPart::Form)
}
