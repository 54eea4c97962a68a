//! The catalogue, for people and programs.

use countersign_core::{Catalogue, Rules, Scheme};
use countersign_proto::v1::{
    self, CreateSchemeRequest, CreateSchemeResponse, DeleteSchemeRequest, DeleteSchemeResponse,
    GetSchemeRequest, GetSchemeResponse, ListSchemesRequest, ListSchemesResponse,
    scheme_service_server::SchemeService,
};
use tonic::{Request, Response, Status};

use crate::{
    convert,
    failure::{ErrorReason, Failure},
};

/// `SchemeService`.
pub(crate) struct Schemes;

#[tonic::async_trait]
impl SchemeService for Schemes {
    async fn list_schemes(
        &self,
        _: Request<ListSchemesRequest>,
    ) -> Result<Response<ListSchemesResponse>, Status> {
        let schemes = Catalogue::builtin()
            .iter()
            .map(|scheme| to_wire(scheme))
            .collect();
        Ok(Response::new(ListSchemesResponse { schemes }))
    }

    async fn get_scheme(
        &self,
        request: Request<GetSchemeRequest>,
    ) -> Result<Response<GetSchemeResponse>, Status> {
        let scheme = Catalogue::builtin()
            .scheme(&request.get_ref().id)
            .ok_or_else(|| Failure::new(ErrorReason::SchemeNotFound))?;
        Ok(Response::new(GetSchemeResponse {
            scheme: Some(to_wire(scheme)),
        }))
    }

    async fn create_scheme(
        &self,
        _: Request<CreateSchemeRequest>,
    ) -> Result<Response<CreateSchemeResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn delete_scheme(
        &self,
        _: Request<DeleteSchemeRequest>,
    ) -> Result<Response<DeleteSchemeResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}

fn to_wire(scheme: &Scheme) -> v1::Scheme {
    let webhook = match &scheme.rules {
        Rules::Webhook(rules) => Some(rules),
        _ => None,
    };
    let window = webhook.and_then(|rules| rules.window());
    v1::Scheme {
        id: scheme.id.clone(),
        purpose: convert::purpose_to_wire(scheme.purpose()).into(),
        title: scheme.title.clone(),
        description: scheme.description.clone(),
        source: scheme.source.clone(),
        key_format: scheme.describe_key(),
        signed_text: scheme.describe_signed_text(),
        signature_format: scheme.describe_signature(),
        headers: webhook
            .map(|rules| rules.header_names())
            .unwrap_or_default()
            .into_iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        tolerance_past: window.map(|window| convert::duration_to_wire(window.past)),
        tolerance_future: window.map(|window| convert::duration_to_wire(window.future)),
        parameters: scheme.parameters.keys().cloned().collect(),
        key_id_required: scheme.key_id_required(),
        ..v1::Scheme::default()
    }
}
