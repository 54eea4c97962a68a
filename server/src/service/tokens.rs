//! Who may call.

use std::sync::Arc;

use countersign_core::{
    SecretName, Timestamp,
    access::{Grant, Grants, Pattern, Permission},
};
use countersign_proto::v1::{
    self, CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse,
    RevokeTokenRequest, RevokeTokenResponse, token_service_server::TokenService,
};
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use super::{
    Shared,
    page::{self, PageToken},
    secrets::{admitted, authorized, change_failure},
};
use crate::{
    access::{Admitted, denied},
    callers::{NewBearer, is_reserved, new_id},
    convert,
    failure::{ErrorReason, Failure},
    store::{Caller, Credential, NewToken, TokenRecord},
};

const MAX_GRANTS: usize = 64;
const MAX_SAN_BYTES: usize = 512;

/// `TokenService`.
pub(crate) struct Tokens(pub Arc<Shared>);

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let created = self.0.create_token(&admitted, caller, request.into_inner());
        Ok(Response::new(created.await?))
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        let admitted = Admitted::of(&request)?;
        let listed = self.0.list_tokens(&admitted, request.get_ref());
        Ok(Response::new(listed.await?))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let revoked = self
            .0
            .revoke_token(&admitted, caller, request.into_inner().name);
        Ok(Response::new(RevokeTokenResponse {
            token: Some(to_wire(&*revoked.await?)),
        }))
    }
}

impl Shared {
    async fn create_token(
        &self,
        admitted: &Admitted,
        caller: Caller,
        request: CreateTokenRequest,
    ) -> Result<CreateTokenResponse, Failure> {
        let name = authorized(admitted, &request.name)?;
        if is_reserved(name.as_str()) {
            return Err(Failure::field(
                "name",
                "not what the audit or an id calls somebody else",
            ));
        }
        let grants = grants_from_wire(&request.grants)?;
        if !admitted.principal.grants.contain(&grants) {
            return Err(denied());
        }
        let expire_time = match request.expire_time {
            None => None,
            Some(wire) => Some(self.expire_time(wire)?),
        };
        let (id, credential, text) = match request.certificate_san.as_str() {
            "" => {
                let bearer = NewBearer::make().map_err(|_| internal())?;
                (
                    bearer.id,
                    Credential::Bearer(bearer.digest),
                    Some(bearer.text),
                )
            }
            san if is_san(san) => {
                let id = new_id().map_err(|_| internal())?;
                (id, Credential::Certificate(san.to_owned()), None)
            }
            _ => {
                let expected = format!("dns:NAME or uri:URI, at most {MAX_SAN_BYTES} bytes");
                return Err(Failure::field("certificate_san", expected));
            }
        };
        let new = NewToken {
            id,
            name,
            credential,
            grants,
            expire_time,
            first: false,
        };
        let record = self.store.create_token(caller, new).await;
        let record = record.map_err(change_failure)?;
        Ok(CreateTokenResponse {
            token: Some(to_wire(&record)),
            bearer_token: text.map_or_else(String::new, |text| text.expose_secret().to_owned()),
        })
    }

    fn expire_time(&self, wire: prost_types::Timestamp) -> Result<Timestamp, Failure> {
        let expected = || Failure::field("expire_time", "a time to come");
        let time = convert::timestamp("expire_time", wire).map_err(|_| expected())?;
        match time > self.clock.now() {
            true => Ok(time),
            false => Err(expected()),
        }
    }

    async fn list_tokens(
        &self,
        admitted: &Admitted,
        request: &ListTokensRequest,
    ) -> Result<ListTokensResponse, Failure> {
        admitted.authorize_any()?;
        let size = page::size(request.page_size)?;
        let view = format!("tokens {}", admitted.principal.name);
        let after = PageToken::read(&self.store, &view, &request.page_token)?;
        let mut tokens = self.store.tokens().await.map_err(change_failure)?;
        tokens.retain(|token| admitted.may(token.name.as_str()));
        // By name, newest first, and by id where a moment made several.
        tokens.reverse();
        tokens.sort_by(|one, other| one.name.cmp(&other.name));
        let start = match after {
            None => 0,
            Some(last) => {
                let last = tokens.iter().position(|token| token.id == last.0);
                last.map_or(tokens.len(), |last| last + 1)
            }
        };
        let rest = &tokens[start..];
        let (page, more) = rest.split_at(size.min(rest.len()));
        let next_page_token = match page.last() {
            Some(last) if !more.is_empty() => PageToken(last.id.clone()).write(&self.store, &view),
            _ => String::new(),
        };
        Ok(ListTokensResponse {
            tokens: page.iter().map(to_wire).collect(),
            next_page_token,
        })
    }

