//! `/task_log/`.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::model::TaskLog;
use super::store::{self, LogFilter};
use crate::features::accounts::Principal;
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, read))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/task_log/").route(web::get().to(list)))
        .service(web::resource("/task_log/{id}/").route(web::get().to(read)));
}

/// A line of the log in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskLog)]
pub struct TaskLogBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    contents: String,
    /// The task that wrote it; null once the queue has deleted the task.
    task: Option<i64>,
}

impl From<TaskLog> for TaskLogBody {
    fn from(line: TaskLog) -> Self {
        Self {
            id: line.id,
            ins_datetime: line.ins_datetime,
            updated_at: line.updated_at,
            contents: line.contents,
            task: line.job_id,
        }
    }
}

/// Lists the lines of background work, newest first.
#[utoipa::path(get, path = "/task_log/", tag = "task_log", operation_id = "list_task_log",
    params(("id" = Option<i64>, Query), ("id_gt" = Option<i64>, Query), ("tuning_job_id" = Option<i64>, Query),
        ("model_id" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<TaskLogBody>), (status = 400, description = "A filter is invalid"),
        (status = 404, description = "There is no such page")))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<TaskLogBody>>> {
    let filter = read_filter(&filters)?;
    let mut connection = services.db.conn_for_long_read().await?;
    let (count, rows) = store::list(&mut connection, &principal, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(TaskLogBody::from).collect())?))
}

/// Returns a line of the log.
#[utoipa::path(get, path = "/task_log/{id}/", tag = "task_log", operation_id = "read_task_log", params(("id" = i64, Path)),
    responses((status = 200, body = TaskLogBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(
    principal: Principal,
    services: web::Data<Services>,
    path: web::Path<String>,
    filters: Filters,
) -> ApiResult<web::Json<TaskLogBody>> {
    let id = path.parse().map_err(|_| ApiError::not_found())?;
    let filter = read_filter(&filters)?;
    if filter.id.is_some_and(|wanted| wanted != id) {
        return Err(ApiError::not_found());
    }
    let filter = LogFilter { id: Some(id), ..filter };
    let mut connection = services.db.conn().await?;
    let line = store::first(&mut connection, &principal, &filter).await?;
    Ok(web::Json(line.ok_or_else(ApiError::not_found)?.into()))
}

fn read_filter(filters: &Filters) -> ApiResult<LogFilter> {
    Ok(LogFilter {
        id: filters.id("id")?,
        after: filters.id("id_gt")?,
        tuning_job: filters.id("tuning_job_id")?,
        model: filters.id("model_id")?,
    })
}
