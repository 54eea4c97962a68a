//! Schemes of one's own over the wire: a sender that nobody has heard of is one description and no code. The
//! descriptions are those of docs/schemes.md.

mod support;

use std::collections::BTreeSet;

use countersign_core::Catalogue;
use countersign_proto::v1::{
    self, CreateSchemeRequest, CreateSchemeResponse, Decision, DeleteSchemeRequest,
    GetSchemeRequest, ListSchemesRequest, Mode, ProvenPart, Reason, WebhookToSign,
    sign_request::Input, verify_request::Proof,
};
use support::{
    NOW, Options, Service,
    calls::{header, importing, value_of, with_header},
    refusal::{CANARY, failed, invalid_for, refusal},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const DOCUMENT: &str = include_str!("../docs/schemes.md");
const WEBHOOK: &str = "parceldesk.webhook";
const IDENTITY: &str = "parceldesk.identity";
const KEY: &str = "pd_b7e09a4417c2f5d86a3e";

/// The worked examples of the document: the webhook and the identity.
fn examples() -> [String; 2] {
    let mut blocks = DOCUMENT.split("```toml\n").skip(1);
    let mut block = || {
        blocks
            .next()
            .unwrap()
            .split("```")
            .next()
            .unwrap()
            .to_owned()
    };
    [block(), block()]
}

async fn create(service: &Service, definition: &str) -> Result<CreateSchemeResponse, Status> {
    ask(service, definition, false).await
}

async fn ask(
    service: &Service,
    definition: &str,
    validate_only: bool,
) -> Result<CreateSchemeResponse, Status> {
    let request = CreateSchemeRequest {
        definition: definition.to_owned(),
        validate_only,
    };
    let answered = service.schemes.clone().create_scheme(request).await;
    answered.map(tonic::Response::into_inner)
}

async fn delete(service: &Service, id: &str) -> Result<(), Status> {
    let request = DeleteSchemeRequest { id: id.to_owned() };
    let answered = service.schemes.clone().delete_scheme(request).await;
    answered.map(|_| ())
}

async fn shown(service: &Service, id: &str) -> Result<v1::Scheme, Status> {
    let request = GetSchemeRequest { id: id.to_owned() };
    let answered = service.schemes.clone().get_scheme(request).await;
    answered.map(|answer| answer.into_inner().scheme.unwrap())
}

async fn listed(service: &Service) -> Vec<v1::Scheme> {
    let mut schemes = service.schemes.clone();
    let answered = schemes.list_schemes(ListSchemesRequest {}).await;
    answered.unwrap().into_inner().schemes
}

/// A service with a secret of the worked webhook, and a delivery that it signed now.
async fn with_delivery() -> (Service, Vec<v1::Header>) {
    let service = Service::start().await;
    create(&service, &examples()[0]).await.unwrap();
    service
        .create(importing("acme/parcels", WEBHOOK, KEY))
        .await;
    let headers = signed(&service).await;
    (service, headers)
}

const BODY: &[u8] = b"{\"event\":\"parcel.lost\"}";

async fn signed(service: &Service) -> Vec<v1::Header> {
    let to_sign = WebhookToSign {
        id: "dlv_7".to_owned(),
        body: BODY.into(),
        ..Default::default()
    };
    let input = Input::Webhook(to_sign);
    service.sign("acme/parcels", input).await.headers
}

async fn reason(service: &Service, headers: &[v1::Header], body: &[u8]) -> Option<Reason> {
    let answer = service.verify_webhook("acme/parcels", headers.to_vec(), body);
    let answer = answer.await;
    let accepted = answer.decision() == Decision::Allow;
    assert_eq!(accepted, answer.reason() == Reason::Unspecified);
    (!accepted).then(|| answer.reason())
}

#[tokio::test]
async fn a_sender_that_nobody_has_heard_of_is_one_description_and_no_code() {
    let (service, headers) = with_delivery().await;
    let signature = value_of(&headers, "x-parcel-signature").to_owned();
    assert!(signature.starts_with(&format!("t={NOW};")), "{signature}");

    let answer = service
        .verify_webhook("acme/parcels", headers.clone(), BODY)
        .await;
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.delivery_id, "dlv_7");
    let proven: Vec<_> = answer.proven().collect();
    assert_eq!(
        proven,
        [ProvenPart::Body, ProvenPart::Timestamp, ProvenPart::Id]
    );

    let mismatch = Some(Reason::SignatureMismatch);
    assert_eq!(
        reason(&service, &headers, b"{\"event\":\"parcel.found\"}").await,
        mismatch
    );
    let other_id = with_header(&headers, "x-parcel-delivery", "dlv_8");
    assert_eq!(reason(&service, &other_id, BODY).await, mismatch);
    let fresher = signature.replace(&NOW.to_string(), &(NOW + 1).to_string());
    let fresher = with_header(&headers, "x-parcel-signature", &fresher);
    assert_eq!(reason(&service, &fresher, BODY).await, mismatch);
    let unsigned = vec![header("x-parcel-delivery", "dlv_7")];
    assert_eq!(
        reason(&service, &unsigned, BODY).await,
        Some(Reason::HeaderMissing)
    );

    service.at(300);
    assert_eq!(reason(&service, &headers, BODY).await, None);
    service.at(301);
    assert_eq!(
        reason(&service, &headers, BODY).await,
        Some(Reason::TimestampTooOld)
    );
    service.at(-301);
    assert_eq!(
        reason(&service, &headers, BODY).await,
        Some(Reason::TimestampInFuture)
    );
}

