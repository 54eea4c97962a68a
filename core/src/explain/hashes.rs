//! The search for what an identity hash was made of.

use std::borrow::Cow;

use super::{
    Budget, Cause, CauseCode, Check, forms,
    identity::{self, Asked},
    keys, no_near_miss, old_version, wrong_secret,
};
use crate::{
    Identity, Key, Reason, Rules,
    hash::{HashRules, Message},
    key::TAG_BYTES,
};

/// The messages that hosts hash, by how common they are.
const MESSAGES: [&str; 9] = [
    "{id}",
    "{email}",
    "{email|lower}",
    "{id|email}",
    "{name}",
    "{id}:{email}",
    "{email}:{name}",
    "{email}:{id}",
    "{id}.{email}",
];

pub(super) fn explain(asked: Asked<'_>, rules: &HashRules, hash: &str) -> (Vec<Check>, Vec<Cause>) {
    let live = asked.secret.live(asked.now);
    let live: Vec<_> = live.map(|version| (version.number, &version.key)).collect();
    let verdict = rules.verify(asked.claimed, hash, live.iter().copied());
    let reason = verdict.err();
    let checks = checks(asked, rules, hash, reason);
    let Some(reason) = reason else {
        return (checks, Vec::new());
    };
    let mut search = Search {
        asked,
        rules,
        live,
        budget: Budget::new(Budget::KEY_BYTES),
    };
    (checks, search.causes(reason, hash))
}

fn checks(asked: Asked<'_>, rules: &HashRules, hash: &str, reason: Option<Reason>) -> Vec<Check> {
    let form = format!("{TAG_BYTES} bytes in {}", rules.encoding.describe());
    let message = rules.message.as_str();
    let failed = reason.map(|reason| match reason {
        Reason::SignatureMalformed => {
            let is_hex = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            let kind = if is_hex {
                "hexadecimal digits"
            } else {
                "characters"
            };
            (
                0,
                format!("expected {form}; there are {} {kind}", hash.len()),
            )
        }
        Reason::ClaimMissing => (1, format!("a field of `{message}` is empty")),
        Reason::ClaimInvalid => (
            1,
            format!("a field holds the text between the fields of `{message}`"),
        ),
        Reason::NoLiveVersion => (2, "no version may verify".to_owned()),
        _ => (
            3,
            format!("no live key made it: HMAC-SHA256 over `{message}`"),
        ),
    });
    let steps = [
        ("hash form", form),
        ("signed fields", format!("`{message}` is there")),
        ("live versions", asked.live_versions()),
        ("hash", format!("holds: HMAC-SHA256 over `{message}`")),
    ];
    identity::steps(steps, failed)
}

struct Search<'a> {
    asked: Asked<'a>,
    rules: &'a HashRules,
    live: Vec<(u32, &'a Key)>,
    budget: Budget,
}

