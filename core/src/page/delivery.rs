//! Facts about webhook deliveries.

use super::{Fact, code, length, stated};
use crate::{
    key::Algorithm,
    template::{Piece, Step, Template, Variable},
    webhook::{
        self, JwsRules, Place, ProofRules, ProvenPart, SignaturePlace, TextRules, TimestampForm,
        TimestampPlace, WebhookRules,
    },
};

pub(super) fn facts(rules: &WebhookRules) -> Vec<Fact> {
    let handshakes = rules.handshakes.iter().map(|each| each.describe());
    let (proven, not) = proven(rules);
    let mut facts = match &rules.proof {
        ProofRules::Text(rules) => vec![
            ("Steps", steps(rules)),
            ("Headers and fields", headers(rules)),
        ],
        ProofRules::Jws(rules) => vec![("Headers and fields", jws_header(rules))],
    };
    facts.extend([
        ("Proven", stated(&proven.join(", "))),
        ("NOT proven", stated(&not.join(", "))),
        ("Freshness", vec![freshness(rules)]),
        ("Delivery id", vec![delivery_id(rules)]),
        ("Handshakes", handshakes.collect()),
    ]);
    facts
}

/// The signed texts as code; what is signed in words where there is none.
pub(super) fn signed_texts(rules: &WebhookRules) -> Vec<String> {
    match &rules.proof {
        ProofRules::Text(rules) if rules.signed_text.is_empty() => {
            vec!["nothing: the key itself is sent".to_owned()]
        }
        ProofRules::Text(rules) => {
            let texts = rules.signed_text.iter();
            texts.map(|text| code(text.as_str())).collect()
        }
        ProofRules::Jws(rules) => vec![match &rules.body_hash_claim {
            Some(claim) => format!("a token whose {} is SHA-256 of the body", code(claim)),
            None => "a token that says nothing of the body".to_owned(),
        }],
    }
}

fn steps(rules: &TextRules) -> Vec<String> {
    let parts = rules.signed_text.iter().flat_map(Template::parts);
    let mut words = Vec::new();
    for part in parts {
        let step = match &part.piece {
            Piece::Variable(_, Some(step)) => step_words(*step).to_owned(),
            _ => continue,
        };
        if !words.contains(&step) {
            words.push(step);
        }
    }
    words
}

fn step_words(step: Step) -> &'static str {
    match step {
        Step::Lower => "`lower`: in lower case",
        Step::Gunzip => "`gunzip`: a gzip body is unpacked, any other stays",
        Step::JsonCompact => "`json_compact`: without white space between JSON tokens",
        Step::OtherPort => "`other_port`: the default port is added, or taken away",
        Step::Encode => "`encode`: the query percent-encoded as a whole, then the path once more",
    }
}

fn headers(rules: &TextRules) -> Vec<String> {
    let mut lines = signature(rules);
    // One in a pair was shown with the signature.
    if let Some(TimestampPlace::Own(place)) = rules.timestamp.as_ref().map(|rule| &rule.place) {
        lines.push(at(rules, place, "TIMESTAMP"));
    }
    lines.extend(rules.id.as_ref().map(|place| at(rules, place, "ID")));
    for (name, value) in &rules.required_headers {
        lines.push(format!("{}, always", code(&format!("{name}: {value}"))));
    }
    if let Some(name) = &rules.signed_headers {
        let names = branded(rules, name);
        lines.push(format!("{names} lists the signed headers"));
    }
    if let Some(name) = &rules.body_hash_query {
        lines.push(format!(
            "query parameter {}: SHA-256 of a body that is no form",
            code(name)
        ));
    }
    lines
}

fn signature(rules: &TextRules) -> Vec<String> {
    let with = |name: &str, form: &str| branded(rules, &format!("{name}: {form}"));
    let what = match rules.digest {
        Algorithm::Token => "KEY",
        _ => "SIGNATURE",
    };
    match &rules.signature {
        SignaturePlace::Single { header, prefix } => {
            vec![with(header, &format!("{prefix}{what}"))]
        }
        SignaturePlace::Pairs {
            header,
            key,
            separator,
            spaces,
        } => {
            let pairs = match rules.timestamp.as_ref().map(|rule| &rule.place) {
                Some(TimestampPlace::Pair(time)) => {
                    format!("{time}=TIMESTAMP{separator}{key}={what}")
                }
                _ => format!("{key}={what}"),
            };
            let spaces = if *spaces {
                ", spaces allowed between"
            } else {
                ""
            };
            let line = with(header, &pairs);
            vec![format!(
                "{line}, pairs in any order, {} may repeat{spaces}",
                code(key)
            )]
        }
        SignaturePlace::Versions { header, key } => {
            let line = with(header, &format!("{key},{what}"));
            vec![format!("{line}, several with a space between")]
        }
        SignaturePlace::Several { headers } => {
            let each = headers.iter().map(|header| with(header, what));
            vec![format!(
                "{}, one of them",
                each.collect::<Vec<_>>().join(", ")
            )]
        }
        SignaturePlace::Numbered { header } => {
            let first = with(&format!("{header}1"), what);
            vec![format!("{first} to 16, one of them")]
        }
        SignaturePlace::Body { json, form } => vec![in_body(json, form.as_deref(), what)],
    }
}

/// The header under each brand.
fn branded(rules: &TextRules, header: &str) -> String {
    let brands = rules.header_prefixes.iter();
    let (name, rest) = header.split_at(header.find(':').unwrap_or(header.len()));
    let each = brands.map(|brand| code(&(webhook::branded(brand, name) + rest)));
    each.collect::<Vec<_>>().join(" or ")
}

