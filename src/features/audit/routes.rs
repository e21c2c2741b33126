//! `/audit_log/`: for staff, and for admins and owners of the organisation concerned.

use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDate, Utc};
use utoipa::OpenApi;

use super::export::{self, Format};
use super::model::{Entry, Selection};
use super::store;
use crate::features::accounts::{Principal, Role};
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, export_all))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/audit_log/").route(web::get().to(list)))
        .service(web::resource("/audit_log/export/").route(web::get().to(export_all)));
}

/// Reads which lines the caller requests, and checks the right to read them: 403 for an organisation or project of others,
/// whether or not it exists.
async fn read_selection(principal: &Principal, services: &Services, filters: &Filters) -> ApiResult<Selection> {
    principal.refuse_keys()?;
    let manages = |id: i64| principal.role_in(id).is_some_and(|role| role >= Role::Admin);
    let mine = || principal.memberships.keys().copied().filter(|id| manages(*id)).collect();
    let organisation = filters.id("organisation")?;
    let project = filters.id("project")?;
    if organisation.is_some_and(|id| !manages(id)) {
        return Err(not_for_you());
    }
    if let Some(project) = project {
        let of_project = store::organisation_of(&mut *services.db.conn().await?, project).await?;
        if of_project.is_some_and(|id| !manages(id)) {
            return Err(not_for_you());
        }
    }
    Ok(Selection {
        organisations: organisation.map(|id| vec![id]).or_else(|| (!principal.user.is_staff).then(mine)),
        project,
        user: filters.id("user")?,
        resource: filters.text("resource"),
        resource_id: filters.text("resource_id"),
        action: filters.choice("action")?,
        since: read_moment(filters, "since")?,
        until: read_moment(filters, "until")?,
    })
}

fn not_for_you() -> ApiError {
    ApiError::forbidden("The audit log is for admins and owners of the organisation.")
}

/// Reads a moment; a date is read as its first moment in UTC.
fn read_moment(filters: &Filters, name: &str) -> ApiResult<Option<DateTime<Utc>>> {
    let Some(text) = filters.text(name) else { return Ok(None) };
    // Clients that do not escape a plus sign send a space.
    let moment = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map(|moment| moment.with_timezone(&Utc));
    let date = || NaiveDate::parse_from_str(&text, "%Y-%m-%d").map(|date| date.and_time(chrono::NaiveTime::MIN).and_utc());
    moment
        .or_else(|_| date())
        .map(Some)
        .map_err(|_| ApiError::field(name, "Enter a date or a moment, such as 2030-01-31T12:00:00Z."))
}

/// Lists changes with their users, newest first.
#[utoipa::path(get, path = "/audit_log/", tag = "audit_log", operation_id = "list_audit_log",
    params(("organisation" = Option<i64>, Query), ("project" = Option<i64>, Query), ("user" = Option<i64>, Query),
        ("resource" = Option<String>, Query), ("resource_id" = Option<String>, Query), ("action" = Option<String>, Query),
        ("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<Entry>), (status = 400, description = "A filter is invalid"), (status = 404, description = "There is no such page")))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<Entry>>> {
    let selection = read_selection(&principal, &services, &filters).await?;
    let mut connection = services.db.conn_for_long_read().await?;
    let (count, rows) = store::list(&mut connection, &selection, &page).await?;
    Ok(web::Json(page.wrap(count, rows)?))
}

/// Returns changes with their users as a file, newest first.
#[utoipa::path(get, path = "/audit_log/export/", tag = "audit_log", operation_id = "read_audit_log_export",
    params(("organisation" = Option<i64>, Query), ("project" = Option<i64>, Query), ("user" = Option<i64>, Query),
        ("resource" = Option<String>, Query), ("resource_id" = Option<String>, Query), ("action" = Option<String>, Query),
        ("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("format" = Option<String>, Query, description = "`csv` or `ndjson`; `csv` by default")),
    responses((status = 200, description = "The file", content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "A filter is invalid")))]
async fn export_all(principal: Principal, services: web::Data<Services>, filters: Filters) -> ApiResult<HttpResponse> {
    let selection = read_selection(&principal, &services, &filters).await?;
    let format = filters.choice("format")?.unwrap_or(Format::Csv);
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit_log.csv\""),
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"audit_log.ndjson\""),
    };
    Ok(HttpResponse::Ok()
        .content_type(kind)
        .insert_header((CONTENT_DISPOSITION, HeaderValue::from_static(name)))
        .streaming(export::stream(&services, &principal, selection, format)))
}