impl Search<'_> {
    fn causes(&mut self, reason: Reason, hash: &str) -> Vec<Cause> {
        let readings = match self.rules.encoding.decode(hash, self.rules.strict) {
            Some(_) => Vec::new(),
            None => forms::readings(hash, &(TAG_BYTES..=TAG_BYTES)),
        };
        let written = readings
            .first()
            .map(|it| self.rules.encoding.encode_bytes(&it.bytes));
        let plain = written.as_deref().unwrap_or(hash);
        let mut causes = Vec::new();
        if let Some(reading) = readings.first()
            && self.holds(self.rules, self.asked.claimed, plain)
        {
            causes.push(form_cause(self.rules, reading.what));
        } else if let Some(cause) = self.families(plain) {
            causes.push(cause);
        }
        if causes.is_empty() && reason == Reason::SignatureMalformed && readings.is_empty() {
            let summary = "The hash is none of the scheme's digest in any form: it is cut, or something else.";
            return vec![Cause::new(CauseCode::SignatureForm, summary)];
        }
        if causes.is_empty() && reason == Reason::ClaimMissing {
            let summary = format!(
                "The field that the hash covers is empty: `{}`.",
                self.rules.message.as_str()
            );
            return vec![Cause::new(CauseCode::IdentifierDiffers, summary)];
        }
        if causes.is_empty() {
            causes.push(no_near_miss(self.asked.secret, Some(reason)));
        }
        causes
    }

    fn holds(&mut self, rules: &HashRules, identity: &Identity, hash: &str) -> bool {
        let live = self.live.clone();
        self.holds_with(rules, identity, hash, &live).is_some()
    }

    fn holds_with(
        &mut self,
        rules: &HashRules,
        identity: &Identity,
        hash: &str,
        keys: &[(u32, &Key)],
    ) -> Option<u32> {
        let length = identity.id.len() + identity.email.len() + identity.name.len();
        if keys.is_empty() || !self.budget.spend(length, keys.len(), false) {
            return None;
        }
        let proof = rules.verify(identity, hash, keys.iter().copied());
        proof.ok().map(|proof| proof.version)
    }

    fn families(&mut self, hash: &str) -> Option<Cause> {
        let other_identity = self.other_identity(hash);
        other_identity
            .or_else(|| self.old_version(hash))
            .or_else(|| self.other_secret(hash))
            .or_else(|| self.other_key(hash))
    }

    /// Another spelling, another field, then both.
    fn other_identity(&mut self, hash: &str) -> Option<Cause> {
        let claimed = self.asked.claimed;
        for (what, identity) in spellings(claimed) {
            if self.holds(self.rules, &identity, hash) {
                let summary = format!("The hash is of the same text {what}.");
                return Some(Cause::new(CauseCode::IdentifierDiffers, summary));
            }
        }
        let own = self.rules.message.as_str().to_owned();
        for text in MESSAGES.into_iter().filter(|text| *text != own) {
            let Ok(message) = Message::try_from(text.to_owned()) else {
                continue;
            };
            let rules = HashRules {
                message,
                ..self.rules.clone()
            };
            let plain = std::iter::once((Cow::Borrowed(""), claimed.clone()));
            for (what, identity) in plain.chain(spellings(claimed)) {
                if self.holds(&rules, &identity, hash) {
                    let comma = if what.is_empty() { "" } else { ", " };
                    let summary = format!(
                        "The hash is of `{text}`{comma}{what}, where the scheme hashes `{own}`."
                    );
                    return Some(Cause::new(CauseCode::IdentifierDiffers, summary));
                }
            }
        }
        None
    }

    fn old_version(&mut self, hash: &str) -> Option<Cause> {
        let Asked {
            secret,
            claimed,
            known,
            now,
        } = self.asked;
        for text in known.texts {
            let Some(key) = text.ended_key(secret, now) else {
                continue;
            };
            if self
                .holds_with(self.rules, claimed, hash, &[(text.number, &key)])
                .is_some()
            {
                return Some(old_version(text, now));
            }
        }
        None
    }

    fn other_secret(&mut self, hash: &str) -> Option<Cause> {
        self.budget.next_family();
        let Asked {
            secret,
            claimed,
            known,
            now,
        } = self.asked;
        for other in known.others {
            let live: Vec<_> = other.live(now).map(|it| (it.number, &it.key)).collect();
            let foreign = match &other.scheme.rules {
                Rules::IdentityHash(rules) => Some(rules),
                _ => None,
            };
            let same_kind = other.scheme.algorithm() == secret.scheme.algorithm();
            for rules in same_kind.then_some(self.rules).into_iter().chain(foreign) {
                if let Some(version) = self.holds_with(rules, claimed, hash, &live) {
                    return Some(wrong_secret(other, version));
                }
            }
        }
        None
    }

    fn other_key(&mut self, hash: &str) -> Option<Cause> {
        self.budget.next_family();
        let Asked {
            secret,
            claimed,
            known,
            now,
        } = self.asked;
        for text in known.texts.iter().filter(|text| text.state.verifies(now)) {
            for variant in keys::variants(&secret.scheme, &text.text) {
                let keys = [(text.number, &variant.value)];
                if self.holds_with(self.rules, claimed, hash, &keys).is_some() {
                    return Some(keys::cause(&secret.scheme, text.number, &variant));
                }
            }
        }
        None
    }
}

fn form_cause(rules: &HashRules, what: &str) -> Cause {
    let summary = format!(
        "The hash is right in content, but stands {what}, or with other marks around it; the scheme has {}.",
        rules.encoding.describe()
    );
    Cause::new(CauseCode::SignatureForm, summary)
}

/// The identity with its fields spelled in other ways.
fn spellings(identity: &Identity) -> impl Iterator<Item = (Cow<'static, str>, Identity)> {
    type Spell = fn(&str) -> String;
    let all: [(&'static str, Spell); 18] = [
        ("in lower case", |text| text.to_lowercase()),
        ("in upper case", |text| text.to_uppercase()),
        ("without the white space around it", |text| {
            text.trim().to_owned()
        }),
        ("with a newline behind it", |text| format!("{text}\n")),
        ("with a space behind it", |text| format!("{text} ")),
        ("with a space before it", |text| format!(" {text}")),
        ("without any white space", |text| {
            text.split_whitespace().collect()
        }),
        ("in lower case, without the white space around it", |text| {
            text.trim().to_lowercase()
        }),
        ("decoded from percent-encoding", |text| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        }),
        ("decoded as a form field", |text| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .into_owned()
        }),
        ("percent-encoded", |text| {
            form_urlencoded::byte_serialize(text.as_bytes()).collect()
        }),
        ("in quotes", |text| format!("\"{text}\"")),
        ("without quotes around it", |text| {
            text.trim_matches(['"', '\'']).to_owned()
        }),
        ("as a number with a fraction", |text| format!("{text}.0")),
        ("as a whole number", |text| {
            text.strip_suffix(".0").unwrap_or(text).to_owned()
        }),
        ("without zeros in front", |text| {
            text.trim_start_matches('0').to_owned()
        }),
        ("without what stands before its last mark", |text| {
            text.rsplit([':', '/', '_', '|'])
                .next()
                .unwrap_or(text)
                .to_owned()
        }),
        ("without dashes", |text| text.replace('-', "")),
    ];
    let identity = identity.clone();
    all.into_iter().filter_map(move |(what, spell)| {
        let other = Identity {
            id: respelled(&identity.id, spell),
            email: respelled(&identity.email, spell),
            name: respelled(&identity.name, spell),
            attributes: Default::default(),
        };
        let changed = (&other.id, &other.email, &other.name)
            != (&identity.id, &identity.email, &identity.name);
        changed.then_some((Cow::Borrowed(what), other))
    })
}

fn respelled(text: &str, spell: fn(&str) -> String) -> String {
    match text.is_empty() {
        true => String::new(),
        false => spell(text),
    }
}
