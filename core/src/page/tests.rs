use super::*;
use crate::{OwnScheme, catalogue::definition};

fn page_of(id: &str) -> String {
    of_scheme(Catalogue::builtin().scheme(id).unwrap())
}

#[test]
fn a_description_on_the_wire_has_the_page_of_its_scheme() {
    for scheme in Catalogue::builtin().iter() {
        let own = OwnScheme::parse_stored(&definition(&scheme.id).unwrap()).unwrap();
        assert_eq!(of_scheme(&own.scheme), of_scheme(scheme), "{}", scheme.id);
    }
}

#[test]
fn every_page_has_a_file_name_that_is_safe_everywhere() {
    for name in files(Catalogue::builtin()).keys() {
        let stem = name.strip_suffix(".md").unwrap();
        let safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_vendor = stem.bytes().all(safe) && stem != "readme";
        assert!(is_vendor || name == "README.md", "{name}");
    }
}

#[test]
fn a_page_says_what_is_proven_and_what_is_not() {
    let mailgun = page_of("mailgun.webhook");
    assert!(
        mailgun.contains("- **Proven**: the timestamp, the delivery id\n"),
        "{mailgun}"
    );
    assert!(
        mailgun.contains("- **NOT proven**: the body, "),
        "{mailgun}"
    );
    for scheme in Catalogue::builtin().iter() {
        let page = of_scheme(scheme);
        assert!(page.contains("- **Proven**: "), "{page}");
        let covers_body = match &scheme.rules {
            Rules::Webhook(rules) => rules.proven().has(crate::webhook::ProvenPart::Body),
            _ => true,
        };
        let says_not = page.contains("NOT proven**: the body") || page.contains("a body that is");
        assert_eq!(covers_body, !says_not, "{page}");
    }
}

#[test]
fn nobody_vouches_for_an_own_scheme() {
    let scheme = Catalogue::builtin().scheme("slack.webhook").unwrap();
    assert!(of_scheme(scheme).contains("- **Facts**: confirmed"));
    assert!(!of_own_scheme(scheme).contains("confirmed"));
}
