//! One namespace asks for most of what the server has, and the others do not notice.

use std::{net::SocketAddr, time::Duration};

use countersign_proto::v1::{
    countersign_service_client::CountersignServiceClient,
    secret_service_client::SecretServiceClient, sign_request::Input,
};
use countersign_server::Config;
use support::{
    Options,
    bystander::{alone, disturbed},
    new_secret, sign_request, user,
};
use tokio::task::JoinSet;
use tonic::{Code, transport::Channel};

mod support;

/// What a namespace may ask for in a second, where the well-behaved one asks for a hundred.
const RATE: usize = 150;
/// Four fifths of all calls are of the other one.
const BETWEEN_CALLS: Duration = Duration::from_micros(2500);
const CALLS: usize = 1200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_namespace_that_floods_is_refused_and_the_others_are_answered_as_before() {
    let _alone = alone().await;
    let options = Options {
        edit: |config: &mut Config| config.limits.namespace_calls_per_second = RATE,
        ..Options::default()
    };
    let ((answered, refused), _service) = disturbed("F23 flood", options, 2, flood).await;
    eprintln!("F23: of the flood {answered} calls were answered and {refused} refused");
    let seconds = (CALLS as f64 * BETWEEN_CALLS.as_secs_f64()).ceil() as usize;
    assert!(answered >= RATE && answered <= RATE * (seconds + 2));
    assert!(refused > CALLS / 3);
}

/// Calls for the secrets of one namespace; answers how many were answered, and how many were over its rate.
fn flood(server: SocketAddr) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let channel = Channel::from_shared(format!("http://{server}")).unwrap();
        let channel = channel.connect().await.unwrap();
        let new = new_secret("flood/chat", "chatwoot.identity");
        let mut secrets = SecretServiceClient::new(channel.clone());
        secrets.create_secret(new).await.unwrap();
        let client = CountersignServiceClient::new(channel);
        let (mut ticks, mut calls) = (tokio::time::interval(BETWEEN_CALLS), JoinSet::new());
        for _ in 0..CALLS {
            ticks.tick().await;
            let mut client = client.clone();
            let request = sign_request("flood/chat", Input::Identity(user("user-1")));
            calls.spawn(async move { client.sign(request).await.map_err(|status| status.code()) });
        }
        let ends = calls.join_all().await;
        let refused = |end: &&Result<_, Code>| matches!(end, Err(Code::ResourceExhausted));
        let (answered, refused) = (
            ends.iter().filter(|end| end.is_ok()).count(),
            ends.iter().filter(refused).count(),
        );
        assert_eq!(answered + refused, CALLS);
        (answered, refused)
    })
}
