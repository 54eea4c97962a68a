//! What single vendors need: other digests, other places, named steps, tokens and handshakes.

use super::*;
use crate::key::{Algorithm, KeyDecoding, KeyFormat};

/// A delivery to be judged by made-up rules; all of it may be changed.
struct Case {
    rules: &'static WebhookRules,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    method: &'static str,
    url: &'static str,
    parameters: BTreeMap<String, String>,
}

impl Case {
    fn of(rules: &str) -> Self {
        Self {
            rules: made(rules),
            headers: Vec::new(),
            body: BODY.to_vec(),
            method: "POST",
            url: "https://example.com/hook?x=1",
            parameters: BTreeMap::new(),
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn url(mut self, url: &'static str) -> Self {
        self.url = url;
        self
    }

    fn with<T>(&self, then: impl FnOnce(Delivery<'_>) -> T) -> T {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value })
            .collect();
        then(Delivery {
            headers: Headers(&headers),
            body: &self.body,
            method: self.method,
            url: self.url,
        })
    }

    fn verdict(&self, key: &Key) -> Result<WebhookProof, Reason> {
        let terms = Terms {
            freshness: self.rules.freshness(None, None),
            parameters: &self.parameters,
            now: NOW,
        };
        self.with(|delivery| self.rules.verify(delivery, [(1, key)].into_iter(), terms))
    }

    fn proven(&self, key: &Key) -> Vec<&'static str> {
        let proof = self.verdict(key).expect("accepted");
        proof.proven.parts().map(ProvenPart::name).collect()
    }

    #[track_caller]
    fn refused(&self, reason: Reason) {
        assert_eq!(self.verdict(&key()).map(|proof| proof.version), Err(reason));
    }

    fn handshake(&self, key: Option<&Key>) -> Option<HandshakeResponse> {
        self.with(|delivery| self.rules.handshake(delivery, &self.parameters, key))
    }

    fn sign(&self, key: &Key) -> Result<SignedDelivery, SignDeliveryError> {
        self.with(|delivery| {
            let delivery = DeliveryToSign {
                id: "id_1",
                body: delivery.body,
                headers: delivery.headers,
                method: delivery.method,
                url: delivery.url,
                time: NOW,
            };
            self.rules.sign(key, delivery, &self.parameters, None)
        })
    }

    /// The headers, body and URL that Sign makes of it, as the next case.
    fn signed(mut self, key: &Key) -> Self {
        let signed = self.sign(key).expect("it can be signed");
        for (name, value) in signed.headers {
            self.headers.push((name.leak(), value));
        }
        self.body = signed.body.unwrap_or(self.body);
        if let Some(url) = signed.url {
            self.url = url.leak();
        }
        self
    }
}

const SINGLE: &str =
    "encoding = 'hex-lower'\nsignature = { grammar = 'single', header = 'X-Sig' }\n";

fn single(rest: &str) -> String {
    format!("{SINGLE}{rest}")
}

#[test]
fn one_good_signature_in_any_of_several_headers_is_enough() {
    let rules = "signed_text = '{body}'\nencoding = 'hex-lower'\n\
                 signature = { grammar = 'several', headers = ['X-One', 'X-Two'] }";
    let good = hex_tag(&[BODY]);
    let bad = "00".repeat(32);
    let case = || Case::of(rules);
    for case in [
        case().header("x-one", &good),
        case().header("X-Two", &good),
        case().header("X-One", &bad).header("X-Two", &good),
        case().signed(&key()),
    ] {
        assert_eq!(case.proven(&key()), ["BODY"]);
    }
    case().refused(Reason::HeaderMissing);
    case()
        .header("X-One", &bad)
        .refused(Reason::SignatureMismatch);
    let twice = case().header("X-One", &good).header("x-one", &good);
    twice.refused(Reason::HeaderAmbiguous);
}

#[test]
fn numbered_headers_hold_one_signature_each() {
    let rules = "signed_text = '{body}'\nencoding = 'base64'\n\
                 signature = { grammar = 'numbered', header = 'X-Sig-' }";
    let good = base64_tag(&[BODY]);
    let bad = STANDARD.encode([0; 32]);
    let case = || Case::of(rules);
    assert!(case().header("X-Sig-16", &good).verdict(&key()).is_ok());
    let both = case().header("X-Sig-1", &bad).header("X-Sig-2", &good);
    assert!(both.verdict(&key()).is_ok());
    assert!(case().signed(&key()).verdict(&key()).is_ok());
    case()
        .header("X-Sig-17", &good)
        .refused(Reason::HeaderMissing);
    case()
        .header("X-Sig-1", "?")
        .refused(Reason::SignatureMalformed);
}

#[test]
fn pairs_may_have_another_separator_and_spaces() {
    let rules = "signed_text = '{timestamp}:{body}'\nencoding = 'hex-lower'\n\
                 signature = { grammar = 'pairs', header = 'X-Sig', key = 'h1', separator = ';', spaces = true }\n\
                 timestamp = { pair = 'ts', unit = 'seconds' }";
    let tag = hex_tag(&[b"1700000000:", BODY]);
    let case = || Case::of(rules);
    for value in [
        format!("ts=1700000000;h1={tag}"),
        format!("ts=1700000000; h1={}; h1={tag}", "00".repeat(32)),
    ] {
        assert!(case().header("X-Sig", value).verdict(&key()).is_ok());
    }
    let comma = format!("ts=1700000000,h1={tag}");
    case()
        .header("X-Sig", comma)
        .refused(Reason::SignatureMissing);
    let signed = case().signed(&key());
    assert_eq!(signed.headers[0].1, format!("ts=1700000000; h1={tag}"));
}

#[test]
fn a_header_with_a_fixed_value_must_have_it() {
    let rules = single("signed_text = '{body}'\nrequired_headers = { 'X-Version' = '1' }");
    let case = || Case::of(&rules).header("X-Sig", hex_tag(&[BODY]));
    assert!(case().header("X-Version", "1").verdict(&key()).is_ok());
    case().refused(Reason::HeaderMissing);
    case()
        .header("X-Version", "2")
        .refused(Reason::HeaderInvalid);
}

#[test]
fn url_and_method_are_signed_as_given() {
    let rules = single("signed_text = ['{method}{url}{body}', '{method}{url|other_port}{body}']");
    let case = |url: &[u8]| Case::of(&rules).header("X-Sig", hex_tag(&[b"POST", url, BODY]));
    assert_eq!(
        case(b"https://example.com/hook?x=1").proven(&key()),
        ["BODY", "URL", "METHOD"]
    );
    assert!(
        case(b"https://example.com:443/hook?x=1")
            .verdict(&key())
            .is_ok()
    );
    case(b"https://example.com:80/hook?x=1").refused(Reason::SignatureMismatch);
    assert!(made(&rules).needs_url() && made(&rules).needs_method());
}

#[test]
fn plain_digests_have_the_key_in_the_text() {
    let rules = single("digest = 'sha256'\nsigned_text = '{secret}{body}'");
    let plain = Key::of(
        Algorithm::Sha256,
        Zeroizing::new(b"a shared secret of some length".to_vec()),
    );
    let plain = plain.expect("a key");
    let digest = Sha256::new()
        .chain_update(b"a shared secret of some length")
        .chain_update(BODY);
    let case = Case::of(&rules).header("X-Sig", hex::encode(digest.finalize()));
    assert!(case.verdict(&plain).is_ok());
    assert!(Case::of(&rules).signed(&plain).verdict(&plain).is_ok());
    let other = Case::of(&rules).header("X-Sig", hex_tag(&[BODY]));
    assert_eq!(other.verdict(&plain).err(), Some(Reason::SignatureMismatch));
}

#[test]
fn a_key_that_is_sent_itself_proves_nothing_of_the_delivery() {
    let rules = "digest = 'token'\nsignature = { grammar = 'single', header = 'X-Token' }";
    let token = Key::of(
        Algorithm::Token,
        Zeroizing::new(b"the token itself".to_vec()),
    )
    .unwrap();
    let case = Case::of(rules).header("X-Token", "the token itself");
    assert!(case.proven(&token).is_empty());
    for wrong in ["the token itsel", "the token itself ", "x"] {
        let case = Case::of(rules).header("X-Token", wrong);
        assert_eq!(case.verdict(&token).err(), Some(Reason::SignatureMismatch));
    }
    let empty = Case::of(rules).header("X-Token", "");
    assert_eq!(
        empty.verdict(&token).err(),
        Some(Reason::SignatureMalformed)
    );
    assert_eq!(
        Case::of(rules).verdict(&token).err(),
        Some(Reason::HeaderMissing)
    );
}

#[test]
fn fields_of_the_body_carry_a_signature_that_does_not_cover_it() {
    let rules = "signed_text = '{timestamp}{id}'\nencoding = 'hex-lower'\n\
                 signature = { grammar = 'body', json = '/signature/signature', form = 'signature' }\n\
                 timestamp = { json = '/signature/timestamp', form = 'timestamp', unit = 'seconds' }\n\
                 id = { json = '/signature/token', form = 'token' }\n\
                 window = { past_secs = 300, future_secs = 300 }";
    let tag = hex_tag(&[b"1700000000", b"id_1"]);
    let json = |event: &str| {
        format!(
            "{{\"signature\":{{\"timestamp\":\"1700000000\",\"token\":\"id_1\",\"signature\":\"{tag}\"}},{event}}}"
        )
    };
    let case = |body: &str| Case::of(rules).body(body);
    for event in ["\"event\":1", "\"event\":2"] {
        let proof = case(&json(event)).verdict(&key()).unwrap();
        assert_eq!(proof.delivery_id.as_deref(), Some("id_1"));
        assert_eq!(case(&json(event)).proven(&key()), ["TIMESTAMP", "ID"]);
    }
    let form = format!("timestamp=1700000000&token=id_1&signature={tag}&event=x");
    let form = case(&form).header(
        "Content-Type",
        "application/x-www-form-urlencoded; charset=utf-8",
    );
    assert!(form.verdict(&key()).is_ok());
    let signed = case("{\"event\":1}").signed(&key());
    assert_eq!(signed.proven(&key()), ["TIMESTAMP", "ID"]);

    case("{}").refused(Reason::SignatureMissing);
    case("not json").refused(Reason::BodyMalformed);
    case(&json("\"signature\":{}")).refused(Reason::BodyMalformed);
    case(&json("\"a\":1").replace("id_1", "id_2")).refused(Reason::SignatureMismatch);
    case(&json("\"a\":1").replace("1700000000", "1600000000")).refused(Reason::TimestampTooOld);
}

#[test]
fn a_timestamp_in_the_body_is_believed_once_the_body_is_proven() {
    let rules = single(
        "signed_text = '{body}'\ntimestamp = { json = '/at', unit = 'milliseconds' }\n\
         window = { past_secs = 60, future_secs = 60 }\nid = { json = '/event/id' }",
    );
    let case = |body: &'static str| {
        let tag = hex_tag(&[body.as_bytes()]);
        Case::of(&rules).body(body).header("X-Sig", tag)
    };
    let good = case("{\"at\":1700000000500,\"event\":{\"id\":\"evt_1\"}}");
    let proof = good.verdict(&key()).unwrap();
    assert_eq!(
        proof.signed_time,
        Some(Timestamp::from_unix_millis(1_700_000_000_500))
    );
    assert_eq!(proof.delivery_id.as_deref(), Some("evt_1"));
    assert_eq!(good.proven(&key()), ["BODY", "TIMESTAMP", "ID"]);
    case("{\"at\":1700000061000}").refused(Reason::TimestampInFuture);
    case("{\"at\":1}").refused(Reason::TimestampTooOld);
    case("{}").refused(Reason::TimestampMissing);
    case("[]").refused(Reason::TimestampMissing);
    case("no json").refused(Reason::BodyMalformed);
    // Before the signature has held, nothing of the body is looked at.
    let forged = Case::of(&rules)
        .body("no json")
        .header("X-Sig", "00".repeat(32));
    forged.refused(Reason::SignatureMismatch);
    let signed = Case::of(&rules).body("{\"x\":1}").signed(&key());
    assert_eq!(signed.body, b"{\"at\":1700000000000,\"x\":1}");
    assert!(signed.verdict(&key()).is_ok());
}

#[test]
fn a_body_that_would_be_refused_is_not_signed() {
    let rules = single(
        "signed_text = '{body}'\ntimestamp = { json = '/at', unit = 'milliseconds' }\n\
         window = { past_secs = 60, future_secs = 60 }",
    );
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    for bad in [
        "{\"x\":1,\"x\":2}",
        "{\"at\":[]}",
        "{\"at\":{}}",
        "[]",
        deep.as_str(),
    ] {
        let refused = Case::of(&rules).body(bad).sign(&key());
        assert_eq!(refused, Err(SignDeliveryError::Body), "{bad}");
    }
    let signed = Case::of(&rules).body("{\"at\":null}").signed(&key());
    assert!(signed.verdict(&key()).is_ok());
}

#[test]
fn dates_are_read_and_written() {
    let rules = single(
        "signed_text = '{body}{timestamp}'\ntimestamp = { header = 'X-At', unit = 'rfc3339' }\n\
         window = { past_secs = 600, future_secs = 0 }",
    );
    let case = |at: &'static str| {
        let tag = hex_tag(&[BODY, at.as_bytes()]);
        Case::of(&rules).header("X-At", at).header("X-Sig", tag)
    };
    for good in [
        "2023-11-14T22:13:20Z",
        "2023-11-14T15:13:20-07:00",
        "2023-11-14T22:13:19.5Z",
    ] {
        assert!(case(good).verdict(&key()).is_ok(), "{good}");
    }
    case("2023-11-14T22:13:21Z").refused(Reason::TimestampInFuture);
    case("2023-11-14T22:03:19Z").refused(Reason::TimestampTooOld);
    for bad in [
        "1700000000",
        "2023-11-14",
        "2023-13-14T22:13:20Z",
        "0000-01-01T00:00:00Z",
        " ",
    ] {
        case(bad).refused(Reason::TimestampMalformed);
    }
    let signed = Case::of(&rules).signed(&key());
    assert_eq!(signed.headers[0].1, "2023-11-14T22:13:20Z");
}

