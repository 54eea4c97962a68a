//! Explain over the wire: for every pitfall the right cause comes first, and nothing else changes by asking.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_proto::v1::{
    self, CauseCode, CheckOutcome, Decision, ExplainRequest, ExplainResponse, Header, Identity,
    Reason, Replay, ReplayPolicy, VerifyRequest, VerifyWebhookRequest, explain_request::Check,
    verify_request::Proof, verify_webhook_request::Payload,
};
use rusqlite::Connection;
use support::{
    NOW, Options, Service,
    crypto::{hex_hmac, hmac, hs256},
    deliveries::{denied, refused},
    emergency, error_of, new_secret, rotation, user,
};
use tonic::{Code, Status};

mod support;

const BODY: &str = "{\"type\": \"ping\", \"id\": 7, \"url\": \"a/b\", \"note\": \"é <😀>\"}";
/// [`PLAIN`] in gzip.
const GZIP: &str =
    "1f8b0800000000000203ab562aa92c4855b252502ac8cc4b57d25150ca4c01f2cc6b012407aa7719000000";
const PLAIN: &str = "{\"type\": \"ping\", \"id\": 7}";
const URL: &str = "https://hooks.example.com/in?x=1";

type Change = fn(&mut VerifyWebhookRequest);

async fn try_explain(service: &Service, check: Check) -> Result<ExplainResponse, Status> {
    let request = ExplainRequest { check: Some(check) };
    let answered = service.proofs.clone().explain(request).await;
    answered.map(tonic::Response::into_inner)
}

async fn explain(service: &Service, request: &VerifyWebhookRequest) -> ExplainResponse {
    let check = Check::Webhook(request.clone().into());
    try_explain(service, check).await.unwrap()
}

/// Like VerifyWebhook, which is asked before and after; and with these causes.
async fn assert_causes(
    service: &Service,
    request: &VerifyWebhookRequest,
    expected: &[CauseCode],
) -> ExplainResponse {
    let verify = || async {
        let answered = service.proofs.clone().verify_webhook(request.clone()).await;
        answered.unwrap().into_inner()
    };
    let before = verify().await;
    let explained = explain(service, request).await;
    let verdict = (explained.decision(), explained.reason());
    assert_eq!(verdict, (before.decision(), before.reason()));
    let after = verify().await;
    assert_eq!(verdict, (after.decision(), after.reason()));
    let codes: Vec<_> = explained.causes.iter().map(v1::Cause::code).collect();
    assert_eq!(codes, expected, "{}: {explained:#?}", request.secret);
    explained
}

fn request(secret: &str, headers: Vec<Header>, body: &[u8]) -> VerifyWebhookRequest {
    VerifyWebhookRequest {
        secret: secret.to_owned(),
        headers,
        payload: Some(Payload::Body(body.to_vec().into())),
        ..Default::default()
    }
}

fn header(name: &str, value: impl Into<String>) -> Header {
    Header {
        name: name.to_owned(),
        value: value.into(),
    }
}

/// A server with a secret of each kind of signed text; answers their keys too.
async fn started() -> (Service, Keys) {
    let service = Service::start().await;
    let mut keys = Keys::default();
    for (slot, name, scheme) in [
        (&mut keys.github, "acme/github", "github.webhook"),
        (&mut keys.stripe, "acme/stripe", "stripe.webhook"),
        (&mut keys.standard, "acme/standard", "standard.webhook"),
        (&mut keys.square, "acme/square", "square.webhook"),
        (&mut keys.other, "acme/other", "github.webhook"),
        (&mut keys.foreign, "elsewhere/github", "github.webhook"),
        (&mut keys.chatwoot, "acme/chat", "chatwoot.identity"),
        (&mut keys.token, "acme/token", "countersign.token"),
    ] {
        let mut new = new_secret(name, scheme);
        if !scheme.ends_with(".webhook") {
            new.mode = v1::Mode::Required.into();
        }
        *slot = service.create(new).await.revealed_key;
    }
    (service, keys)
}

