//! Runs the vector of a delivery.

use super::{
    Vector,
    run::{ACCEPT, VectorFailure},
};
use crate::{
    Reason, Secret, Timestamp,
    webhook::{Delivery, DeliveryToSign, Header, Headers, ProvenPart, TimestampForm, WebhookRules},
};

impl Vector {
    pub(super) fn judge_delivery(&self, secret: &Secret) -> Result<&'static str, VectorFailure> {
        let headers = self.headers_that(|_| true);
        let body = self.body()?;
        let verdict = secret
            .verify_webhook(self.delivery(&headers, &body), self.time())
            .map_err(|_| {
                VectorFailure::Misfit("it lacks the method or URL that the scheme reads")
            })?;
        let handshake = verdict.handshake.as_ref();
        let response = handshake.map(|it| it.body.as_slice());
        let answers = |body: &String| response == Some(body.as_bytes());
        if handshake.map(|it| &it.name) != self.handshake.as_ref()
            || !self.response_body.as_ref().is_none_or(answers)
        {
            return Err(VectorFailure::Handshake);
        }
        if let (Ok(proven), Some(expected)) = (&verdict.outcome, &self.proven) {
            let parts: Vec<_> = proven.proof.proven.parts().map(ProvenPart::name).collect();
            if parts != *expected {
                return Err(VectorFailure::Proven(match parts.is_empty() {
                    true => "nothing".to_owned(),
                    false => parts.join(", "),
                }));
            }
        }
        Ok(verdict.outcome.map_or_else(Reason::name, |_| ACCEPT))
    }

    /// Sign writes every header of the vector that is its own, byte for byte, and beside them at most an id that is
    /// not signed.
    pub(super) fn check_signed_delivery(&self, secret: &Secret) -> Result<(), VectorFailure> {
        let misfit = VectorFailure::Misfit;
        let rules = secret.webhook_rules().map_err(|_| misfit("no webhook"))?;
        let body = self.body()?;
        let (id, time) = self.claimed(rules, &body)?;
        let is_own = |name: &str| rules.is_own_header(name);
        let given = self.headers_that(|name| !is_own(name));
        let delivery = DeliveryToSign {
            id: id.as_deref().unwrap_or("unsigned"),
            body: &body,
            headers: Headers(&given),
            method: &self.method,
            url: &self.url,
            time: time.unwrap_or_else(|| self.time()),
        };
        let signed = secret.sign_webhook(delivery);
        let signed = signed.map_err(|_| VectorFailure::Signs)?.value;
        let mut own_headers = self.headers.iter().filter(|(name, _)| is_own(name));
        let same = own_headers.all(|header| signed.headers.contains(header))
            && signed.body.is_none_or(|own| own == body)
            && signed.url.is_none_or(|own| own == self.url);
        same.then_some(()).ok_or(VectorFailure::Signs)
    }

    /// Id and time as the vector has them.
    fn claimed(
        &self,
        rules: &WebhookRules,
        body: &[u8],
    ) -> Result<(Option<String>, Option<Timestamp>), VectorFailure> {
        let misfit = VectorFailure::Misfit;
        let Some(text) = rules.text() else {
            return Ok((None, None));
        };
        let headers = self.headers_that(|_| true);
        let claimed = text.claimed(self.delivery(&headers, body));
        let claimed = claimed.map_err(|_| misfit("only an accepted delivery is signed again"))?;
        let form = rules.timestamp_form();
        let form = form.unwrap_or(TimestampForm::Milliseconds);
        let time = claimed.timestamp.map(|text| form.read(&text)).transpose();
        let time = time.map_err(|_| misfit("its timestamp is not in the form of the scheme"))?;
        Ok((claimed.id, time))
    }

    fn body(&self) -> Result<Vec<u8>, VectorFailure> {
        self.body_bytes().map_err(|_| {
            VectorFailure::Misfit("it has either body or body_base64, and the latter in base64")
        })
    }

    fn headers_that(&self, belongs: impl Fn(&str) -> bool) -> Vec<Header<'_>> {
        let headers = self.headers.iter().filter(|(name, _)| belongs(name));
        headers
            .map(|(name, value)| Header { name, value })
            .collect()
    }

    fn delivery<'a>(&'a self, headers: &'a [Header<'a>], body: &'a [u8]) -> Delivery<'a> {
        Delivery {
            headers: Headers(headers),
            body,
            method: &self.method,
            url: &self.url,
        }
    }
}