#[tokio::test]
async fn a_delivery_of_another_program_verifies() {
    let (service, _) = with_delivery().await;
    // Computed with Python's hmac; it stands in the document.
    let key = "pd_4c1e9a7720f5b83d6e2a";
    service.create(importing("acme/theirs", WEBHOOK, key)).await;
    let lines = DOCUMENT.split("```text\n").nth(1).unwrap();
    let (head, body) = lines
        .split("```")
        .next()
        .unwrap()
        .split_once("\n\n")
        .unwrap();
    let headers = head
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| header(name, value))
        .collect();
    let answer = service
        .verify_webhook("acme/theirs", headers, body.trim_end().as_bytes())
        .await;
    assert_eq!(answer.decision(), Decision::Allow);
}

#[tokio::test]
async fn an_identity_of_ones_own_is_proven() {
    let service = Service::start().await;
    create(&service, &examples()[1]).await.unwrap();
    let secret = v1::CreateSecretRequest {
        mode: Mode::Required.into(),
        ..importing("acme/chat", IDENTITY, "chat_5f0c9b7e21d84a63")
    };
    service.create(secret).await;
    let claimed = |email: &str| v1::Identity {
        email: email.to_owned(),
        ..Default::default()
    };
    let hash = service
        .sign("acme/chat", Input::Identity(claimed("Ada@Example.com")))
        .await
        .hash;
    for (email, decision) in [
        ("ada@example.com", Decision::Allow),
        ("ADA@example.com", Decision::Allow),
        ("eve@example.com", Decision::Deny),
    ] {
        let answer = service
            .verify("acme/chat", claimed(email), Some(Proof::Hash(hash.clone())))
            .await;
        assert_eq!(answer.decision(), decision, "{email}");
    }
}

#[tokio::test]
async fn it_is_listed_shown_and_there_after_a_restart() {
    let (service, headers) = with_delivery().await;
    let builtin = Catalogue::builtin().iter().count();
    let own: Vec<_> = listed(&service)
        .await
        .into_iter()
        .filter(|it| it.custom)
        .collect();
    assert_eq!((listed(&service).await.len(), own.len()), (builtin + 1, 1));
    assert_eq!(
        (own[0].id.as_str(), own[0].definition.as_str()),
        (WEBHOOK, "")
    );

    let scheme = shown(&service, WEBHOOK).await.unwrap();
    assert_eq!(scheme.definition, examples()[0]);
    assert_eq!(scheme.purpose(), v1::Purpose::Webhook);
    assert_eq!(scheme.confidence(), v1::Confidence::Unspecified);
    assert_eq!(scheme.headers, ["x-parcel-delivery", "x-parcel-signature"]);
    let proven: Vec<_> = scheme.proven().collect();
    assert_eq!(
        proven,
        [ProvenPart::Body, ProvenPart::Timestamp, ProvenPart::Id]
    );
    assert!(!scheme.rotation.is_empty() && scheme.traps.len() == 1);

    let service = service.restart().await;
    assert_eq!(shown(&service, WEBHOOK).await.unwrap(), scheme);
    assert_eq!(reason(&service, &headers, BODY).await, None);
    let headers = signed(&service).await;
    assert_eq!(reason(&service, &headers, BODY).await, None);
    let secret = service.secret("acme/parcels").await;
    assert_eq!(
        (secret.scheme.as_str(), secret.purpose()),
        (WEBHOOK, v1::Purpose::Webhook)
    );
    let rotated = service.rotate(support::rotation("acme/parcels", 60)).await;
    assert!(rotated.revealed_key.starts_with("pd_"));
}

