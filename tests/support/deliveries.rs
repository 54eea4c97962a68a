//! Webhook deliveries and what is said of them.

use countersign_proto::v1::{
    self, Decision, Reason, Replay, VerifyWebhookResponse, sign_request::Input,
};

use super::{Service, delivery};

/// What a test looks at in a verdict.
pub type Outcome = (Decision, Reason, Replay);

/// Allowed, and not seen before.
pub const FIRST: Outcome = (Decision::Allow, Reason::Unspecified, Replay::First);

pub fn outcome(answer: &VerifyWebhookResponse) -> Outcome {
    (answer.decision(), answer.reason(), answer.replay())
}

/// Allowed, whatever the record says of it.
pub fn reported(replay: Replay) -> Outcome {
    (Decision::Allow, Reason::Unspecified, replay)
}

/// Denied because the record knows it.
pub fn denied(replay: Replay) -> Outcome {
    (Decision::Deny, Reason::Replayed, replay)
}

/// Denied before the record was asked.
pub fn refused(reason: Reason) -> Outcome {
    (Decision::Deny, reason, Replay::Unspecified)
}

impl Service {
    pub async fn check(&self, secret: &str, headers: &[v1::Header], body: &[u8]) -> Outcome {
        outcome(&self.verify_webhook(secret, headers.to_vec(), body).await)
    }

    /// The headers of a delivery that is signed now.
    pub async fn headers(&self, secret: &str, body: &[u8]) -> Vec<v1::Header> {
        self.sign(secret, delivery(body)).await.headers
    }

    /// The same with an id of the test's.
    pub async fn headers_as(&self, secret: &str, id: &str, body: &[u8]) -> Vec<v1::Header> {
        let webhook = v1::WebhookToSign {
            id: id.to_owned(),
            body: body.to_vec().into(),
            ..Default::default()
        };
        self.sign(secret, Input::Webhook(webhook)).await.headers
    }
}
