//! `/source_run/`.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::model::{Cause, RunState, SourceRun, Stage};
use super::super::quality::Report;
use super::super::service::{ending, runs as service};
use super::super::{store::runs as store, windows};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::platform::http::{ApiResult, Filters, Page, PageRequest, timestamp};
use crate::platform::services::Services;

/// A run in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceRun)]
pub struct RunBody {
    id: i64,
    data_source: i64,
    project: i64,
    cause: Cause,
    state: RunState,
    /// The beginning of its window, a moment or a number; null for all rows before its end, and before it is known.
    window_from: Option<String>,
    window_to: Option<String>,
    rows_read: i64,
    rows_kept: i64,
    rows_rejected: i64,
    bytes: i64,
    /// The stages that have begun.
    stages: Vec<Stage>,
    /// What was read, compared with the runs before; null until it has been checked.
    #[schema(value_type = Option<Report>)]
    report: Option<Value>,
    /// Why it is held, in sentences.
    problems: Vec<String>,
    training_data: Option<i64>,
    item_meta_data: Option<i64>,
    /// The run of the retraining schedule that followed.
    retraining_run: Option<i64>,
    /// A stable word for why the last attempt failed.
    error_code: Option<String>,
    error: Option<String>,
    attempt: i32,
    #[serde(serialize_with = "timestamp::option::serialize")]
    scheduled_for: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
}

impl From<SourceRun> for RunBody {
    fn from(run: SourceRun) -> Self {
        let text = |bound: i64| windows::text(run.cursor_kind, bound);
        Self {
            id: run.id,
            data_source: run.data_source_id,
            project: run.project_id,
            cause: run.cause,
            state: run.state,
            window_from: run.window_lo.map(text),
            window_to: run.window_hi.map(text),
            rows_read: run.rows_read,
            rows_kept: run.rows_kept,
            rows_rejected: run.rows_rejected,
            bytes: run.bytes,
            stages: run.stages(),
            problems: run.problems(),
            report: run.report,
            training_data: run.training_data_id,
            item_meta_data: run.item_meta_data_id,
            retraining_run: run.retraining_run_id,
            error_code: run.error_code,
            error: run.error,
            attempt: run.attempt,
            scheduled_for: run.scheduled_for,
            ins_datetime: run.ins_datetime,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// Lists the runs of the sources that the caller may see, newest first.
#[utoipa::path(get, path = "/source_run/", tag = "source_run", operation_id = "list_source_run",
    params(("data_source" = Option<i64>, Query), ("project" = Option<i64>, Query), ("state" = Option<RunState>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<RunBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<RunBody>>> {
    let of = (filters.id("project")?, filters.id("data_source")?);
    let state = filters.choice("state")?;
    let mut connection = services.db.conn().await?;
    let (count, runs) = store::list(&mut connection, &principal, of, state, &page).await?;
    Ok(web::Json(page.wrap(count, runs.into_iter().map(RunBody::from).collect())?))
}

/// Returns a run.
#[utoipa::path(get, path = "/source_run/{id}/", tag = "source_run", operation_id = "read_source_run", params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<SourceRun, Viewer>) -> web::Json<RunBody> {
    web::Json(access.object.into())
}

/// Puts what a held run brought to use.
#[utoipa::path(post, path = "/source_run/{id}/accept/", tag = "source_run", operation_id = "create_source_run_accept",
    params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 409, description = "It is not held, or its upload is gone")))]
pub async fn accept(access: Access<SourceRun, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    Ok(web::Json(ending::accept(&services, access.object.id).await?.into()))
}

/// Discards what a held run brought. The next run reads its window again.
#[utoipa::path(post, path = "/source_run/{id}/discard/", tag = "source_run", operation_id = "create_source_run_discard",
    params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 409, description = "It is not held")))]
pub async fn discard(access: Access<SourceRun, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    Ok(web::Json(ending::discard(&services, access.object.id).await?.into()))
}

/// Cancels a run that waits or runs.
#[utoipa::path(post, path = "/source_run/{id}/cancel/", tag = "source_run", operation_id = "create_source_run_cancel",
    params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 409, description = "It is over")))]
pub async fn cancel(access: Access<SourceRun, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    Ok(web::Json(service::cancel(&services, access.object.id).await?.into()))
}

/// Tries a run again that failed or was cancelled.
#[utoipa::path(post, path = "/source_run/{id}/retry/", tag = "source_run", operation_id = "create_source_run_retry",
    params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 409, description = "It has not failed, or another run is under way")))]
pub async fn retry(access: Access<SourceRun, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    Ok(web::Json(service::retry(&services, access.object.id).await?.into()))
}
