//! `/project/{id}/items/` and `/project/{id}/users/`.

use actix_web::web;
use utoipa::OpenApi;

use super::columns::ShownNames;
use super::model::{ItemPage, ListedUser, Part, Query};
use super::service;
use crate::features::accounts::{Access, Viewer};
use crate::features::projects::Project;
use crate::platform::http::{ApiResult, Filters, Page, PageRequest};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(items, users))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/project/{id}/items/", web::get().to(items)).route("/project/{id}/users/", web::get().to(users));
}

/// Lists the items of a project, those with most interactions first: the items of its newest training data that is ready, and those
/// that only its item metadata has. Ids of more than 1,024 bytes are left out. Changed rows are listed a few seconds later.
#[utoipa::path(get, path = "/project/{id}/items/", tag = "project", operation_id = "list_project_items",
    params(("id" = i64, Path), ("q" = Option<String>, Query, description = "The start of an id, or a part of a title in any case and \
        width; the item with this id comes first"),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = ItemPage), (status = 400, description = "`q` is too long"),
        (status = 404, description = "Not found, or the caller has no access to it, or there is no such page")))]
async fn items(
    access: Access<Project, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<ItemPage>> {
    let found = service::items(&services, &access.object, Query::read(&filters)?, Part::Page(page.clone())).await?;
    let ShownNames { title, image } = found.columns;
    Ok(web::Json(ItemPage { page: page.wrap(found.count, found.items)?, title_column: title, image_column: image }))
}

/// Lists the users of a project, those with most interactions first: the users of its newest training data that is ready. Ids of
/// more than 1,024 bytes are left out.
#[utoipa::path(get, path = "/project/{id}/users/", tag = "project", operation_id = "list_project_users",
    params(("id" = i64, Path), ("q" = Option<String>, Query, description = "The start of an id; the user with this id comes first"),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ListedUser>), (status = 400, description = "`q` is too long"),
        (status = 404, description = "Not found, or the caller has no access to it, or there is no such page")))]
async fn users(
    access: Access<Project, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ListedUser>>> {
    let (count, users) = service::users(&services, &access.object, Query::read(&filters)?, Part::Page(page.clone())).await?;
    Ok(web::Json(page.wrap(count, users)?))
}
