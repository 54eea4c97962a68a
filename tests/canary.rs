//! No key, token, body or refused identifier is found where it does not belong: not in a log at the level TRACE, not
//! in a file of the store, not in an answer, a status or a command line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::ExitStatusExt,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, BatchVerifyItem, CreateSecretRequest, Header, Identity, RotateSecretRequest,
        SignRequest, VerifyRequest, VerifyWebhookRequest, audit_service_client::AuditServiceClient,
        backup_service_client::BackupServiceClient, batch_verify_item::Check,
        countersign_service_client::CountersignServiceClient, explain_request::Check as Question,
        scheme_service_client::SchemeServiceClient, secret_service_client::SecretServiceClient,
        sign_request::Input, token_service_client::TokenServiceClient, verify_request::Proof,
        verify_webhook_request::Payload,
    },
};
use prost::Message;
use prost_types::{FileDescriptorSet, Struct, Value, value};
use support::{
    canary::{
        Canaries,
        Kind::{self, Nowhere},
        Place,
    },
    crypto::hmac,
    new_secret,
    process::{PATIENCE, Site, random_hex},
    rotation,
};
use tonic::{
    GrpcMethod, Request, Response, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

mod support;

/// Shows a token, if any, and remembers which rpcs were called.
#[derive(Clone, Default)]
struct Caller {
    tokens: Vec<String>,
    called: Arc<Mutex<BTreeSet<String>>>,
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(method) = request.extensions().get::<GrpcMethod<'_>>() {
            let path = format!("{}/{}", method.service(), method.method());
            self.called.lock().unwrap().insert(path);
        }
        for token in &self.tokens {
            let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().append("authorization", value);
        }
        Ok(request)
    }
}

type Calling = InterceptedService<Channel, Caller>;

/// One run through the whole service with canaries everywhere.
struct Run {
    canaries: Canaries,
    caller: Caller,
    channel: Channel,
    proofs: CountersignServiceClient<Calling>,
    secrets: SecretServiceClient<Calling>,
    schemes: SchemeServiceClient<Calling>,
    tokens: TokenServiceClient<Calling>,
    audit: AuditServiceClient<Calling>,
    backups: BackupServiceClient<Calling>,
    /// Imported keys by the name of their secret.
    keys: BTreeMap<&'static str, String>,
    seen: Vec<(String, Place, Vec<u8>)>,
    statuses: BTreeMap<String, usize>,
}