#[tokio::test]
async fn the_same_description_answers_the_same_and_another_one_is_refused() {
    let service = Service::start().await;
    let [text, _] = examples();
    let trial = ask(&service, &text, true).await.unwrap();
    assert_eq!(trial.scheme.as_ref().unwrap().id, WEBHOOK);
    let unknown = failed(Code::NotFound, "SCHEME_NOT_FOUND");
    assert_eq!(refusal(shown(&service, WEBHOOK).await, ""), unknown);
    let first = create(&service, &text).await.unwrap();
    assert_eq!(first, trial);
    assert_eq!(create(&service, &text).await.unwrap(), first);
    let other = text.replace("past_secs = 300", "past_secs = 299");
    let taken = failed(Code::AlreadyExists, "SCHEME_EXISTS");
    assert_eq!(refusal(create(&service, &other).await, &other), taken);
    assert_eq!(refusal(ask(&service, &other, true).await, &other), taken);
}

#[tokio::test]
async fn a_scheme_in_use_or_built_in_is_not_deleted() {
    let (service, _) = with_delivery().await;
    let in_use = failed(Code::FailedPrecondition, "SCHEME_IN_USE");
    assert_eq!(refusal(delete(&service, WEBHOOK).await, WEBHOOK), in_use);
    let built_in = failed(Code::FailedPrecondition, "SCHEME_BUILT_IN");
    assert_eq!(
        refusal(delete(&service, "stripe.webhook").await, ""),
        built_in
    );
    let unknown = failed(Code::NotFound, "SCHEME_NOT_FOUND");
    assert_eq!(
        refusal(delete(&service, "acme.canary-4d61c7").await, ""),
        unknown
    );

    service.delete("acme/parcels", true).await.unwrap();
    delete(&service, WEBHOOK).await.unwrap();
    assert_eq!(refusal(delete(&service, WEBHOOK).await, ""), unknown);
    assert_eq!(refusal(shown(&service, WEBHOOK).await, ""), unknown);
    let again = service
        .try_create(importing("acme/parcels", WEBHOOK, KEY))
        .await;
    assert_eq!(refusal(again, WEBHOOK).field, "scheme");
    create(&service, &examples()[0]).await.unwrap();
    service
        .create(importing("acme/parcels", WEBHOOK, KEY))
        .await;
}

#[tokio::test]
async fn a_built_in_vendor_is_not_shadowed() {
    let service = Service::start().await;
    for (vendor, kind) in [
        ("stripe", "webhook"),
        ("stripe", "webhook-2"),
        ("chatwoot", "x"),
    ] {
        let text = examples()[0]
            .replace("\"parceldesk\"", &format!("{vendor:?}"))
            .replace("kind = \"webhook\"", &format!("kind = {kind:?}"));
        let refused = refusal(create(&service, &text).await, "");
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::AlreadyExists, "SCHEME_EXISTS")
        );
    }
}

#[tokio::test]
async fn every_built_in_scheme_can_be_added_under_another_vendor() {
    let service = Service::start().await;
    for scheme in listed(&service).await {
        let definition = shown(&service, &scheme.id).await.unwrap().definition;
        let (vendor, kind) = scheme.id.split_once('.').unwrap();
        let heading = format!("vendor = \"{vendor}\"");
        let own = definition.replace(&heading, &format!("vendor = \"my-{vendor}\""));
        let added = create(&service, &own).await;
        let added = added.unwrap_or_else(|status| panic!("{}: {status}", scheme.id));
        let added = added.scheme.unwrap();
        assert_eq!(added.id, format!("my-{vendor}.{kind}"));
        assert_eq!(
            (added.signed_text, added.headers, added.proven),
            (scheme.signed_text, scheme.headers, scheme.proven)
        );
    }
}

#[tokio::test]
async fn what_the_linter_and_the_vectors_refuse_is_listed() {
    let service = Service::start().await;
    let text = examples()[0]
        .replace("{id}.{timestamp}.{body}", "{id}{timestamp}")
        .replace("a = 1", CANARY);
    let Err(status) = create(&service, &text).await else {
        panic!("the scheme was added");
    };
    let listed = status.get_details_bad_request().unwrap().field_violations;
    let fields: BTreeSet<_> = listed.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, BTreeSet::from(["definition"]));
    let codes: Vec<_> = listed
        .iter()
        .map(|it| it.description.split(": ").next().unwrap())
        .collect();
    assert_eq!(codes, ["BODY_NOT_BOUND", "VECTOR_FAILED", "VECTOR_FAILED"]);
    assert!(
        listed[1]
            .description
            .contains("delivered: expected ACCEPT, got SIGNATURE_MISMATCH")
    );
    let refused = invalid_for("SCHEME_REFUSED", "definition");
    assert_eq!(
        refusal(Err::<(), _>(status), "pd_4c1e9a7720f5b83d6e2a"),
        refused
    );

    let warned = examples()[0].replace("past_secs = 300", "past_secs = 7200");
    let (warned, _) = warned.split_once("[[scheme.vector]]").unwrap();
    let answer = create(&service, warned).await.unwrap();
    let codes: Vec<_> = answer.findings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["WIDE_WINDOW", "NO_VECTORS"]);
    assert!(
        answer
            .findings
            .iter()
            .all(|it| it.severity() == v1::LintSeverity::Warning)
    );
}

