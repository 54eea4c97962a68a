//! Messages of more than one plain field.

use std::borrow::Cow;

use super::*;
use crate::scheme::VendorFile;

fn message(text: &str) -> Message {
    Message::try_from(text.to_owned()).expect("a message")
}

fn person(id: &str, email: &str, name: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        email: email.to_owned(),
        name: name.to_owned(),
        ..Identity::default()
    }
}

/// A secret whose hashes cover this message.
fn secret_over(text: &str) -> Secret {
    let file = format!(
        "vendor = 'made'\nsource = 's'\n[[scheme]]\nkind = 'up'\ntitle = 't'\ndescription = 'd'\n\
         key = {{ decoding = 'utf8' }}\nidentity_hash = {{ message = '{text}', encoding = 'hex-lower' }}"
    );
    let schemes = VendorFile::parse(&file).and_then(VendorFile::into_schemes);
    let (scheme, _) = schemes.expect("a scheme file").remove(0);
    Secret {
        scheme: Arc::new(scheme),
        ..active("chatwoot.identity")
    }
}

#[test]
fn fields_and_texts_stand_in_order() {
    let jane = person("u1", "Jane@X.io", "Jane");
    for (text, expect) in [
        ("{id}", "u1"),
        ("{email}", "Jane@X.io"),
        ("{email|lower}", "jane@x.io"),
        ("{id|email}", "u1"),
        ("{email}:{name}", "Jane@X.io:Jane"),
        ("user={id|email|lower};n={name};", "user=u1;n=Jane;"),
    ] {
        assert_eq!(message(text).of(&jane).unwrap(), expect, "{text}");
        assert_eq!(message(text).as_str(), text);
    }
}

#[test]
fn one_plain_field_is_not_copied() {
    let jane = person("u1", "jane@x.io", "Jane");
    for text in ["{id}", "{email}", "{name}", "{id|email}"] {
        let message = message(text);
        assert!(matches!(message.of(&jane), Ok(Cow::Borrowed(_))), "{text}");
    }
}

#[test]
fn what_is_not_a_message_is_refused() {
    for (text, error) in [
        ("", MessageError::Length),
        ("all", MessageError::Length),
        ("a{id}a{email}a{name}a{id}a{email}", MessageError::Length),
        ("{id", MessageError::Brace),
        ("id}", MessageError::Brace),
        ("{body}", MessageError::Field),
        ("{ID}", MessageError::Field),
        ("{email|upper}", MessageError::Field),
        ("{lower}", MessageError::Field),
        ("{email|id}", MessageError::Field),
        ("{id}{email}", MessageError::Adjacent),
        ("{id}:{id}", MessageError::Repeated),
        ("{id|email}:{email}", MessageError::Repeated),
    ] {
        assert_eq!(Message::try_from(text.to_owned()), Err(error), "{text}");
    }
}

#[test]
fn no_two_identities_have_one_message() {
    let colon = message("{email}:{name}");
    assert_eq!(
        colon.of(&person("", "a:b", "c")),
        Err(Unsignable::Ambiguous(Field::Email))
    );
    assert_eq!(colon.of(&person("", "a", "b:c")).unwrap(), "a:b:c");
    // A part of the separator at the end is enough to move it.
    let colons = message("{email}::{name}");
    for email in ["a:", "a::b", "::", ":"] {
        assert_eq!(
            colons.of(&person("", email, "c")),
            Err(Unsignable::Ambiguous(Field::Email)),
            "{email}"
        );
    }
    assert_eq!(colons.of(&person("", "a:b", "c")).unwrap(), "a:b::c");
}

#[test]
fn the_separator_is_looked_for_in_what_is_signed() {
    let message = message("{name|lower}k{id}");
    let kelvin = person("1", "", "a\u{212a}");
    assert_eq!(message.of(&kelvin), Err(Unsignable::Ambiguous(Field::Name)));
}

#[test]
fn every_field_of_a_message_must_be_given() {
    let message = message("{email}:{name}");
    for (identity, missing) in [
        (person("u1", "", "Jane"), Field::Email),
        (person("u1", "jane@x.io", ""), Field::Name),
        (person("u1", "", ""), Field::Email),
    ] {
        assert_eq!(message.of(&identity), Err(Unsignable::Empty(missing)));
    }
}

#[test]
fn sign_names_the_ambiguous_field_and_verify_refuses_it() {
    let secret = secret_over("{email}:{name}");
    let forged = person("", "jane@x.io:Ja", "ne");
    assert_eq!(
        secret.sign_identity(&forged, None, NOW).err(),
        Some(SignError::Misfit(MisfitError::Ambiguous(Field::Email)))
    );
    let honest = person("", "jane@x.io", "Ja:ne");
    let hash = signed(&secret, &honest);
    assert_eq!(reason(&secret, &honest, &hash), None);
    assert_eq!(
        reason(&secret, &forged, &hash),
        Some(Reason::ClaimInvalid),
        "a hash of the very same text"
    );
}

#[test]
fn a_hash_over_two_fields_proves_both() {
    let secret = secret_over("{email}:{name}");
    let jane = person("u1", "jane@x.io", "Jane");
    let verdict = verified(&secret, &jane, &signed(&secret, &jane));
    assert_eq!(verdict.verified, Some(person("", "jane@x.io", "Jane")));
    assert_eq!(verdict.claimed, of_id("u1"));
    for other in [
        person("u1", "joan@x.io", "Jane"),
        person("u1", "jane@x.io", "Joan"),
    ] {
        let hash = signed(&secret, &jane);
        assert_eq!(
            reason(&secret, &other, &hash),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn h04_a_lower_cased_field_is_proven_as_it_was_hashed() {
    let secret = secret_over("{email|lower}");
    let hash = signed(&secret, &of_email("jane@x.io"));
    for claimed in ["jane@x.io", "Jane@X.IO"] {
        let verdict = verified(&secret, &of_email(claimed), &hash);
        assert_eq!(verdict.verified, Some(of_email("jane@x.io")), "{claimed}");
        assert!(verdict.claimed.is_empty());
        assert_eq!(signed(&secret, &of_email(claimed)), hash);
    }
    let spaced = of_email("jane@x.io ");
    let refused = reason(&secret, &spaced, &hash);
    assert_eq!(refused, Some(Reason::SignatureMismatch));
}
