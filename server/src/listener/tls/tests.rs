//! Names in certificates, and files with something in them that does not belong there.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType};

use super::*;

fn leaf(names: &[&str], uris: &[&str]) -> CertificateDer<'static> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "common.example");
    for uri in uris {
        let uri = SanType::URI((*uri).try_into().unwrap());
        params.subject_alt_names.push(uri);
    }
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

#[test]
fn t24_names_are_alternative_names_and_never_the_common_one_or_a_wildcard() {
    let sans = |names: &[&str], uris: &[&str]| PeerSans::of(&leaf(names, uris)).0.to_vec();
    let spiffe = "spiffe://acme.example/billing";
    assert_eq!(
        sans(&["billing.acme.example"], &[spiffe]),
        ["dns:billing.acme.example", &format!("uri:{spiffe}")]
    );
    assert!(sans(&["*.acme.example"], &[]).is_empty());
    assert!(sans(&[], &[]).is_empty());
    assert!(
        sans(&["192.0.2.1"], &[]).is_empty(),
        "an address is no name"
    );
}

/// An authority, its key and a file with its certificate.
fn authority() -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn t24_a10_an_authority_file_is_taken_whole_or_not_at_all() {
    let clients = ClientAuth::required("unread".into());
    let (good, key) = authority();
    let broken = good.replacen("MII", "AAA", 1);
    let cut = good.replace("-----END", "");
    assert!(verifier(&clients, good.as_bytes(), None).is_ok());
    assert!(
        verifier(
            &clients,
            format!("a comment\n{good}{good}").as_bytes(),
            None
        )
        .is_ok()
    );
    for bad in [
        String::new(),
        "no PEM at all".to_owned(),
        format!("{good}{broken}"),
        format!("{good}{cut}"),
        format!("{good}{key}"),
        key,
    ] {
        let error = verifier(&clients, bad.as_bytes(), None).unwrap_err();
        assert_eq!(error.key, "tls.client_ca");
    }
    for bad in ["", "no PEM at all", good.as_str()] {
        let error = verifier(&clients, good.as_bytes(), Some(bad.as_bytes())).unwrap_err();
        assert_eq!(error.key, "tls.client_crl");
    }
}
