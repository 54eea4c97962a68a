//! Families of candidates for a delivery whose headers are as they should be: other keys, other bytes, other texts.

use super::{Candidate, Search, with_text};
use crate::explain::{
    Cause, CauseCode,
    bodies::Bodies,
    keys, old_version,
    repairs::{self, Fields},
    texts, times, urls, wrong_secret,
};
use crate::{
    key::Algorithm,
    template::{Template, Variable},
    webhook::{Delivery, Headers, Place, TextRules, TimestampPlace},
};

impl Search<'_, '_> {
    /// Everything that may differ where the headers are as they should be.
    pub(super) fn families(&mut self) -> Option<Cause> {
        self.old_versions()
            .or_else(|| self.other_secrets())
            .or_else(|| self.other_keys())
            .or_else(|| self.other_timestamps())
            .or_else(|| self.other_bodies())
            .or_else(|| self.other_urls())
            .or_else(|| self.other_texts())
    }

    fn old_versions(&mut self) -> Option<Cause> {
        let candidate = Candidate::of(self);
        for text in self.known.texts {
            let Some(key) = text.ended_key(self.secret, self.now) else {
                continue;
            };
            let keys = [(text.number, &key)];
            if candidate.holds(&keys, &mut self.keys_budget).is_some() {
                return Some(old_version(text, self.now));
            }
        }
        None
    }

    /// Under this scheme with their keys, and under their own.
    fn other_secrets(&mut self) -> Option<Cause> {
        self.keys_budget.next_family();
        for other in self.known.others {
            let live = other.live(self.now);
            let keys: Vec<_> = live.map(|version| (version.number, &version.key)).collect();
            let own = Candidate::of(self);
            let same_kind = other.scheme.algorithm() == self.secret.scheme.algorithm();
            let is_same_scheme = other.scheme.id == self.secret.scheme.id;
            let foreign = other.webhook_rules().ok().filter(|_| !is_same_scheme);
            let foreign = foreign.map(|rules| Candidate {
                rules,
                parameters: &other.policy.parameters,
                delivery: Delivery {
                    url: other.url(self.delivery.url),
                    ..self.delivery
                },
                ..own
            });
            let candidates = same_kind.then_some(own).into_iter().chain(foreign);
            let budget = &mut self.keys_budget;
            let held = candidates
                .into_iter()
                .find_map(|it| it.holds(&keys, budget));
            if let Some(version) = held {
                return Some(wrong_secret(other, version));
            }
        }
        None
    }

    fn other_keys(&mut self) -> Option<Cause> {
        self.keys_budget.next_family();
        let candidate = Candidate::of(self);
        let live = self
            .known
            .texts
            .iter()
            .filter(|text| text.state.verifies(self.now));
        for text in live {
            for variant in keys::variants(&self.secret.scheme, &text.text) {
                let keys = [(text.number, &variant.value)];
                if candidate.holds(&keys, &mut self.keys_budget).is_some() {
                    return Some(keys::cause(&self.secret.scheme, text.number, &variant));
                }
            }
        }
        None
    }

    /// Signed with another spelling of the timestamp than was sent.
    fn other_timestamps(&mut self) -> Option<Cause> {
        let text = self.text()?;
        let sent = text.timestamp_text(self.delivery, self.parameters())?;
        let fields = repairs::owned(self.delivery.headers);
        for spelling in times::spellings(&sent) {
            let Some(fields) = with_timestamp(text, &fields, &sent, &spelling) else {
                continue;
            };
            let headers = repairs::borrowed(&fields);
            let delivery = Delivery {
                headers: Headers(&headers),
                ..self.delivery
            };
            if self.holds(delivery) {
                let summary = "The signature holds over the timestamp in another unit or spelling than it was sent in.";
                return Some(Cause::new(CauseCode::TimestampUnit, summary));
            }
        }
        None
    }

    fn other_bodies(&mut self) -> Option<Cause> {
        if self.secret.scheme.algorithm() == Algorithm::Token {
            return None;
        }
        self.budget.next_family();
        let body = self.delivery.body;
        let bodies = Bodies::of(body);
        for variant in bodies.variants() {
            if self.budget.is_exhausted {
                break;
            }
            let delivery = Delivery {
                body: &variant.value,
                ..self.delivery
            };
            if *variant.value != *body && self.holds(delivery) {
                let summary = format!("The signature holds over the body {}.", variant.what);
                return Some(Cause::new(variant.code, summary));
            }
        }
        None
    }

    fn other_urls(&mut self) -> Option<Cause> {
        self.budget.next_family();
        let Delivery {
            headers,
            url,
            method,
            ..
        } = self.delivery;
        if self.rules.needs_url() {
            let header = |name: &str| headers.find("", name).ok().flatten();
            for variant in urls::variants(url, header) {
                let delivery = Delivery {
                    url: &variant.value,
                    ..self.delivery
                };
                if self.holds(delivery) {
                    let summary = format!("The signature holds for the URL {}.", variant.what);
                    return Some(Cause::new(variant.code, summary));
                }
            }
        }
        if self.rules.needs_method() {
            for variant in urls::methods(method) {
                let delivery = Delivery {
                    method: &variant.value,
                    ..self.delivery
                };
                if self.holds(delivery) {
                    let summary = format!("The signature holds for {}.", variant.what);
                    let cause = Cause::new(variant.code, summary);
                    return Some(
                        cause.and("Send the method of the request itself, in upper case."),
                    );
                }
            }
        }
        None
    }

    fn other_texts(&mut self) -> Option<Cause> {
        self.budget.next_family();
        let text = self.text().filter(|text| !text.signed_text.is_empty())?;
        let own: Vec<_> = text.signed_text.iter().map(Template::as_str).collect();
        let is_empty = |variable: &Variable| match variable {
            Variable::Url | Variable::Path => self.delivery.url.is_empty(),
            Variable::Method => self.delivery.method.is_empty(),
            _ => false,
        };
        let templates = texts::templates(text.digest).filter(|it| !own.contains(&it.as_str()));
        let templates: Vec<_> = templates
            .filter(|it| !it.variables().any(is_empty))
            .collect();
        for template in templates {
            let what = template.as_str().escape_debug().to_string();
            let rules = with_text(TextRules {
                signed_text: vec![template],
                ..text.clone()
            });
            let candidate = Candidate {
                rules: &rules,
                ..Candidate::of(self)
            };
            if candidate.holds(&self.live, &mut self.budget).is_some() {
                let scheme = own.first().copied().unwrap_or_default();
                let summary =
                    format!("The signature covers `{what}`, where the scheme signs `{scheme}`.");
                return Some(Cause::new(CauseCode::SignedTextIncomplete, summary));
            }
        }
        None
    }
}

/// The headers with another timestamp in the place of the one that was sent.
fn with_timestamp(text: &TextRules, fields: &Fields, sent: &str, spelling: &str) -> Option<Fields> {
    let brand = repairs::brand(text, fields);
    match &text.timestamp.as_ref()?.place {
        TimestampPlace::Own(Place::Header(name)) => Some(repairs::replaced(
            fields,
            &format!("{brand}{name}"),
            spelling,
        )),
        TimestampPlace::Pair(key) => {
            let header = repairs::signature_headers(text, brand).into_iter().next()?;
            let (_, value) = fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&header))?;
            let value = value.replacen(&format!("{key}={sent}"), &format!("{key}={spelling}"), 1);
            Some(repairs::replaced(fields, &header, &value))
        }
        _ => None,
    }
}
