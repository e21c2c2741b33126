//! What is shown to those who write a feature set: the columns of the item metadata, and what a spec makes of them.

use actix_web::web;

use super::super::encodings::FeaturePreview;
use super::super::model::PreviewFields;
use super::super::service::{self, FeatureColumns};
use crate::features::accounts::{Principal, Role};
use crate::features::projects::{OfProject, Project};
use crate::platform::http::{ApiError, ApiResult, Body, Filters, RequestOf, Write};
use crate::platform::services::Services;

/// Returns the columns of a project's newest item metadata, with what they probably mean.
#[utoipa::path(get, path = "/feature_sets/columns/", tag = "feature_sets", operation_id = "read_feature_sets_columns",
    params(("project" = i64, Query)),
    responses((status = 200, body = FeatureColumns), (status = 400, description = "`project` is missing or no number"),
        (status = 404, description = "There is no such project, or it has no item metadata")))]
pub async fn columns(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<FeatureColumns>> {
    let project = filters.id("project")?.ok_or_else(|| ApiError::field("project", "This parameter is required."))?;
    let mut connection = services.db.conn().await?;
    principal.load::<Project>(&mut connection, project, Role::Viewer).await?;
    drop(connection);
    Ok(web::Json(service::columns(&services, project).await?))
}

type PreviewRequest = RequestOf<(OfProject, PreviewFields)>;

/// Returns what a spec makes of a project's newest item metadata: the terms of some items, and the items most like one.
#[utoipa::path(post, path = "/feature_sets/preview/", tag = "feature_sets", operation_id = "create_feature_sets_preview",
    request_body = inline(PreviewRequest),
    responses((status = 200, body = FeaturePreview), (status = 400, description = "A field is invalid; `spec` names the column"),
        (status = 404, description = "The project has no item metadata")))]
pub async fn preview(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<FeaturePreview>> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let wanted = PreviewFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Viewer);
    fields.refer("project", lookup).await?;
    drop(connection);
    fields.finish()?;
    Ok(web::Json(service::preview(&services, project, wanted).await?))
}
