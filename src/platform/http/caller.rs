//! Where a request comes from, and the id it goes by in the log.

use actix_web::{HttpMessage, HttpRequest, web};

use crate::platform::services::Services;

/// The id of a request, put there by the tracing middleware.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The id of a request; empty where nothing traces.
pub fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// The network address of the caller. What a proxy says about it counts only where the settings trust the proxy.
pub fn client_address(request: &HttpRequest) -> String {
    let trusted = request.app_data::<web::Data<Services>>().is_some_and(|services| services.settings.trust_forwarded_for);
    let connection = request.connection_info();
    let address = if trusted { connection.realip_remote_addr() } else { connection.peer_addr() };
    address.unwrap_or("unknown").to_owned()
}
