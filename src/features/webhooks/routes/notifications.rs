//! `/notification/`: what happened in the projects of the caller.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::model::ReadFields;
use super::super::store::notifications as store;
use crate::features::accounts::Principal;
use crate::features::projects::Topic;
use crate::platform::http::{ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A notification.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationBody {
    id: i64,
    project: i64,
    project_name: String,
    topic: Topic,
    /// Ids, names and figures.
    #[schema(value_type = Object)]
    data: Value,
    /// The page of the UI that shows more.
    link_path: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    occurred_at: DateTime<Utc>,
    is_read: bool,
}

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationPage {
    #[serde(flatten)]
    page: Page<NotificationBody>,
    /// How many the caller has not read, on all pages.
    unread: i64,
}

/// Lists what happened in the last 30 days in the projects that the caller may see, newest first. An API key has read nothing.
#[utoipa::path(get, path = "/notification/", tag = "notification", operation_id = "list_notification",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = NotificationPage), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<NotificationPage>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let read_until = match principal.key {
        Some(_) => 0,
        None => store::read_until(&mut connection, principal.user.id).await?,
    };
    let (count, rows) = store::list(&mut connection, &principal, project, &page).await?;
    let unread = store::count_after(&mut connection, &principal, project, read_until).await?;
    let projects: Vec<i64> = rows.iter().map(|row| row.project_id).collect();
    let names = store::names_of(&mut connection, &projects).await?;
    let bodies = rows.into_iter().map(|row| NotificationBody {
        id: row.id,
        project: row.project_id,
        project_name: names.get(&row.project_id).cloned().unwrap_or_default(),
        topic: row.topic,
        data: row.data,
        link_path: row.link_path,
        occurred_at: row.occurred_at,
        is_read: row.id <= read_until,
    });
    Ok(web::Json(NotificationPage { page: page.wrap(count, bodies.collect())?, unread }))
}

type ReadRequest = RequestOf<ReadFields>;

/// Marks the notifications up to one as read, for the caller.
#[utoipa::path(post, path = "/notification/mark_read/", tag = "notification", operation_id = "create_notification_mark_read",
    request_body = inline(ReadRequest),
    responses((status = 204, description = "Marked"), (status = 400, description = "`until` is missing or no number")))]
pub async fn mark_read(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let ReadFields { until } = ReadFields::read(&mut fields, Write::Create);
    fields.finish()?;
    store::mark_read(&mut *services.db.conn().await?, principal.user.id, until).await?;
    Ok(HttpResponse::NoContent().finish())
}
