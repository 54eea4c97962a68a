//! The client against a server in the same process that fails on purpose.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_client::{Check, Client, Code, Error, v1};
use countersign_proto::v1::{
    countersign_service_server::{CountersignService, CountersignServiceServer},
    secret_service_server::{SecretService, SecretServiceServer},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// Fails as often as told, then answers.
#[derive(Clone, Default)]
struct Flaky {
    calls: Arc<AtomicU32>,
    failures: u32,
    code: Option<Code>,
    delay: Duration,
    request_ids: Arc<Mutex<Vec<String>>>,
}

impl Flaky {
    async fn turn(&self) -> Result<(), Status> {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.delay).await;
        if earlier < self.failures {
            return Err(Status::new(
                self.code.unwrap_or(Code::Unavailable),
                "on purpose",
            ));
        }
        Ok(())
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

fn allowed() -> v1::VerifyWebhookResponse {
    v1::VerifyWebhookResponse {
        decision: v1::Decision::Allow.into(),
        ..Default::default()
    }
}

#[tonic::async_trait]
impl CountersignService for Flaky {
    async fn sign(
        &self,
        _: Request<v1::SignRequest>,
    ) -> Result<Response<v1::SignResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn verify(
        &self,
        _: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn verify_webhook(
        &self,
        request: Request<v1::VerifyWebhookRequest>,
    ) -> Result<Response<v1::VerifyWebhookResponse>, Status> {
        assert!(
            request.metadata().contains_key("grpc-timeout"),
            "every call tells its deadline"
        );
        let id = request
            .metadata()
            .get("countersign-call-id")
            .expect("an id");
        let id = id.to_str().expect("a text").to_owned();
        self.request_ids
            .lock()
            .expect("no test panics with it")
            .push(id);
        self.turn().await?;
        Ok(Response::new(allowed()))
    }

    async fn explain(
        &self,
        _: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn batch_verify(
        &self,
        _: Request<v1::BatchVerifyRequest>,
    ) -> Result<Response<v1::BatchVerifyResponse>, Status> {
        use v1::batch_verify_result::Outcome;
        let error = v1::ItemError {
            code: 5,
            reason: "SECRET_NOT_FOUND".into(),
            message: "no such secret".into(),
        };
        let outcomes = [Outcome::VerifyWebhook(allowed()), Outcome::Error(error)];
        let results = outcomes
            .map(|outcome| v1::BatchVerifyResult {
                outcome: Some(outcome),
            })
            .into();
        Ok(Response::new(v1::BatchVerifyResponse { results }))
    }
}

#[tonic::async_trait]
impl SecretService for Flaky {
    async fn rotate_secret(
        &self,
        _: Request<v1::RotateSecretRequest>,
    ) -> Result<Response<v1::RotateSecretResponse>, Status> {
        self.turn().await?;
        Ok(Response::new(v1::RotateSecretResponse::default()))
    }

    async fn create_secret(
        &self,
        _: Request<v1::CreateSecretRequest>,
    ) -> Result<Response<v1::CreateSecretResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_secret(
        &self,
        _: Request<v1::GetSecretRequest>,
    ) -> Result<Response<v1::GetSecretResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_secrets(
        &self,
        request: Request<v1::ListSecretsRequest>,
    ) -> Result<Response<v1::ListSecretsResponse>, Status> {
        let (name, next) = match request.into_inner().page_token.as_str() {
            "" => ("demo/a", "2"),
            _ => ("demo/b", ""),
        };
        let secret = v1::Secret {
            name: name.into(),
            ..Default::default()
        };
        let page = v1::ListSecretsResponse {
            secrets: vec![secret],
            next_page_token: next.into(),
        };
        Ok(Response::new(page))
    }

    async fn update_secret(
        &self,
        _: Request<v1::UpdateSecretRequest>,
    ) -> Result<Response<v1::UpdateSecretResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn delete_secret(
        &self,
        _: Request<v1::DeleteSecretRequest>,
    ) -> Result<Response<v1::DeleteSecretResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn activate_version(
        &self,
        _: Request<v1::ActivateVersionRequest>,
    ) -> Result<Response<v1::ActivateVersionResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn revoke_version(
        &self,
        _: Request<v1::RevokeVersionRequest>,
    ) -> Result<Response<v1::RevokeVersionResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

/// Serves in the background and answers the address.
fn serve(flaky: &Flaky) -> SocketAddr {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = incoming
        .local_addr()
        .expect("a bound listener has an address");
    let server = Server::builder()
        .add_service(CountersignServiceServer::new(flaky.clone()))
        .add_service(SecretServiceServer::new(flaky.clone()));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn client(flaky: &Flaky) -> Client {
    let endpoint = format!("http://{}", serve(flaky));
    Client::builder(endpoint)
        .deadline(Duration::from_secs(2))
        .connect()
        .await
        .expect("the server listens")
}

async fn verify(client: &Client) -> Result<bool, Error> {
    let verdict = client
        .verify_webhook("demo/stripe", &http::HeaderMap::new(), b"{}")
        .await?;
    Ok(verdict.is_verified())
}

#[tokio::test]
async fn a_check_is_repeated_while_the_server_is_unavailable() {
    let flaky = Flaky {
        failures: 2,
        ..Flaky::default()
    };
    assert!(verify(&client(&flaky).await).await.unwrap());
    assert_eq!(flaky.calls(), 3);
}

#[tokio::test]
async fn the_attempts_of_a_call_share_an_id_and_calls_do_not() {
    let flaky = Flaky {
        failures: 2,
        ..Flaky::default()
    };
    let client = client(&flaky).await;
    for _ in 0..2 {
        assert!(verify(&client).await.unwrap());
    }
    let ids = flaky.request_ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 4, "three attempts and one");
    assert!(ids[0].len() == 32 && ids[0] == ids[1] && ids[1] == ids[2]);
    assert_ne!(ids[2], ids[3]);
}

#[tokio::test]
async fn a_check_is_given_up_after_three_attempts() {
    let flaky = Flaky {
        failures: 9,
        ..Flaky::default()
    };
    let error = verify(&client(&flaky).await).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Unavailable));
    assert_eq!(flaky.calls(), 3);
}

#[tokio::test]
async fn no_other_error_is_repeated() {
    let flaky = Flaky {
        failures: 9,
        code: Some(Code::Internal),
        ..Flaky::default()
    };
    verify(&client(&flaky).await).await.unwrap_err();
    assert_eq!(flaky.calls(), 1);
}

#[tokio::test]
async fn a_rotation_is_never_repeated() {
    let flaky = Flaky {
        failures: 1,
        ..Flaky::default()
    };
    let request = v1::RotateSecretRequest {
        name: "demo/a".into(),
        ..Default::default()
    };
    client(&flaky)
        .await
        .rotate_secret(request)
        .await
        .unwrap_err();
    assert_eq!(flaky.calls(), 1);
}

#[tokio::test]
async fn a_slow_server_is_a_deadline_exceeded() {
    let flaky = Flaky {
        delay: Duration::from_secs(5),
        ..Flaky::default()
    };
    let endpoint = format!("http://{}", serve(&flaky));
    let client = Client::builder(endpoint)
        .deadline(Duration::from_millis(200))
        .connect_lazy()
        .unwrap();
    let start = Instant::now();
    let error = verify(&client).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let error = Client::connect("http://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert_eq!(error.code(), Some(Code::Unavailable));
}

#[tokio::test]
async fn a_bad_item_of_a_batch_has_its_own_error() {
    let client = client(&Flaky::default()).await;
    let check = || Check::Webhook(v1::VerifyWebhookRequest::default());
    let results = client.batch_verify([check(), check()]).await.unwrap();
    assert!(results[0].as_ref().unwrap().is_verified());
    assert_eq!(
        results[1].as_ref().unwrap_err().code(),
        Some(Code::NotFound)
    );
}

#[tokio::test]
async fn a_batch_with_results_missing_is_no_answer() {
    let client = client(&Flaky::default()).await;
    let error = client
        .batch_verify([Check::Webhook(v1::VerifyWebhookRequest::default())])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::IncompleteAnswer { .. }));
}

#[tokio::test]
async fn a_list_has_the_secrets_of_all_pages() {
    let secrets = client(&Flaky::default())
        .await
        .list_secrets("demo")
        .await
        .unwrap();
    assert_eq!(
        secrets.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["demo/a", "demo/b"]
    );
}
