//! What can go wrong with a delivery, one thing at a time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use clap::ValueEnum;
use countersign_client::{Client, v1};
use countersign_core::{
    OwnScheme, Rules, Scheme,
    encoding::Encoding,
    key::{Algorithm, MAX_SIGNATURE_BYTES},
    policy::TimestampUnit,
    template::Variable,
    time::Timestamp,
    webhook::{
        DeliveryToSign, Header, Headers, Place, ProofRules, SignaturePlace, TimestampPlace,
        WebhookRules,
    },
};
use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use super::{
    body::{covers_body, signs_compact_json, spoil_body},
    delivery::{Delivery, header_of, is_branded, is_signature_header},
    sign::{inapplicable, note},
};
use crate::exit::usage;

/// How far beyond the window a stale or future delivery is, in seconds.
const BEYOND_SECS: i64 = 3600;

/// What is wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Fault {
    /// Signed well, but too long ago
    Stale,
    /// Signed well, but with a time too far ahead
    Future,
    /// One bit of the body is another one after signing
    Flip,
    /// One character of the signature is another one
    FlipSignature,
    /// Signed with a random key in the scheme's format
    WrongSecret,
    /// The JSON body says the same and is printed another way after signing
    Reserialised,
    /// The last byte of the body is lost
    Truncated,
    /// Only the first half of the signature is there
    TruncatedSignature,
    /// There is no signature
    MissingSignature,
    /// There is no timestamp
    MissingTimestamp,
    /// The signature header is there twice
    DoubledSignature,
    /// The signature lacks what the vendor writes before it, such as sha256=
    NoPrefix,
    /// The signature's bytes are in base64 where hexadecimal is expected, or the other way round
    WrongEncoding,
    /// The body has a line feed more at its end
    TrailingNewline,
    /// Each line feed of the body became CR LF
    Crlf,
    /// The same delivery, good, twice
    Replay,
}

impl Fault {
    /// As the command line names it.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How often the delivery is made.
    pub(super) fn times(self) -> usize {
        match self {
            Self::Replay => 2,
            _ => 1,
        }
    }

    fn is_of_the_body(self) -> bool {
        matches!(
            self,
            Self::Flip | Self::Reserialised | Self::Truncated | Self::TrailingNewline | Self::Crlf
        )
    }
}

/// How a secret signs.
pub(super) struct Signing {
    secret: v1::Secret,
    scheme: Arc<Scheme>,
}

impl Signing {
    /// Asks the server.
    pub(super) async fn of(client: &Client, secret: &str) -> anyhow::Result<Self> {
        let secret = client.get_secret(secret).await?;
        let described = client.get_scheme(&secret.scheme).await?;
        let own = OwnScheme::parse_stored(&described.definition)
            .with_context(|| format!("this release cannot read {}", secret.scheme))?;
        let signing = Self {
            secret,
            scheme: own.scheme,
        };
        signing.rules()?;
        Ok(signing)
    }

    fn rules(&self) -> anyhow::Result<&WebhookRules> {
        match &self.scheme.rules {
            Rules::Webhook(rules) => Ok(rules),
            _ => Err(usage(format!("{} signs no webhooks", self.scheme.id))),
        }
    }

    /// Refuses faults that are none for this scheme, and moves the time of signing for those that are of time.
    pub(super) fn prepare(
        &self,
        fault: Fault,
        delivery: &mut v1::WebhookToSign,
    ) -> anyhow::Result<()> {
        let rules = self.rules()?;
        if fault.is_of_the_body() {
            if !covers_body(rules) {
                return Err(inapplicable(
                    fault,
                    "the signature does not cover the body, so that any body is as good",
                ));
            }
            let only_space = matches!(
                fault,
                Fault::Reserialised | Fault::TrailingNewline | Fault::Crlf
            );
            if only_space && signs_compact_json(rules) {
                return Err(inapplicable(
                    fault,
                    "the scheme signs the JSON body without its white space",
                ));
            }
        }
        match fault {
            Fault::Stale | Fault::Future => self.move_time(fault, rules, delivery),
            _ => Ok(()),
        }
    }

