//! Which service a call is for. The data plane is asked first and directly, past the router's match of the path and its
//! boxes around both bodies.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{body::Body, codegen::BoxFuture, server::NamedService, service::Routes};
use tower::{Layer, Service};

/// Puts a data plane before the other services.
#[derive(Clone)]
pub(crate) struct FrontLayer<D>(pub D);

/// A data plane and the other services.
#[derive(Clone)]
pub(crate) struct Front<D> {
    data_plane: D,
    others: Routes,
}

impl<D: Clone> Layer<Routes> for FrontLayer<D> {
    type Service = Front<D>;

    fn layer(&self, others: Routes) -> Front<D> {
        Front {
            data_plane: self.0.clone(),
            others,
        }
    }
}

impl<D> Service<Request<Body>> for Front<D>
where
    D: NamedService
        + Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Both are always ready: neither queues.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if service_of(request.uri().path()) == Some(D::NAME) {
            self.data_plane.call(request)
        } else {
            Box::pin(self.others.call(request))
        }
    }
}

/// The service in `/service/method`.
fn service_of(path: &str) -> Option<&str> {
    let (service, _) = path.strip_prefix('/')?.split_once('/')?;
    Some(service)
}
