//! What a second node would bring. A store has one process: that is what these rows stand on where they speak of two.

mod support;

use countersign_core::Timestamp;
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        Identity, Replay, ReplayPolicy, Trust, VerifyRequest, VerifyWebhookRequest,
        countersign_service_client::CountersignServiceClient, sign_request::Input,
        verify_request::Proof, verify_webhook_request::Payload,
    },
};
use countersign_server::{Clock, Config, KeyPolicy, Server, StartError};
use support::{NOW, Service, rotation, sign_request, user};
use tokio::task::JoinSet;
use tonic::transport::Channel;

const CONNECTIONS: usize = 16;
const BODY: &[u8] = b"{}";

/// Another connection to the same service.
async fn connection(service: &Service) -> CountersignServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", service.address)).unwrap();
    CountersignServiceClient::new(endpoint.connect().await.unwrap())
}

/// Asks the same on many connections at once.
async fn at_once<A: Send + 'static, F: Future<Output = A> + Send + 'static>(
    service: &Service,
    ask: impl Fn(CountersignServiceClient<Channel>) -> F,
) -> Vec<A> {
    let mut asked = JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(connection(service).await);
    }
    for connection in connections {
        asked.spawn(ask(connection));
    }
    asked.join_all().await
}

#[tokio::test]
async fn j70_w27_d24_a_second_node_does_not_start_on_the_same_store() {
    let (service, hash) = Service::with_hash().await;
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config::dev(listen, service.directory()).unwrap();
    let clock = Clock::manual(Timestamp::from_unix_secs(NOW));
    let second = Server::start_with(config, clock, KeyPolicy::Enforced).await;
    assert!(matches!(second, Err(StartError::Store(_))));
    let answer = service.verify_hash("acme/chat", "user_1", &hash).await;
    assert_eq!(answer.trust(), Trust::Verified);
}

#[tokio::test]
async fn w27_of_one_delivery_at_once_on_many_connections_one_is_the_first() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "standard.webhook", ReplayPolicy::Deny)
        .await;
    for _ in 0..20 {
        let headers = service.headers("acme/hook", BODY).await;
        let request = VerifyWebhookRequest {
            secret: "acme/hook".to_owned(),
            headers,
            payload: Some(Payload::Body(BODY.into())),
            ..Default::default()
        };
        let replays = at_once(&service, |mut connection| {
            let request = request.clone();
            async move {
                let answer = connection.verify_webhook(request).await.unwrap();
                answer.into_inner().replay()
            }
        });
        let replays = replays.await;
        let count = |replay| replays.iter().filter(|it| **it == replay).count();
        assert_eq!(count(Replay::First), 1);
        assert_eq!(count(Replay::Duplicate), CONNECTIONS - 1);
    }
}

/// There is no one-time mode, and no field that promises one: a token is good until it ends.
#[tokio::test]
async fn j69_j70_a_token_at_once_on_many_connections_holds_on_each() {
    let words = ["one_time", "single_use", "jti"];
    let offers = |word: &str| {
        let bytes = FILE_DESCRIPTOR_SET.windows(word.len());
        bytes
            .into_iter()
            .any(|window: &[u8]| window == word.as_bytes())
    };
    assert!(!words.into_iter().any(offers));

    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    let request = VerifyRequest {
        secret: "acme/token".to_owned(),
        claimed: Some(Identity::default()),
        proof: Some(Proof::Token(service.token_of("acme/token", "user_1").await)),
    };
    let answers = at_once(&service, |mut connection| {
        let request = request.clone();
        async move { connection.verify(request).await.unwrap().into_inner() }
    });
    for answer in answers.await {
        assert_eq!(answer.trust(), Trust::Verified);
    }
}

#[tokio::test]
async fn d24_what_was_rotated_signs_and_verifies_at_the_very_next_call_of_anybody() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let mut other = connection(&service).await;
    for round in 1..=100 {
        service.at(round * 61);
        let version = service.rotate(rotation("acme/chat", 60)).await.version;
        let signed = other
            .sign(sign_request("acme/chat", Input::Identity(user("user_1"))))
            .await;
        let signed = signed.unwrap().into_inner();
        assert_eq!(signed.version.unwrap().number, version);
        let answer = service
            .verify_hash("acme/chat", "user_1", &signed.hash)
            .await;
        assert_eq!(answer.trust(), Trust::Verified);
    }
}