    fn move_time(
        &self,
        fault: Fault,
        rules: &WebhookRules,
        delivery: &mut v1::WebhookToSign,
    ) -> anyhow::Result<()> {
        if !rules.has_timestamp() {
            return Err(inapplicable(fault, "the scheme has no timestamp"));
        }
        if delivery.timestamp.is_some() {
            return Err(inapplicable(
                fault,
                "it chooses the time: leave --timestamp out",
            ));
        }
        if let Some(json) = signed_time_in_body(rules)
            && let Ok(body) = serde_json::from_slice::<Value>(&delivery.body)
            && body.pointer(json).is_some()
        {
            let why = format!("the body states its time already, at {json}: leave it out");
            return Err(inapplicable(fault, &why));
        }
        let tolerance = self.secret.tolerance.as_ref().map_or(0, |it| it.seconds);
        let window = rules.window();
        if window.is_none() && tolerance == 0 {
            note("the vendor states no window: how old is too old, the receiver decides");
        }
        let secs = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
        let past = window.map_or(0, |window| secs(window.past));
        let future = window.map_or(0, |window| secs(window.future));
        let now = prost_types::Timestamp::from(SystemTime::now());
        let moved = match fault {
            Fault::Stale => now.seconds - past.max(tolerance) - BEYOND_SECS,
            _ => now.seconds + future.max(tolerance) + BEYOND_SECS,
        };
        delivery.timestamp = Some(prost_types::Timestamp {
            seconds: moved,
            nanos: 0,
        });
        Ok(())
    }

    /// Signs with a key that nobody else has.
    pub(super) fn with_another_key(
        &self,
        delivery: &v1::WebhookToSign,
    ) -> anyhow::Result<v1::SignResponse> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).context("the system gives no random bytes")?;
        let text = self.scheme.generate_key(&random);
        let key = self.scheme.decode_key(&text);
        let key = key.context("the scheme does not read the key that it makes")?;
        let id = match delivery.id.as_str() {
            "" => format!("msg_{}", uuid::Uuid::new_v4().simple()),
            id => id.to_owned(),
        };
        let now = prost_types::Timestamp::from(SystemTime::now());
        let time = delivery.timestamp.unwrap_or(now);
        let headers: Vec<_> = delivery.headers.iter().map(core_header).collect();
        let to_sign = DeliveryToSign {
            id: &id,
            body: &delivery.body,
            headers: Headers(&headers),
            method: &delivery.method,
            url: match delivery.url.as_str() {
                "" => self.secret.parameters.get("url").map_or("", String::as_str),
                url => url,
            },
            time: Timestamp::from_unix_secs(time.seconds),
        };
        let parameters = self.secret.parameters.clone().into_iter().collect();
        let signed = self
            .rules()?
            .sign(&key, to_sign, &parameters, self.unit())
            .map_err(|error| usage(format!("the delivery cannot be signed: {error}")))?;
        let headers = signed.headers.into_iter();
        Ok(v1::SignResponse {
            headers: headers
                .map(|(name, value)| v1::Header { name, value })
                .collect(),
            body: signed.body.map(Into::into),
            url: signed.url.unwrap_or_default(),
            ..Default::default()
        })
    }

    fn unit(&self) -> Option<TimestampUnit> {
        match self.secret.timestamp_unit() {
            v1::TimestampUnit::Seconds => Some(TimestampUnit::Seconds),
            v1::TimestampUnit::Milliseconds => Some(TimestampUnit::Milliseconds),
            v1::TimestampUnit::Unspecified => None,
        }
    }

    /// Makes a signed delivery wrong.
    pub(super) fn spoil(&self, fault: Fault, delivery: &mut Delivery) -> anyhow::Result<()> {
        let rules = self.rules()?;
        let done = match fault {
            Fault::Stale | Fault::Future | Fault::WrongSecret | Fault::Replay => Ok(()),
            Fault::Flip
            | Fault::Reserialised
            | Fault::Truncated
            | Fault::TrailingNewline
            | Fault::Crlf => spoil_body(fault, &mut delivery.body),
            Fault::MissingSignature => remove_signature(rules, delivery),
            Fault::MissingTimestamp => remove_timestamp(rules, delivery),
            Fault::DoubledSignature => double_signature(rules, delivery),
            Fault::FlipSignature
            | Fault::TruncatedSignature
            | Fault::NoPrefix
            | Fault::WrongEncoding => spoil_signature(fault, rules, delivery),
        };
        done.map_err(|why| inapplicable(fault, why))
    }
}

fn core_header(header: &v1::Header) -> Header<'_> {
    Header {
        name: &header.name,
        value: &header.value,
    }
}

/// Where the time stands in a body that is signed with it.
fn signed_time_in_body(rules: &WebhookRules) -> Option<&str> {
    let text = rules.text()?;
    match &text.timestamp.as_ref()?.place {
        TimestampPlace::Own(Place::Body { json, .. })
            if !text.any_variable(|it| *it == Variable::Timestamp) =>
        {
            Some(json)
        }
        _ => None,
    }
}

