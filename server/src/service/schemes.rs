//! The catalogue, for people and programs, and schemes of the operators' own.

mod wire;

use std::sync::Arc;

use countersign_core::{
    Catalogue, OwnScheme, catalogue,
    lint::{Finding, Severity},
    own::OwnSchemeError,
};
use countersign_proto::v1::{
    CreateSchemeRequest, CreateSchemeResponse, DeleteSchemeRequest, DeleteSchemeResponse,
    GetSchemeRequest, GetSchemeResponse, ListSchemesRequest, ListSchemesResponse,
    scheme_service_server::SchemeService,
};
use tonic::{Request, Response, Status};

use self::wire::{finding_to_wire, to_wire};
use super::{
    Shared,
    secrets::{admitted, change_failure},
};
use crate::{
    access::Admitted,
    failure::{ErrorReason, Failure},
    store::{Caller, NewScheme},
};

/// `SchemeService`.
pub(crate) struct Schemes(pub Arc<Shared>);

#[tonic::async_trait]
impl SchemeService for Schemes {
    async fn list_schemes(
        &self,
        _: Request<ListSchemesRequest>,
    ) -> Result<Response<ListSchemesResponse>, Status> {
        let all = self.0.schemes.all();
        let schemes = all
            .values()
            .map(|known| to_wire(&known.scheme, known.record.is_some()))
            .collect();
        Ok(Response::new(ListSchemesResponse { schemes }))
    }

    async fn get_scheme(
        &self,
        request: Request<GetSchemeRequest>,
    ) -> Result<Response<GetSchemeResponse>, Status> {
        let id = &request.get_ref().id;
        let known = self.0.scheme(id);
        let known = known.ok_or_else(|| Failure::new(ErrorReason::SchemeNotFound))?;
        let mut scheme = to_wire(&known.scheme, known.record.is_some());
        scheme.definition = match &known.record {
            Some(record) => record.definition.clone(),
            None => catalogue::definition(id).unwrap_or_default(),
        };
        Ok(Response::new(GetSchemeResponse {
            scheme: Some(scheme),
        }))
    }

    async fn create_scheme(
        &self,
        request: Request<CreateSchemeRequest>,
    ) -> Result<Response<CreateSchemeResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        let created = self
            .0
            .create_scheme(&admitted, caller, request.into_inner());
        let response = created.await?;
        Ok(Response::new(response))
    }

    async fn delete_scheme(
        &self,
        request: Request<DeleteSchemeRequest>,
    ) -> Result<Response<DeleteSchemeResponse>, Status> {
        let (admitted, caller) = admitted(&request)?;
        admitted.authorize(&request.get_ref().id)?;
        let deleted = self.0.delete_scheme(caller, request.into_inner().id);
        deleted.await?;
        Ok(Response::new(DeleteSchemeResponse {}))
    }
}

impl Shared {
    async fn create_scheme(
        &self,
        admitted: &Admitted,
        caller: Caller,
        request: CreateSchemeRequest,
    ) -> Result<CreateSchemeResponse, Failure> {
        admitted.authorize_any()?;
        let definition = request.definition;
        // Its vectors are some kilobytes of hashing, so they leave the threads that answer everybody.
        let reviewed = tokio::task::spawn_blocking(|| review(definition)).await;
        let (definition, own, findings) =
            reviewed.map_err(|_| Failure::new(ErrorReason::Internal))??;
        admitted.authorize(&own.scheme.id)?;
        let new = NewScheme {
            id: own.scheme.id.clone(),
            definition,
            max_schemes: self.limits.max_schemes,
            validate_only: request.validate_only,
        };
        let record = self.store.create_scheme(caller, new).await;
        let record = record.map_err(change_failure)?;
        let mut scheme = to_wire(&own.scheme, true);
        scheme.definition.clone_from(&record.definition);
        Ok(CreateSchemeResponse {
            scheme: Some(scheme),
            findings: findings.iter().map(finding_to_wire).collect(),
        })
    }

    async fn delete_scheme(&self, caller: Caller, id: String) -> Result<(), Failure> {
        let is_own = (self.scheme(&id)).is_some_and(|known| known.record.is_some());
        if !is_own && Catalogue::builtin().scheme(&id).is_some() {
            return Err(Failure::new(ErrorReason::SchemeBuiltIn));
        }
        let deleted = self.store.delete_scheme(caller, id).await;
        deleted.map_err(change_failure)
    }
}

/// Reads a description, lints it and runs its vectors.
fn review(definition: String) -> Result<(String, OwnScheme, Vec<Finding>), Failure> {
    let own = OwnScheme::parse(&definition).map_err(|error| refused(&error))?;
    let findings = own.review();
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    match errors.is_empty() {
        true => Ok((definition, own, findings)),
        false => Err(
            Failure::with_message(ErrorReason::SchemeRefused, errors.join("; "))
                .at("definition")
                .listing(errors),
        ),
    }
}

fn refused(error: &OwnSchemeError) -> Failure {
    let reason = match error {
        OwnSchemeError::BuiltIn => ErrorReason::SchemeExists,
        _ => ErrorReason::SchemeRefused,
    };
    Failure::with_message(reason, error.to_string()).at("definition")
}