#[test]
fn no_digit_moves_between_timestamp_and_body() {
    let rules = single(
        "signed_text = '{timestamp}{body}'\n\
         timestamp = { header = 'X-At', unit = 'seconds' }",
    );
    let sent = |at: &str, body: &str| {
        Case::of(&rules)
            .header("X-At", at)
            .body(body)
            .header("X-Sig", hex_tag(&[b"17000000001{}"]))
    };
    assert!(sent("1700000000", "1{}").verdict(&key()).is_ok());
    for (at, body) in [("17000000001", "{}"), ("170000000", "01{}")] {
        sent(at, body).refused(Reason::TimestampMalformed);
    }
}

#[test]
fn a_body_that_is_no_form_is_bound_by_its_hash() {
    let rules = single("signed_text = '{url}{sorted_form}'\nbody_hash_query = 'bodySHA256'");
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let case = |body: &'static str, kind: &'static str| {
        Case::of(&rules).body(body).header("Content-Type", kind)
    };
    let tag_of = |text: &str| hex_tag(&[text.as_bytes()]);
    let url = "https://example.com/hook?x=1";

    let signed = case("{}", json).signed(&key());
    assert!(
        signed
            .url
            .starts_with("https://example.com/hook?x=1&bodySHA256=")
    );
    assert_eq!(signed.proven(&key()), ["BODY", "URL"]);
    let url_of_another_body = signed.url;
    let tag = tag_of(url_of_another_body);
    let swapped = case("{ }", json)
        .url(url_of_another_body)
        .header("X-Sig", tag);
    swapped.refused(Reason::SignatureMismatch);

    let sent = case("b=2&a=1", form).header("X-Sig", tag_of(&format!("{url}a1b2")));
    assert_eq!(sent.proven(&key()), ["URL", "FORM"]);
    let empty = case("", json).header("X-Sig", tag_of(url));
    assert_eq!(empty.proven(&key()), ["URL"]);
    // The signature of an empty delivery must not carry a body in.
    case("{}", json)
        .header("X-Sig", tag_of(url))
        .refused(Reason::BodyUnsigned);
    let untyped = Case::of(&rules).header("X-Sig", tag_of(url));
    untyped.refused(Reason::HeaderMissing);
    let odd = case("{}", json)
        .url("https://example.com/hook#x?y")
        .signed(&key());
    assert!(odd.verdict(&key()).is_ok(), "{}", odd.url);
    for query in ["bodySHA256=00", "bodySHA256=&bodySHA256="] {
        let url = format!("https://example.com/hook?{query}");
        let refused = case("{}", json).url(url.leak()).sign(&key());
        assert_eq!(refused, Err(SignDeliveryError::Incomplete));
    }
    // Sign and Verify take one body for a form, or none.
    for kind in [
        "application/x-www-form-urlencoded2",
        "APPLICATION/X-WWW-FORM-URLENCODED; a=b",
    ] {
        let signed = case("a=1", kind).signed(&key());
        assert!(signed.verdict(&key()).is_ok(), "{kind}");
    }
}

