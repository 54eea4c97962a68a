//! Smoke.

mod support;
use countersign_proto::v1::{self, sign_request::Input, verify_request::Proof};
use support::*;
#[tokio::test]
async fn smoke() {
    let s = Service::start().await;
    let c = s.create(new_secret("acme/chat", "chatwoot.identity")).await;
    assert_eq!(c.revealed_key.len(), 64);
    let h = s.sign("acme/chat", Input::Identity(user("u1"))).await;
    let v = s
        .verify("acme/chat", user("u1"), Some(Proof::Hash(h.hash.clone())))
        .await;
    println!("{v:?}");
    assert_eq!(v.trust(), v1::Trust::Verified);
    s.create(new_secret("acme/stripe", "stripe.webhook")).await;
    let d = s.sign("acme/stripe", delivery(b"{}")).await;
    let w = s
        .verify_webhook("acme/stripe", d.headers.clone(), b"{}")
        .await;
    println!("{w:?}");
    s.create(new_secret("acme/tok", "countersign.token")).await;
    let t = s.sign("acme/tok", Input::Identity(user("u1"))).await;
    let v = s
        .verify("acme/tok", user("u1"), Some(Proof::Token(t.token)))
        .await;
    println!("{v:?}");
    let s = s.restart().await;
    let v = s
        .verify("acme/chat", user("u1"), Some(Proof::Hash(h.hash)))
        .await;
    assert_eq!(v.trust(), v1::Trust::Verified);
    println!("{:?}", s.secret("acme/chat").await);
}
