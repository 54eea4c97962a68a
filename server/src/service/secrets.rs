//! The control plane: create, read, rotate, end. Reads come from the ring; changes go to the store, which finishes
//! them whether or not the caller waits.

mod change;
mod keys;
mod list;
mod wire;

use std::sync::Arc;

use countersign_core::SecretName;
use countersign_proto::v1::{
    ActivateVersionRequest, ActivateVersionResponse, CreateSecretRequest, CreateSecretResponse,
    DeleteSecretRequest, DeleteSecretResponse, GetSecretRequest, GetSecretResponse,
    ListSecretsRequest, ListSecretsResponse, RevokeVersionRequest, RevokeVersionResponse,
    RotateSecretRequest, RotateSecretResponse, UpdateSecretRequest, UpdateSecretResponse,
    secret_service_server::SecretService,
};
use tonic::{Request, Response, Status};

pub(super) use self::wire::change_failure;
use self::wire::entry_to_wire;
use super::{Shared, settings};
use crate::{access::Admitted, convert, failure::Failure, gate::RequestId, store::Caller};

/// `SecretService`.
pub(crate) struct ControlPlane(pub Arc<Shared>);

#[tonic::async_trait]
impl SecretService for ControlPlane {
    async fn create_secret(
        &self,
        request: Request<CreateSecretRequest>,
    ) -> Result<Response<CreateSecretResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let response = self
            .0
            .create(&admitted, caller, request.into_inner())
            .await?;
        Ok(Response::new(response))
    }

    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let admitted = Admitted::of(&request)?;
        let name = convert::name("name", &request.get_ref().name)?;
        let entry = self.0.secret(&admitted, name.as_str())?;
        Ok(Response::new(GetSecretResponse {
            secret: Some(entry_to_wire(&entry, self.0.clock.now())),
        }))
    }

    async fn list_secrets(
        &self,
        request: Request<ListSecretsRequest>,
    ) -> Result<Response<ListSecretsResponse>, Status> {
        let admitted = Admitted::of(&request)?;
        Ok(Response::new(self.0.list(&admitted, request.get_ref())?))
    }

    async fn update_secret(
        &self,
        request: Request<UpdateSecretRequest>,
    ) -> Result<Response<UpdateSecretResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let updated = self.0.update(&admitted, caller, request.into_inner());
        let secret = updated.await?;
        Ok(Response::new(UpdateSecretResponse {
            secret: Some(secret),
        }))
    }

    async fn delete_secret(
        &self,
        request: Request<DeleteSecretRequest>,
    ) -> Result<Response<DeleteSecretResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let request = request.into_inner();
        let name = authorized(&admitted, &request.name)?;
        let deleted = self.0.store.delete(caller, name.clone(), request.force);
        let deleted = deleted.await.map_err(change_failure);
        deleted.map_err(|failure| admitted.conceal(name.as_str(), failure))?;
        Ok(Response::new(DeleteSecretResponse {}))
    }

    async fn rotate_secret(
        &self,
        request: Request<RotateSecretRequest>,
    ) -> Result<Response<RotateSecretResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let response = self
            .0
            .rotate(&admitted, caller, request.into_inner())
            .await?;
        Ok(Response::new(response))
    }

    async fn activate_version(
        &self,
        request: Request<ActivateVersionRequest>,
    ) -> Result<Response<ActivateVersionResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let request = request.into_inner();
        let name = authorized(&admitted, &request.name)?;
        let number = version_number(request.version)?;
        let grace = self.0.grace(request.grace_period)?;
        let changed = self.0.store.activate(caller, name, number, grace).await;
        Ok(Response::new(ActivateVersionResponse {
            secret: Some(self.0.changed(&admitted, &request.name, changed)?),
        }))
    }

    async fn revoke_version(
        &self,
        request: Request<RevokeVersionRequest>,
    ) -> Result<Response<RevokeVersionResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let request = request.into_inner();
        let name = authorized(&admitted, &request.name)?;
        let number = version_number(request.version)?;
        let changed = self
            .0
            .store
            .revoke(caller, name, number, request.force)
            .await;
        Ok(Response::new(RevokeVersionResponse {
            secret: Some(self.0.changed(&admitted, &request.name, changed)?),
        }))
    }
}

/// A call that passed the gate, and who makes it.
pub(super) fn admitted<T>(request: &Request<T>) -> Result<(Admitted, Caller), Failure> {
    let admitted = Admitted::of(request)?;
    let caller = admitted.caller(&RequestId::of(request));
    Ok((admitted, caller))
}

/// The name of a request, for a call that may do with it what it is about to do.
pub(super) fn authorized(admitted: &Admitted, name: &str) -> Result<SecretName, Failure> {
    let name = convert::name("name", name)?;
    admitted.authorize(name.as_str())?;
    Ok(name)
}

fn version_number(number: u32) -> Result<u32, Failure> {
    match number {
        0 => Err(Failure::field("version", "a version number, from 1")),
        number => Ok(number),
    }
}