#[derive(Default)]
struct Keys {
    github: String,
    stripe: String,
    standard: String,
    square: String,
    other: String,
    foreign: String,
    chatwoot: String,
    token: String,
}

fn github(key: &[u8], body: &[u8]) -> VerifyWebhookRequest {
    let signature = format!("sha256={}", hex_hmac(key, body));
    request(
        "acme/github",
        vec![header("X-Hub-Signature-256", signature)],
        body,
    )
}

fn stripe(key: &[u8], text: &str, timestamp: i64, body: &str) -> VerifyWebhookRequest {
    let signature = format!("t={timestamp},v1={}", hex_hmac(key, text.as_bytes()));
    request(
        "acme/stripe",
        vec![header("Stripe-Signature", signature)],
        body.as_bytes(),
    )
}

fn with_body(mut request: VerifyWebhookRequest, body: impl AsRef<[u8]>) -> VerifyWebhookRequest {
    request.payload = Some(Payload::Body(body.as_ref().to_vec().into()));
    request
}

#[tokio::test]
async fn a_good_delivery_holds_and_a_forged_one_has_nothing_near_it() {
    let (service, _) = started().await;
    for secret in ["acme/github", "acme/stripe", "acme/standard"] {
        let headers = service.headers(secret, BODY.as_bytes()).await;
        let good = request(secret, headers, BODY.as_bytes());
        let explained = explain(&service, &good).await;
        assert_eq!(
            (explained.decision(), explained.reason()),
            (Decision::Allow, Reason::Unspecified)
        );
        assert_eq!(explained.causes, []);
        let all_pass = |check: &v1::Check| check.outcome() == CheckOutcome::Pass;
        assert!(explained.checks.len() >= 4 && explained.checks.iter().all(all_pass));
        let forged = with_body(good, "{\"paid\": true}");
        assert_causes(&service, &forged, &[CauseCode::NoNearMiss]).await;
    }
}

#[tokio::test]
async fn pitfalls_of_the_body_come_first() {
    let (service, keys) = started().await;
    let compact = BODY.replace(": ", ":").replace(", ", ",");
    let ascii = BODY.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    let literal = serde_json::to_string(BODY).unwrap();
    let base64 = STANDARD.encode(BODY);
    let ended = format!("{BODY}\r\n");
    let cases: Vec<(CauseCode, &str, Vec<u8>)> = vec![
        (CauseCode::BodyReserialised, BODY, compact.clone().into()),
        (CauseCode::BodyReserialised, &compact, BODY.into()),
        (CauseCode::BodyReserialised, &ascii, compact.clone().into()),
        (CauseCode::JsonEscapes, &ascii, BODY.into()),
        (
            CauseCode::JsonEscapes,
            BODY,
            BODY.replace('/', "\\/").into(),
        ),
        (
            CauseCode::TextEncoding,
            "{\"a\": \"é\"}",
            b"{\"a\": \"\xe9\"}".to_vec(),
        ),
        (
            CauseCode::TextEncoding,
            BODY,
            format!("\u{feff}{BODY}").into(),
        ),
        (CauseCode::PlatformEnvelope, BODY, base64.clone().into()),
        (
            CauseCode::PlatformEnvelope,
            BODY,
            format!("{{\"body\": \"{base64}\", \"isBase64Encoded\": true}}").into(),
        ),
        (
            CauseCode::PlatformEnvelope,
            BODY,
            format!("{{\"Type\": \"Notification\", \"Message\": {literal}}}").into(),
        ),
        (CauseCode::CompressedBody, PLAIN, hex::decode(GZIP).unwrap()),
        (CauseCode::TrailingNewline, BODY, format!("{BODY}\n").into()),
        (CauseCode::TrailingNewline, &ended, BODY.into()),
    ];
    for (code, signed, arrived) in cases {
        let sent = github(keys.github.as_bytes(), signed.as_bytes());
        assert_causes(&service, &with_body(sent, &arrived), &[code]).await;
        let sent = stripe(
            keys.stripe.as_bytes(),
            &format!("{NOW}.{signed}"),
            NOW,
            signed,
        );
        assert_causes(&service, &with_body(sent, &arrived), &[code]).await;
        let headers = service.headers("acme/standard", signed.as_bytes()).await;
        assert_causes(
            &service,
            &request("acme/standard", headers, &arrived),
            &[code],
        )
        .await;
    }
    let empty = with_body(github(keys.github.as_bytes(), BODY.as_bytes()), "");
    assert_causes(
        &service,
        &empty,
        &[CauseCode::BodyEmpty, CauseCode::NoNearMiss],
    )
    .await;
}

