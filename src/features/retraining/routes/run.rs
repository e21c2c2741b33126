//! `/retraining_run/`.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{Run, RunCause, RunStatus};
use super::super::store;
use crate::features::accounts::{Access, Principal, Viewer};
use crate::platform::http::{ApiResult, Filters, Page, PageRequest, timestamp};
use crate::platform::services::Services;

/// A run in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetrainingRun)]
pub struct RunBody {
    id: i64,
    /// The schedule; it may have been deleted since.
    schedule: i64,
    status: RunStatus,
    trained_model: Option<i64>,
    tuning_job: Option<i64>,
    /// Why it failed or was skipped.
    error_message: String,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    completed_at: Option<DateTime<Utc>>,
    /// Rows of the training data.
    data_rows_at_trigger: Option<i64>,
    cause: RunCause,
    training_data: Option<i64>,
    /// The slot of the deployed model.
    deployed_slot: Option<i64>,
    /// The metric that the quality gate compared, such as `ndcg@20`; null if there was nothing to compare.
    gate_metric: Option<String>,
    new_score: Option<f64>,
    /// Score of the deployed model in the same evaluation.
    deployed_score: Option<f64>,
    deployed_model: Option<i64>,
    /// The data that the deployed side of the comparison was fitted to, if not the data of the run.
    deployed_data: Option<i64>,
    /// Whether the training started from the model of the last successful run.
    was_warm_start: bool,
    /// The scheduled time.
    #[serde(serialize_with = "timestamp::option::serialize")]
    scheduled_for: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    project: i64,
}

impl From<Run> for RunBody {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            schedule: run.schedule_id,
            status: run.status,
            trained_model: run.trained_model_id,
            tuning_job: run.tuning_job_id,
            error_message: run.error_message,
            ins_datetime: run.ins_datetime,
            completed_at: run.completed_at,
            data_rows_at_trigger: run.data_rows_at_trigger,
            cause: run.cause,
            training_data: run.training_data_id,
            deployed_slot: run.deployed_slot_id,
            gate_metric: run.gate_metric,
            new_score: run.new_score,
            deployed_score: run.deployed_score,
            deployed_model: run.deployed_model_id,
            deployed_data: run.deployed_data_id,
            was_warm_start: run.was_warm_start,
            scheduled_for: run.scheduled_for,
            started_at: run.started_at,
            project: run.project_id,
        }
    }
}

/// Lists the runs that the caller may see, newest first, including those of deleted schedules.
#[utoipa::path(get, path = "/retraining_run/", tag = "retraining_run", operation_id = "list_retraining_run",
    params(("project" = Option<i64>, Query), ("schedule" = Option<i64>, Query), ("status" = Option<String>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<RunBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<RunBody>>> {
    let of = (filters.id("project")?, filters.id("schedule")?);
    let status = filters.choice("status")?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list_runs(&mut connection, &principal, of, status, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(RunBody::from).collect())?))
}

/// Returns a run.
#[utoipa::path(get, path = "/retraining_run/{id}/", tag = "retraining_run", operation_id = "read_retraining_run",
    params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Run, Viewer>) -> web::Json<RunBody> {
    web::Json(access.object.into())
}
