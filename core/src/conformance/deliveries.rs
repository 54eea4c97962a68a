//! Deliveries of one scheme: one that holds, and what becomes of it.

use std::sync::Arc;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use super::{
    Draft, Kind, claims, place,
    sender::{BODY, ID, OTHER_BODY, RAW_BODY, Sender},
};
use crate::{
    Scheme, Timestamp,
    encoding::Encoding,
    key::Algorithm,
    time::millis,
    vectors::Vector,
    webhook::{
        Delivery, Header, Headers, ProofRules, Proven, ProvenPart, TimestampForm, WebhookRules,
    },
};

/// Every case of a webhook scheme but its vectors.
pub(super) fn drafts(scheme: &Arc<Scheme>, now: i64) -> Vec<Draft> {
    let sender = |key| Sender::new(scheme, key, now);
    let senders = (sender("first"), sender("second"));
    let (Some(own), Some(other)) = senders else {
        return Vec::new();
    };
    let Some(bench) = Bench::new(&own, &other) else {
        return Vec::new();
    };
    let made = Kind::ALL
        .into_iter()
        .filter_map(|kind| Some(Draft::of(kind, bench.made(kind)?)));
    made.collect()
}

/// What the cases of one scheme are made from.
struct Bench<'s> {
    own: &'s Sender<'s>,
    other: &'s Sender<'s>,
    rules: &'s WebhookRules,
    good: Vector,
    proven: Proven,
}

impl<'s> Bench<'s> {
    fn new(own: &'s Sender<'s>, other: &'s Sender<'s>) -> Option<Self> {
        let good = own.delivery(BODY, 0)?;
        let proven = proven(own, &good)?;
        Some(Self {
            own,
            other,
            rules: own.rules()?,
            good,
            proven,
        })
    }

    /// The delivery of a kind; `None` where the kind says nothing about the scheme.
    fn made(&self, kind: Kind) -> Option<Vector> {
        match kind {
            Kind::Positive => Some(self.good.clone()),
            Kind::RawBody => self.raw_body(),
            Kind::HexCase => self.in_other_case(),
            Kind::SignatureFlipped => self.with_signature(flipped),
            Kind::SignatureTruncated => self.with_signature(truncated),
            Kind::SignatureEmpty => self.with_signature(|_| Some(String::new())),
            Kind::SignatureMissing => place::without_signature(self.rules, &self.good),
            Kind::SignatureDoubled => place::with_two_headers(self.rules, &self.good),
            Kind::WrongEncoding => self.with_signature(|text| reencoded(self.rules, text)),
            Kind::SignatureOfAnotherBody => self.with_signature_of_another_body(),
            Kind::OtherKey => self.under_another_key(),
            Kind::BodyFlipped => self.with_body("\"open\"", "\"oper\""),
            Kind::BodyReformatted => self.reformatted(),
            Kind::UrlChanged => self.with_another_url(),
            Kind::MethodChanged => self.with_another_method(),
            Kind::Stale => self.signed(|past, _| -past - 1000),
            // Far enough that it stays so while somebody is asked.
            Kind::Future => self.signed(|_, future| future + 60_000),
            Kind::TimestampChanged => self.with_another_time(),
            Kind::IdChanged => self.with_another_id(),
            Kind::AlgNone => self.with_token(claims::unsigned),
            Kind::ClaimChanged => self.with_token(|token| claims::changed(token, "iat")),
            Kind::Vector | Kind::Expired | Kind::OtherIdentity => None,
        }
    }

    fn with_signature(&self, bend: impl Fn(&str) -> Option<String>) -> Option<Vector> {
        place::with_signature(self.rules, &self.good, bend)
    }

    fn with_token(&self, bend: impl Fn(&str) -> Option<String>) -> Option<Vector> {
        let ProofRules::Jws(rules) = &self.rules.proof else {
            return None;
        };
        place::with_header(self.rules, &self.good, |value| {
            let token = value.strip_prefix(rules.prefix.as_str())?;
            Some(format!("{}{}", rules.prefix, bend(token)?))
        })
    }

    /// Where Sign writes into the body, it writes the body anew.
    fn raw_body(&self) -> Option<Vector> {
        let raw = self.own.delivery(RAW_BODY, 0)?;
        (raw.body == RAW_BODY).then_some(raw)
    }

    fn in_other_case(&self) -> Option<Vector> {
        let encoding = self.rules.text()?.encoding;
        self.with_signature(|text| match encoding {
            Encoding::HexLower => Some(text.to_ascii_uppercase()),
            Encoding::HexUpper => Some(text.to_ascii_lowercase()),
            _ => None,
        })
    }