impl Run {
    fn new(channel: Channel, token: &str) -> Self {
        let caller = Caller {
            tokens: vec![token.to_owned()],
            ..Caller::default()
        };
        let calling = InterceptedService::new(channel.clone(), caller.clone());
        Self {
            canaries: Canaries::default(),
            caller,
            channel,
            proofs: CountersignServiceClient::new(calling.clone()),
            secrets: SecretServiceClient::new(calling.clone()),
            schemes: SchemeServiceClient::new(calling.clone()),
            tokens: TokenServiceClient::new(calling.clone()),
            audit: AuditServiceClient::new(calling.clone()),
            backups: BackupServiceClient::new(calling),
            keys: BTreeMap::new(),
            seen: Vec::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// A new canary of plain text.
    fn canary(&mut self, label: &str, kind: Kind) -> String {
        self.canaries
            .text(label, kind, format!("cAnary{}", &random_hex()[..34]))
    }

    /// Keeps an answer or a status for the search.
    fn keep<T: Message>(
        &mut self,
        name: &str,
        place: Place,
        answered: &Result<Response<T>, Status>,
    ) {
        let (bytes, place) = match answered {
            Ok(answer) => (answer.get_ref().encode_to_vec(), place),
            Err(status) => {
                *self
                    .statuses
                    .entry(format!("{:?}", status.code()))
                    .or_default() += 1;
                let text = format!("{status:?}\n{}\n{:?}", status.message(), status.metadata());
                (
                    [text.as_bytes(), status.details()].concat(),
                    Place::Anywhere,
                )
            }
        };
        self.seen.push((name.to_owned(), place, bytes));
        let metadata = match answered {
            Ok(answer) => answer.metadata(),
            Err(status) => status.metadata(),
        };
        let metadata = format!("{metadata:?}").into_bytes();
        self.seen
            .push((format!("metadata of {name}"), Place::Anywhere, metadata));
    }

    /// Creates a secret; a key that is revealed becomes a canary.
    async fn create(&mut self, request: CreateSecretRequest) -> Result<String, Status> {
        let label = format!("the generated key of {}", request.name);
        let mut answered = self.secrets.create_secret(request).await;
        let mut revealed = String::new();
        if let Ok(answer) = &mut answered {
            revealed = std::mem::take(&mut answer.get_mut().revealed_key);
        }
        self.keep("CreateSecret", Place::Anywhere, &answered);
        self.reveal(&label, &revealed);
        answered.map(|_| revealed)
    }

    async fn rotate(&mut self, request: RotateSecretRequest) -> Result<u32, Status> {
        let label = format!("a rotated key of {}", request.name);
        let mut answered = self.secrets.rotate_secret(request).await;
        let mut revealed = String::new();
        if let Ok(answer) = &mut answered {
            revealed = std::mem::take(&mut answer.get_mut().revealed_key);
        }
        self.keep("RotateSecret", Place::Anywhere, &answered);
        self.reveal(&label, &revealed);
        answered.map(|answer| answer.into_inner().version)
    }

    fn reveal(&mut self, label: &str, key: &str) {
        if key.is_empty() {
            return;
        }
        self.canaries.text(label, Nowhere, key);
        let coded = key.strip_prefix("whsec_").unwrap_or(key);
        if let Ok(bytes) = hex::decode(coded).or_else(|_| STANDARD.decode(coded)) {
            self.canaries.bytes(label, &bytes);
        }
    }

    async fn import(&mut self, name: &str, scheme: &str, key: &str) -> Result<String, Status> {
        let request = CreateSecretRequest {
            imported_key: key.to_owned(),
            ..new_secret(name, scheme)
        };
        self.create(request).await
    }

    async fn sign(&mut self, secret: &str, input: Input) -> Result<v1::SignResponse, Status> {
        let request = SignRequest {
            secret: secret.to_owned(),
            input: Some(input),
            ttl: None,
        };
        let answered = self.proofs.sign(request).await;
        if let Ok(answer) = &answered {
            let answer = answer.get_ref();
            let headers = answer.headers.iter().map(|header| &header.value);
            for proof in headers.chain([&answer.hash, &answer.token, &answer.resource_id]) {
                // Shorter ones are times and ids.
                if proof.len() > 40 {
                    self.canaries
                        .text(&format!("a proof of {secret}"), Kind::Proof, proof);
                }
            }
        }
        self.keep("Sign", Place::SignAnswer, &answered);
        answered.map(Response::into_inner)
    }

    async fn verify(&mut self, secret: &str, claimed: Identity, proof: Option<Proof>) {
        let request = VerifyRequest {
            secret: secret.to_owned(),
            claimed: Some(claimed),
            proof,
        };
        let item = BatchVerifyItem {
            check: Some(Check::Verify(request.clone().into())),
        };
        self.explain(Question::Verify(request.clone().into())).await;
        let answered = self.proofs.verify(request).await;
        self.keep("Verify", Place::VerifyAnswer, &answered);
        self.batch(vec![item]).await;
    }

    async fn verify_webhook(&mut self, secret: &str, headers: Vec<Header>, body: &[u8]) {
        let request = VerifyWebhookRequest {
            secret: secret.to_owned(),
            headers,
            payload: Some(Payload::Body(body.to_vec().into())),
            ..Default::default()
        };
        let item = BatchVerifyItem {
            check: Some(Check::VerifyWebhook(request.clone().into())),
        };
        self.explain(Question::Webhook(request.clone().into()))
            .await;
        let answered = self.proofs.verify_webhook(request).await;
        self.keep("VerifyWebhook", Place::Anywhere, &answered);
        self.batch(vec![item]).await;
    }

    /// What is said of a proof is no place for anything of it, and none for the proof that was expected.
    async fn explain(&mut self, check: Question) {
        let request = v1::ExplainRequest { check: Some(check) };
        let answered = self.proofs.explain(request).await;
        self.keep("Explain", Place::Anywhere, &answered);
    }

    /// What a secret's key makes of a text, which the service computes and never tells.
    fn expect(&mut self, secret: &str, text: &[u8]) {
        let expected = hmac(self.keys[secret].as_bytes(), text);
        self.canaries.bytes("the expected signature", &expected);
    }

    async fn batch(&mut self, items: Vec<BatchVerifyItem>) {
        let answered = self
            .proofs
            .batch_verify(v1::BatchVerifyRequest { items })
            .await;
        self.keep("BatchVerify", Place::VerifyAnswer, &answered);
    }

    /// Imports keys of every decoding, good ones and ones that are refused.
    async fn imports(&mut self) {
        let short = self.canary("an imported key", Nowhere);
        self.import("a/chatwoot", "chatwoot.identity", &short)
            .await
            .unwrap();
        let token = self.canary("an imported token key", Nowhere);
        self.import("a/token", "countersign.token", &token)
            .await
            .unwrap();
        let github = self.canary("an imported webhook key", Nowhere);
        self.import("a/github", "github.webhook", &github)
            .await
            .unwrap();
        self.keys.insert("a/chatwoot", short.clone());
        let kept = self.canary("an imported webhook key that is kept", Nowhere);
        self.import("a/kept", "github.webhook", &kept)
            .await
            .unwrap();
        self.keys.insert("a/kept", kept);
        let stripe = self.canary("an imported key with a prefix", Nowhere);
        self.import("a/stripe", "stripe.webhook", &format!("whsec_{stripe}"))
            .await
            .unwrap();

        let hex = self
            .canaries
            .text("an imported hex key", Nowhere, random_hex());
        self.canaries
            .bytes("an imported hex key", &hex::decode(&hex).unwrap());
        self.import("a/pylon", "pylon.identity", &hex)
            .await
            .unwrap();
        let bytes = hex::decode(random_hex()).unwrap();
        let base64 = self
            .canaries
            .text("an imported base64 key", Nowhere, STANDARD.encode(&bytes));
        self.canaries.bytes("an imported base64 key", &bytes);
        self.import("a/standard", "standard.webhook", &format!("whsec_{base64}"))
            .await
            .unwrap();

        // Refused: used before, not hexadecimal, not base64, with a space, too long, in an unknown scheme.
        let long = self.canary("a refused key", Nowhere).repeat(20);
        let odd = self.canary("a refused key", Nowhere);
        for (scheme, key) in [
            ("chatwoot.identity", short.clone()),
            ("pylon.identity", format!("{odd}0")),
            ("standard.webhook", format!("whsec_{odd}!")),
            ("chatwoot.identity", format!("{odd} ")),
            ("chatwoot.identity", long),
            ("no.such", odd),
        ] {
            assert!(
                self.import("b/refused", scheme, &key).await.is_err(),
                "{scheme}"
            );
        }
    }

    /// Generated keys, and every way to change a secret.
    async fn changes(&mut self) {
        for (name, scheme) in [
            ("g/identity", "countersign.identity"),
            ("g/token", "countersign.token"),
            ("g/pylon", "pylon.identity"),
            ("g/standard", "standard.webhook"),
            ("g/conversation", "talkjs.conversation-id"),
        ] {
            assert!(
                !self
                    .create(new_secret(name, scheme))
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        let first = rotation("a/chatwoot", 60);
        self.rotate(first.clone()).await.unwrap();
        let key = self.canary("a rotated, imported key", Nowhere);
        let import = |key: &str| RotateSecretRequest {
            imported_key: key.to_owned(),
            ..rotation("a/chatwoot", 60)
        };
        self.rotate(import(&key)).await.unwrap();
        // The same again answers the same; other arguments, and a check alone, keep their key to themselves.
        self.rotate(first.clone()).await.unwrap();
        let other = self.canary("a key of a conflict", Nowhere);
        let conflict = RotateSecretRequest {
            request_id: first.request_id,
            ..import(&other)
        };
        assert!(self.rotate(conflict).await.is_err());
        let checked = self.canary("a key that was only checked", Nowhere);
        let check = RotateSecretRequest {
            validate_only: true,
            ..import(&checked)
        };
        self.rotate(check).await.unwrap();
        let stage = RotateSecretRequest {
            stage: true,
            ending: None,
            ..rotation("g/identity", 60)
        };
        let staged = self.rotate(stage).await.unwrap();
        self.rotate(support::emergency("g/pylon")).await.unwrap();
        self.lives(staged).await;
    }

    async fn lives(&mut self, staged: u32) {
        let activate = |version| v1::ActivateVersionRequest {
            name: "g/identity".to_owned(),
            version,
            grace_period: None,
        };
        let answered = self.secrets.activate_version(activate(staged)).await;
        assert!(answered.is_ok());
        self.keep("ActivateVersion", Place::Anywhere, &answered);
        let answered = self.secrets.activate_version(activate(99)).await;
        self.keep("ActivateVersion", Place::Anywhere, &answered);
        for (version, force) in [(1, false), (staged, false), (staged, true)] {
            let request = v1::RevokeVersionRequest {
                name: "g/identity".to_owned(),
                version,
                force,
            };
            let answered = self.secrets.revoke_version(request).await;
            self.keep("RevokeVersion", Place::Anywhere, &answered);
        }
        for force in [false, true] {
            let request = v1::DeleteSecretRequest {
                name: "a/github".to_owned(),
                force,
            };
            let answered = self.secrets.delete_secret(request).await;
            assert_eq!(answered.is_ok(), force);
            self.keep("DeleteSecret", Place::Anywhere, &answered);
        }
    }

    /// Proofs that hold, proofs that do not, over identities that are nobody's business.
    async fn proofs(&mut self) {
        let claim = self.canary("a claim", Kind::Identity);
        let claim = Value {
            kind: Some(value::Kind::StringValue(claim)),
        };
        let user = Identity {
            id: self.canary("an id", Kind::Identity),
            email: format!("{}@example.com", self.canary("an email", Kind::Identity)),
            name: self.canary("a name", Kind::Identity),
            attributes: Some(Struct {
                fields: [("plan".to_owned(), claim)].into(),
            }),
        };
        for secret in ["a/chatwoot", "a/token", "a/pylon", "g/token"] {
            let mut signed = user.clone();
            if !secret.ends_with("token") {
                signed.attributes = None;
            }
            let answer = self.sign(secret, Input::Identity(signed)).await.unwrap();
            let proof = match answer.token.is_empty() {
                true => Proof::Hash(answer.hash),
                false => Proof::Token(answer.token),
            };
            self.verify(secret, user.clone(), Some(proof.clone())).await;
            let mallory = Identity {
                id: self.canary("another id", Kind::Identity),
                ..Default::default()
            };
            if secret == "a/chatwoot" {
                self.expect(secret, mallory.id.as_bytes());
            }
            self.verify(secret, mallory, Some(proof)).await;
            self.verify(secret, user.clone(), None).await;
            // Proofs that were made elsewhere: wrong, malformed, of the wrong kind, too long.
            let wrong = self.canaries.text("a wrong hash", Nowhere, random_hex());
            let malformed = self.canary("a malformed token", Nowhere);
            for proof in [
                Proof::Hash(wrong),
                Proof::Token(format!("{malformed}.{malformed}.{malformed}")),
                Proof::Hash(malformed.repeat(300)),
                Proof::Token(malformed.repeat(300)),
            ] {
                self.verify(secret, user.clone(), Some(proof)).await;
            }
        }
        let resource = self.canary("a resource id", Nowhere);
        for id in [resource.clone(), format!("{resource}\u{1b}[31m\r\n")] {
            let signed = self
                .sign("g/conversation", Input::ResourceId(id.clone()))
                .await;
            assert_eq!(signed.is_ok(), id == resource);
        }
        assert!(self.sign("a/stripe", Input::Identity(user)).await.is_err());
    }

    /// Deliveries that are genuine and ones that are not.
    async fn deliveries(&mut self) {
        self.expect("a/kept", b"another");
        for secret in ["a/kept", "a/stripe", "a/standard", "g/standard"] {
            let body = self.canary("a body", Nowhere).into_bytes();
            let answer = self.sign(secret, support::delivery(&body)).await.unwrap();
            let headers = answer.headers;
            self.verify_webhook(secret, headers.clone(), &body).await;
            self.verify_webhook(secret, headers.clone(), b"another")
                .await;
            let value = self.canary("the value of a header", Nowhere);
            let cookie = Header {
                name: "cookie".to_owned(),
                value: value.clone(),
            };
            self.verify_webhook(secret, vec![cookie.clone(); 2], &body)
                .await;
            self.verify_webhook(secret, vec![cookie; 65], &body).await;
            let broken = headers.iter().map(|header| Header {
                name: header.name.clone(),
                value: format!("{value}{}", header.value),
            });
            self.verify_webhook(secret, broken.collect(), &body).await;
            let large = body.repeat((1 << 20) / body.len() + 1);
            self.verify_webhook(secret, headers, &large).await;
            assert!(self.sign(secret, support::delivery(&large)).await.is_err());
            self.verify_webhook(secret, Vec::new(), &body.repeat(1 << 16))
                .await;
        }
    }

    /// Identifiers that are refused, in every field that takes one.
    async fn identifiers(&mut self) {
        let bad = self.canary("a refused identifier", Nowhere);
        let unknown = bad.to_lowercase();
        self.canaries
            .text("an unknown name", Kind::Name, unknown.clone());
        let escape = format!("a/{bad}\u{1b}[31m\r\n{{}}");
        for name in [&bad, &unknown, &escape] {
            let get = v1::GetSecretRequest { name: name.clone() };
            let answered = self.secrets.get_secret(get).await;
            self.keep("GetSecret", Place::Anywhere, &answered);
            self.verify(name, Identity::default(), None).await;
            self.verify_webhook(name, Vec::new(), b"").await;
            assert!(self.sign(name, support::delivery(b"")).await.is_err());
            assert!(self.rotate(rotation(name, 60)).await.is_err());
            let scheme = v1::GetSchemeRequest { id: name.clone() };
            let answered = self.schemes.get_scheme(scheme).await;
            assert!(answered.is_err());
            self.keep("GetScheme", Place::Anywhere, &answered);
            let scheme = v1::DeleteSchemeRequest { id: name.clone() };
            let answered = self.schemes.delete_scheme(scheme).await;
            assert!(answered.is_err());
            self.keep("DeleteScheme", Place::Anywhere, &answered);
            self.descriptions(name).await;
            let list = v1::ListSecretsRequest {
                namespace: escape.clone(),
                page_token: name.clone(),
                ..Default::default()
            };
            let answered = self.secrets.list_secrets(list).await;
            assert!(answered.is_err());
            self.keep("ListSecrets", Place::Anywhere, &answered);
            let secret = v1::Secret {
                name: name.clone(),
                labels: [(escape.clone(), name.clone())].into(),
                etag: bad.clone(),
                ..Default::default()
            };
            self.update(secret.clone(), &escape).await;
            let known = v1::Secret {
                name: "a/chatwoot".to_owned(),
                ..secret
            };
            self.update(known, name).await;
        }
        self.creations(&bad, &escape).await;
        self.gates(&bad).await;
    }

    /// Descriptions of schemes with the text in the place of each of their values.
    async fn descriptions(&mut self, bad: &str) {
        let (_, example) = include_str!("../docs/schemes.md")
            .split_once("```toml\n")
            .unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let quoted = format!("{bad:?}").replace("\\u{1b}", "\\u001b");
        for (at, line) in example.lines().enumerate() {
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            // Of what may be any text, the scheme shows it.
            if matches!(
                key,
                "source" | "title" | "description" | "rotation" | "traps"
            ) {
                continue;
            }
            let mut lines: Vec<_> = example.lines().map(str::to_owned).collect();
            lines[at] = format!("{key} = {quoted}");
            let request = v1::CreateSchemeRequest {
                definition: lines.join("\n"),
                validate_only: true,
            };
            let answered = self.schemes.create_scheme(request).await;
            if answered.is_err() {
                self.keep("CreateScheme", Place::Anywhere, &answered);
            }
        }
    }

    async fn update(&mut self, secret: v1::Secret, path: &str) {
        for paths in [vec![path.to_owned()], vec!["labels".to_owned()]] {
            let request = v1::UpdateSecretRequest {
                secret: Some(secret.clone()),
                update_mask: Some(prost_types::FieldMask { paths }),
                validate_only: false,
            };
            let answered = self.secrets.update_secret(request).await;
            assert!(answered.is_err());
            self.keep("UpdateSecret", Place::Anywhere, &answered);
        }
    }

    async fn creations(&mut self, bad: &str, escape: &str) {
        let good = || new_secret("b/refused", "chatwoot.identity");
        let pair = || [(escape.to_owned(), bad.to_owned())].into();
        for request in [
            CreateSecretRequest {
                request_id: escape.to_owned(),
                ..good()
            },
            CreateSecretRequest {
                name: escape.to_owned(),
                ..good()
            },
            CreateSecretRequest {
                scheme: bad.to_owned(),
                ..good()
            },
            CreateSecretRequest {
                labels: pair(),
                ..good()
            },
            CreateSecretRequest {
                parameters: pair(),
                ..good()
            },
            CreateSecretRequest {
                key_id: escape.to_owned(),
                ..good()
            },
        ] {
            assert!(self.create(request).await.is_err());
        }
    }

    /// Callers that the gate turns away: no token, a wrong one, two; and a request id that is not sane.
    async fn gates(&mut self, bad: &str) {
        let wrong = self
            .canaries
            .text("a wrong bearer token", Nowhere, random_hex());
        let right = self.caller.tokens[0].clone();
        for tokens in [vec![], vec![wrong.clone()], vec![right.clone(), wrong]] {
            let caller = Caller {
                tokens,
                ..self.caller.clone()
            };
            let calling = InterceptedService::new(self.channel.clone(), caller);
            let mut secrets = SecretServiceClient::new(calling);
            let answered = secrets
                .list_secrets(v1::ListSecretsRequest::default())
                .await;
            let code = answered.as_ref().map(|_| ()).map_err(Status::code);
            assert_eq!(code, Err(tonic::Code::Unauthenticated));
            self.keep("ListSecrets", Place::Anywhere, &answered);
        }
        let mut request = Request::new(v1::ListSecretsRequest::default());
        let id = format!("{bad} {bad}").parse().unwrap();
        request.metadata_mut().insert("x-request-id", id);
        request
            .metadata_mut()
            .insert("cookie", bad.parse().unwrap());
        let answered = self.secrets.list_secrets(request).await;
        assert!(answered.is_ok());
        self.keep("ListSecrets", Place::Anywhere, &answered);
    }

    async fn reads(&mut self) {
        for name in ["a/chatwoot", "a/pylon", "a/standard", "g/identity"] {
            let get = v1::GetSecretRequest {
                name: name.to_owned(),
            };
            let answered = self.secrets.get_secret(get).await;
            assert!(answered.is_ok(), "{name}");
            self.keep("GetSecret", Place::Anywhere, &answered);
        }
        let secret = v1::Secret {
            name: "a/pylon".to_owned(),
            labels: [("team".to_owned(), "chat".to_owned())].into(),
            ..Default::default()
        };
        let request = v1::UpdateSecretRequest {
            secret: Some(secret),
            ..Default::default()
        };
        let answered = self.secrets.update_secret(request).await;
        assert!(answered.is_ok());
        self.keep("UpdateSecret", Place::Anywhere, &answered);
        let answered = self.schemes.list_schemes(v1::ListSchemesRequest {}).await;
        assert!(answered.is_ok());
        self.keep("ListSchemes", Place::Anywhere, &answered);
    }
}

/// Credentials, the record of all that was done, and a copy of the store.
impl Run {
    async fn callers(&mut self) {
        let mut verifier = String::new();
        for (name, san) in [("a/bearer", ""), ("a/certificate", "dns:a.example")] {
            let request = v1::CreateTokenRequest {
                name: name.to_owned(),
                grants: vec![v1::Grant {
                    permissions: vec![v1::Permission::Verify.into()],
                    pattern: "a/*".to_owned(),
                }],
                certificate_san: san.to_owned(),
                ..Default::default()
            };
            let mut answered = self.tokens.create_token(request).await;
            let text = std::mem::take(&mut answered.as_mut().unwrap().get_mut().bearer_token);
            assert_eq!(text.is_empty(), !san.is_empty());
            self.keep("CreateToken", Place::Anywhere, &answered);
            if !text.is_empty() {
                self.bearer("a caller's token", &text);
                // It may verify and not list.
                let code = self.list_as(&text).await;
                assert_eq!(code, Err(tonic::Code::PermissionDenied));
                verifier = text;
            }
        }
        let bad = self.canary("a refused token", Nowhere);
        let request = v1::CreateTokenRequest {
            name: "a/refused".to_owned(),
            certificate_san: bad.clone(),
            ..Default::default()
        };
        let answered = self.tokens.create_token(request).await;
        assert!(answered.is_err());
        self.keep("CreateToken", Place::Anywhere, &answered);
        for name in ["a/bearer".to_owned(), format!("{bad}/x")] {
            let answered = self
                .tokens
                .revoke_token(v1::RevokeTokenRequest { name })
                .await;
            self.keep("RevokeToken", Place::Anywhere, &answered);
        }
        let code = self.list_as(&verifier).await;
        assert_eq!(code, Err(tonic::Code::Unauthenticated));
        let answered = self
            .tokens
            .list_tokens(v1::ListTokensRequest::default())
            .await;
        assert_eq!(answered.as_ref().unwrap().get_ref().tokens.len(), 3);
        self.keep("ListTokens", Place::Anywhere, &answered);
    }

    /// What proves that somebody has a token is its text, with and without its public id.
    fn bearer(&mut self, label: &str, token: &str) {
        self.canaries.text(label, Nowhere, token);
        let secret = token.splitn(3, '_').last().unwrap();
        self.canaries.text(label, Nowhere, secret);
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
        assert_eq!(bytes.len(), 32);
        self.canaries.bytes(label, &bytes);
    }

    /// Lists secrets as whoever has this token.
    async fn list_as(&mut self, token: &str) -> Result<(), tonic::Code> {
        let caller = Caller {
            tokens: vec![token.to_owned()],
            ..self.caller.clone()
        };
        let calling = InterceptedService::new(self.channel.clone(), caller);
        let mut secrets = SecretServiceClient::new(calling);
        let answered = secrets
            .list_secrets(v1::ListSecretsRequest::default())
            .await;
        self.keep("ListSecrets", Place::Anywhere, &answered);
        answered.map(|_| ()).map_err(|status| status.code())
    }

    /// What reflection tells of the contract.
    async fn reflection(&mut self) {
        let asked = ["countersign.v1.SecretService", "countersign.v1.Secret", "*"];
        let requests = asked.map(|symbol| ServerReflectionRequest {
            message_request: Some(match symbol {
                "*" => MessageRequest::ListServices(String::new()),
                symbol => MessageRequest::FileContainingSymbol(symbol.to_owned()),
            }),
            ..ServerReflectionRequest::default()
        });
        let mut client = ServerReflectionClient::new(self.channel.clone());
        let answered = client
            .server_reflection_info(tokio_stream::iter(requests))
            .await;
        let mut answers = answered.unwrap().into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            let bytes = answer.encode_to_vec();
            assert!(bytes.len() > 20);
            self.seen
                .push(("reflection".to_owned(), Place::Anywhere, bytes));
        }
    }

    async fn records(&mut self) {
        let request = v1::ListAuditRecordsRequest {
            page_size: 1000,
            ..Default::default()
        };
        let answered = self.audit.list_audit_records(request).await;
        assert!(answered.as_ref().unwrap().get_ref().records.len() > 50);
        self.keep("ListAuditRecords", Place::Records, &answered);
        let request = v1::VerifyAuditChainRequest::default();
        let answered = self.audit.verify_audit_chain(request).await;
        assert!(answered.as_ref().unwrap().get_ref().intact);
        self.keep("VerifyAuditChain", Place::Anywhere, &answered);
        let answered = self.backups.create_backup(v1::CreateBackupRequest {}).await;
        let (mut pieces, mut copy) = (answered.unwrap().into_inner(), Vec::new());
        while let Some(piece) = pieces.message().await.unwrap() {
            copy.extend_from_slice(&piece.data);
        }
        assert!(copy.len() > 100_000, "{}", copy.len());
        self.seen
            .push(("a backup".to_owned(), Place::Records, copy));
    }
}

/// Every rpc of the contract.
fn rpcs() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut rpcs = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                rpcs.insert(path);
            }
        }
    }
    rpcs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a14_a16_a17_d09_no_canary_is_found_where_it_does_not_belong() {
    let site = Site::with("log.level = \"trace\"\nlimits.use_flush = \"1s\"\nreflection = true\n");
    let mut running = site.serve().await;
    let mut run = Run::new(running.channel().await, &site.token);
    run.bearer("the first token", &site.token);
    run.canaries
        .text("the key-encryption key", Nowhere, &site.kek);
    run.canaries
        .bytes("the key-encryption key", &hex::decode(&site.kek).unwrap());

    run.imports().await;
    run.changes().await;
    run.proofs().await;
    run.deliveries().await;
    run.identifiers().await;
    run.reads().await;
    run.callers().await;
    run.records().await;
    run.reflection().await;
    assert_eq!(
        *run.caller.called.lock().unwrap(),
        rpcs(),
        "every rpc is called"
    );
    // The times of last use are written meanwhile.
    tokio::time::sleep(Duration::from_millis(1500)).await;

    for name in ["cmdline", "environ"] {
        // Who has no privileges may not even read the environment.
        let bytes = fs::read(format!("/proc/{}/{name}", running.pid())).unwrap_or_default();
        assert!(name == "environ" || !bytes.is_empty());
        run.seen.push((name.to_owned(), Place::Anywhere, bytes));
    }
    files(&site, "running", &mut run.seen);
    running.signal("TERM");
    assert!(running.wait(PATIENCE).await.0.success());
    files(&site, "stopped", &mut run.seen);
    let log = site.log();
    check_log(&log);
    let length = log.len();
    run.seen
        .push(("the log".to_owned(), Place::Records, log.into_bytes()));

    let mut found = BTreeSet::new();
    for (name, place, bytes) in &run.seen {
        found.extend(run.canaries.found(name, *place, bytes));
    }
    assert!(found.is_empty(), "{found:#?}");
    for planted in run.canaries.planted() {
        assert!(
            !run.canaries
                .found("a plant", Place::Anywhere, &planted)
                .is_empty()
        );
    }
    eprintln!(
        "{} canaries, {} places, {length} bytes of log, statuses {:?}",
        run.canaries.count,
        run.seen.len(),
        run.statuses
    );
}

