//! `/item/`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{OpenApi, ToSchema};

use super::{input, service};
use crate::features::accounts::{Principal, Role};
use crate::features::projects::Project;
use crate::platform::http::{ApiError, ApiResult, Body, Filters, RequestOf};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(replace, delete, replace_many))]
pub struct Docs;

/// Registers the URLs of single rows.
pub fn routes(config: &mut web::ServiceConfig) {
    // A later slice answers GET.
    config
        .service(web::resource("/item/").route(web::put().to(replace_many)))
        .route("/item/{item}/", web::put().to(replace))
        .route("/item/{item}/", web::delete().to(delete));
}

/// The row of an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemRow {
    pub item_id: String,
    /// The values by column; null if the row is removed.
    #[schema(value_type = Option<Object>)]
    pub values: Option<Map<String, Value>>,
    /// Whether the change has been accepted and is not in use yet, which takes a few seconds.
    is_pending: bool,
    /// Why a pending change is not in use yet, if the last attempt to bring it into use failed for good, or the item metadata has no
    /// room for its columns. It is tried again with the next change. Otherwise why the newest model with item features does not
    /// recommend the item as a new one: a value that cannot be read, or nothing in the row that the model knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub problem: Option<String>,
}

/// The number of accepted rows.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedRows {
    accepted: usize,
}

/// Returns the project that a request is about: that of the caller's key, or the one that the query names.
async fn project_of(principal: &Principal, services: &Services, filters: &Filters, role: Role) -> ApiResult<Project> {
    let named = filters.id("project")?.or(principal.key_project());
    let id = named.ok_or_else(|| ApiError::field("project", "Name the project in the query, as in ?project=1."))?;
    principal.load(&mut *services.db.conn().await?, id, role).await
}

/// Returns the row of an item in the newest item metadata of the project that a request is about, or the change of it that was accepted
/// last, and the project.
pub async fn read_row(principal: &Principal, services: &Services, item: String, filters: &Filters) -> ApiResult<(ItemRow, i64)> {
    let project = project_of(principal, services, filters, Role::Viewer).await?;
    input::check_id(&item)?;
    let found = service::find(services, project.id, &item).await?.ok_or_else(ApiError::not_found)?;
    let problem = service::problem(services, project.id, &found).await?;
    Ok((ItemRow { item_id: item, values: Some(found.values), is_pending: found.is_pending, problem }, project.id))
}

/// Sets the row of an item, in place of a former one: an object with a value for each column. New columns are added to the item
/// metadata. The row is in use a few seconds later. A file of item metadata that is uploaded later replaces all rows.
#[utoipa::path(put, path = "/item/{item}/", tag = "item_meta_data", operation_id = "replace_item",
    params(("item" = String, Path, description = "The id of the item"),
        ("project" = Option<i64>, Query, description = "Required without an API key, whose project is used otherwise")),
    request_body = inline(input::ItemValues),
    responses((status = 202, body = ItemRow), (status = 400, description = "A value is invalid, or the row is too large"),
        (status = 404, description = "No such project, or the caller has no access to it"),
        (status = 429, description = "Too many requests, or too many changes wait (`too_many_item_changes`)")))]
async fn replace(
    principal: Principal,
    services: web::Data<Services>,
    item: web::Path<String>,
    filters: Filters,
    body: Body,
) -> ApiResult<HttpResponse> {
    let project = project_of(&principal, &services, &filters, Role::Editor).await?;
    let row = input::row(&item, body, &project.fields.item_column)?;
    let values = Some(row.values.clone());
    service::set(&services, &project, vec![row]).await?;
    Ok(HttpResponse::Accepted().json(ItemRow { item_id: item.into_inner(), values, is_pending: true, problem: None }))
}

/// Removes the row of an item. Items that a model was not trained on are then no longer recommended, a few seconds later.
#[utoipa::path(delete, path = "/item/{item}/", tag = "item_meta_data", operation_id = "delete_item",
    params(("item" = String, Path, description = "The id of the item"),
        ("project" = Option<i64>, Query, description = "Required without an API key, whose project is used otherwise")),
    responses((status = 202, body = ItemRow), (status = 404, description = "No such row, or the caller has no access to it")))]
async fn delete(
    principal: Principal,
    services: web::Data<Services>,
    item: web::Path<String>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    let project = project_of(&principal, &services, &filters, Role::Editor).await?;
    input::check_id(&item)?;
    service::remove(&services, &project, &item).await?;
    Ok(HttpResponse::Accepted().json(ItemRow { item_id: item.into_inner(), values: None, is_pending: true, problem: None }))
}

type ItemBatchRequest = RequestOf<input::ItemBatch>;

/// Sets the rows of many items, all or none.
#[utoipa::path(put, path = "/item/", tag = "item_meta_data", operation_id = "replace_items",
    params(("project" = Option<i64>, Query, description = "Required without an API key, whose project is used otherwise")),
    request_body = inline(ItemBatchRequest),
    responses((status = 202, body = inline(AcceptedRows)),
        (status = 400, description = "At least one row is invalid: `items` has an entry for each, which is empty for valid ones"),
        (status = 404, description = "No such project, or the caller has no access to it"),
        (status = 429, description = "Too many requests, or too many changes wait (`too_many_item_changes`)")))]
async fn replace_many(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    body: Body,
) -> ApiResult<HttpResponse> {
    let project = project_of(&principal, &services, &filters, Role::Editor).await?;
    let rows = input::batch(body, &project.fields.item_column)?;
    let accepted = rows.len();
    service::set(&services, &project, rows).await?;
    Ok(HttpResponse::Accepted().json(AcceptedRows { accepted }))
}
