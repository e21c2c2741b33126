//! Requests with the key of an app, for the steps that see the answer.

use std::sync::Arc;

use actix_web::http::header::ORIGIN;
use actix_web::{HttpMessage, HttpRequest};

use super::service::KnownKey;
use crate::platform::http::ApiResult;

/// The key of the app that sent a request.
#[derive(Debug, Clone)]
pub struct AppRequest(pub Arc<KnownKey>);

impl AppRequest {
    /// Notes that a request was sent with the key of an app. Fails with 403 if it comes from a web page that may not use the key.
    pub fn note(request: &HttpRequest, key: &Arc<KnownKey>) -> ApiResult<()> {
        request.extensions_mut().insert(Self(Arc::clone(key)));
        key.admit_origin(origin_of(request))
    }

    /// Returns the key of the app that sent a request; `None` for other requests.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

/// Returns the origin of the web page that sends a request.
pub fn origin_of(request: &HttpRequest) -> Option<&str> {
    request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok())
}
