mod timing;

use countersign_core::{SecretName, access::Permission};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_secs(1_800_000_000);

/// A bearer's token that may do everything.
pub(crate) fn record(bearer: &NewBearer, name: &str) -> TokenRecord {
    TokenRecord {
        id: bearer.id.clone(),
        name: SecretName::parse(name).unwrap(),
        credential: Credential::Bearer(bearer.digest),
        grants: Grants::everything(),
        creator: "init".to_owned(),
        create_time: NOW,
        expire_time: None,
        revoke_time: None,
    }
}

fn certificate(id: &str, san: &str) -> TokenRecord {
    let bearer = NewBearer::make().unwrap();
    TokenRecord {
        id: id.to_owned(),
        credential: Credential::Certificate(san.to_owned()),
        ..record(&bearer, id)
    }
}

fn shows(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

fn sans(names: &[&str]) -> PeerSans {
    PeerSans(names.iter().map(ToString::to_string).collect())
}

fn name(authenticated: Result<Arc<Principal>, Unauthenticated>) -> Option<String> {
    authenticated.ok().map(|known| known.name.to_string())
}

#[test]
fn a01_a04_one_whole_valid_token_in_one_header_passes_and_nothing_else() {
    let callers = Callers::closed(&Limits::DEFAULT);
    let (bearer, other) = (NewBearer::make().unwrap(), NewBearer::make().unwrap());
    callers.publish(&record(&bearer, "acme/chat"));
    let text = bearer.text.expose_secret();
    let right = format!("Bearer {text}");
    let lower = format!("bearer {text}");
    for good in [&right, &lower] {
        let shown = callers.authenticate(&shows(&[good]), None, NOW);
        assert_eq!(name(shown).as_deref(), Some("acme/chat"));
    }
    let swapped = format!(
        "Bearer {}{}",
        &text[..21],
        &other.text.expose_secret()[21..]
    );
    let unknown = format!("Bearer {}", other.text.expose_secret());
    let (short, long) = (right[..right.len() - 1].to_owned(), format!("{right} "));
    let basic = format!("Basic {text}");
    let upper = right.to_uppercase();
    for bad in [
        &swapped,
        &unknown,
        &short,
        &long,
        &basic,
        &upper,
        text,
        "",
        "Bearer ",
        "Bearer cst_",
        "Bearer cst_0000000000000000_",
    ] {
        let shown = callers.authenticate(&shows(&[bad]), None, NOW);
        assert_eq!(name(shown), None, "{bad}");
    }
    assert_eq!(
        name(callers.authenticate(&shows(&[&right, &right]), None, NOW)),
        None
    );
    let mut elsewhere = HeaderMap::new();
    elsewhere.insert("x-token", right.parse().unwrap());
    assert_eq!(name(callers.authenticate(&elsewhere, None, NOW)), None);
}

#[test]
fn a01_an_expired_and_a_revoked_token_pass_no_more() {
    let callers = Callers::closed(&Limits::DEFAULT);
    let bearer = NewBearer::make().unwrap();
    let right = shows(&[&format!("Bearer {}", bearer.text.expose_secret())]);
    let mut token = record(&bearer, "acme/chat");
    token.expire_time = Some(NOW);
    callers.publish(&token);
    let before = NOW.minus_millis(1);
    assert!(callers.authenticate(&right, None, before).is_ok());
    assert!(callers.authenticate(&right, None, NOW).is_err());
    token.revoke_time = Some(before);
    callers.publish(&token);
    assert!(callers.authenticate(&right, None, before).is_err());
}

#[test]
fn a_certificate_is_known_by_one_of_its_names_and_a_token_counts_before_it() {
    let callers = Callers::closed(&Limits::DEFAULT);
    callers.load(&[
        certificate("one", "dns:one.example"),
        certificate("two", "uri:spiffe://two"),
    ]);
    let none = HeaderMap::new();
    let by = |names: &[&str]| name(callers.authenticate(&none, Some(&sans(names)), NOW));
    assert_eq!(by(&["dns:one.example"]).as_deref(), Some("one"));
    assert_eq!(
        by(&["dns:other", "uri:spiffe://two"]).as_deref(),
        Some("two")
    );
    for unknown in [
        &["dns:ONE.example"][..],
        &["uri:one.example"],
        &["dns:a.one.example"],
        &[],
    ] {
        assert_eq!(by(unknown), None);
    }
    // Two callers in one certificate are nobody, and a wrong token is not helped by a certificate.
    assert_eq!(by(&["dns:one.example", "uri:spiffe://two"]), None);
    let wrong = shows(&["Bearer wrong"]);
    let shown = callers.authenticate(&wrong, Some(&sans(&["dns:one.example"])), NOW);
    assert_eq!(name(shown), None);
}

#[test]
fn a_certificates_name_goes_to_the_token_that_was_made_last() {
    let callers = Callers::closed(&Limits::DEFAULT);
    let mut old = certificate("old", "dns:a");
    old.expire_time = Some(NOW);
    callers.load(&[old.clone(), certificate("new", "dns:a")]);
    // The end of the old one takes nothing from the new one.
    old.revoke_time = Some(NOW);
    callers.publish(&old);
    let shown = callers.authenticate(&HeaderMap::new(), Some(&sans(&["dns:a"])), NOW);
    assert_eq!(name(shown).as_deref(), Some("new"));
}

#[test]
fn a05_what_is_stored_of_a_token_does_not_pass() {
    let callers = Callers::closed(&Limits::DEFAULT);
    let bearer = NewBearer::make().unwrap();
    callers.publish(&record(&bearer, "acme/chat"));
    for form in [
        hex::encode(bearer.digest),
        format!("cst_{}_{}", bearer.id, hex::encode(bearer.digest)),
    ] {
        let shown = callers.authenticate(&shows(&[&format!("Bearer {form}")]), None, NOW);
        assert_eq!(name(shown), None);
    }
    assert!(
        !format!("{:?}", record(&bearer, "acme/chat")).contains(&format!("{:?}", bearer.digest))
    );
}

#[test]
fn a_token_has_256_random_bits_and_tells_nothing_but_its_id() {
    let (one, other) = (NewBearer::make().unwrap(), NewBearer::make().unwrap());
    let text = one.text.expose_secret();
    assert_eq!(text.len(), 4 + 16 + 1 + 43);
    assert_eq!(id_in(text.as_bytes()), Some(one.id.as_str()));
    assert_ne!(text[21..], other.text.expose_secret()[21..]);
    assert!(
        Callers::open(&Limits::DEFAULT)
            .authenticate(&HeaderMap::new(), None, NOW)
            .is_ok_and(|anonymous| anonymous.grants.allow_all(Permission::TokensWrite))
    );
}