    async fn revoke_token(
        &self,
        admitted: &Admitted,
        caller: Caller,
        name: String,
    ) -> Result<Arc<TokenRecord>, Failure> {
        if !SecretName::is_valid(&name) {
            return Err(Failure::field("name", "the name or the id of a token"));
        }
        admitted.authorize_any()?;
        let found = match self.store.token(name.clone()).await {
            Ok(found) => found,
            // Who may not write the name is not told that there is no such token.
            Err(error) => {
                admitted.authorize(&name)?;
                return Err(change_failure(error));
            }
        };
        admitted.authorize(found.name.as_str())?;
        let revoked = self.store.revoke_token(caller, found.id).await;
        revoked.map_err(change_failure)
    }
}

fn internal() -> Failure {
    Failure::new(ErrorReason::Internal)
}

fn is_san(text: &str) -> bool {
    let name = text.strip_prefix("dns:").or(text.strip_prefix("uri:"));
    text.len() <= MAX_SAN_BYTES
        && name.is_some_and(|name| {
            !name.is_empty()
                && !name.contains('*')
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        })
}

fn grants_from_wire(wire: &[v1::Grant]) -> Result<Grants, Failure> {
    if !(1..=MAX_GRANTS).contains(&wire.len()) {
        return Err(Failure::field(
            "grants",
            format!("1 to {MAX_GRANTS} grants"),
        ));
    }
    let grants = wire.iter().enumerate().map(|(index, grant)| {
        let field = |name: &str| format!("grants[{index}].{name}");
        let permissions: Option<Vec<_>> = grant.permissions().map(permission).collect();
        let known = permissions.filter(|some| {
            !some.is_empty() && some.len() == grant.permissions.len() && some.len() <= MAX_GRANTS
        });
        let permissions =
            known.ok_or_else(|| Failure::field(field("permissions"), "one or more permissions"))?;
        let pattern = Pattern::parse(&grant.pattern)
            .map_err(|error| Failure::field(field("pattern"), error.to_string()))?;
        Ok(Grant {
            permissions,
            pattern,
        })
    });
    Ok(Grants::new(grants.collect::<Result<_, Failure>>()?))
}

/// Each permission on the wire and in core.
const PERMISSIONS: [(v1::Permission, Permission); 9] = [
    (v1::Permission::Sign, Permission::Sign),
    (v1::Permission::Verify, Permission::Verify),
    (v1::Permission::Explain, Permission::Explain),
    (v1::Permission::SecretsRead, Permission::SecretsRead),
    (v1::Permission::SecretsWrite, Permission::SecretsWrite),
    (v1::Permission::SecretsRotate, Permission::SecretsRotate),
    (v1::Permission::SchemesWrite, Permission::SchemesWrite),
    (v1::Permission::TokensWrite, Permission::TokensWrite),
    (v1::Permission::AuditRead, Permission::AuditRead),
];

fn permission(wire: v1::Permission) -> Option<Permission> {
    let pair = PERMISSIONS.iter().find(|(known, _)| *known == wire)?;
    Some(pair.1)
}

fn permission_to_wire(permission: Permission) -> i32 {
    let pair = PERMISSIONS.iter().find(|(_, known)| *known == permission);
    pair.map_or(0, |(wire, _)| (*wire).into())
}

fn to_wire(record: &TokenRecord) -> v1::Token {
    let grants = record.grants.as_slice().iter().map(|grant| v1::Grant {
        permissions: grant
            .permissions
            .iter()
            .copied()
            .map(permission_to_wire)
            .collect(),
        pattern: grant.pattern.to_string(),
    });
    v1::Token {
        name: record.name.to_string(),
        grants: grants.collect(),
        certificate_san: match &record.credential {
            Credential::Bearer(_) => String::new(),
            Credential::Certificate(san) => san.clone(),
        },
        create_time: Some(convert::timestamp_to_wire(record.create_time)),
        expire_time: record.expire_time.map(convert::timestamp_to_wire),
        revoke_time: record.revoke_time.map(convert::timestamp_to_wire),
        creator: record.creator.clone(),
        id: record.id.clone(),
    }
}