#[test]
fn a_list_of_signed_headers_names_itself_and_the_timestamp() {
    let rules = single(
        "signed_text = \"{method}\\n{path|encode}\\n{signed_headers}\\n{body}\"\n\
         signed_headers = 'X-List'\n\
         timestamp = { header = 'X-At', unit = 'milliseconds' }\n\
         window = { past_secs = 30, future_secs = 30 }",
    );
    let signed = Case::of(&rules).header("X-Space", " env ").signed(&key());
    let proof = signed.verdict(&key()).unwrap();
    assert_eq!(
        proof.proven.fields,
        ["path", "header:x-at", "header:x-list", "header:x-space"]
    );
    assert_eq!(signed.proven(&key()), ["BODY", "TIMESTAMP", "METHOD"]);
    let lines = "x-at:1700000000000;x-list:x-at,x-list,x-space;x-space:env";
    let text = format!("POST\n/hook?x%253D1\n{lines}\n");
    assert_eq!(
        signed.headers.last().unwrap().1,
        hex_tag(&[text.as_bytes(), BODY])
    );

    let longer = Case::of(&rules)
        .header("X-A-B", "1")
        .header("X-A", "2")
        .signed(&key());
    let lines = "x-a:2;x-a-b:1;x-at:1700000000000;x-list:x-a,x-a-b,x-at,x-list";
    let text = format!("POST\n/hook?x%253D1\n{lines}\n");
    assert_eq!(
        longer.headers.last().unwrap().1,
        hex_tag(&[text.as_bytes(), BODY])
    );

    let without_time = "POST\n/hook?x%253D1\nx-list:x-list\n";
    let stale = Case::of(&rules)
        .header("X-List", "x-list")
        .header("X-At", "1700000000000")
        .header("X-Sig", hex_tag(&[without_time.as_bytes(), BODY]));
    stale.refused(Reason::HeaderInvalid);
}

