//! Who may do what: permissions on patterns of names. What no grant allows is denied.

use std::{fmt, str::FromStr};

use crate::SecretName;

/// Ends a pattern of all names below a prefix.
const BELOW: &str = "/*";

/// The permissions, each with its name on the wire and in commands.
macro_rules! permissions {
    ($($variant:ident = $name:literal, $meaning:literal;)*) => {
        /// What a caller may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $(#[doc = $meaning] $variant,)*
        }

        impl Permission {
            /// All permissions.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, such as `secrets.read`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

permissions! {
    Sign = "sign", "Sign.";
    Verify = "verify", "Verify, VerifyWebhook and BatchVerify.";
    Explain = "explain", "Explain.";
    SecretsRead = "secrets.read", "GetSecret and ListSecrets.";
    SecretsWrite = "secrets.write", "CreateSecret, UpdateSecret and DeleteSecret.";
    SecretsRotate = "secrets.rotate", "RotateSecret, ActivateVersion and RevokeVersion.";
    SchemesWrite = "schemes.write", "CreateScheme and DeleteScheme.";
    TokensWrite = "tokens.write", "CreateToken, ListTokens and RevokeToken.";
    AuditRead = "audit.read", "ListAuditRecords and VerifyAuditChain.";
}

impl Permission {
    /// The permission of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }
}

/// Which names a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// Every name: `*`.
    All,
    /// Every name below a prefix of whole segments: `acme/*`. Not the prefix itself.
    Below(Box<str>),
    /// One name.
    Name(Box<str>),
}

/// The text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name, a prefix of whole segments with /* behind it such as acme/*, or *")]
pub struct PatternError;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The text is not a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (name, pattern): (_, fn(Box<str>) -> Self) = match text.strip_suffix(BELOW) {
            Some(prefix) => (prefix, Self::Below),
            None => (text, Self::Name),
        };
        match SecretName::is_valid(name) {
            true => Ok(pattern(name.into())),
            false => Err(PatternError),
        }
    }

    /// Whether it is for this name.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Below(prefix) => is_below(name, prefix),
            Self::Name(own) => **own == *name,
        }
    }

    /// Whether it is for every name that the other is for.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Below(own), Self::Below(other)) => own == other || is_below(other, own),
            (_, Self::Name(name)) => self.covers(name),
            (_, Self::All) | (Self::Name(_), Self::Below(_)) => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Below(prefix) => write!(f, "{prefix}{BELOW}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Permissions on the names of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub permissions: Vec<Permission>,
    /// To what.
    pub pattern: Pattern,
}

/// The text is not a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permissions, a colon and a pattern, such as verify,sign:acme/* or *:*")]
pub struct GrantError;

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Permission::ALL
            .iter()
            .all(|each| self.permissions.contains(each));
        if all {
            f.write_str("*")?;
        } else {
            let names: Vec<_> = self.permissions.iter().map(|each| each.name()).collect();
            f.write_str(&names.join(","))?;
        }
        write!(f, ":{}", self.pattern)
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    /// Reads `verify,sign:acme/*`; `*` stands for every permission.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (names, pattern) = text.split_once(':').ok_or(GrantError)?;
        let permissions = match names {
            "*" => Some(Permission::ALL.to_vec()),
            names => names.split(',').map(Permission::from_name).collect(),
        };
        Ok(Self {
            permissions: permissions.ok_or(GrantError)?,
            pattern: Pattern::parse(pattern).map_err(|_| GrantError)?,
        })
    }
}