    fn with_signature_of_another_body(&self) -> Option<Vector> {
        self.proven.has(ProvenPart::Body).then_some(())?;
        let another = self.own.delivery(OTHER_BODY, 0)?;
        // A signature in the body comes with its body.
        another.body.contains("evt_2").then_some(())?;
        place::without_signature(self.rules, &another)
            .is_some_and(|bare| bare.headers.len() < another.headers.len())
            .then(|| Vector {
                body: self.good.body.clone(),
                ..another
            })
    }

    fn under_another_key(&self) -> Option<Vector> {
        Some(Vector {
            key: self.own.key().to_owned(),
            ..self.other.delivery(BODY, 0)?
        })
    }

    fn with_body(&self, from: &str, to: &str) -> Option<Vector> {
        let body = self.good.body.replacen(from, to, 1);
        let applies = self.proven.has(ProvenPart::Body) && body != self.good.body;
        applies.then(|| Vector {
            body,
            ..self.good.clone()
        })
    }

    fn reformatted(&self) -> Option<Vector> {
        let texts = &self.rules.text()?.signed_text;
        let any_form = texts
            .iter()
            .any(|text| text.as_str().contains("json_compact"));
        match any_form {
            true => None,
            false => self.with_body(":", ": "),
        }
    }

    fn with_another_url(&self) -> Option<Vector> {
        let mut fields = self.proven.fields.iter();
        let in_query = fields.any(|field| field.starts_with("query:"));
        let applies = in_query || self.proven.has(ProvenPart::Url);
        applies.then(|| Vector {
            url: self.good.url.replace("=77", "=78"),
            ..self.good.clone()
        })
    }

    fn with_another_method(&self) -> Option<Vector> {
        self.proven.has(ProvenPart::Method).then(|| Vector {
            method: "PUT".to_owned(),
            ..self.good.clone()
        })
    }

    /// Signed at the time that is made of the sides of the window in milliseconds.
    fn signed(&self, time: impl Fn(i64, i64) -> i64) -> Option<Vector> {
        let window = self.rules.window()?;
        self.own
            .delivery(BODY, time(millis(window.past), millis(window.future)))
    }

    fn with_another_time(&self) -> Option<Vector> {
        self.proven.has(ProvenPart::Timestamp).then_some(())?;
        let form = self.rules.timestamp_form();
        let form = form.unwrap_or(TimestampForm::Milliseconds);
        let text = |secs| form.write(Timestamp::from_unix_secs(secs));
        let now = self.good.now;
        self.with_text(&text(now), &text(now - 1))
    }

    fn with_another_id(&self) -> Option<Vector> {
        self.proven.has(ProvenPart::Id).then_some(())?;
        self.with_text(ID, "conformance-2")
    }

    /// Another text wherever one stands in the headers or the body.
    fn with_text(&self, from: &str, to: &str) -> Option<Vector> {
        let mut vector = self.good.clone();
        vector.body = vector.body.replace(from, to);
        for (_, value) in &mut vector.headers {
            *value = value.replace(from, to);
        }
        let changed = vector.body != self.good.body || vector.headers != self.good.headers;
        changed.then_some(vector)
    }
}

fn proven(sender: &Sender<'_>, vector: &Vector) -> Option<Proven> {
    let headers = vector.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| Header { name, value })
        .collect();
    let delivery = Delivery {
        headers: Headers(&headers),
        body: vector.body.as_bytes(),
        method: &vector.method,
        url: &vector.url,
    };
    let now = Timestamp::from_unix_secs(vector.now);
    let verdict = sender.secret().verify_webhook(delivery, now).ok()?;
    Some(verdict.outcome.ok()?.proof.proven)
}

/// Another character of the same alphabet, near the start, where no structure of any signature stands.
pub(super) fn flipped(text: &str) -> Option<String> {
    let index = text.len() / 4;
    let other = match text.as_bytes().get(index)? {
        b'1' => "2",
        _ => "1",
    };
    Some([text.get(..index)?, other, text.get(index + 1..)?].concat())
}

/// Four characters less: a whole group in any encoding.
pub(super) fn truncated(text: &str) -> Option<String> {
    let bare = text.trim_end_matches('=');
    let kept = (bare.len() - 1) / 4 * 4;
    text.get(..kept.min(text.len() - 4)).map(str::to_owned)
}

fn reencoded(rules: &WebhookRules, text: &str) -> Option<String> {
    let encoding = match &rules.proof {
        ProofRules::Jws(_) => Encoding::Base64url,
        ProofRules::Text(rules) if rules.digest == Algorithm::Token => return None,
        ProofRules::Text(rules) => rules.encoding,
    };
    Some(match encoding {
        Encoding::HexLower | Encoding::HexUpper => STANDARD.encode(hex::decode(text).ok()?),
        Encoding::Base64 => hex::encode(STANDARD.decode(text).ok()?),
        Encoding::Base64url => hex::encode(URL_SAFE_NO_PAD.decode(text).ok()?),
        Encoding::Text => return None,
    })
}