#[test]
fn public_keys_verify_and_do_not_sign() {
    let format = KeyFormat {
        decoding: KeyDecoding::Hex,
        ..KeyFormat::default()
    };
    let text = format.generated(Algorithm::Ed25519, &Zeroizing::new([7; 32]));
    let pair = format.decode(Algorithm::Ed25519, &text).unwrap();
    let public = format.public_text(&pair).unwrap();
    let public = format.decode(Algorithm::Ed25519, &public.into()).unwrap();
    let rules = single(
        "digest = 'ed25519'\nsigned_text = '{timestamp}{body}'\n\
         timestamp = { header = 'X-At', unit = 'seconds' }",
    );
    let signed = Case::of(&rules).signed(&pair);
    assert_eq!(signed.proven(&public), ["BODY", "TIMESTAMP"]);
    let wrong = Case::of(&rules).body("other").signed(&pair).body("another");
    assert_eq!(
        wrong.verdict(&public).err(),
        Some(Reason::SignatureMismatch)
    );
    let delivery = DeliveryToSign {
        id: "",
        body: BODY,
        headers: Headers(&[]),
        method: "POST",
        url: "",
        time: NOW,
    };
    let refused = made(&rules).sign(&public, delivery, &BTreeMap::new(), None);
    assert_eq!(refused, Err(SignDeliveryError::PublicKeyOnly));
}

