//! The signed texts that vendors and their users compose, for a delivery whose signature covers another one than its
//! scheme says.

use crate::{key::Algorithm, template::Template};

/// From what a signer forgot to what it added.
const TEXTS: [&str; 28] = [
    "{body}",
    "{timestamp}.{body}",
    "{timestamp}:{body}",
    "{timestamp}{body}",
    "{body}{timestamp}",
    "{body}.{timestamp}",
    "{id}.{timestamp}.{body}",
    "{id}.{body}",
    "{id}{body}",
    "{timestamp}.{id}.{body}",
    "{id}{timestamp}{body}",
    "{id}:{timestamp}:{body}",
    "v0:{timestamp}:{body}",
    "v1:{timestamp}:{body}",
    "{timestamp}|{body}",
    "{timestamp}\n{body}",
    "{timestamp}",
    "{id}.{timestamp}",
    "{url}{body}",
    "{body}{url}",
    "{url}",
    "{url}.{body}",
    "{timestamp}{url}{body}",
    "{method}{url}{body}",
    "{method}{path}{body}",
    "{method}{url}{body}{timestamp}",
    "{timestamp}{method}{path}{body}",
    "{path}{body}",
];

/// All of them, parsed. Where the secret is a part of the text, it stands in front, then behind.
pub(super) fn templates(digest: Algorithm) -> impl Iterator<Item = Template> {
    let holds_secret = digest == Algorithm::Sha256;
    let compose = move |text: &str| match holds_secret {
        true => vec![format!("{{secret}}{text}"), format!("{text}{{secret}}")],
        false => vec![text.to_owned()],
    };
    let texts = TEXTS.into_iter().flat_map(compose);
    texts.filter_map(|text| Template::try_from(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_a_template() {
        assert_eq!(templates(Algorithm::HmacSha256).count(), TEXTS.len());
        assert_eq!(templates(Algorithm::Sha256).count(), 2 * TEXTS.len());
    }
}
