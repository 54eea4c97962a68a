//! `Debug` for the messages that hold keys, proofs or bodies. It names the secret, which is
//! no secret, and nothing that the caller or the service would not want in a log.

use std::fmt;

use crate::v1::{
    CreateBackupResponse, CreateSchemeRequest, CreateSecretRequest, CreateSecretResponse,
    CreateTokenResponse, Handshake, Header, RotateSecretRequest, RotateSecretResponse, SignRequest,
    SignResponse, VerifyRequest, VerifyWebhookRequest, WebhookToSign, rotate_secret_request,
    sign_request, verify_request, verify_webhook_request,
};

/// Shows the listed fields of a message and hides the others behind `..`.
macro_rules! redacted_debug {
    ($($message:ident { $($field:ident),* })*) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

redacted_debug! {
    CreateSchemeRequest { validate_only }
    Handshake { name, status }
    Header { name }
    SignRequest { secret, ttl }
    WebhookToSign { timestamp }
    SignResponse { version, expire_time }
    VerifyRequest { secret }
    VerifyWebhookRequest { secret, method }
    CreateSecretRequest { name, scheme, mode }
    CreateSecretResponse { secret, version }
    RotateSecretRequest { name, ending, expected_version, stage, validate_only }
    RotateSecretResponse { secret, version }
    CreateTokenResponse { token }
    CreateBackupResponse { }
}

impl fmt::Debug for sign_request::Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity(_) => "Identity([redacted])",
            Self::Webhook(_) => "Webhook([redacted])",
            Self::ResourceId(_) => "ResourceId([redacted])",
        })
    }
}

impl fmt::Debug for verify_request::Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash([redacted])",
            Self::Token(_) => "Token([redacted])",
        })
    }
}

impl fmt::Debug for verify_webhook_request::Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body(_) => "Body([redacted])",
            Self::BodyText(_) => "BodyText([redacted])",
        })
    }
}

impl fmt::Debug for rotate_secret_request::Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GracePeriod(period) => f.debug_tuple("GracePeriod").field(period).finish(),
            Self::Emergency(on) => f.debug_tuple("Emergency").field(on).finish(),
        }
    }
}