#[test]
fn a_header_of_the_schemes_own_is_not_taken_from_the_caller() {
    let numbered = "signed_text = '{body}'\nencoding = 'hex-lower'\n\
                    signature = { grammar = 'numbered', header = 'X-Sig-' }";
    let timed = single(
        "signed_text = '{timestamp}{body}'\ntimestamp = { header = 'X-At', unit = 'seconds' }",
    );
    for (rules, own, other) in [
        (numbered, "X-SIG-1", "X-Sig-0"),
        (numbered, "x-sig-16", "X-Sig-17"),
        (&timed, "X-Sig", "X-Sig-1"),
        (&timed, "x-at", "X-At-1"),
    ] {
        let refused = Case::of(rules).header(own, "1").sign(&key());
        assert_eq!(refused, Err(SignDeliveryError::OwnHeader), "{own}");
        let signed = Case::of(rules).header(other, "1").signed(&key());
        assert!(signed.verdict(&key()).is_ok(), "{other}");
    }
}

#[test]
fn a_delivery_costs_few_checks_by_a_public_key() {
    let rules = "digest = 'ed25519'\nsigned_text = '{body}'\nencoding = 'base64'\n\
                 signature = { grammar = 'versions', header = 'X-Sig', key = 'v1a' }";
    let one = format!("v1a,{}", STANDARD.encode([0; 64]));
    let format = KeyFormat {
        decoding: KeyDecoding::Hex,
        ..KeyFormat::default()
    };
    let text = format.generated(Algorithm::Ed25519, &Zeroizing::new([7; 32]));
    let pair = format.decode(Algorithm::Ed25519, &text).unwrap();
    for (count, reason) in [
        (4, Reason::SignatureMismatch),
        (5, Reason::SignatureMalformed),
    ] {
        let value = vec![one.as_str(); count].join(" ");
        let case = Case::of(rules).header("X-Sig", value);
        assert_eq!(case.verdict(&pair).err(), Some(reason), "{count}");
    }
}