#[tokio::test]
async fn pitfalls_of_the_key_come_first() {
    let (service, keys) = started().await;
    let body = BODY.as_bytes();
    let explained = assert_causes(
        &service,
        &github(keys.other.as_bytes(), body),
        &[CauseCode::WrongSecret],
    )
    .await;
    assert!(explained.causes[0].summary.contains("acme/other"));
    // Keys of other namespaces are not tried.
    assert_causes(
        &service,
        &github(keys.foreign.as_bytes(), body),
        &[CauseCode::NoNearMiss],
    )
    .await;
    let bytes = hex::decode(&keys.github).unwrap();
    assert_causes(&service, &github(&bytes, body), &[CauseCode::KeyDecoding]).await;
    let spaced = format!("{}\n", keys.github);
    assert_causes(
        &service,
        &github(spaced.as_bytes(), body),
        &[CauseCode::KeyWhitespace],
    )
    .await;

    let text = format!("{NOW}.{BODY}");
    let bare = keys.stripe.trim_start_matches("whsec_");
    assert_causes(
        &service,
        &stripe(bare.as_bytes(), &text, NOW, BODY),
        &[CauseCode::KeyDecoding],
    )
    .await;
    let mut headers = service.headers("acme/standard", body).await;
    let id = headers
        .iter()
        .find(|it| it.name == "webhook-id")
        .unwrap()
        .value
        .clone();
    let text = format!("{id}.{NOW}.{BODY}");
    let raw = STANDARD.encode(hmac(keys.standard.as_bytes(), text.as_bytes()));
    headers.retain(|it| it.name != "webhook-signature");
    headers.push(header("webhook-signature", format!("v1,{raw}")));
    assert_causes(
        &service,
        &request("acme/standard", headers, body),
        &[CauseCode::KeyDecoding],
    )
    .await;
}

#[tokio::test]
async fn pitfalls_of_the_signed_text_the_url_and_the_time_come_first() {
    let (service, keys) = started().await;
    let key = keys.stripe.as_bytes();
    assert_causes(
        &service,
        &stripe(key, BODY, NOW, BODY),
        &[CauseCode::SignedTextIncomplete],
    )
    .await;
    let joined = format!("{NOW}{BODY}");
    assert_causes(
        &service,
        &stripe(key, &joined, NOW, BODY),
        &[CauseCode::SignedTextIncomplete],
    )
    .await;

    let signature = STANDARD.encode(hmac(
        keys.square.as_bytes(),
        format!("{URL}{BODY}").as_bytes(),
    ));
    let changes: [Change; 3] = [
        |it| it.url = "http://hooks.example.com/in?x=1".to_owned(),
        |it| it.url = "https://hooks.example.com:443/in?x=1".to_owned(),
        |it| {
            it.url = "http://127.0.0.1:3000/in?x=1".to_owned();
            it.headers
                .push(header("X-Forwarded-Host", "hooks.example.com"));
        },
    ];
    for change in changes {
        let headers = vec![header("x-square-hmacsha256-signature", signature.clone())];
        let mut delivery = request("acme/square", headers, BODY.as_bytes());
        change(&mut delivery);
        assert_causes(&service, &delivery, &[CauseCode::UrlDiffers]).await;
    }

    for (time, words) in [
        (NOW - 4000, "4000 s old"),
        (NOW + 4000, "4000 s into the future"),
    ] {
        let late = stripe(key, &format!("{time}.{BODY}"), time, BODY);
        let explained = assert_causes(&service, &late, &[CauseCode::ClockOrDelay]).await;
        assert!(
            explained.causes[0].summary.contains(words),
            "{explained:#?}"
        );
    }
    let millis = NOW * 1000;
    let in_millis = stripe(key, &format!("{millis}.{BODY}"), millis, BODY);
    assert_causes(&service, &in_millis, &[CauseCode::TimestampUnit]).await;
}

