//! Who may call and what each may do: tokens, grants, limits, and the whole matrix of rpcs and callers.

mod support;

use std::{collections::BTreeSet, time::Duration};

use countersign_core::{SecretName, access::Permission};
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, CreateSecretRequest, CreateTokenRequest, ListSecretsRequest, ListTokensRequest,
        VerifyRequest, countersign_service_client::CountersignServiceClient,
        token_service_client::TokenServiceClient,
    },
};
use countersign_server::{Server, init};
use prost::{Message, bytes::Bytes};
use prost_types::FileDescriptorSet;
use secrecy::ExposeSecret;
use support::{
    error_of,
    guarded::{Guarded, config, grant},
    new_secret,
    process::{Bearer, BearerChannel},
    request_id, user,
};
use tempfile::TempDir;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;

fn check(secret: &str) -> VerifyRequest {
    VerifyRequest {
        secret: secret.to_owned(),
        claimed: Some(user("ada")),
        proof: None,
    }
}

/// All that a client can tell one refusal from another by.
fn shape(status: &Status) -> (Code, String, Bytes) {
    let details = Bytes::copy_from_slice(status.details());
    (status.code(), status.message().to_owned(), details)
}

#[tokio::test]
async fn a01_no_malformed_expired_revoked_and_unknown_tokens_are_refused_alike() {
    let guarded = Guarded::start().await;
    guarded.secret("acme/chat").await;
    let revoked = guarded
        .token("acme/old", &[Permission::Verify], "acme/*")
        .await;
    guarded
        .proofs(&revoked)
        .verify(check("acme/chat"))
        .await
        .unwrap();
    guarded.revoke(&guarded.admin, "acme/old").await.unwrap();
    let short = CreateTokenRequest {
        name: "acme/short".to_owned(),
        grants: vec![grant(&[Permission::Verify], "acme/*")],
        expire_time: Some((std::time::SystemTime::now() + Duration::from_millis(300)).into()),
        ..Default::default()
    };
    let expired = guarded.tokens(&guarded.admin).create_token(short).await;
    let expired = expired.unwrap().into_inner().bearer_token;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let unknown = format!("cst_{}_{}", "0".repeat(16), "A".repeat(43));
    let anonymous = CountersignServiceClient::new(guarded.channel.clone());
    let first = anonymous
        .clone()
        .verify(check("acme/chat"))
        .await
        .unwrap_err();
    assert_eq!(
        error_of(&first),
        (Code::Unauthenticated, "UNAUTHENTICATED".to_owned())
    );
    for wrong in [revoked.as_str(), &expired, &unknown, "x", ""] {
        let refused = guarded
            .proofs(wrong)
            .verify(check("acme/chat"))
            .await
            .unwrap_err();
        assert_eq!(shape(&refused), shape(&first));
        let absent = guarded
            .proofs(wrong)
            .verify(check("acme/none"))
            .await
            .unwrap_err();
        assert_eq!(shape(&absent), shape(&first));
    }
}