#[test]
fn a_token_in_a_header_binds_the_body_by_its_hash() {
    let rules = "[jws]\nheader = 'X-Token'\nprefix = 'Bearer '\nalgorithm = 'HS256'\n\
                 body_hash_claim = 'hash'\nissued_at_window_secs = 300";
    let signed = Case::of(rules).signed(&key());
    assert_eq!(signed.proven(&key()), ["BODY", "TIMESTAMP"]);
    let value = signed.headers[0].1.clone();
    let case = |body: &str, value: String| Case::of(rules).body(body).header("X-Token", value);
    case("other", value.clone()).refused(Reason::SignatureMismatch);
    case("", value.replace("Bearer ", "")).refused(Reason::SignatureMissing);
    case("", "Bearer x.y.z".to_owned()).refused(Reason::TokenMalformed);
    Case::of(rules).refused(Reason::HeaderMissing);
    let unsigned = "Bearer eyJhbGciOiJub25lIn0.e30.";
    case("", unsigned.to_owned()).refused(Reason::TokenAlgorithm);
    let other = key_of(b"another key of a test, no more");
    assert_eq!(
        signed.verdict(&other).err(),
        Some(Reason::SignatureMismatch)
    );
}

#[test]
fn a_token_without_a_body_hash_does_not_prove_the_body() {
    let rules = "[jws]\nheader = 'Authorization'\nalgorithm = 'HS256'";
    let signed = Case::of(rules).signed(&key()).body("anything");
    assert!(signed.proven(&key()).is_empty());
}

const HANDSHAKES: &str = "signed_text = '{body}'\nencoding = 'hex-lower'\n\
    signature = { grammar = 'single', header = 'X-Sig' }\n\
    [[handshake]]\nname = 'url_validation'\nsigned = true\n\
    when = { json = { '/event' = 'validate' } }\n\
    respond = { status = 200, json = { plain = '{json:/token}', signed = '{json:/token|hmac}', type = 1 } }\n\
    [[handshake]]\nname = 'subscribe'\nsigned = false\n\
    when = { method = 'GET', query = { 'hub.mode' = 'subscribe', 'hub.verify_token' = '{parameter:verify_token}' } }\n\
    respond = { status = 200, text = '{query:hub.challenge}' }\n\
    [[handshake]]\nname = 'secret'\nsigned = false\n\
    when = { header = { 'X-Hook-Secret' = '*' } }\n\
    respond = { status = 204, headers = { 'X-Hook-Secret' = '{header:X-Hook-Secret}' } }";

