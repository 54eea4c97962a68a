//! What is risky about a webhook.

use std::time::Duration;

use super::{
    Code, Finding,
    joining::{self, Movable, Times},
};
use crate::{
    key::Algorithm,
    template::{Piece, Template, Variable},
    webhook::{
        JwsRules, Place, ProofRules, ProvenPart, TextRules, TimestampForm, WebhookRules, Window,
    },
};

const WIDE: Duration = Duration::from_secs(3600);

pub(super) fn webhook(rules: &WebhookRules) -> Vec<Finding> {
    match &rules.proof {
        ProofRules::Text(rules) if rules.digest == Algorithm::Token => vec![Finding::of(
            Code::NoIntegrity,
            "the key itself is sent; nothing of a delivery is proven, so ask the vendor for a signature",
        )],
        ProofRules::Text(rules) => text(rules),
        ProofRules::Jws(rules) => token(rules),
    }
}

fn token(rules: &JwsRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    if rules.body_hash_claim.is_none() {
        findings.push(Finding::of(
            Code::BodyNotBound,
            "no claim has the hash of the body; name it in body_hash_claim if the vendor has one",
        ));
    }
    match rules.issued_at_window {
        None => findings.push(Finding::of(
            Code::NoFreshness,
            "the age of a token is not looked at; set issued_at_window_secs",
        )),
        Some(past) => findings.extend(wide(Window {
            past,
            future: Duration::ZERO,
        })),
    }
    findings
}

fn text(rules: &TextRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(body(rules));
    findings.extend(freshness(rules));
    findings.extend(id(rules));
    findings.extend(digest(rules));
    findings.extend(joinings(rules));
    findings
}

fn body(rules: &TextRules) -> Option<Finding> {
    let binds = |text: &Template| {
        let form = text.requires(&Variable::SortedForm) && rules.body_hash_query.is_some();
        text.requires(&Variable::Body) || form
    };
    (!rules.signed_text.iter().all(binds)).then(|| {
        Finding::of(
            Code::BodyNotBound,
            "a signed text has no {body}: whoever captures one delivery can send any body with it",
        )
    })
}

fn freshness(rules: &TextRules) -> Vec<Finding> {
    let none = |message| vec![Finding::of(Code::NoFreshness, message)];
    if rules.timestamp.is_none() {
        return none(
            "no timestamp: a captured delivery stays good; say where it stands if there is one",
        );
    }
    let sometimes =
        |text: &Template| text.binds(&Variable::Timestamp) && !text.requires(&Variable::Timestamp);
    let signed =
        |text: &Template| rules.proven_by(text).has(ProvenPart::Timestamp) && !sometimes(text);
    if !rules.signed_text.iter().all(signed) {
        return vec![Finding::of(
            Code::TimestampNotSigned,
            "a signed text has no {timestamp}: whoever captures a delivery can make it fresh",
        )];
    }
    match (rules.timestamp_form(), rules.window) {
        (None, _) => none(
            "the timestamp has no unit, so its age is not looked at; state it, or have secrets set timestamp_unit \
             and tolerance",
        ),
        (_, None) => {
            none("no window: the age of a delivery is not looked at; set one, such as 300 seconds")
        }
        (_, Some(window)) => wide(window).into_iter().collect(),
    }
}

fn wide(window: Window) -> Option<Finding> {
    (window.past.max(window.future) > WIDE).then(|| {
        Finding::of(
            Code::WideWindow,
            "the window is more than an hour, and so long a captured delivery is good",
        )
    })
}

fn id(rules: &TextRules) -> Option<Finding> {
    let proven = |text: &Template| rules.proven_by(text).has(ProvenPart::Id);
    (rules.id.is_some() && !rules.signed_text.iter().all(proven)).then(|| {
        let whose = match rules.id {
            Some(Place::Header(_)) => "the header of the delivery id",
            _ => "the delivery id",
        };
        Finding::of(
            Code::UnsignedId,
            format!("{whose} is not in the signed text: do not tell deliveries apart by it"),
        )
    })
}

fn digest(rules: &TextRules) -> Option<Finding> {
    let message = match rules.digest {
        Algorithm::HmacSha1 => "HMAC-SHA1; take hmac-sha256 if the vendor offers it",
        Algorithm::Sha256 if rules.signed_text.iter().any(begins_with_the_secret) => {
            "a plain digest of a text that begins with the secret: whoever captures a delivery can lengthen its \
             text, which the body takes if it stands last; take an hmac if the vendor offers it"
        }
        Algorithm::Sha256 => {
            "a plain digest with the secret in its text; take an hmac if the vendor offers it"
        }
        _ => return None,
    };
    Some(Finding::of(Code::WeakDigest, message))
}

fn begins_with_the_secret(text: &Template) -> bool {
    let first = text.parts().first().map(|part| &part.piece);
    matches!(first, Some(Piece::Variable(Variable::Secret, _)))
}

fn joinings(rules: &TextRules) -> Vec<Finding> {
    let times = match rules.timestamp_form() {
        Some(TimestampForm::Rfc3339) => Times::Dates,
        _ => Times::Numbers,
    };
    let mut findings: Vec<_> = rules
        .signed_text
        .iter()
        .filter_map(|text| joining::movable(text, times))
        .map(moves)
        .collect();
    if rules.any_variable(|it| *it == Variable::SortedForm) {
        findings.push(Finding::warning(
            Code::AmbiguousJoining,
            "nothing stands between the names and values of {sorted_form}: a=bc and ab=c are one text",
        ));
    }
    let (first, others) = rules
        .signed_text
        .split_first()
        .map_or((None, &[][..]), |(first, others)| (Some(first), others));
    if let Some(first) = first
        && others
            .iter()
            .any(|other| !joining::mean_the_same(first, other))
    {
        findings.push(Finding::warning(
            Code::AmbiguousJoining,
            "the signed texts have different values: what was signed as the one may be taken for the other",
        ));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(1);
    findings
}

fn moves(border: Movable<'_>) -> Finding {
    let what = match border.variable {
        Variable::Timestamp => "the end of {timestamp}",
        Variable::Id => "the end of {id}",
        Variable::Url | Variable::Path => "the end of the URL",
        Variable::Body => "the end of {body}",
        _ => "the end of a value",
    };
    match border.free {
        true => Finding::of(
            Code::AmbiguousJoining,
            format!(
                "{what} cannot be told from the signed text, and the sender chooses what stands on both sides: two \
                 deliveries have one signature; put a character between them that neither can hold"
            ),
        ),
        false => Finding::warning(
            Code::AmbiguousJoining,
            format!(
                "{what} cannot be told from the signed text, so characters can move over it; put a character \
                 between them that the value cannot hold, if the vendor is you"
            ),
        ),
    }
}
