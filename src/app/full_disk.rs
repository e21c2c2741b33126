//! A disk that is nearly full: requests that would add to what is stored are refused, since even small changes would fill the rest
//! of the reserve, and a database without space cannot start again.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};

use super::api_docs::Asked;
use crate::platform::disk::{DiskShortage, WatchedReserve};
use crate::platform::http::ApiError;
use crate::platform::services::Services;

/// Creates the watch over the reserve of a server.
pub fn watched_reserve(services: &Services) -> WatchedReserve {
    WatchedReserve::new(services.disk(), services.clock.clone(), "changes")
}

/// Answers 507 to a request that adds to what is stored, by its policy, while less than the reserve is free.
pub async fn refuse_changes(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match shortage_for(&request) {
        Some(shortage) => Ok(request.into_response(ApiError::from(shortage).into_answer())),
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

fn shortage_for(request: &ServiceRequest) -> Option<DiskShortage> {
    let takes_disk = request.extensions().get::<Asked>().is_some_and(|asked| asked.policy.takes_disk(request.method()));
    let reserve = request.app_data::<web::Data<WatchedReserve>>().filter(|_| takes_disk)?;
    reserve.check().err()
}