/// Every file of the store as it is now.
fn files(site: &Site, when: &str, seen: &mut Vec<(String, Place, Vec<u8>)>) {
    for file in fs::read_dir(site.data_dir()).unwrap() {
        let path = file.unwrap().path();
        let name = format!("{} ({when})", path.display());
        seen.push((name, Place::Records, fs::read(path).unwrap()));
    }
}

/// The log is at the level TRACE, and each line is one JSON object without a control character.
fn check_log(log: &str) {
    for target in ["h2::", "countersign_server::"] {
        let target = format!("\"target\":\"{target}");
        assert!(log.contains(&target), "{target} logs nothing");
    }
    assert!(log.contains("\"level\":\"TRACE\""), "nothing is traced");
    for line in log.lines() {
        assert!(!line.contains(|c: char| c.is_control()), "{line}");
        let parsed = serde_json::from_str::<serde_json::Value>(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "{line}");
    }
}

/// The memory of a server holds every key.
#[tokio::test]
async fn a_server_that_crashes_leaves_no_core_dump() {
    let site = Site::new();
    let mut running = site.serve().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let words: Vec<_> = limit.unwrap().split_whitespace().collect();
    assert_eq!(words, ["0", "0", "bytes"]);
    running.signal("ABRT");
    let (status, _) = running.wait(PATIENCE).await;
    assert_eq!(status.signal(), Some(6));
    assert!(!status.core_dumped());
}

