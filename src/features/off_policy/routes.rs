//! `/trained_model/{id}/off_policy/`.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::replay::{LeftOut, Warning};
use super::service::{self, Found};
use crate::features::accounts::{Access, Viewer};
use crate::features::models::{ModelCache, TrainedModel};
use crate::features::recommendation_log::Comparison;
use crate::platform::http::{ApiResult, Filters, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(off_policy))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/trained_model/{id}/off_policy/", web::get().to(off_policy));
}

/// Comparison of a model's lists with those that were answered before it got any traffic. Fields about a shadow apply to the
/// model here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OffPolicyComparison)]
pub struct OffPolicyBody {
    trained_model: i64,
    /// Only requests from this moment on are used.
    #[serde(serialize_with = "timestamp::serialize")]
    since: DateTime<Utc>,
    /// All interactions that the model was trained on are earlier.
    #[serde(serialize_with = "timestamp::serialize")]
    learnt_until: DateTime<Utc>,
    /// The number of items of each list that are compared, from the top.
    cutoff: i32,
    /// Whether there were more requests; only the newest were compared, up to a limit of time.
    is_partial: bool,
    left_out: LeftOut,
    /// Reasons to distrust the whole comparison; the estimates have their own.
    warnings: Vec<Warning>,
    #[serde(flatten)]
    comparison: Comparison,
}

/// Returns what a trained model would have answered to logged requests of the past, compared with the actual answers, and what
/// its lists would have earned: off-policy estimates, before it gets any traffic.
///
/// Only requests later than the model's training data are used, and only those for the list of a user without further options:
/// interactions sent along, filters and the like are not logged. Estimates need propensities, which are logged while two or more
/// slots share the traffic, or new items get a share of the places (`new_item_share`), and the project logs its lists
/// (`logged_share`) or has a shadow slot. If only one slot ever answered, the log supports estimates only for the items that the
/// model shows in the same places, and for new items that were drawn: see `support`.
#[utoipa::path(get, path = "/trained_model/{id}/off_policy/", tag = "trained_model", operation_id = "read_trained_model_off_policy",
    params(("id" = i64, Path),
        ("days" = Option<i64>, Query, minimum = 1, maximum = 365, description = "How far back; 28 by default"),
        ("cutoff" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Items of each list, from its top; 10 by default")),
    responses((status = 200, body = OffPolicyBody), (status = 400, description = "A parameter is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The model is not trained yet, or its file was removed"),
        (status = 503, description = "The file is missing or damaged")))]
async fn off_policy(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    filters: Filters,
) -> ApiResult<web::Json<OffPolicyBody>> {
    let (days, cutoff) = (filters.bounded("days", 1..=365, 28)?, filters.bounded("cutoff", 1..=100, 10)?);
    let model = access.object;
    let found = service::estimate(&services, &cache, &model, days, cutoff).await?;
    let Found { since, learnt_until, is_partial, left_out, warnings, comparison } = found;
    let trained_model = model.id;
    Ok(web::Json(OffPolicyBody { trained_model, since, learnt_until, cutoff, is_partial, left_out, warnings, comparison }))
}
