//! `/deployment_slot/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{DeploymentSlot, SlotFields};
use super::super::{service, store};
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::models::TrainedModel;
use crate::features::projects::{OfProject, Project};
use crate::platform::db::Connection;
use crate::platform::http::{ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A deployment slot in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentSlot)]
pub struct SlotBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: SlotFields,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

impl From<DeploymentSlot> for SlotBody {
    fn from(slot: DeploymentSlot) -> Self {
        Self {
            id: slot.id,
            project: slot.project_id,
            fields: slot.fields,
            ins_datetime: slot.ins_datetime,
            updated_at: slot.updated_at,
        }
    }
}

type SlotRequest = RequestOf<(OfProject, SlotFields)>;

/// Lists the slots of the projects that the caller may see.
#[utoipa::path(get, path = "/deployment_slot/", tag = "deployment_slot", operation_id = "list_deployment_slot",
    params(("project" = Option<i64>, Query), ("is_active" = Option<bool>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<SlotBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<SlotBody>>> {
    let (project, is_active) = (filters.id("project")?, filters.flag("is_active"));
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, project, is_active, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(SlotBody::from).collect())?))
}

/// Deploys a model in a new slot.
#[utoipa::path(post, path = "/deployment_slot/", tag = "deployment_slot", operation_id = "create_deployment_slot",
    request_body = inline(SlotRequest),
    responses((status = 201, body = SlotBody), (status = 400, description = "A field is invalid, the model is not trained, or all weights would be 0")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let slot = SlotFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    let found = fields.refer("project", lookup).await?;
    check_model(&principal, &mut connection, &mut fields, found.map(|project| project.id), slot.trained_model_id).await?;
    fields.finish()?;
    let slot = service::create(&mut connection, project, slot, principal.user.id).await?;
    Ok(HttpResponse::Created().json(SlotBody::from(slot)))
}

/// Checks that the caller may see the model and, if the project is known, that it belongs to it.
async fn check_model(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: Option<i64>,
    model: i64,
) -> ApiResult<()> {
    let lookup = principal.load_referred::<TrainedModel>(connection, "trained_model", model, Role::Viewer);
    if fields.refer("trained_model", lookup).await?.is_none() {
        return Ok(());
    }
    let owner = TrainedModel::load(connection, model).await?.and_then(|(_, ownership)| ownership.project_id);
    if project.is_some_and(|project| owner != Some(project)) {
        fields.fault("trained_model", "Choose a model of the same project.");
    }
    Ok(())
}

/// Returns a slot.
#[utoipa::path(get, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "read_deployment_slot",
    params(("id" = i64, Path)),
    responses((status = 200, body = SlotBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<DeploymentSlot, Viewer>) -> web::Json<SlotBody> {
    web::Json(access.object.into())
}

/// Replaces the fields of a slot; its project cannot change.
#[utoipa::path(put, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "replace_deployment_slot",
    params(("id" = i64, Path)), request_body = inline(SlotRequest),
    responses((status = 200, body = SlotBody), (status = 400, description = "A field is invalid, or all weights would be 0"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn replace(
    access: Access<DeploymentSlot, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SlotBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a slot; its project cannot change.
#[utoipa::path(patch, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "update_deployment_slot",
    params(("id" = i64, Path)), request_body = inline(SlotRequest),
    responses((status = 200, body = SlotBody), (status = 400, description = "A field is invalid, or all weights would be 0"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn update(
    access: Access<DeploymentSlot, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SlotBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<DeploymentSlot, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<SlotBody>> {
    let current = access.object;
    let mut fields = body.reader();
    let message = "A slot cannot move to another project. Make a new one there.";
    OfProject::read_same(&mut fields, current.project_id, true, message);
    let wanted = SlotFields::read(&mut fields, Write::over(&current.fields, partial));
    let mut connection = services.db.conn().await?;
    if wanted.trained_model_id != current.fields.trained_model_id {
        let project = Some(current.project_id);
        check_model(&access.principal, &mut connection, &mut fields, project, wanted.trained_model_id).await?;
    }
    fields.finish()?;
    let actor = access.principal.user.id;
    let saved = service::update(&mut connection, &current, wanted, actor, services.clock.now()).await?;
    Ok(web::Json(saved.into()))
}

/// Deletes a slot; its events and tests stay. Refused while one of the tests is running.
#[utoipa::path(delete, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "delete_deployment_slot",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 400, description = "The weights of the remaining slots would all be 0"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 409, description = "A running test uses it")))]
pub async fn delete(access: Access<DeploymentSlot, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    service::delete(&mut connection, access.object, access.principal.user.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