fn spoil_signature(
    fault: Fault,
    rules: &WebhookRules,
    delivery: &mut Delivery,
) -> Result<(), &'static str> {
    let text = rules.text();
    let encoding = text.map_or(Encoding::Base64url, |rules| rules.encoding);
    if fault == Fault::WrongEncoding
        && (rules.algorithm() == Algorithm::Token || encoding == Encoding::Text)
    {
        return Err("the scheme sends the key as it is, in no encoding");
    }
    if fault == Fault::NoPrefix && !has_prefix(rules) {
        return Err("nothing stands before the signature");
    }
    let count = delivery.edit_signatures(&rules.proof, &|prefix, text| match fault {
        Fault::FlipSignature => format!("{prefix}{}", flipped(text)),
        Fault::TruncatedSignature => {
            let half = text.char_indices().nth(text.chars().count() / 2);
            format!("{prefix}{}", &text[..half.map_or(0, |(at, _)| at)])
        }
        Fault::NoPrefix => text.to_owned(),
        _ => format!("{prefix}{}", other_encoding(encoding, text)),
    });
    match count {
        0 => Err("there is no signature to change"),
        _ => Ok(()),
    }
}

fn has_prefix(rules: &WebhookRules) -> bool {
    match rules.text().map(|rules| &rules.signature) {
        Some(SignaturePlace::Single { prefix, .. }) => !prefix.is_empty(),
        Some(SignaturePlace::Pairs { .. } | SignaturePlace::Versions { .. }) => true,
        _ => false,
    }
}

/// Another signature in the same form: digits are in every alphabet, and in the third quarter no structure stands.
fn flipped(text: &str) -> String {
    let at = text.chars().count() * 3 / 4;
    let other = |byte: char| if byte == '0' { '1' } else { '0' };
    let letters = text.chars().enumerate();
    letters
        .map(|(index, letter)| if index == at { other(letter) } else { letter })
        .collect()
}

fn other_encoding(encoding: Encoding, text: &str) -> String {
    let mut bytes = [0; MAX_SIGNATURE_BYTES];
    let length = encoding.decode_into(text, false, &mut bytes).unwrap_or(0);
    let other = match encoding {
        Encoding::HexLower | Encoding::HexUpper => Encoding::Base64,
        _ => Encoding::HexLower,
    };
    other.encode_bytes(&bytes[..length])
}

fn remove_signature(rules: &WebhookRules, delivery: &mut Delivery) -> Result<(), &'static str> {
    let removed = match rules.text().map(|rules| &rules.signature) {
        Some(SignaturePlace::Body { json, form }) => delivery.remove_field(json, form.as_deref()),
        Some(SignaturePlace::Pairs { key, .. }) => delivery.remove_pair(&rules.proof, key),
        _ => delivery.remove_headers(|name| is_signature_header(&rules.proof, name)) > 0,
    };
    removed.then_some(()).ok_or("there is no signature")
}

fn remove_timestamp(rules: &WebhookRules, delivery: &mut Delivery) -> Result<(), &'static str> {
    const NONE: &str = "the scheme has no timestamp of its own";
    if signed_time_in_body(rules).is_some() {
        return Err("the time stands in the signed body: take it out there");
    }
    let ProofRules::Text(text) = &rules.proof else {
        return Err("the time stands in the signed token");
    };
    let removed = match &text.timestamp.as_ref().ok_or(NONE)?.place {
        TimestampPlace::Pair(key) => delivery.remove_pair(&rules.proof, key),
        TimestampPlace::Own(Place::Body { json, form }) => {
            delivery.remove_field(json, form.as_deref())
        }
        TimestampPlace::Own(place) => {
            let own = header_of(place).ok_or(NONE)?;
            delivery.remove_headers(|name| is_branded(text, own, name)) > 0
        }
    };
    removed.then_some(()).ok_or("there is no timestamp")
}

fn double_signature(rules: &WebhookRules, delivery: &mut Delivery) -> Result<(), &'static str> {
    let headers = delivery.headers.iter();
    let again: Vec<_> = headers
        .filter(|(name, _)| is_signature_header(&rules.proof, name))
        .cloned()
        .collect();
    if again.is_empty() {
        return Err("the signature stands in the body, not in a header");
    }
    delivery.headers.extend(again);
    Ok(())
}