#[tokio::test]
async fn there_are_at_most_as_many_as_the_limit_says() {
    let options = Options {
        edit: |config| config.limits.max_schemes = 1,
        ..Default::default()
    };
    let service = Service::with(options).await;
    let [webhook, identity] = examples();
    create(&service, &webhook).await.unwrap();
    let full = failed(Code::ResourceExhausted, "TOO_MANY_SCHEMES");
    assert_eq!(refusal(create(&service, &identity).await, ""), full);
    delete(&service, WEBHOOK).await.unwrap();
    create(&service, &identity).await.unwrap();
}

#[tokio::test]
async fn hostile_descriptions_are_refused_and_the_service_goes_on() {
    let service = Service::start().await;
    let [text, _] = examples();
    let nested = |open: &str, close: &str| {
        format!("vendor = {}1{}", open.repeat(8_000), close.repeat(8_000))
    };
    let refused = invalid_for("SCHEME_REFUSED", "definition");
    for hostile in [
        String::new(),
        "\0".to_owned(),
        CANARY.to_owned(),
        format!("vendor = \"{CANARY}"),
        text.replace("kind = \"webhook\"", &format!("kind = \"{CANARY}/..\"")),
        text.replace(
            "encoding = \"hex-lower\"",
            &format!("encoding = \"{CANARY}\""),
        ),
        text.replace("unit = \"seconds\"", &format!("unit = [\"{CANARY}\"]")),
        text.replace("parceldesk", "parcel\\u0000desk"),
        text.replace("parceldesk\"", "parceldesk\0\""),
        text.clone() + &text,
        format!("{text}# {}", "x".repeat(70_000)),
        nested("[", "]"),
        nested("{ a = ", " }"),
        format!("{}a = 1", "a.".repeat(30_000)),
        text.replace("{body}", &"{body}".repeat(14)),
        text.replace("{body}", &"{".repeat(30_000)),
    ] {
        let answered = create(&service, &hostile).await;
        assert_eq!(refusal(answered, "pd_4c1e9a7720f5b83d6e2a"), refused);
    }
    let megabyte = "#".repeat(1 << 20);
    let answered = refusal(create(&service, &megabyte).await, "");
    assert_eq!(
        (answered.code, answered.reason.as_str()),
        (Code::OutOfRange, "MESSAGE_TOO_LARGE")
    );
    create(&service, &text).await.unwrap();
}

#[tokio::test]
async fn a25_an_edited_description_verifies_nothing_and_the_others_serve() {
    let (service, headers) = with_delivery().await;
    service.generate("acme/other", "stripe.webhook").await;
    let clock = service.clock.clone();
    let directory = service.stop().await;
    let database = rusqlite::Connection::open(directory.path().join("countersign.db")).unwrap();
    let edit =
        "UPDATE schemes SET definition = replace(definition, 'past_secs = 300', 'past_secs = 999')";
    assert_eq!(database.execute(edit, []).unwrap(), 1);
    drop(database);
    let service = Service::on(directory, clock, Options::default()).await;
    let answered = service
        .try_verify_webhook("acme/parcels", headers, BODY)
        .await;
    let corrupt = failed(Code::DataLoss, "SECRET_CORRUPT");
    assert_eq!(refusal(answered, ""), corrupt);
    service.sign("acme/other", support::delivery(BODY)).await;
    let again = create(&service, &examples()[0]).await;
    assert_eq!(refusal(again, ""), failed(Code::DataLoss, "SCHEME_CORRUPT"));
    // What is damaged can be taken out and made again.
    service.delete("acme/parcels", true).await.unwrap();
    delete(&service, WEBHOOK).await.unwrap();
    create(&service, &examples()[0]).await.unwrap();
    service
        .create(importing("acme/parcels", WEBHOOK, KEY))
        .await;
}
