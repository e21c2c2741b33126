//! `/feature_sets/` and `/feature_sets/{id}/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::model::{CurrentField, FeatureSet, SetFields, Target};
use super::super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Role, Viewer};
use crate::features::projects::{self, Kind, OfProject, Project};
use crate::platform::http::{ApiResult, Body, ConflictBody, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A version of a feature set in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeatureSet)]
pub struct FeatureSetBody {
    id: i64,
    project: i64,
    name: String,
    target: Target,
    /// From 1, by name.
    version: i32,
    /// What each column means: `{"version": 1, "fields": [{"column", "kind", "weight", "derive", "options"}]}`.
    #[schema(value_type = Object)]
    spec: Value,
    spec_sha256: String,
    /// Whether trainings and searches use it.
    is_current: bool,
    created_by: Option<i64>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl From<FeatureSet> for FeatureSetBody {
    fn from(set: FeatureSet) -> Self {
        Self {
            id: set.id,
            project: set.project_id,
            name: set.name,
            target: set.target,
            version: set.version,
            spec: set.spec,
            spec_sha256: set.spec_sha256,
            is_current: set.is_current,
            created_by: set.created_by,
            ins_datetime: set.ins_datetime,
        }
    }
}

/// Lists the versions of feature sets that the caller may see, newest first.
#[utoipa::path(get, path = "/feature_sets/", tag = "feature_sets", operation_id = "list_feature_sets",
    params(("project" = Option<i64>, Query), ("name" = Option<String>, Query), ("is_current" = Option<bool>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<FeatureSetBody>), (status = 400, description = "A filter is invalid"),
        (status = 404, description = "There is no such page")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<FeatureSetBody>>> {
    let (project, of_set) = (filters.id("project")?, (filters.text("name"), filters.flag("is_current")));
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, project, of_set, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(FeatureSetBody::from).collect())?))
}

type FeatureSetRequest = RequestOf<(OfProject, SetFields)>;

/// Saves a version of a feature set: the first under a new name, or the next one.
#[utoipa::path(post, path = "/feature_sets/", tag = "feature_sets", operation_id = "create_feature_sets",
    request_body = inline(FeatureSetRequest),
    responses((status = 201, body = FeatureSetBody), (status = 400, description = "A field is invalid; `spec` names the column")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let wanted = SetFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    fields.refer("project", lookup).await?;
    drop(connection);
    fields.finish()?;
    let set = service::save(&services, project, principal.user.id, wanted).await?;
    Ok(HttpResponse::Created().json(FeatureSetBody::from(set)))
}

/// Returns a version of a feature set.
#[utoipa::path(get, path = "/feature_sets/{id}/", tag = "feature_sets", operation_id = "read_feature_sets",
    params(("id" = i64, Path)),
    responses((status = 200, body = FeatureSetBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<FeatureSet, Viewer>) -> web::Json<FeatureSetBody> {
    web::Json(access.object.into())
}

type CurrentRequest = RequestOf<CurrentField>;

/// Makes a version the one that trainings and searches use, or no longer. Nothing else of a version changes.
#[utoipa::path(patch, path = "/feature_sets/{id}/", tag = "feature_sets", operation_id = "update_feature_sets",
    params(("id" = i64, Path)), request_body = inline(CurrentRequest),
    responses((status = 200, body = FeatureSetBody), (status = 400, description = "Another field than `is_current` was sent"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn update(
    access: Access<FeatureSet, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<FeatureSetBody>> {
    let set = access.object;
    let mut fields = body.reader();
    for field in ["project", "name", "target", "version", "spec"] {
        if fields.has(field) {
            fields.fault(field, "A version of a feature set never changes. Save the next version instead.");
        }
    }
    let current = CurrentField { is_current: set.is_current };
    let CurrentField { is_current } = CurrentField::read(&mut fields, Write::Change(&current));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(store::set_current(&mut connection, &set, is_current).await?.into()))
}

/// Deletes a version of a feature set with its measurements. Models that were trained with it keep its spec.
#[utoipa::path(delete, path = "/feature_sets/{id}/", tag = "feature_sets", operation_id = "delete_feature_sets",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "It is being measured", body = ConflictBody)))]
pub async fn delete(access: Access<FeatureSet, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::FeatureSet, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