#[tokio::test]
async fn pitfalls_of_the_headers_come_first() {
    let (service, keys) = started().await;
    let good = github(keys.github.as_bytes(), BODY.as_bytes());
    let form = CauseCode::SignatureForm;
    let malformed = CauseCode::HeaderMalformed;
    let cases: [(CauseCode, Change); 7] = [
        (form, |it| {
            it.headers[0].value = it.headers[0].value.replace("sha256=", "")
        }),
        (form, |it| {
            let bytes = hex::decode(&it.headers[0].value[7..]).unwrap();
            it.headers[0].value = STANDARD.encode(bytes);
        }),
        (form, |it| {
            it.headers[0].name = "HTTP_X_HUB_SIGNATURE_256".to_owned()
        }),
        (malformed, |it| it.headers.push(it.headers[0].clone())),
        (malformed, |it| {
            it.headers[0].value = format!("\"{}\"", it.headers[0].value)
        }),
        (malformed, |it| it.headers[0].value.truncate(40)),
        (CauseCode::UnsignedDelivery, |it| it.headers.clear()),
    ];
    for (code, change) in cases {
        let mut spoilt = good.clone();
        change(&mut spoilt);
        assert_causes(&service, &spoilt, &[code]).await;
    }
    service
        .create(new_secret("acme/asana", "asana.webhook"))
        .await;
    let question = vec![header("X-Hook-Secret", "a-new-secret")];
    let question = request("acme/asana", question, b"");
    assert_causes(&service, &question, &[CauseCode::Handshake]).await;
}

#[tokio::test]
async fn an_ended_version_is_named_with_its_state_and_since_when() {
    let (service, keys) = started().await;
    let old = github(keys.github.as_bytes(), BODY.as_bytes());
    service.rotate(rotation("acme/github", 60)).await;
    service.at(61);
    let explained = assert_causes(&service, &old, &[CauseCode::OldVersion]).await;
    let summary = &explained.causes[0].summary;
    assert!(
        summary.contains("version 1, RETIRED since 2023-11-14T22:14:20Z"),
        "{summary}"
    );

    let second = service.rotate(emergency("acme/other")).await.revealed_key;
    let other = |key: &str| VerifyWebhookRequest {
        secret: "acme/other".to_owned(),
        ..github(key.as_bytes(), BODY.as_bytes())
    };
    let explained = assert_causes(&service, &other(&keys.other), &[CauseCode::OldVersion]).await;
    assert!(explained.causes[0].summary.contains("version 1, REVOKED"));
    assert!(explain(&service, &other(&second)).await.causes.is_empty());
    // What the store forgets of a deleted secret is gone here too.
    let gone = service.restart().await;
    assert_causes(&gone, &old, &[CauseCode::OldVersion]).await;
}

