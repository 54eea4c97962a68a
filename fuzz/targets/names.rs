//! Names, patterns of names and permissions: what is read is printed again as it was, and a pattern that contains
//! another covers what the other covers.
#![no_main]

use countersign_core::{
    SecretName,
    access::{Grant, Grants, Pattern, Permission},
    name::{MAX_NAME_BYTES, is_segment},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str, &str)| {
    let (name, one, other) = texts;
    check_name(name);
    if let Some(permission) = Permission::from_name(name) {
        assert_eq!(permission.name(), name);
    }
    let (Ok(one), Ok(other)) = (pattern(one), pattern(other)) else {
        return;
    };
    assert!(one.contains(&one) && Pattern::All.contains(&one));
    if one.contains(&other) && other.covers(name) {
        assert!(one.covers(name));
    }
    if one.contains(&other) && other.contains(&one) {
        assert_eq!(one, other);
    }
    check_grants(&one, &other, name);
});

fn check_name(text: &str) {
    assert_eq!(SecretName::is_valid(text), SecretName::parse(text).is_ok());
    let Ok(name) = SecretName::parse(text) else {
        return;
    };
    assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
    assert!(text.len() <= MAX_NAME_BYTES && text.split('/').count() <= 4);
    assert!(text.split('/').all(is_segment) && is_segment(name.namespace()));
    assert!(!text.split('/').any(|segment| segment.starts_with('.')));
    let own = pattern(text).expect("a name is a pattern of itself");
    assert!(own.covers(text) && Pattern::All.covers(text));
}

fn pattern(text: &str) -> Result<Pattern, ()> {
    let pattern = Pattern::parse(text).map_err(drop)?;
    assert_eq!(pattern.to_string(), text);
    Ok(pattern)
}

fn check_grants(one: &Pattern, other: &Pattern, name: &str) {
    let grants = |pattern: &Pattern| {
        Grants::new(vec![Grant {
            permissions: vec![Permission::Sign],
            pattern: pattern.clone(),
        }])
    };
    let (mine, theirs) = (grants(one), grants(other));
    assert_eq!(mine.contain(&theirs), one.contains(other));
    assert_eq!(mine.allow(Permission::Sign, name), one.covers(name));
    assert!(!mine.allow(Permission::Verify, name));
    assert!(Grants::everything().contain(&mine));
    assert!(!Grants::default().allow_any(Permission::Sign));
}
