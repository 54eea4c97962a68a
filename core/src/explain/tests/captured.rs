//! Deliveries as they were captured, and what is said of them.

use super::*;

/// As a vendor prints it: spaces, a slash, characters outside of ASCII, order not by name.
pub(super) const BODY: &str =
    "{\"type\": \"ping\", \"id\": 7, \"url\": \"a/b\", \"note\": \"é <😀>\"}";
pub(super) const URL: &str = "https://hooks.example.com/in?x=1";

/// The schemes of the table: what is signed, and how it is written.
pub(super) const SCHEMES: [&str; 9] = [
    "github.webhook",
    "stripe.webhook",
    "standard.webhook",
    "slack.webhook",
    "chatwoot.webhook",
    "talkjs.webhook",
    "made-up.url",
    "made-up.sha1",
    "made-up.question",
];

/// Versions of the secret that is asked about: two live ones and two that have ended.
pub(super) const VERSIONS: [(u32, VersionState, u8); 4] = [
    (1, VersionState::Revoked, 1),
    (2, VersionState::Retired, 2),
    (3, VersionState::Active, 3),
    (4, VersionState::Pending, 4),
];

/// A delivery as it was captured.
#[derive(Clone)]
pub(super) struct Captured {
    pub(super) scheme: Arc<Scheme>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) method: String,
    pub(super) url: String,
}

impl Captured {
    /// Signed with one key of the scheme over one body.
    pub(super) fn signed(scheme: &Arc<Scheme>, key: &Key, body: &[u8], time: Timestamp) -> Self {
        let Rules::Webhook(rules) = &scheme.rules else {
            panic!("{}", scheme.id)
        };
        let delivery = DeliveryToSign {
            id: "msg_1",
            body,
            headers: Headers(&[]),
            method: "POST",
            url: URL,
            time,
        };
        let signed = rules.sign(key, delivery, &BTreeMap::new(), None).unwrap();
        Self {
            scheme: Arc::clone(scheme),
            headers: signed.headers,
            body: body.to_vec(),
            method: "POST".to_owned(),
            url: URL.to_owned(),
        }
    }

    /// Good, over a body.
    pub(super) fn over(scheme: &Arc<Scheme>, body: &[u8]) -> Self {
        Self::signed(scheme, &key(scheme, 3), body, NOW)
    }

    pub(super) fn good(scheme: &Arc<Scheme>) -> Self {
        Self::over(scheme, BODY.as_bytes())
    }

    pub(super) fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the last header, which has the signature, changed.
    pub(super) fn with_signature(mut self, change: impl Fn(&str) -> String) -> Self {
        let (_, value) = self.headers.last_mut().unwrap();
        *value = change(value);
        self
    }

    pub(super) fn explained(&self) -> Explanation {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value })
            .collect();
        let delivery = Delivery {
            headers: Headers(&headers),
            body: &self.body,
            method: &self.method,
            url: &self.url,
        };
        let secret = secret("acme/asked", &self.scheme, &VERSIONS);
        let other = secret_of("acme/other", &self.scheme, 9);
        let foreign = secret_of("acme/foreign", &scheme("chatwoot.identity"), 8);
        let others = [&other, &foreign];
        let texts = texts(&self.scheme, &VERSIONS);
        let known = Known {
            texts: &texts,
            others: &others,
        };
        let verdict = secret.verify_webhook(delivery, NOW).unwrap();
        let refusal = verdict.outcome.err();
        explain_webhook(&secret, delivery, refusal, known, NOW).unwrap()
    }
}

pub(super) fn secret_of(name: &str, scheme: &Arc<Scheme>, key: u8) -> Secret {
    secret(name, scheme, &[(1, VersionState::Active, key)])
}

pub(super) fn key(scheme: &Scheme, number: u8) -> Key {
    scheme.decode_key(&key_text(scheme, number)).unwrap()
}

/// A key of the scheme's algorithm made of any bytes.
pub(super) fn key_of(scheme: &Scheme, bytes: &[u8]) -> Key {
    Key::of(scheme.algorithm(), bytes.to_vec().into()).unwrap()
}

#[track_caller]
pub(super) fn assert_first(captured: &Captured, code: CauseCode) {
    let explanation = captured.explained();
    assert_eq!(
        codes(&explanation).first(),
        Some(&code),
        "{}: {explanation:#?}",
        captured.scheme.id
    );
}

/// Over every scheme of the table.
#[track_caller]
pub(super) fn assert_everywhere(code: CauseCode, spoil: impl Fn(&Arc<Scheme>) -> Captured) {
    for id in SCHEMES {
        assert_first(&spoil(&scheme(id)), code);
    }
}

/// What arrived instead of a body that was signed.
#[track_caller]
pub(super) fn assert_body(code: CauseCode, signed: &str, arrived: impl AsRef<[u8]>) {
    assert_everywhere(code, |scheme| {
        Captured::over(scheme, signed.as_bytes()).with_body(arrived.as_ref())
    });
}