/// Everything that a caller may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// These and nothing else.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// Everything with every name.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Grant {
            permissions: Permission::ALL.to_vec(),
            pattern: Pattern::All,
        }])
    }

    /// Whether this may be done with this name.
    #[must_use]
    pub fn allow(&self, permission: Permission, name: &str) -> bool {
        self.patterns(permission)
            .any(|pattern| pattern.covers(name))
    }

    /// Whether this may be done with every name.
    #[must_use]
    pub fn allow_all(&self, permission: Permission) -> bool {
        self.patterns(permission)
            .any(|pattern| *pattern == Pattern::All)
    }

    /// Whether this may be done with any name at all.
    #[must_use]
    pub fn allow_any(&self, permission: Permission) -> bool {
        self.patterns(permission).next().is_some()
    }

    /// Whether all that the others allow is allowed here too. A pattern counts as covered by one pattern, not by several
    /// together.
    #[must_use]
    pub fn contain(&self, others: &Self) -> bool {
        others.0.iter().all(|other| {
            other.permissions.iter().all(|permission| {
                self.patterns(*permission)
                    .any(|pattern| pattern.contains(&other.pattern))
            })
        })
    }

    /// The names for which this is allowed.
    pub fn patterns(&self, permission: Permission) -> impl Iterator<Item = &Pattern> {
        self.0
            .iter()
            .filter(move |grant| grant.permissions.contains(&permission))
            .map(|grant| &grant.pattern)
    }

    /// The grants, in the order they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Grant] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn grants(permissions: &[Permission], text: &str) -> Grants {
        Grants::new(vec![Grant {
            permissions: permissions.to_vec(),
            pattern: pattern(text),
        }])
    }

    #[test]
    fn a_pattern_is_a_name_a_prefix_of_whole_segments_or_everything() {
        for text in ["*", "acme/*", "acme/chat", "acme/eu/*", "acme.webhook"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for text in [
            "",
            "/*",
            "a*",
            "acme/",
            "acme/**",
            "*/x",
            "**",
            "acme/*/x",
            "Acme/*",
            "acme/* ",
            "a/b/c/d/e/*",
        ] {
            assert_eq!(Pattern::parse(text), Err(PatternError), "{text}");
        }
    }

    #[test]
    fn a_prefix_covers_what_is_below_it_and_neither_itself_nor_its_namesakes() {
        let below = pattern("acme/*");
        assert!(below.covers("acme/chat") && below.covers("acme/eu/chat"));
        for name in ["acme", "acmex/chat", "other/acme/chat", "acm/e", ""] {
            assert!(!below.covers(name), "{name}");
        }
        assert!(pattern("acme/chat").covers("acme/chat"));
        assert!(!pattern("acme/chat").covers("acme/chat/x"));
    }

    #[test]
    fn what_no_grant_allows_is_denied() {
        assert!(!Grants::default().allow_any(Permission::Verify));
        let verify = grants(&[Permission::Verify], "acme/*");
        assert!(verify.allow(Permission::Verify, "acme/chat"));
        assert!(!verify.allow(Permission::Verify, "other/chat"));
        for permission in Permission::ALL {
            assert_eq!(
                verify.allow(*permission, "acme/chat"),
                *permission == Permission::Verify
            );
            assert!(Grants::everything().allow(*permission, "anything/at/all"));
        }
        assert!(!verify.allow_all(Permission::Verify));
    }

    #[test]
    fn nobody_contains_more_than_they_have() {
        let admin = grants(Permission::ALL, "acme/*");
        assert!(admin.contain(&grants(&[Permission::Sign], "acme/*")));
        assert!(admin.contain(&grants(&[Permission::Sign], "acme/eu/*")));
        assert!(admin.contain(&grants(&[Permission::Sign], "acme/chat")));
        assert!(admin.contain(&Grants::default()));
        for text in ["*", "acme", "other/*", "acmex/*"] {
            assert!(!admin.contain(&grants(&[Permission::Sign], text)), "{text}");
        }
        let signer = grants(&[Permission::Sign], "*");
        assert!(!signer.contain(&grants(&[Permission::Verify], "acme/chat")));
    }

    #[test]
    fn a_grant_is_written_as_it_is_read() {
        for text in [
            "verify:acme/*",
            "sign,secrets.rotate:acme/chat",
            "*:*",
            "*:acme/*",
        ] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "verify",
            "verify:",
            ":*",
            "verify,:*",
            "Verify:*",
            "verify acme",
            "all:*",
            "*:Acme",
        ] {
            assert_eq!(text.parse::<Grant>(), Err(GrantError), "{text}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        "(\\*|[ab](/[ab]){0,2}|[ab](/[ab]){0,2}/\\*)".prop_map(|text| pattern(&text))
    }

    proptest! {
        /// Containing is covering all that the other covers.
        #[test]
        fn what_a_contained_pattern_covers_its_container_covers(
            one in any_pattern(), other in any_pattern(), name in "[ab](/[ab]){0,3}",
        ) {
            prop_assert!(!one.contains(&other) || !other.covers(&name) || one.covers(&name));
            prop_assert!(one.contains(&one));
        }
    }
}
