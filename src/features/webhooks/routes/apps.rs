//! `/app/`. Only users can create, change or delete apps, since that creates or revokes a key.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{App, AppFields, DayOfUse};
use super::super::service::apps as service;
use super::super::store::apps as store;
use crate::features::accounts::{Access, Admin, Principal, Role, Viewer};
use crate::features::projects::{OfProject, Project};
use crate::platform::http::{ApiError, ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// Days whose use is shown by default, and the most that may be asked for.
const DAYS: i32 = 30;
const MOST_DAYS: i32 = 366;

/// An app in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub struct AppBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: AppFields,
    /// The key that the app uses; null if it was deleted, or the app was created switched off.
    api_key: Option<i64>,
    /// The first characters of the key after `rctm_`.
    key_prefix: Option<String>,
    /// Predictions and reports of events in the last 30 days.
    requests_30_days: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

/// A new app.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedApp {
    #[serde(flatten)]
    app: AppBody,
    /// The key itself. Returned only once. Null if the app is switched off.
    key: Option<String>,
}

/// A new key of an app.
#[derive(Debug, Serialize, ToSchema)]
struct NewAppKey {
    /// The key itself. Returned only once.
    key: String,
    key_prefix: String,
}

/// The use of an app.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppUsage {
    /// Each day in UTC, oldest first; the last is today.
    days: Vec<DayOfUse>,
    /// The sum of the days.
    requests: i64,
    items: i64,
    errors: i64,
}

async fn to_bodies(services: &Services, apps: Vec<App>) -> ApiResult<Vec<AppBody>> {
    let today = services.clock.now().date_naive();
    let mut connection = services.db.conn().await?;
    let (mut prefixes, requests) = service::described(&mut connection, &apps, today).await?;
    let bodies = apps.into_iter().map(|app| AppBody {
        id: app.id,
        project: app.project_id,
        api_key: app.api_key_id,
        key_prefix: app.api_key_id.and_then(|key| prefixes.remove(&key)),
        requests_30_days: requests.get(&app.id).copied().unwrap_or(0),
        fields: app.fields,
        ins_datetime: app.ins_datetime,
        updated_at: app.updated_at,
    });
    Ok(bodies.collect())
}

async fn to_one(services: &Services, app: App) -> ApiResult<AppBody> {
    to_bodies(services, vec![app]).await?.pop().ok_or_else(ApiError::not_found)
}

type AppRequest = RequestOf<(OfProject, AppFields)>;

/// Lists the apps of the projects that the caller may see, newest first.
#[utoipa::path(get, path = "/app/", tag = "app", operation_id = "list_app",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<AppBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<AppBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, apps) = store::list(&mut connection, &principal, project, &page).await?;
    drop(connection);
    Ok(web::Json(page.wrap(count, to_bodies(&services, apps).await?)?))
}

/// Creates an app with an API key for predictions and reports of events.
#[utoipa::path(post, path = "/app/", tag = "app", operation_id = "create_app", request_body = inline(AppRequest),
    responses((status = 201, body = inline(CreatedApp)), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The project has as many keys as one project may")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let wanted = AppFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Admin);
    fields.refer("project", lookup).await?;
    drop(connection);
    fields.finish()?;
    let (app, key) = service::create(&services, project, principal.user.id, wanted).await?;
    let key = key.map(|key| key.expose_secret().to_owned());
    Ok(HttpResponse::Created().json(CreatedApp { app: to_one(&services, app).await?, key }))
}

/// Returns an app, without its key.
#[utoipa::path(get, path = "/app/{id}/", tag = "app", operation_id = "read_app", params(("id" = i64, Path)),
    responses((status = 200, body = AppBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<App, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<AppBody>> {
    Ok(web::Json(to_one(&services, access.object).await?))
}

/// Replaces the fields of an app. Switching it off revokes its key.
#[utoipa::path(put, path = "/app/{id}/", tag = "app", operation_id = "replace_app", params(("id" = i64, Path)),
    request_body = inline(AppRequest), responses((status = 200, body = AppBody)))]
pub async fn replace(access: Access<App, Admin>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<AppBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of an app. Switching it off revokes its key.
#[utoipa::path(patch, path = "/app/{id}/", tag = "app", operation_id = "update_app", params(("id" = i64, Path)),
    request_body = inline(AppRequest), responses((status = 200, body = AppBody)))]
pub async fn update(access: Access<App, Admin>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<AppBody>> {
    save(access, &services, body, true).await
}

async fn save(access: Access<App, Admin>, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<AppBody>> {
    access.principal.refuse_keys()?;
    let current = access.object;
    let mut fields = body.reader();
    let wanted = AppFields::read(&mut fields, Write::over(&current.fields, partial));
    let message = "An app cannot move to another project. Make a new one there.";
    OfProject::read_same(&mut fields, current.project_id, true, message);
    fields.finish()?;
    let saved = service::update(services, current.id, wanted).await?;
    Ok(web::Json(to_one(services, saved).await?))
}

/// Deletes an app with its key, its endpoints and the count of its use.
#[utoipa::path(delete, path = "/app/{id}/", tag = "app", operation_id = "delete_app", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn delete(access: Access<App, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    service::delete(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives an app a new key. Its former key is deleted, so that it is no longer accepted.
#[utoipa::path(post, path = "/app/{id}/new_key/", tag = "app", operation_id = "create_app_new_key", params(("id" = i64, Path)),
    responses((status = 200, body = inline(NewAppKey)), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The app is switched off, or the project has as many keys as one project may")))]
pub async fn new_key(access: Access<App, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let (app, key) = service::renew_key(&services, access.object.id, access.principal.user.id).await?;
    let body = to_one(&services, app).await?;
    let key_prefix = body.key_prefix.unwrap_or_default();
    Ok(HttpResponse::Ok().json(NewAppKey { key: key.expose_secret().to_owned(), key_prefix }))
}

/// Returns how much an app was used on each of the last days. What the last ten seconds added may be missing.
#[utoipa::path(get, path = "/app/{id}/usage/", tag = "app", operation_id = "read_app_usage",
    params(("id" = i64, Path), ("days" = Option<i32>, Query)),
    responses((status = 200, body = AppUsage), (status = 400, description = "`days` is not from 1 to 366"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn usage(
    access: Access<App, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<AppUsage>> {
    let days = filters.bounded("days", 1..=MOST_DAYS, DAYS)?;
    let days = service::used(&services, access.object.id, u64::from(days.unsigned_abs())).await?;
    let sum = |number: fn(&DayOfUse) -> i64| days.iter().map(number).sum();
    let (requests, items, errors) = (sum(|day| day.requests), sum(|day| day.items), sum(|day| day.errors));
    Ok(web::Json(AppUsage { days, requests, items, errors }))
}
