//! Facts about tokens and identity hashes.

use std::time::Duration;

use super::{Fact, length};
use crate::{
    hash::{Field, HashRules},
    token::{Exp, Kid, TokenRules},
};

pub(super) fn of_token(rules: &TokenRules) -> Vec<Fact> {
    let end = match rules.exp {
        Exp::Required => "`exp` is required",
        Exp::Optional => "`exp` is honoured if it is there, and a token without one never ends",
    };
    let kid = match rules.kid {
        Kid::None => "no `kid`",
        Kid::Version => "`kid` is the number of the version",
        Kid::Vendor => "`kid` is the vendor's id of the key; a token may come without",
    };
    let lifetime = |secs: u32| length(Duration::from_secs(secs.into()));
    vec![
        ("Header", vec![kid.to_owned()]),
        ("Proven", vec!["the claims of the token".to_owned()]),
        (
            "NOT proven",
            vec!["whatever is said of the user beside the token".to_owned()],
        ),
        (
            "Freshness",
            vec![format!(
                "{end}; a token lives {} unless another lifetime is asked for, and {} at most",
                lifetime(rules.default_ttl_secs),
                lifetime(rules.max_lifetime_secs),
            )],
        ),
    ]
}

pub(super) fn of_hash(rules: &HashRules) -> Vec<Fact> {
    let covered: Vec<_> = rules.message.fields().collect();
    let all = [
        (Field::Id, "the id"),
        (Field::Email, "the email"),
        (Field::Name, "the name"),
    ];
    let (proven, not): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(field, _)| covered.contains(field));
    let words = |fields: &[(Field, &'static str)]| -> Vec<_> {
        fields.iter().map(|(_, word)| *word).collect()
    };
    let either = rules.message.as_str().contains("id|email");
    let proven = match either {
        true => "the id, or the email where no id is sent".to_owned(),
        false => words(&proven).join(", "),
    };
    let not = [words(&not), vec!["anything else about the user"]].concat();
    vec![
        ("Proven", vec![proven]),
        ("NOT proven", vec![not.join(", ")]),
        (
            "Freshness",
            vec![
                "none: a hash holds as long as its key, and whoever has seen one can use it"
                    .to_owned(),
            ],
        ),
    ]
}
