//! What is risky about a scheme, before anything depends on it.
//!
//! A finding says what somebody could do and what to change. Vendors do build risky schemes, and their deliveries
//! must be checked all the same: most findings warn, and of those that refuse some can be accepted in the
//! description, by name and with a reason.

mod joining;
mod webhook;

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use crate::{
    Catalogue, OwnScheme, Rules, Scheme,
    token::{Exp, TokenRules},
};

/// Whether a finding keeps a scheme out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// The scheme is refused.
    Error,
}

/// Something to say about a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the scheme out.
    pub severity: Severity,
    /// What it is.
    pub code: Code,
    /// In words, with what to change. It repeats no value of the description.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

/// The stable codes of findings, each with what it means. They are never renamed.
macro_rules! codes {
    ($($variant:ident = $text:literal, $severity:ident, $meaning:literal;)*) => {
        /// What a finding is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As the wire and a description name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The severity of such a finding at its worst.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    BodyNotBound = "BODY_NOT_BOUND", Error, "The signature of a delivery does not cover its body, so whoever captures one delivery can send any body with it.";
    AmbiguousJoining = "AMBIGUOUS_JOINING", Error, "Two values of the signed text can exchange characters over their border, so one signature holds for several deliveries. An error where both are free text; a warning where the border can move only in part, as between the digits of a timestamp and a body that begins with a digit.";
    PurposeMixed = "PURPOSE_MIXED", Error, "One key makes proofs of several kinds, so a proof asked for as one kind can serve as another. A scheme has the rules of one purpose; that built-in schemes of two purposes share a key is a warning, and Sign refuses what would be a proof of the other one.";
    TruncatedOutput = "TRUNCATED_OUTPUT", Error, "The description asks for a part of a digest. A part is easier to guess, and no description can ask for one.";
    VectorFailed = "VECTOR_FAILED", Error, "A vector of the description does not hold under its own scheme.";
    NoFreshness = "NO_FRESHNESS", Warning, "No signed timestamp, or none with a unit and a window, so a captured delivery stays good until its key ends. Replay records catch repeats for a day.";
    TimestampNotSigned = "TIMESTAMP_NOT_SIGNED", Warning, "The timestamp that is held against the window is not in the signed text, so whoever captures a delivery can make it fresh.";
    WideWindow = "WIDE_WINDOW", Warning, "A delivery is accepted for more than an hour after it was signed.";
    UnsignedId = "UNSIGNED_ID", Warning, "The delivery id is not in the signed text, so it can be changed: deliveries are told apart by their signature instead.";
    WeakDigest = "WEAK_DIGEST", Warning, "HMAC-SHA1, which new schemes should not use; or a plain digest with the secret in the text, which allows a body to be lengthened where the secret comes first.";
    NoIntegrity = "NO_INTEGRITY", Warning, "The key itself is sent with each delivery: whoever sees one can make any other, and nothing of the delivery is proven.";
    TokenWithoutExp = "TOKEN_WITHOUT_EXP", Warning, "A token without exp is accepted, so one that leaks is good until its key ends.";
    LongLifetime = "LONG_LIFETIME", Warning, "Tokens may live longer than a day.";
    NoAudience = "NO_AUDIENCE", Warning, "No fixed iss or aud says whom a token is for, so one of another application with the same key is accepted.";
    NoVectors = "NO_VECTORS", Warning, "No vector shows that the description makes what the vendor makes: add one that is accepted and one that is refused.";
}

/// The findings that a description may accept, each with the reason why.
pub type Accepted = BTreeMap<Code, String>;

impl Code {
    /// Whether a description may accept it. What makes a description contradict itself it may not.
    #[must_use]
    pub fn acceptable(self) -> bool {
        matches!(self, Self::BodyNotBound | Self::AmbiguousJoining)
    }
}

impl OwnScheme {
    /// Lints the scheme and runs its vectors.
    #[must_use]
    pub fn review(&self) -> Vec<Finding> {
        let mut findings = lint(&self.scheme);
        if self.vectors.is_empty() {
            findings.push(Finding::of(
                Code::NoVectors,
                "no vector shows that the vendor's own proofs are accepted; add [[scheme.vector]] entries",
            ));
        }
        for (index, vector) in self.vectors.iter().enumerate() {
            if let Err(failure) = vector.run(&self.scheme) {
                let name = vector.label(index);
                findings.push(Finding::of(
                    Code::VectorFailed,
                    format!("vector {name}: {failure}"),
                ));
            }
        }
        findings
    }
}

/// What is risky about a scheme, in the order of the codes.
#[must_use]
pub fn lint(scheme: &Scheme) -> Vec<Finding> {
    let mut findings = match &scheme.rules {
        Rules::IdentityToken(rules) => token(rules),
        Rules::Webhook(rules) => webhook::webhook(rules),
        Rules::IdentityHash(_) | Rules::ResourceId(_) => Vec::new(),
    };
    let of_another_purpose = |id: &String| {
        let other = Catalogue::builtin().scheme(id);
        other.is_some_and(|other| other.purpose() != scheme.purpose())
    };
    if scheme.shares_key_with.iter().any(of_another_purpose) {
        findings.push(Finding::warning(
            Code::PurposeMixed,
            "a scheme of another purpose has the same key; Sign refuses what would be a proof of it",
        ));
    }
    for finding in &mut findings {
        if finding.code.acceptable() && scheme.accept.contains_key(&finding.code) {
            finding.severity = Severity::Warning;
            finding.message.push_str(" (accepted by the description)");
        }
    }
    findings.sort_by_key(|finding| finding.code);
    findings
}

const DAY_SECS: u32 = 24 * 3600;

fn token(rules: &TokenRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    if rules.exp == Exp::Optional {
        findings.push(Finding::of(
            Code::TokenWithoutExp,
            "a token without exp is accepted and never ends; set exp = \"required\" if the vendor allows it",
        ));
    }
    if rules.max_lifetime_secs > DAY_SECS {
        findings.push(Finding::of(
            Code::LongLifetime,
            "max_lifetime_secs is more than a day; a leaked token is worth that long",
        ));
    }
    let is_for = |claim: &str| rules.fixed_claims.contains_key(claim);
    if !is_for("iss") && !is_for("aud") {
        findings.push(Finding::of(
            Code::NoAudience,
            "no fixed claim iss or aud; add one if the vendor's tokens carry it",
        ));
    }
    findings
}

impl Finding {
    fn of(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            message: message.into(),
        }
    }

    fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::of(code, message)
        }
    }
}

#[cfg(test)]
mod tests;