/// A key that is given in the environment is not there any more once the server serves.
#[tokio::test]
async fn a21_the_key_is_erased_from_the_environment() {
    let site = Site::new();
    let text = site.configuration();
    let lines = text.lines().filter(|line| !line.starts_with("key_enc"));
    let text = lines.collect::<Vec<_>>().join("\n");
    site.write("countersign.toml", &text, 0o644);
    let mut running = site.spawn_with(&[("COUNTERSIGN_KEK", &site.kek)]);
    running.until_logged();
    running.until_serving().await;
    let mut canaries = Canaries::default();
    canaries.text("the key-encryption key", Nowhere, &site.kek);
    for name in ["environ", "cmdline"] {
        // Who has no privileges may not even read it.
        let bytes = fs::read(format!("/proc/{}/{name}", running.pid())).unwrap_or_default();
        let found = canaries.found(name, Place::Anywhere, &bytes);
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(site.log().contains("COUNTERSIGN_KEK was erased"));
    running.signal("TERM");
    assert!(running.wait(PATIENCE).await.0.success());
}

#[test]
fn the_forms_of_a_canary_are_those_that_it_has_in_a_longer_text() {
    let mut canaries = Canaries::default();
    canaries.text("it", Nowhere, "correct horse battery");
    for before in 0..6 {
        let text = format!("{}correct horse battery staple", "x".repeat(before));
        for hay in [
            text.clone(),
            hex::encode(&text),
            hex::encode_upper(&text),
            STANDARD.encode(&text),
            format!("{:?}", text.as_bytes()),
            text.chars().rev().collect(),
        ] {
            assert!(
                !canaries
                    .found("it", Place::Anywhere, hay.as_bytes())
                    .is_empty(),
                "{hay}"
            );
        }
    }
    assert!(
        canaries
            .found("it", Place::Anywhere, b"correct horse batter")
            .is_empty()
    );
}