#[tokio::test]
async fn pitfalls_of_identity_proofs_come_first() {
    let (service, keys) = started().await;
    let hash = |key: &str, text: &str| Some(Proof::Hash(hex_hmac(key.as_bytes(), text.as_bytes())));
    let person = |id: &str, email: &str| Identity {
        email: email.to_owned(),
        ..user(id)
    };
    let claims = format!("{{\"sub\":\"ada\",\"exp\":{}}}", NOW + 60);
    let ended = format!("{{\"sub\":\"ada\",\"exp\":{}}}", NOW - 60);
    let token = |claims: &str| Some(Proof::Token(hs256(&keys.token, claims)));
    let ada = person("ada", "ada@example.com");
    let cases = [
        ("acme/chat", &ada, hash(&keys.chatwoot, "ada"), None),
        (
            "acme/chat",
            &ada,
            hash(&keys.chatwoot, "ADA"),
            Some(CauseCode::IdentifierDiffers),
        ),
        (
            "acme/chat",
            &ada,
            hash(&keys.chatwoot, "ada@example.com"),
            Some(CauseCode::IdentifierDiffers),
        ),
        (
            "acme/chat",
            &ada,
            hash(&keys.token, "ada"),
            Some(CauseCode::WrongSecret),
        ),
        (
            "acme/chat",
            &ada,
            hash(&format!("{} ", keys.chatwoot), "ada"),
            Some(CauseCode::KeyWhitespace),
        ),
        (
            "acme/chat",
            &ada,
            hash("a key that is nowhere", "ada"),
            Some(CauseCode::NoNearMiss),
        ),
        ("acme/chat", &ada, None, Some(CauseCode::UnsignedDelivery)),
        ("acme/token", &ada, token(&claims), None),
        (
            "acme/token",
            &ada,
            token(&ended),
            Some(CauseCode::TokenTime),
        ),
        ("acme/token", &ada, token("{}"), Some(CauseCode::TokenShape)),
        (
            "acme/token",
            &user("bob"),
            token(&claims),
            Some(CauseCode::IdentifierDiffers),
        ),
    ];
    for (secret, claimed, proof, expected) in cases {
        let request = VerifyRequest {
            secret: secret.to_owned(),
            claimed: Some(claimed.clone()),
            proof,
        };
        let verdict = service
            .proofs
            .clone()
            .verify(request.clone())
            .await
            .unwrap()
            .into_inner();
        let explained = try_explain(&service, Check::Verify(request.into()))
            .await
            .unwrap();
        assert_eq!(
            (explained.decision(), explained.reason()),
            (verdict.decision(), verdict.reason())
        );
        let codes: Vec<_> = explained.causes.iter().map(v1::Cause::code).collect();
        assert_eq!(codes, Vec::from_iter(expected), "{explained:#?}");
    }
}

#[tokio::test]
async fn explaining_neither_notes_nor_forgets_a_delivery() {
    let service = Service::start().await;
    let mut new = new_secret("acme/github", "github.webhook");
    new.replay_policy = ReplayPolicy::Deny.into();
    service.create(new).await;
    let headers = service.headers("acme/github", BODY.as_bytes()).await;
    let delivery = request("acme/github", headers.clone(), BODY.as_bytes());
    for _ in 0..2 {
        let explained = explain(&service, &delivery).await;
        assert_eq!(
            (explained.decision(), explained.causes.len()),
            (Decision::Allow, 0)
        );
    }
    let used = |secret: v1::Secret| secret.versions[0].last_verify_time;
    assert_eq!(used(service.secret("acme/github").await), None);
    let first = service
        .check("acme/github", &headers, BODY.as_bytes())
        .await;
    assert_eq!(first, (Decision::Allow, Reason::Unspecified, Replay::First));
    let explained = explain(&service, &delivery).await;
    let codes: Vec<_> = explained.causes.iter().map(v1::Cause::code).collect();
    assert_eq!(
        (explained.reason(), codes),
        (Reason::Replayed, vec![CauseCode::Replay])
    );
    let again = service
        .check("acme/github", &headers, BODY.as_bytes())
        .await;
    assert_eq!(again, denied(Replay::Duplicate));
    let forged = service.check("acme/github", &headers, b"{}").await;
    assert_eq!(forged, refused(Reason::SignatureMismatch));
}

