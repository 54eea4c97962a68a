//! The steps of the check of a delivery, in words.

use super::{Check, CheckOutcome, Known, bodies::Bodies, encodings, envelopes, needed, times};
use crate::{
    Key, Reason, Secret, Timestamp,
    key::Algorithm,
    template::Template,
    webhook::{Delivery, Ending, ProofRules, SignaturePlace, Step, Terms, TextRules, WebhookRules},
};

/// What is explained, and by what.
struct Seen<'a> {
    secret: &'a Secret,
    rules: &'a WebhookRules,
    delivery: Delivery<'a>,
    known: Known<'a>,
    now: Timestamp,
}

/// All steps. `refusal` is known to be what `verify` says.
pub(super) fn of_delivery(
    secret: &Secret,
    rules: &WebhookRules,
    delivery: Delivery<'_>,
    refusal: Option<Reason>,
    known: Known<'_>,
    now: Timestamp,
) -> Vec<Check> {
    let seen = Seen {
        secret,
        rules,
        delivery,
        known,
        now,
    };
    if refusal == Some(Reason::Handshake) {
        let detail = "an unsigned question of the vendor's; it proves nothing and is no event";
        return vec![Check::new("handshake", CheckOutcome::Warn, detail)];
    }
    let terms = Terms {
        freshness: secret.freshness(rules),
        parameters: &secret.policy.parameters,
        now,
    };
    let keys: Vec<(u32, &Key)> = secret
        .live(now)
        .map(|version| (version.number, &version.key))
        .collect();
    let mut checks = vec![seen.body()];
    checks.extend(seen.transport());
    let trace = rules.trace(delivery, keys.iter().copied(), terms);
    checks.extend(
        trace
            .into_iter()
            .map(|(step, ending)| seen.step(step, ending)),
    );
    checks.extend(seen.replay(refusal));
    checks
}