#[test]
fn a_signed_handshake_is_answered_with_the_key() {
    let body = "{\"event\":\"validate\",\"token\":\"q\\\"1\"}";
    let case = Case::of(HANDSHAKES).body(body);
    let answer = case.handshake(Some(&key())).unwrap();
    let expected = format!(
        "{{\"plain\":\"q\\\"1\",\"signed\":\"{}\",\"type\":1}}",
        hex_tag(&[b"q\"1"])
    );
    assert_eq!((answer.status, answer.body), (200, expected.into_bytes()));
    // Whoever cannot sign gets nothing signed.
    assert_eq!(case.handshake(None), None);
    let event = Case::of(HANDSHAKES).body("{\"event\":\"created\"}");
    assert_eq!(event.handshake(Some(&key())), None);
}

#[test]
fn an_unsigned_handshake_is_answered_as_the_vendor_asks() {
    let mut case = Case::of(HANDSHAKES)
        .url("https://a.example/?hub.mode=subscribe&hub.verify_token=abc&hub.challenge=42");
    case.method = "GET";
    assert_eq!(
        case.handshake(None),
        None,
        "the secret has no such parameter"
    );
    case.parameters.insert("verify_token".into(), "abc".into());
    let answer = case.handshake(None).unwrap();
    assert_eq!(answer.body, b"42");
    let nosniff = ("X-Content-Type-Options".to_owned(), "nosniff".to_owned());
    assert!(answer.headers.contains(&nosniff));
    case.parameters.insert("verify_token".into(), "abd".into());
    assert_eq!(case.handshake(None), None);

    let secret = Case::of(HANDSHAKES).header("x-hook-secret", "s3cret");
    let answer = secret.handshake(None).unwrap();
    assert_eq!(
        answer.headers,
        [("X-Hook-Secret".to_owned(), "s3cret".to_owned())]
    );
    for unfit in [&*"x".repeat(2000), "geheimnisträger", "a\tb"] {
        let case = Case::of(HANDSHAKES).header("x-hook-secret", unfit);
        assert_eq!(case.handshake(None), None, "{unfit}");
    }
}

#[test]
fn a_description_that_does_not_fit_together_is_refused() {
    for rules in [
        "encoding = 'hex-lower'\nsignature = { grammar = 'single', header = 'X' }".to_owned(),
        single("signed_text = '{timestamp}{body}'"),
        single("signed_text = '{id}{body}'"),
        single("signed_text = '{secret}{body}'"),
        single("signed_text = '{body}'\ndigest = 'sha256'"),
        single("signed_text = '{signed_headers}'"),
        single("signed_text = '{body}'\nwindow = { past_secs = 1, future_secs = 1 }"),
        single("signed_text = '{body}'\ntimestamp = { pair = 't', unit = 'seconds' }"),
        single("signed_text = '{url}'\ntimestamp = { json = '/at', unit = 'seconds' }"),
        single("signed_text = ['{body}', '{body}', '{body}', '{body}', '{body}']"),
        single("signed_text = '{body}'\ndigest = 'token'"),
        single("signed_text = '{body}'\ntruncate = 8"),
        single("signed_text = '{body}'\n[jws]\nheader = 'X'\nalgorithm = 'HS256'"),
        "[jws]\nheader = 'X'\nalgorithm = 'none'".to_owned(),
        single(
            "signed_text = '{body}'\n[[handshake]]\nname = 'x'\nsigned = false\nwhen = {}\n\
             respond = { status = 200, text = '{json:/a|hmac}' }",
        ),
    ] {
        assert!(toml::from_str::<WebhookRules>(&rules).is_err(), "{rules}");
    }
}