#[tokio::test]
async fn a_secret_is_explained_so_often_in_a_minute_and_no_more() {
    let options = Options {
        edit: |config| config.limits.explain_per_minute = 3,
        ..Options::default()
    };
    let service = Service::with(options).await;
    let mut asked = Vec::new();
    for name in ["acme/a", "acme/b"] {
        service.create(new_secret(name, "github.webhook")).await;
        asked.push(request(name, Vec::new(), b"{}"));
    }
    let ask = |request: &VerifyWebhookRequest| {
        try_explain(&service, Check::Webhook(request.clone().into()))
    };
    for _ in 0..3 {
        assert!(ask(&asked[0]).await.is_ok());
    }
    let limited = (Code::ResourceExhausted, "EXPLAIN_LIMITED".to_owned());
    assert_eq!(error_of(&ask(&asked[0]).await.unwrap_err()), limited);
    assert!(ask(&asked[1]).await.is_ok());
    service.at(20);
    assert!(ask(&asked[0]).await.is_ok());
    assert_eq!(error_of(&ask(&asked[0]).await.unwrap_err()), limited);
}

#[tokio::test]
async fn what_cannot_be_verified_is_refused_alike() {
    let (service, _) = started().await;
    let hook = |secret: &str| Check::Webhook(request(secret, Vec::new(), b"").into());
    let proof = |secret: &str| {
        let request = VerifyRequest {
            secret: secret.to_owned(),
            claimed: Some(user("ada")),
            proof: Some(Proof::Hash("00".to_owned())),
        };
        Check::Verify(request.into())
    };
    let large = with_body(
        request("acme/github", Vec::new(), b""),
        vec![b'x'; (1 << 20) + 1],
    );
    for (check, code, reason) in [
        (hook("acme/none"), Code::NotFound, "SECRET_NOT_FOUND"),
        (
            hook("acme/chat"),
            Code::FailedPrecondition,
            "PURPOSE_MISMATCH",
        ),
        (
            proof("acme/github"),
            Code::FailedPrecondition,
            "PURPOSE_MISMATCH",
        ),
        (proof("acme/token"), Code::InvalidArgument, "FIELD_INVALID"),
        (hook("NO NAME"), Code::InvalidArgument, "FIELD_INVALID"),
        (hook("acme/square"), Code::InvalidArgument, "FIELD_INVALID"),
        (
            Check::Webhook(large.into()),
            Code::InvalidArgument,
            "BODY_TOO_LARGE",
        ),
    ] {
        let status = try_explain(&service, check).await.unwrap_err();
        assert_eq!(error_of(&status), (code, reason.to_owned()));
    }
    let nothing = service
        .proofs
        .clone()
        .explain(ExplainRequest { check: None })
        .await;
    assert_eq!(nothing.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn every_explanation_stands_in_the_audit_and_changes_no_secret() {
    let (service, keys) = started().await;
    let before = service.secret("acme/github").await;
    let good = github(keys.github.as_bytes(), BODY.as_bytes());
    explain(&service, &good).await;
    explain(&service, &with_body(good.clone(), BODY.replace(": ", ":"))).await;
    explain(&service, &with_body(good, "forged")).await;
    assert_eq!(service.secret("acme/github").await, before);
    let directory = service.stop().await;
    let store = directory.path().join("countersign.db");
    let store = Connection::open(store).unwrap();
    let sql = "SELECT method || ' ' || subject || ' ' || detail || ' ' || outcome || ' ' || principal FROM audit
               WHERE method = 'Explain' ORDER BY n";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    let row = |detail: &str| format!("Explain acme/github {detail} OK anonymous");
    assert_eq!(
        rows,
        [row("HOLDS"), row("BODY_RESERIALISED"), row("NO_NEAR_MISS")]
    );
}

/// At the limit of the body, and made to be printed long.
#[tokio::test]
async fn the_largest_body_is_explained_well_within_a_deadline() {
    let (service, keys) = started().await;
    let list = "1.5e-3,".repeat((1 << 20) / 8 - 200);
    let body = format!("{}{list}1{}", "[".repeat(50), "]".repeat(50));
    let sent = github(keys.github.as_bytes(), b"another");
    let started = std::time::Instant::now();
    let explained = explain(&service, &with_body(sent, body)).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
    let codes: Vec<_> = explained.causes.iter().map(v1::Cause::code).collect();
    assert_eq!(codes, [CauseCode::NoNearMiss]);
    let last = explained.checks.last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.outcome()),
        ("near-miss search", CheckOutcome::Warn)
    );
}
