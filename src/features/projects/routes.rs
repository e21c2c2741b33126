//! `/project/` and `/project_summary/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::model::{Project, ProjectFields};
use super::removal::remove;
use super::store;
use super::store::dependents::Kind;
use super::store::event_types::{EventTypes, event_types};
use crate::features::accounts::{Access, Admin, Editor, Organisation, Principal, Role, Viewer, personal_organisation};
use crate::platform::db::{Connection, QueryError, is_duplicate, is_reference_broken};
use crate::platform::http::body::{Id, Nullable};
use crate::platform::http::{
    ApiError, ApiResult, Body, ConflictBody, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp,
};
use crate::platform::request_fields;
use crate::platform::resource;
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, summary))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/project/").route("/project_summary/{id}/", web::get().to(summary));
}

/// A project in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub struct ProjectBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    #[serde(flatten)]
    fields: ProjectFields,
    owner: Option<i64>,
    /// The organisation whose members see it.
    organisation: i64,
    /// Possible mistakes, such as the weight of an event type that no upload contains.
    warnings: Vec<String>,
}

impl ProjectBody {
    fn new(project: Project, event_types: &EventTypes) -> Self {
        Self {
            warnings: project.unknown_events(event_types.get(&project.id)),
            id: project.id,
            ins_datetime: project.ins_datetime,
            updated_at: project.updated_at,
            fields: project.fields,
            owner: project.owner_id,
            organisation: project.organisation_id,
        }
    }
}

request_fields! {
    /// The owner of a project.
    struct ProjectHome {
        /// The organisation of a new project, the caller's personal one by default. It cannot change.
        organisation: Option<i64> = None => Nullable(Id),
    }
}

type ProjectRequest = RequestOf<(ProjectFields, ProjectHome)>;

fn read_fields(fields: &mut FieldReader, write: Write<'_, ProjectFields>) -> ProjectFields {
    let read = ProjectFields::read(fields, write);
    if !read.user_column.is_empty() && read.user_column == read.item_column {
        fields.fault("item_column", "The item column must differ from the user column.");
    }
    read
}

async fn to_bodies(connection: &mut Connection, projects: Vec<Project>) -> ApiResult<Vec<ProjectBody>> {
    let weighed: Vec<i64> = projects.iter().filter(|project| project.has_event_weights()).map(|project| project.id).collect();
    let types = event_types(connection, &weighed).await?;
    Ok(projects.into_iter().map(|project| ProjectBody::new(project, &types)).collect())
}

async fn to_one(connection: &mut Connection, project: Project) -> ApiResult<ProjectBody> {
    to_bodies(connection, vec![project]).await?.pop().ok_or_else(ApiError::not_found)
}

/// Converts the error of a project that could not be stored.
pub fn not_saved(error: QueryError) -> ApiError {
    if is_duplicate(&error) {
        return ApiError::field("name", "You already have a project with this name.");
    }
    if is_reference_broken(&error) {
        return ApiError::field("organisation", "There is no such organisation any more.");
    }
    error.into()
}

/// Lists the projects that the caller may see.
#[utoipa::path(get, path = "/project/", tag = "project", operation_id = "list_project",
    params(("id" = Option<i64>, Query), ("name" = Option<String>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ProjectBody>)))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ProjectBody>>> {
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, filters.id("id")?, filters.text("name"), &page).await?;
    Ok(web::Json(page.wrap(count, to_bodies(&mut connection, rows).await?)?))
}

/// Creates a project.
#[utoipa::path(post, path = "/project/", tag = "project", operation_id = "create_project", request_body = inline(ProjectRequest),
    responses((status = 201, body = ProjectBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let ProjectHome { organisation } = ProjectHome::read(&mut fields, Write::Create);
    let wanted = read_fields(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let organisation = match organisation {
        Some(id) => {
            let lookup = principal.load_referred::<Organisation>(&mut connection, "organisation", id, Role::Editor);
            fields.refer("organisation", lookup).await?;
            id
        }
        None => personal_organisation(&mut connection, principal.user.id).await?,
    };
    fields.finish()?;
    let project = store::insert(&mut connection, organisation, principal.user.id, wanted).await.map_err(not_saved)?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, project).await?))
}

/// Returns a project.
#[utoipa::path(get, path = "/project/{id}/", tag = "project", operation_id = "read_project", params(("id" = i64, Path)),
    responses((status = 200, body = ProjectBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<Project, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<ProjectBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object).await?))
}

/// Replaces the fields of a project.
#[utoipa::path(put, path = "/project/{id}/", tag = "project", operation_id = "replace_project", params(("id" = i64, Path)),
    request_body = inline(ProjectRequest), responses((status = 200, body = ProjectBody)))]
async fn replace(
    access: Access<Project, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ProjectBody>> {
    save(&access.object, &services, body, false).await
}

/// Changes some fields of a project.
#[utoipa::path(patch, path = "/project/{id}/", tag = "project", operation_id = "update_project", params(("id" = i64, Path)),
    request_body = inline(ProjectRequest), responses((status = 200, body = ProjectBody)))]
async fn update(access: Access<Project, Editor>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<ProjectBody>> {
    save(&access.object, &services, body, true).await
}

async fn save(project: &Project, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<ProjectBody>> {
    let mut fields = body.reader();
    let wanted = read_fields(&mut fields, Write::over(&project.fields, partial));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let saved = store::update(&mut connection, project.id, wanted, services.clock.now()).await.map_err(not_saved)?;
    Ok(web::Json(to_one(&mut connection, saved).await?))
}

/// Deletes a project with everything in it; refused while something in it is active.
#[utoipa::path(delete, path = "/project/{id}/", tag = "project", operation_id = "delete_project", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "An active object depends on it", body = ConflictBody)))]
async fn delete(access: Access<Project, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    remove(&services, Kind::Project, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The numbers of objects in a project.
#[derive(Debug, Serialize, ToSchema)]
struct ProjectSummary {
    n_data: i64,
    n_complete_jobs: i64,
    n_models: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

/// Returns the numbers of objects in a project.
#[utoipa::path(get, path = "/project_summary/{id}/", tag = "project", operation_id = "read_project_summary", params(("id" = i64, Path)),
    responses((status = 200, body = ProjectSummary)))]
async fn summary(access: Access<Project, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<ProjectSummary>> {
    let mut connection = services.db.conn().await?;
    let (n_data, n_complete_jobs, n_models) = store::counts(&mut connection, access.object.id).await?;
    Ok(web::Json(ProjectSummary { n_data, n_complete_jobs, n_models, ins_datetime: access.object.ins_datetime }))
}
