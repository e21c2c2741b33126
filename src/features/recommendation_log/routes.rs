//! `/deployment_slot/{id}/comparison/`.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::service;
use super::statistics::Comparison;
use crate::features::accounts::{Access, Viewer};
use crate::features::deployments::DeploymentSlot;
use crate::platform::http::{ApiResult, Filters, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(comparison))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/deployment_slot/{id}/comparison/", web::get().to(comparison));
}

/// Comparison of a shadow slot's lists with those that were answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotComparison)]
pub struct ComparisonBody {
    slot: i64,
    /// The current model of the slot; only its lists are used.
    trained_model: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    since: DateTime<Utc>,
    /// The number of items of each list that are compared, from the top.
    cutoff: i32,
    /// Whether there were more requests; only the newest ones were compared.
    is_partial: bool,
    #[serde(flatten)]
    comparison: Comparison,
}

/// Compares the lists of a shadow slot with those that were answered to the same requests, and estimates what its lists would
/// have earned. A slot that was not a shadow in the period has nothing to compare.
#[utoipa::path(get, path = "/deployment_slot/{id}/comparison/", tag = "deployment_slot", operation_id = "read_deployment_slot_comparison",
    params(("id" = i64, Path),
        ("days" = Option<i64>, Query, minimum = 1, maximum = 365, description = "How far back; 28 by default"),
        ("cutoff" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Items of each list, from its top; 10 by default")),
    responses((status = 200, body = ComparisonBody), (status = 400, description = "A parameter is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn comparison(
    access: Access<DeploymentSlot, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<ComparisonBody>> {
    let (days, cutoff) = (filters.bounded("days", 1..=365, 28)?, filters.bounded("cutoff", 1..=100, 10)?);
    let slot = access.object;
    let found = service::compare(&services, &slot, days, cutoff).await?;
    Ok(web::Json(ComparisonBody {
        slot: slot.id,
        trained_model: slot.fields.trained_model_id,
        since: found.since,
        cutoff,
        is_partial: found.is_partial,
        comparison: found.comparison,
    }))
}