#[tokio::test]
async fn a04_a_token_elsewhere_in_basic_or_twice_is_no_token() {
    let guarded = Guarded::start().await;
    guarded.secret("acme/chat").await;
    let right = format!("Bearer {}", guarded.admin);
    let basic = format!("Basic {}", guarded.admin);
    let shown: [&[(&'static str, &str)]; 5] = [
        &[("x-authorization", &right)],
        &[("authorization", &basic)],
        &[("authorization", &guarded.admin)],
        &[("authorization", &right), ("authorization", &right)],
        &[("authorization", &right), ("authorization", "Bearer other")],
    ];
    for headers in shown {
        let mut request = Request::new(check("acme/chat"));
        for (name, value) in headers {
            request.metadata_mut().append(*name, value.parse().unwrap());
        }
        let mut proofs = CountersignServiceClient::new(guarded.channel.clone());
        let refused = proofs.verify(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{headers:?}");
    }
    let mut request = Request::new(check("acme/chat"));
    request
        .metadata_mut()
        .append("authorization", right.parse().unwrap());
    let mut proofs = CountersignServiceClient::new(guarded.channel.clone());
    proofs.verify(request).await.unwrap();
}

#[tokio::test]
async fn a02_a12_another_namespace_answers_the_same_whether_or_not_a_secret_is_there() {
    let guarded = Guarded::start().await;
    for name in ["acme/chat", "other/chat"] {
        guarded.secret(name).await;
    }
    let verify = guarded
        .token("acme/chat", &[Permission::Verify], "acme/*")
        .await;
    let mut proofs = guarded.proofs(&verify);
    proofs.verify(check("acme/chat")).await.unwrap();
    let mut shapes = BTreeSet::new();
    for name in ["other/chat", "other/none", "acme/none"] {
        let refused = proofs.verify(check(name)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{name}");
        shapes.insert(format!("{:?}", shape(&refused)));
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    // Who may list the names of a namespace learns nothing new from NOT_FOUND.
    let both = [Permission::Verify, Permission::SecretsRead];
    let reader = guarded.token("acme/reader", &both, "acme/*").await;
    let mut proofs = guarded.proofs(&reader);
    let missing = proofs.verify(check("acme/none")).await.unwrap_err();
    assert_eq!(
        error_of(&missing),
        (Code::NotFound, "SECRET_NOT_FOUND".to_owned())
    );
    for name in ["other/chat", "other/none"] {
        let refused = proofs.verify(check(name)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{name}");
    }
    let listed = guarded
        .secrets(&reader)
        .list_secrets(ListSecretsRequest::default())
        .await;
    let names: Vec<_> = listed
        .unwrap()
        .into_inner()
        .secrets
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["acme/chat"]);
}

#[tokio::test]
async fn a06_the_first_token_is_made_once_and_not_while_the_server_runs() {
    let directory = TempDir::new().unwrap();
    let name = || SecretName::parse("admin").unwrap();
    let first = init(config(&directory, |_| {}), name(), None)
        .await
        .unwrap();
    let again = init(config(&directory, |_| {}), name(), None)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("the first one only"), "{again}");
    let server = Server::start(config(&directory, |_| {})).await.unwrap();
    let running = init(config(&directory, |_| {}), name(), None)
        .await
        .unwrap_err();
    assert!(running.to_string().contains("another process"), "{running}");
    let channel = Channel::from_shared(format!("http://{}", server.local_addr()));
    let channel = channel.unwrap().connect().await.unwrap();
    let bearer = Bearer(first.expose_secret().to_owned());
    let mut tokens = TokenServiceClient::with_interceptor(channel, bearer);
    let listed = tokens.list_tokens(ListTokensRequest::default()).await;
    let listed = listed.unwrap().into_inner().tokens;
    assert_eq!((listed.len(), listed[0].creator.as_str()), (1, "init"));
    server.shutdown().await;
}

#[tokio::test]
async fn a07_the_last_token_that_may_do_everything_stays() {
    let guarded = Guarded::start().await;
    let refused = guarded.revoke(&guarded.admin, "admin").await.unwrap_err();
    assert_eq!(
        error_of(&refused),
        (Code::FailedPrecondition, "LAST_ADMIN".to_owned())
    );
    // Neither a token of a namespace nor one without tokens.write is another administrator.
    guarded.token("acme/admin", Permission::ALL, "acme/*").await;
    guarded
        .token("reader", &[Permission::SecretsRead], "*")
        .await;
    let refused = guarded.revoke(&guarded.admin, "admin").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // Nor one that may write tokens and could grant nothing else.
    let clerk = guarded
        .token("clerk", &[Permission::TokensWrite], "*")
        .await;
    let refused = guarded.revoke(&clerk, "admin").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let other = guarded.token("ops/ada", Permission::ALL, "*").await;
    let ended = guarded.revoke(&other, "admin").await.unwrap();
    assert!(ended.revoke_time.is_some());
    let gone = guarded.revoke(&guarded.admin, "ops/ada").await.unwrap_err();
    assert_eq!(gone.code(), Code::Unauthenticated);
    // Revoking twice changes nothing.
    assert_eq!(guarded.revoke(&other, &ended.id).await.unwrap(), ended);
}

#[tokio::test]
async fn a08_nobody_grants_more_than_they_have() {
    let guarded = Guarded::start().await;
    let some = [Permission::TokensWrite, Permission::Verify];
    let acme = guarded.token("acme/admin", &some, "acme/*").await;
    let made = guarded
        .try_token(&acme, "acme/chat", &[Permission::Verify], "acme/chat")
        .await;
    made.unwrap();
    for (name, permissions, pattern) in [
        ("acme/all", &[Permission::Verify][..], "*"),
        ("acme/all", &[Permission::Verify], "other/*"),
        ("acme/all", &[Permission::Sign], "acme/*"),
        (
            "acme/all",
            &[Permission::Verify, Permission::Sign],
            "acme/chat",
        ),
        ("other/chat", &[Permission::Verify], "acme/*"),
        ("admin2", &[Permission::Verify], "acme/*"),
    ] {
        let refused = guarded
            .try_token(&acme, name, permissions, pattern)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{name} {pattern}");
    }
    // Nor ends or lists what is not theirs, nor learns what there is.
    let mut shapes = BTreeSet::new();
    for name in ["admin", "nobody"] {
        let refused = guarded.revoke(&acme, name).await.unwrap_err();
        shapes.insert(format!("{:?}", shape(&refused)));
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    let listed = guarded
        .tokens(&acme)
        .list_tokens(ListTokensRequest::default())
        .await;
    let names: Vec<_> = listed
        .unwrap()
        .into_inner()
        .tokens
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(names, ["acme/admin", "acme/chat"]);
}

#[tokio::test]
async fn tokens_are_listed_a_page_at_a_time_and_a_page_token_opens_no_other_list() {
    let guarded = Guarded::start().await;
    for name in ["acme/a", "acme/b", "acme/c"] {
        guarded
            .token(name, &[Permission::TokensWrite], "acme/*")
            .await;
    }
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTokensRequest {
            page_size: 2,
            page_token,
        };
        let page = guarded
            .tokens(&guarded.admin)
            .list_tokens(request)
            .await
            .unwrap()
            .into_inner();
        names.extend(page.tokens.into_iter().map(|token| token.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let other = guarded
            .token(&format!("acme/z{}", names.len()), Permission::ALL, "*")
            .await;
        let request = ListTokensRequest {
            page_size: 2,
            page_token: page_token.clone(),
        };
        let refused = guarded
            .tokens(&other)
            .list_tokens(request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert_eq!(
        names,
        ["acme/a", "acme/b", "acme/c", "acme/z2", "acme/z4", "admin"]
    );
}

#[tokio::test]
async fn a_page_token_of_secrets_is_of_use_to_nobody_else() {
    let guarded = Guarded::start().await;
    for name in ["acme/a", "acme/b", "acme/c"] {
        guarded.secret(name).await;
    }
    let page = |token: &str, page_token: &str| {
        let (mut secrets, page_token) = (guarded.secrets(token), page_token.to_owned());
        let request = ListSecretsRequest {
            page_size: 1,
            page_token,
            ..Default::default()
        };
        async move { secrets.list_secrets(request).await }
    };
    let reads = &[Permission::SecretsRead];
    let one = guarded.token("acme/one", reads, "acme/*").await;
    let other = guarded.token("acme/other", reads, "acme/*").await;
    let first = page(&one, "").await.unwrap().into_inner();
    let refused = page(&other, &first.next_page_token).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let second = page(&one, &first.next_page_token).await.unwrap();
    assert_eq!(second.into_inner().secrets[0].name, "acme/b");
}

#[tokio::test]
async fn bad_tokens_are_refused_field_by_field() {
    let guarded = Guarded::start().await;
    let good = || CreateTokenRequest {
        name: "acme/chat".to_owned(),
        grants: vec![grant(&[Permission::Verify], "acme/*")],
        ..Default::default()
    };
    let with = |edit: &dyn Fn(&mut CreateTokenRequest)| {
        let mut request = good();
        edit(&mut request);
        request
    };
    let past = prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    };
    for (field, request) in [
        ("name", with(&|r| r.name = "Acme".to_owned())),
        ("name", with(&|r| r.name = "unauthenticated".to_owned())),
        ("name", with(&|r| r.name = "731962a8e037a59f".to_owned())),
        ("grants", with(&|r| r.grants.clear())),
        (
            "grants",
            with(&|r| r.grants = vec![r.grants[0].clone(); 65]),
        ),
        (
            "grants[0].permissions",
            with(&|r| r.grants[0].permissions.clear()),
        ),
        (
            "grants[0].permissions",
            with(&|r| r.grants[0].permissions = vec![0]),
        ),
        (
            "grants[0].permissions",
            with(&|r| r.grants[0].permissions = vec![2, 99]),
        ),
        (
            "grants[0].pattern",
            with(&|r| r.grants[0].pattern = "acme*".to_owned()),
        ),
        ("expire_time", with(&|r| r.expire_time = Some(past))),
        (
            "certificate_san",
            with(&|r| r.certificate_san = "CN=chat".to_owned()),
        ),
        (
            "certificate_san",
            with(&|r| r.certificate_san = "dns:*.acme".to_owned()),
        ),
    ] {
        let refused = guarded
            .tokens(&guarded.admin)
            .create_token(request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field);
    }
    guarded
        .tokens(&guarded.admin)
        .create_token(good())
        .await
        .unwrap();
    let taken = guarded
        .tokens(&guarded.admin)
        .create_token(good())
        .await
        .unwrap_err();
    assert_eq!(
        error_of(&taken),
        (Code::AlreadyExists, "TOKEN_EXISTS".to_owned())
    );
    guarded.revoke(&guarded.admin, "acme/chat").await.unwrap();
    guarded
        .tokens(&guarded.admin)
        .create_token(good())
        .await
        .unwrap();
}

/// Every rpc of the contract as a call with an empty message but for the name that it is about.
async fn call(channel: BearerChannel, path: &str, name: &str) -> Result<(), Status> {
    use tonic_prost::ProstCodec;
    let message: Named = Named::of(path, name);
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|_| Status::unavailable("no server"))?;
    let codec = ProstCodec::<Named, Anything>::default();
    let path = path.parse().unwrap();
    grpc.server_streaming(Request::new(message), path, codec)
        .await?
        .into_inner()
        .message()
        .await?;
    Ok(())
}

/// A message with a name in the field where the request of an rpc has it.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    first: String,
    #[prost(string, tag = "2")]
    second: String,
    #[prost(message, optional, tag = "1000")]
    nothing: Option<Anything>,
}

#[derive(Clone, PartialEq, Message)]
struct Anything {}

impl Named {
    fn of(path: &str, name: &str) -> Self {
        let name = name.to_owned();
        let (first, second) = match path.rsplit('/').next().unwrap() {
            "CreateSecret" | "RotateSecret" => (request_id(), name),
            "VerifyAuditChain" | "ListTokens" => (String::new(), String::new()),
            _ => (name, String::new()),
        };
        Self {
            first,
            second,
            nothing: None,
        }
    }
}

fn rpcs() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files = set
        .file
        .iter()
        .filter(|file| file.package() == "countersign.v1");
    let services = files.flat_map(|file| &file.service);
    let paths = services.flat_map(|service| {
        let path = |method: &prost_types::MethodDescriptorProto| {
            format!("/countersign.v1.{}/{}", service.name(), method.name())
        };
        service.method.iter().map(path).collect::<Vec<_>>()
    });
    paths.collect()
}

/// The permission of an rpc, as the contract's comments on permissions say.
fn needed(path: &str) -> Option<Permission> {
    Some(match path.rsplit('/').next().unwrap() {
        "Sign" => Permission::Sign,
        "Verify" | "VerifyWebhook" | "BatchVerify" => Permission::Verify,
        "Explain" => Permission::Explain,
        "GetSecret" | "ListSecrets" => Permission::SecretsRead,
        "CreateSecret" | "UpdateSecret" | "DeleteSecret" => Permission::SecretsWrite,
        "RotateSecret" | "ActivateVersion" | "RevokeVersion" => Permission::SecretsRotate,
        "CreateScheme" | "DeleteScheme" => Permission::SchemesWrite,
        "CreateToken" | "ListTokens" | "RevokeToken" => Permission::TokensWrite,
        "ListAuditRecords" | "VerifyAuditChain" => Permission::AuditRead,
        _ => return None,
    })
}

#[tokio::test]
async fn a03_every_rpc_is_denied_to_every_permission_but_its_own() {
    let guarded = Guarded::start().await;
    guarded.secret("acme/chat").await;
    let rpcs = rpcs();
    for permission in Permission::ALL {
        let name = format!("acme/{}", permission.name());
        let token = guarded.token(&name, &[*permission], "acme/*").await;
        for path in &rpcs {
            let Some(needed) = needed(path) else { continue };
            // Their names stand within other messages, where authorization is shown by the tests above.
            let nested = ["BatchVerify", "Explain", "UpdateSecret", "CreateScheme"];
            let nested = nested
                .iter()
                .any(|name| path.ends_with(&format!("/{name}")));
            for target in ["acme/chat", "acme/none", "other/chat"] {
                let answered = call(guarded.shows(&token), path, target).await;
                let code = answered.map_or_else(|status| status.code(), |()| Code::Ok);
                if code == Code::Unimplemented {
                    panic!("{path} is not served");
                }
                let lists = path.contains("/List");
                // A chain is whole or is not: checking it takes the permission on all names.
                let whole = path.ends_with("/VerifyAuditChain");
                let may = needed == *permission && !whole && (lists || target.starts_with("acme/"));
                if needed != *permission && !nested {
                    assert_eq!(
                        code,
                        Code::PermissionDenied,
                        "{path} {target} {permission:?}"
                    );
                } else if may && target == "acme/chat" {
                    assert_ne!(
                        code,
                        Code::PermissionDenied,
                        "{path} {target} {permission:?}"
                    );
                } else if !may && !nested {
                    assert_eq!(
                        code,
                        Code::PermissionDenied,
                        "{path} {target} {permission:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a03_within_a_batch_and_an_explanation_each_name_is_asked_for() {
    let guarded = Guarded::start().await;
    for name in ["acme/chat", "other/chat"] {
        guarded.secret(name).await;
    }
    let token = guarded
        .token("acme/chat", &[Permission::Verify], "acme/*")
        .await;
    let items = ["acme/chat", "other/chat", "other/none"].map(|name| v1::BatchVerifyItem {
        check: Some(v1::batch_verify_item::Check::Verify(check(name).into())),
    });
    let request = v1::BatchVerifyRequest {
        items: items.into(),
    };
    let results = guarded
        .proofs(&token)
        .batch_verify(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let reasons: Vec<_> = results
        .into_iter()
        .map(|result| match result.outcome {
            Some(v1::batch_verify_result::Outcome::Error(error)) => error.reason,
            _ => "answered".to_owned(),
        })
        .collect();
    assert_eq!(
        reasons,
        ["answered", "PERMISSION_DENIED", "PERMISSION_DENIED"]
    );
    let explain = |name: &str| v1::ExplainRequest {
        check: Some(v1::explain_request::Check::Verify(check(name).into())),
    };
    let refused = guarded
        .proofs(&token)
        .explain(explain("acme/chat"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let token = guarded
        .token("acme/explain", &[Permission::Explain], "acme/*")
        .await;
    guarded
        .proofs(&token)
        .explain(explain("acme/chat"))
        .await
        .unwrap();
    let refused = guarded
        .proofs(&token)
        .explain(explain("other/chat"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let update = v1::UpdateSecretRequest {
        secret: Some(v1::Secret {
            name: "acme/chat".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = guarded
        .secrets(&token)
        .update_secret(update)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a30_h19_a_caller_and_a_namespace_have_their_rate_whatever_they_connect_with() {
    let guarded = Guarded::with(|config| {
        config.limits.caller_calls_per_second = 50;
        config.limits.namespace_calls_per_second = 80;
    })
    .await;
    for name in ["acme/chat", "other/chat"] {
        guarded.secret(name).await;
    }
    let mut tokens = Vec::new();
    for number in 0..4 {
        let name = format!("acme/{number}");
        tokens.push(guarded.token(&name, &[Permission::Verify], "acme/*").await);
    }
    let other = guarded
        .token("other/chat", &[Permission::Verify], "other/*")
        .await;
    let flood = async |token: &str, calls: usize| {
        let mut refused = 0;
        for _ in 0..calls {
            // A new client each time: a rate is no matter of connections.
            if let Err(status) = guarded.proofs(token).verify(check("acme/chat")).await {
                let known = (Code::ResourceExhausted, "RATE_LIMITED".to_owned());
                assert_eq!(error_of(&status), known);
                assert!(status.get_details_retry_info().is_some());
                refused += 1;
            }
        }
        calls - refused
    };
    let begin = std::time::Instant::now();
    let one = flood(&tokens[0], 300).await;
    let secs = begin.elapsed().as_secs_f64();
    assert!(
        one >= 40 && one as f64 <= 50.0 * (1.0 + secs) + 1.0,
        "{one} in {secs} s"
    );
    let begin = std::time::Instant::now();
    let mut all = 0;
    for token in &tokens[1..] {
        all += flood(token, 150).await;
    }
    let secs = begin.elapsed().as_secs_f64();
    assert!(all as f64 <= 80.0 * (1.0 + secs) + 1.0, "{all} in {secs} s");
    // Nobody else feels it.
    guarded
        .proofs(&other)
        .verify(check("other/chat"))
        .await
        .unwrap();
}

#[tokio::test]
async fn w24_bodies_beyond_the_budget_are_shed_before_they_are_hashed() {
    let guarded = Guarded::with(|config| {
        config.limits.caller_body_bytes_per_second = 2 << 20;
    })
    .await;
    let request = new_secret("acme/hook", "github.webhook");
    guarded
        .secrets(&guarded.admin)
        .create_secret(request)
        .await
        .unwrap();
    let mut shed = 0;
    for _ in 0..20 {
        let request = v1::VerifyWebhookRequest {
            secret: "acme/hook".to_owned(),
            payload: Some(v1::verify_webhook_request::Payload::Body(
                vec![b'x'; 1 << 20].into(),
            )),
            ..Default::default()
        };
        if let Err(status) = guarded.proofs(&guarded.admin).verify_webhook(request).await {
            assert_eq!(error_of(&status).1, "RATE_LIMITED");
            shed += 1;
        }
    }
    assert!(shed >= 10, "{shed}");
    guarded.secret("acme/chat").await;
}

#[tokio::test]
async fn d29_there_are_only_so_many_secrets() {
    let guarded = Guarded::with(|config| {
        config.limits.max_secrets = 5;
        config.limits.max_secrets_per_namespace = 3;
    })
    .await;
    let create = async |name: &str| {
        let request: CreateSecretRequest = new_secret(name, "chatwoot.identity");
        let made = guarded.secrets(&guarded.admin).create_secret(request).await;
        made.map_err(|status| error_of(&status))
    };
    let full = (Code::ResourceExhausted, "TOO_MANY_SECRETS".to_owned());
    for name in ["acme", "acme/a", "acme/b"] {
        create(name).await.unwrap();
    }
    assert_eq!(create("acme/c").await.unwrap_err(), full);
    for name in ["acme.eu/a", "acme-eu/a"] {
        create(name).await.unwrap();
    }
    assert_eq!(create("other/a").await.unwrap_err(), full);
    let delete = v1::DeleteSecretRequest {
        name: "acme/a".to_owned(),
        force: true,
    };
    guarded
        .secrets(&guarded.admin)
        .delete_secret(delete)
        .await
        .unwrap();
    create("acme/c").await.unwrap();
}

#[tokio::test]
async fn a05_a24_a_stolen_store_holds_no_token_that_works() {
    let guarded = Guarded::start().await;
    let token = guarded
        .token("acme/chat", &[Permission::Verify], "acme/*")
        .await;
    let directory = guarded.directory;
    guarded.server.shutdown().await;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for text in [&token, &guarded.admin] {
            let secret = &text.as_bytes()[21..];
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[tokio::test]
async fn a_token_whose_row_was_edited_admits_nobody() {
    let directory = TempDir::new().unwrap();
    let name = SecretName::parse("admin").unwrap();
    init(config(&directory, |_| {}), name, None).await.unwrap();
    let file = rusqlite::Connection::open(directory.path().join("countersign.db")).unwrap();
    file.execute("UPDATE tokens SET name = 'other'", ())
        .unwrap();
    drop(file);
    let refused = Server::start(config(&directory, |_| {})).await;
    let Err(refused) = refused else {
        panic!("it serves")
    };
    assert!(
        refused.to_string().contains("no token is valid"),
        "{refused}"
    );
}
