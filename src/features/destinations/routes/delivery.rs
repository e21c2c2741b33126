//! `/delivery/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::files::ListFormat;
use super::super::model::{Delivery, DeliveryCause, DeliveryStage, DeliveryState};
use super::super::target::DeliveryTarget;
use super::super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest, attachment, timestamp};
use crate::platform::services::Services;

/// A delivery in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    id: i64,
    destination: i64,
    project: i64,
    cause: DeliveryCause,
    state: DeliveryState,
    /// What it does while it runs: it computes the lists, then sends them if they go to a table.
    stage: DeliveryStage,
    /// The share of the stage that is done, from 0 to 1.
    progress: f64,
    /// The number of lists that are computed.
    lists: i64,
    /// The number of entries of all lists; null before the end.
    rows: Option<i64>,
    /// The size of the file; null before the end.
    bytes: Option<i64>,
    format: ListFormat,
    /// The table that gets the lists; null for a file.
    target: Option<DeliveryTarget>,
    /// Whether its file can be downloaded; the last three of a destination are kept.
    has_file: bool,
    /// The model whose lists these are; null once it is deleted.
    model: Option<i64>,
    /// The retraining run that it followed.
    retraining_run: Option<i64>,
    /// Why it failed.
    error: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            progress: delivery.progress(),
            target: delivery.target(),
            stage: delivery.stage,
            id: delivery.id,
            destination: delivery.destination_id,
            project: delivery.project_id,
            cause: delivery.cause,
            state: delivery.state,
            lists: delivery.done,
            rows: delivery.row_count,
            bytes: delivery.bytes,
            format: delivery.format,
            has_file: delivery.storage_key.is_some(),
            model: delivery.trained_model_id,
            retraining_run: delivery.retraining_run_id,
            error: delivery.error,
            ins_datetime: delivery.ins_datetime,
            started_at: delivery.started_at,
            finished_at: delivery.finished_at,
        }
    }
}

/// Lists the deliveries that the caller may see, newest first.
#[utoipa::path(get, path = "/delivery/", tag = "destination", operation_id = "list_delivery",
    params(("project" = Option<i64>, Query), ("destination" = Option<i64>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<DeliveryBody>), (status = 400, description = "A filter is not a number")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<DeliveryBody>>> {
    let of = (filters.id("project")?, filters.id("destination")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list_deliveries(&mut connection, &principal, of, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(DeliveryBody::from).collect())?))
}

/// Returns a delivery.
#[utoipa::path(get, path = "/delivery/{id}/", tag = "destination", operation_id = "read_delivery", params(("id" = i64, Path)),
    responses((status = 200, body = DeliveryBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Delivery, Viewer>) -> web::Json<DeliveryBody> {
    web::Json(access.object.into())
}

/// Cancels a delivery that is waiting or running.
#[utoipa::path(post, path = "/delivery/{id}/cancel/", tag = "destination", operation_id = "create_delivery_cancel",
    params(("id" = i64, Path)),
    responses((status = 200, body = DeliveryBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "It has ended already")))]
pub async fn cancel(access: Access<Delivery, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<DeliveryBody>> {
    Ok(web::Json(service::cancel(&services, access.object).await?.into()))
}

/// Tries a delivery again that failed or was cancelled, with the same model. What is complete already is not computed again.
#[utoipa::path(post, path = "/delivery/{id}/retry/", tag = "destination", operation_id = "create_delivery_retry",
    params(("id" = i64, Path)),
    responses((status = 200, body = DeliveryBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "It did not fail, its model is gone, or another delivery is under way")))]
pub async fn retry(access: Access<Delivery, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<DeliveryBody>> {
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::retry(&mut connection, &access.object, most_waiting).await?.into()))
}

/// Returns the file of a delivery.
#[utoipa::path(get, path = "/delivery/{id}/download/", tag = "destination", operation_id = "read_delivery_download",
    params(("id" = i64, Path)),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "Not found, no access, or it has no file, or no longer")))]
pub async fn download(access: Access<Delivery, Viewer>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let delivery = access.object;
    let key = delivery.storage_key.as_deref().ok_or_else(ApiError::not_found)?;
    attachment(&services.blobs, key, &format!("lists-{}.{}", delivery.id, delivery.format)).await
}