impl Seen<'_> {
    /// What the body is.
    fn body(&self) -> Check {
        let body = self.delivery.body;
        let text = std::str::from_utf8(body);
        let kind = match text {
            _ if body.is_empty() => "empty",
            _ if envelopes::is_gzip(body) => "gzip",
            Err(_) => "not UTF-8",
            Ok(text) if encodings::has_lost_bytes(text) => "text with replacement characters",
            Ok(_) if Bodies::of(body).is_json() => "JSON",
            Ok(text) if text.is_ascii() => "ASCII text",
            Ok(_) => "UTF-8 text",
        };
        let is_odd = matches!(kind, "empty" | "gzip" | "text with replacement characters");
        let outcome = if is_odd {
            CheckOutcome::Warn
        } else {
            CheckOutcome::Pass
        };
        Check::new("body", outcome, format!("{} bytes, {kind}", body.len()))
    }

    /// What Content-Length and Content-Encoding say of the body.
    fn transport(&self) -> impl Iterator<Item = Check> {
        let header = |name: &str| self.delivery.headers.find("", name).ok().flatten();
        let own = self.delivery.body.len();
        let length = header("content-length").and_then(|it| it.trim().parse::<usize>().ok());
        let length = length.map(|length| match length == own {
            true => Check::new("content length", CheckOutcome::Pass, "that of the body"),
            false => {
                let detail = format!(
                    "Content-Length says {length} bytes, the body has {own}: it was changed or cut"
                );
                Check::new("content length", CheckOutcome::Warn, detail)
            }
        });
        let packed = header("content-encoding").filter(|it| !it.is_empty());
        let encoding = packed.map(|_| {
            let detail =
                "Content-Encoding is set: the signature may cover the packed or the unpacked body";
            Check::new("content encoding", CheckOutcome::Warn, detail)
        });
        length.into_iter().chain(encoding)
    }

    fn step(&self, step: Step, ending: Ending) -> Check {
        let (name, subject) = self.name(step);
        match ending {
            Ending::Passed => Check::new(name, CheckOutcome::Pass, self.passed(step, subject)),
            Ending::Failed(reason) => {
                let detail = self.failed(step, reason, &subject);
                Check::new(name, CheckOutcome::Fail, detail)
            }
            Ending::Skipped => Check::new(name, CheckOutcome::Skip, "not reached"),
        }
    }

    /// The name of a step, and what it expects.
    fn name(&self, step: Step) -> (&'static str, String) {
        match step {
            Step::Place => ("signature header", needed::signature_place(self.rules)),
            Step::Form => ("signature form", self.form()),
            Step::RequiredHeaders => ("required headers", self.required_headers()),
            Step::Timestamp => (
                "timestamp",
                "the timestamp that belongs to the signed text".to_owned(),
            ),
            Step::Id => (
                "delivery id",
                "1 to 128 characters of A-Z a-z 0-9 _ -".to_owned(),
            ),
            Step::Freshness | Step::LateTimestamp => ("freshness", self.window()),
            Step::SignedHeaders => (
                "signed headers",
                "the list of the headers that are signed, itself among them".to_owned(),
            ),
            Step::BodyHash => (
                "body hash",
                "the SHA-256 of the body, where the scheme binds it by that".to_owned(),
            ),
            Step::LiveVersions => ("live versions", String::new()),
            Step::Signature => ("signature", self.signed()),
            Step::Claims => ("claims", "the claims of the scheme's tokens".to_owned()),
        }
    }

    fn passed(&self, step: Step, subject: String) -> String {
        match step {
            Step::LiveVersions => self.live_versions(),
            Step::Timestamp => "is there".to_owned(),
            Step::Freshness | Step::LateTimestamp => self.age().unwrap_or(subject),
            Step::Signature => format!("holds: {subject}"),
            Step::BodyHash if self.is_form() => {
                "not used for a form, whose parameters are signed themselves".to_owned()
            }
            _ => subject,
        }
    }

    fn failed(&self, step: Step, reason: Reason, subject: &str) -> String {
        match (step, reason) {
            (Step::LiveVersions, _) => "no version may verify".to_owned(),
            (Step::Place, Reason::HeaderMissing | Reason::SignatureMissing) => {
                format!("not there: {subject}")
            }
            (Step::Place, Reason::HeaderAmbiguous) => format!("stands more than once: {subject}"),
            (Step::Form, Reason::SignatureMissing) => {
                format!("no signature in the scheme's grammar: {subject}")
            }
            (Step::Form, _) => format!("expected {subject}; {}", self.characters()),
            (Step::Freshness | Step::LateTimestamp, Reason::TimestampMalformed) => {
                format!("cannot be read: expected {subject}")
            }
            (Step::Freshness | Step::LateTimestamp, _) => {
                self.age().unwrap_or_else(|| format!("expected {subject}"))
            }
            (Step::Signature, Reason::SignatureMismatch) => {
                format!("no live key made it over what arrived: {subject}")
            }
            (_, Reason::HeaderMissing) => {
                let missing = needed::missing(self.rules, self.delivery);
                format!("not there: {}", needed::listed(&missing, subject))
            }
            (_, Reason::TimestampMissing) => format!("not there: {subject}"),
            (_, Reason::HeaderAmbiguous) => {
                let doubled = needed::doubled(self.rules, self.delivery);
                let what = needed::listed(&doubled, subject);
                format!("stands more than once: {what}")
            }
            (_, Reason::BodyMalformed) => {
                "the body is not the JSON, form or gzip that the scheme reads".to_owned()
            }
            _ => format!("expected {subject}"),
        }
    }

    fn form(&self) -> String {
        let text = match &self.rules.proof {
            ProofRules::Text(text) => text,
            ProofRules::Jws(jws) => {
                return format!(
                    "a token of three parts, signed with {}",
                    jws.algorithm.name()
                );
            }
        };
        if text.digest == Algorithm::Token {
            return "the key itself".to_owned();
        }
        let lengths = text.digest.signature_bytes();
        let bytes = match lengths.start() == lengths.end() {
            true => format!("{} bytes", lengths.start()),
            false => format!("{} to {} bytes", lengths.start(), lengths.end()),
        };
        let grammar = match &text.signature {
            SignaturePlace::Single { prefix, .. } if !prefix.is_empty() => {
                format!(" after `{prefix}`")
            }
            SignaturePlace::Pairs { key, .. } => format!(" as `{key}=`"),
            SignaturePlace::Versions { key, .. } => format!(" after `{key},`"),
            _ => String::new(),
        };
        format!("{bytes} in {}{grammar}", text.encoding.describe())
    }

    /// What the header with the signature looks like.
    fn characters(&self) -> String {
        let header = self.rules.text().and_then(|text| text.signature.header());
        let brands = self.rules.text().map(|text| &text.header_prefixes);
        let value = header.zip(brands).and_then(|(header, brands)| {
            let mut values = brands
                .iter()
                .filter_map(|brand| self.delivery.headers.find(brand, header).ok().flatten());
            values.next()
        });
        let Some(value) = value else {
            return "what is there is something else".to_owned();
        };
        let kind = match value {
            _ if value.bytes().all(|byte| byte.is_ascii_hexdigit()) => "hexadecimal digits",
            _ if value.bytes().all(is_base64) => "characters of base64",
            _ if value.contains(['"', '\'']) => "characters, quotes among them",
            _ if value.contains(char::is_whitespace) => "characters, white space among them",
            _ => "characters",
        };
        format!("there are {} {kind}", value.len())
    }

    fn is_form(&self) -> bool {
        let text = self.rules.text();
        text.and_then(|text| text.is_form(self.delivery)) == Some(true)
    }

    fn required_headers(&self) -> String {
        let text = self.rules.text();
        let required = text.into_iter().flat_map(|text| &text.required_headers);
        let lines: Vec<_> = required
            .map(|(name, value)| format!("`{name}: {value}`"))
            .collect();
        lines.join(", ")
    }

    fn window(&self) -> String {
        let freshness = self.secret.freshness(self.rules);
        let form = freshness.form().map_or("a number", times::name);
        match freshness.window() {
            None => format!("{form}, of any age"),
            Some(window) => format!(
                "{form}, at most {} s old and {} s ahead",
                window.past.as_secs(),
                window.future.as_secs()
            ),
        }
    }

    fn age(&self) -> Option<String> {
        let text = self.rules.text()?;
        let text = text.timestamp_text(self.delivery, &self.secret.policy.parameters)?;
        let time = self.secret.freshness(self.rules).form()?.read(&text).ok()?;
        let secs = self.now.millis_since(time) / 1000;
        let age = match secs {
            0.. => format!("{secs} s old"),
            _ => format!("{} s ahead", -secs),
        };
        Some(format!("{age}; {}", self.window()))
    }

    fn live_versions(&self) -> String {
        let live = self.secret.live(self.now);
        let numbers: Vec<_> = live.map(|version| version.number.to_string()).collect();
        let ended = self
            .known
            .texts
            .iter()
            .filter(|text| !text.state.verifies(self.now))
            .count();
        match ended {
            0 => format!("version {} may verify", numbers.join(", ")),
            _ => format!(
                "version {} may verify, {ended} have ended",
                numbers.join(", ")
            ),
        }
    }

    fn signed(&self) -> String {
        let algorithm = self.rules.algorithm().describe();
        match self.rules.text() {
            None => format!("{algorithm} over the token"),
            Some(text) if text.signed_text.is_empty() => algorithm.to_owned(),
            Some(TextRules { signed_text, .. }) => {
                let texts: Vec<_> = signed_text.iter().map(Template::as_str).collect();
                format!("{algorithm} over `{}`", texts.join("` or `").escape_debug())
            }
        }
    }

    fn replay(&self, refusal: Option<Reason>) -> Option<Check> {
        let detail = "seen before, or from before the record of deliveries begins";
        let is_replay = refusal == Some(Reason::Replayed);
        is_replay.then(|| Check::new("replay", CheckOutcome::Fail, detail))
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}
