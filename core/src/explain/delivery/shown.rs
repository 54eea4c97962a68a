//! What a delivery shows although no candidate for it holds.

use super::Search;
use crate::explain::{
    Cause, CauseCode,
    bodies::Bodies,
    encodings, envelopes, keys, needed, no_near_miss,
    repairs::{self, Fields},
    with_traps,
};
use crate::{
    Reason,
    webhook::{ProvenPart, SignaturePlace, WebhookRules},
};

impl Search<'_, '_> {
    /// What can be said although no candidate holds.
    pub(super) fn without_a_hit(&self, reason: Reason, own: &Fields) -> Vec<Cause> {
        let mut causes = Vec::new();
        if let Some(cause) = self.structure(reason, own) {
            causes.push(cause);
        }
        causes.extend(self.likely());
        let is_judged = matches!(reason, Reason::SignatureMismatch | Reason::NoLiveVersion);
        if is_judged || causes.is_empty() {
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
            | Reason::BodyUnsigned => None,
            Reason::BodyMalformed if !self.is_signed_in_the_body() => None,
            Reason::HeaderMissing | Reason::SignatureMissing | Reason::BodyMalformed => {
                Some(self.missing(own))
            }
            Reason::HeaderAmbiguous => {
                let doubled = needed::doubled(self.rules, self.delivery);
                let what = needed::listed(&doubled, "a value that must stand once");
                let summary = format!("It stands more than once: {what}.");
                Some(Cause::new(CauseCode::HeaderMalformed, summary))
            }
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
                match self.is_signed_in_the_body() {
                    true => {
                        "A field of the body is missing or not in the scheme's form; see the checks."
                    }
                    false => {
                        "A header is not in the scheme's form, and no reading of it makes the signature hold; see the \
                         checks."
                    }
                },
            )),
        }
    }

    fn is_signed_in_the_body(&self) -> bool {
        let place = self.text().map(|text| &text.signature);
        matches!(place, Some(SignaturePlace::Body { .. }))
    }

    fn missing(&self, own: &Fields) -> Cause {
        let place = needed::signature_place(self.rules);
        if !self.has_a_like_of_a_signature(own) {
            let summary = format!(
                "There is no signature at all: the scheme reads {place}, and nothing there is like it."
            );
            return with_traps(
                Cause::new(CauseCode::UnsignedDelivery, summary),
                self.secret,
            );
        }
        let missing = needed::missing(self.rules, self.delivery);
        let summary = format!("Missing or empty: {}.", needed::listed(&missing, &place));
        Cause::new(CauseCode::HeaderMalformed, summary)
    }

    /// Whether a header has, or by its name may have, the signature.
    fn has_a_like_of_a_signature(&self, own: &Fields) -> bool {
        let (signatures, others) = match self.text() {
            Some(text) => {
                let brand = repairs::brand(text, own);
                (
                    repairs::signature_headers(text, brand),
                    repairs::other_headers(text, brand),
                )
            }
            None => (self.rules.header_names(), Vec::new()),
        };
        let is_in =
            |names: &[String], name: &str| names.iter().any(|it| it.eq_ignore_ascii_case(name));
        own.iter().any(|(name, _)| {
            is_in(&signatures, name) || (repairs::is_suspect(name) && !is_in(&others, name))
        })
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
        if is_printed_dict(body) && binds_body {
            let summary = "The body is a Python dict or list as str() prints it, not JSON: it was parsed, and then \
                           joined to a text.";
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
            let fix = "First compare the key with the vendor's dashboard: import the signing secret that it shows for \
                       the endpoint that sends.";
            causes.push(Cause::with_fix(CauseCode::WrongSecret, summary, fix));
        }
        causes
    }
}

/// Whether it looks as Python prints what it parsed: names and texts in single quotes, `True`, `False` and `None`.
fn is_printed_dict(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let text = text.trim();
    let begins = ["{'", "[{'", "['"].iter().any(|it| text.starts_with(it));
    begins && text.ends_with(['}', ']']) && !Bodies::of(body).is_json()
}

/// Whether a change of the body changes the verdict.
fn binds_body(rules: &WebhookRules) -> bool {
    let proven = rules.proven();
    proven.has(ProvenPart::Body) || proven.has(ProvenPart::Form)
}
