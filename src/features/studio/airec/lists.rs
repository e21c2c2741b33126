//! Items and users of a project.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::{Access, Viewer};
use crate::features::catalogue::{self, Part, Query};
use crate::features::projects::Project;
use crate::platform::http::{ApiResult, Filters};
use crate::platform::services::Services;

/// The largest number of items or users in an answer, and how many there are by default.
const MOST: i32 = 1_000;
const USUAL: i32 = 500;

/// An item of a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecItem)]
pub struct Item {
    item_id: String,
    /// The id if the item has no title.
    item_title: String,
}

/// Reads which part of a list a caller wants.
fn wanted(filters: &Filters) -> ApiResult<(Query, Part)> {
    let most = filters.bounded("limit", 1..=MOST, USUAL)?.unsigned_abs() as usize;
    let skipped = filters.bounded("offset", 0..=i32::MAX, 0)?.unsigned_abs() as usize;
    Ok((Query::read(filters)?, Part::Range { skipped, most }))
}

/// Lists the items of a project, those with most interactions first.
#[utoipa::path(get, path = "/airec/project/{id}/items", tag = "airec", operation_id = "list_airec_project_items",
    params(("id" = i64, Path), ("q" = Option<String>, Query, description = "The start of an id, or a part of a title"),
        ("limit" = Option<i32>, Query, description = "From 1 to 1000; 500 by default"), ("offset" = Option<i32>, Query)),
    responses((status = 200, body = Vec<Item>), (status = 400, description = "A parameter is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn items(
    access: Access<Project, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<Vec<Item>>> {
    let (query, part) = wanted(&filters)?;
    let found = catalogue::items(&services, &access.object, query, part).await?.items;
    let titled = found
        .into_iter()
        .map(|item| Item { item_title: item.title.unwrap_or_else(|| item.item_id.clone()), item_id: item.item_id });
    Ok(web::Json(titled.collect()))
}

/// Lists the ids of the users of a project, those with most interactions first.
#[utoipa::path(get, path = "/airec/project/{id}/users", tag = "airec", operation_id = "list_airec_project_users",
    params(("id" = i64, Path), ("q" = Option<String>, Query, description = "The start of an id"),
        ("limit" = Option<i32>, Query, description = "From 1 to 1000; 500 by default"), ("offset" = Option<i32>, Query)),
    responses((status = 200, body = Vec<String>), (status = 400, description = "A parameter is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn users(
    access: Access<Project, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<Vec<String>>> {
    let (query, part) = wanted(&filters)?;
    let (_, found) = catalogue::users(&services, &access.object, query, part).await?;
    Ok(web::Json(found.into_iter().map(|user| user.user_id).collect()))
}