fn at(rules: &TextRules, place: &Place, what: &str) -> String {
    match place {
        Place::Header(name) => branded(rules, &format!("{name}: {what}")),
        Place::Body { json, form } => in_body(json, form.as_deref(), what),
    }
}

fn in_body(json: &str, form: Option<&str>, what: &str) -> String {
    let form = form.map(|name| format!(", or form parameter {}", code(name)));
    format!(
        "{what} in the body: JSON {}{}",
        code(json),
        form.unwrap_or_default()
    )
}

fn jws_header(rules: &JwsRules) -> Vec<String> {
    vec![code(&format!("{}: {}TOKEN", rules.header, rules.prefix))]
}

/// What every delivery proves, and what none does.
fn proven(rules: &WebhookRules) -> (Vec<String>, Vec<String>) {
    let covered = rules.proven();
    let own = rules.text();
    let has_id = own.is_some_and(|rules| rules.id.is_some());
    let has_timestamp = own.is_some_and(|rules| rules.timestamp.is_some());
    let url = match rules.needs_url() && !covered.has(ProvenPart::Url) {
        true => "the rest of the URL",
        false => "the URL",
    };
    let parts = [
        (ProvenPart::Body, "the body", true),
        (ProvenPart::Form, "the parameters of a form", false),
        (ProvenPart::Timestamp, "the timestamp", has_timestamp),
        (ProvenPart::Id, "the delivery id", has_id),
        (ProvenPart::Url, url, true),
        (ProvenPart::Method, "the HTTP method", true),
    ];
    let (mut proven, mut not) = (Vec::new(), Vec::new());
    let hashed = own.is_some_and(|rules| rules.body_hash_query.is_some());
    for (part, word, is_there) in parts {
        let word = match optional(own, part) {
            true => format!("{word} where there is one"),
            false => word.to_owned(),
        };
        if covered.has(part) {
            proven.push(word);
        } else if part == ProvenPart::Body && hashed {
            proven.push("a body that is no form, by its hash in the URL".to_owned());
        } else if is_there {
            not.push(word);
        }
    }
    for variable in own.into_iter().flat_map(first_variables) {
        let Some(name) = variable.field_name() else {
            continue;
        };
        let always = own.is_some_and(|rules| requires(rules, variable));
        let maybe = if always { "" } else { " where there is one" };
        proven.push(format!("{}{maybe}", code(&name)));
    }
    if let Some(list) = own.and_then(|rules| rules.signed_headers.as_ref()) {
        proven.push(format!("the headers that {} lists", code(list)));
    }
    if own.is_none() {
        proven.push("the claims of the token".to_owned());
    }
    if proven.is_empty() {
        proven.push("nothing of the delivery; only that the sender has the key".to_owned());
    }
    not.push("any other header".to_owned());
    (proven, not)
}

fn first_variables(rules: &TextRules) -> impl Iterator<Item = &Variable> {
    rules
        .signed_text
        .iter()
        .take(1)
        .flat_map(Template::variables)
}

fn requires(rules: &TextRules, variable: &Variable) -> bool {
    rules.signed_text.iter().all(|text| text.requires(variable))
}

fn optional(rules: Option<&TextRules>, part: ProvenPart) -> bool {
    let variable = match part {
        ProvenPart::Id => Variable::Id,
        ProvenPart::Timestamp => Variable::Timestamp,
        _ => return false,
    };
    rules.is_some_and(|rules| {
        rules.any_variable(|own| *own == variable) && !requires(rules, &variable)
    })
}

/// What to do about deliveries that do not get too old.
const REPLAYS: &str =
    "replays are reported, or denied after `countersign secret update NAME --replay deny`";

fn freshness(rules: &WebhookRules) -> String {
    let unit = match rules.timestamp_form() {
        Some(TimestampForm::Seconds) => "in seconds",
        Some(TimestampForm::Milliseconds) => "in milliseconds",
        Some(TimestampForm::Rfc3339) => "as an RFC 3339 date",
        None => "",
    };
    if let Some(window) = rules.window() {
        let past = length(window.past);
        let future = match window.future.is_zero() {
            true => "none".to_owned(),
            false => length(window.future),
        };
        return format!("a timestamp {unit}, up to {past} old and {future} ahead");
    }
    match (rules.has_timestamp(), unit) {
        (true, "") => {
            "none: the vendor states no unit; the timestamp is checked once you set both: `countersign secret update \
             NAME --timestamp-unit seconds --tolerance 5m`"
                .to_owned()
        }
        (true, unit) => {
            format!(
                "none: a timestamp {unit}, checked once you set a tolerance: `countersign secret update NAME \
                 --tolerance 5m`"
            )
        }
        (false, _) if rules.text().is_none() => {
            format!("none but the token's own `exp` and `nbf`, if it has them; {REPLAYS}")
        }
        (false, _) => format!("none: a delivery never gets too old; {REPLAYS}"),
    }
}

fn delivery_id(rules: &WebhookRules) -> String {
    match rules.text().and_then(|own| own.id.as_ref()) {
        None => "none".to_owned(),
        Some(_) if optional(rules.text(), ProvenPart::Id) => "proven where there is one".to_owned(),
        Some(_) if rules.proven().has(ProvenPart::Id) => "proven".to_owned(),
        Some(_) => "there, and NOT proven".to_owned(),
    }
}
