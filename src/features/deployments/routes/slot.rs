//! `/deployment_slot/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{DeploymentSlot, SlotFields};
use super::super::{service, store};
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::models::TrainedModel;
use crate::features::projects::Project;
use crate::platform::db::Connection;
use crate::platform::http::{ApiResult, Body, FieldReader, Filters, Missing, Page, PageRequest, timestamp};
use crate::platform::services::Services;

const LONGEST_NAME: usize = 256;

/// A deployment slot as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentSlot)]
pub struct SlotBody {
    id: i64,
    project: i64,
    name: String,
    trained_model: i64,
    /// 0 to 100, in proportion to the other active slots.
    weight: f64,
    is_active: bool,
    /// Gets a copy of the traffic and answers nobody.
    is_shadow: bool,
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
            name: slot.name,
            trained_model: slot.trained_model_id,
            weight: slot.weight,
            is_active: slot.is_active,
            is_shadow: slot.is_shadow,
            ins_datetime: slot.ins_datetime,
            updated_at: slot.updated_at,
        }
    }
}

/// The fields of a new slot.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct SlotRequest {
    project: i64,
    name: String,
    /// A trained model of the same project.
    trained_model: i64,
    /// 0 to 100; 100 unless told otherwise.
    weight: Option<f64>,
    is_active: Option<bool>,
    is_shadow: Option<bool>,
}

/// The slots of the projects one may see.
#[utoipa::path(get, path = "/deployment_slot/", tag = "deployment_slot", operation_id = "list_deployment_slot",
    params(("project" = Option<i64>, Query), ("is_active" = Option<bool>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<SlotBody>), (status = 400, description = "A filter is wrong")))]
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

/// Put a model into service.
#[utoipa::path(post, path = "/deployment_slot/", tag = "deployment_slot", operation_id = "create_deployment_slot",
    request_body = inline(SlotRequest),
    responses((status = 201, body = SlotBody), (status = 400, description = "A field is wrong, the model is not trained, or all weights would be 0")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let project = fields.id("project", Missing::Required);
    let slot = read_fields(&mut fields, None, false);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    let found = fields.refer("project", lookup).await?;
    check_model(&principal, &mut connection, &mut fields, found.map(|project| project.id), slot.trained_model_id).await?;
    fields.finish()?;
    let slot = service::create(&mut connection, project, slot, principal.user.id).await?;
    Ok(HttpResponse::Created().json(SlotBody::from(slot)))
}

fn read_fields(fields: &mut FieldReader, current: Option<&DeploymentSlot>, partial: bool) -> SlotFields {
    let kept = current.filter(|_| partial);
    SlotFields {
        name: fields.text("name", LONGEST_NAME, Missing::keep_or_require(kept.map(|slot| slot.name.clone()))),
        trained_model_id: fields.id("trained_model", Missing::keep_or_require(kept.map(|slot| slot.trained_model_id))),
        weight: fields.number("weight", 0.0..=100.0, Missing::Use(current.map_or(100.0, |slot| slot.weight))),
        is_active: fields.flag("is_active", Missing::Use(current.is_none_or(|slot| slot.is_active))),
        is_shadow: fields.flag("is_shadow", Missing::Use(current.is_some_and(|slot| slot.is_shadow))),
    }
}

/// Checks that the model is one the caller sees, and of the project, where that is known.
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

/// One slot.
#[utoipa::path(get, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "read_deployment_slot",
    params(("id" = i64, Path)),
    responses((status = 200, body = SlotBody), (status = 404, description = "Not there, or not yours")))]
pub async fn read(access: Access<DeploymentSlot, Viewer>) -> web::Json<SlotBody> {
    web::Json(access.object.into())
}

/// Replace the fields of a slot; its project cannot change.
#[utoipa::path(put, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "replace_deployment_slot",
    params(("id" = i64, Path)), request_body = inline(SlotRequest),
    responses((status = 200, body = SlotBody), (status = 400, description = "A field is wrong, or all weights would be 0"),
        (status = 404, description = "Not there, or not yours")))]
pub async fn replace(
    access: Access<DeploymentSlot, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SlotBody>> {
    save(access, &services, body, false).await
}

/// Change some fields of a slot; its project cannot change.
#[utoipa::path(patch, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "update_deployment_slot",
    params(("id" = i64, Path)), request_body = inline(SlotRequest),
    responses((status = 200, body = SlotBody), (status = 400, description = "A field is wrong, or all weights would be 0"),
        (status = 404, description = "Not there, or not yours")))]
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
    let project = fields.id("project", Missing::Use(current.project_id));
    if fields.has("project") && project != current.project_id {
        fields.fault("project", "A slot cannot move to another project. Make a new one there.");
    }
    let wanted = read_fields(&mut fields, Some(&current), partial);
    let mut connection = services.db.conn().await?;
    if wanted.trained_model_id != current.trained_model_id {
        let project = Some(current.project_id);
        check_model(&access.principal, &mut connection, &mut fields, project, wanted.trained_model_id).await?;
    }
    fields.finish()?;
    let actor = access.principal.user.id;
    let saved = service::update(&mut connection, &current, wanted, actor, services.clock.now()).await?;
    Ok(web::Json(saved.into()))
}

/// Delete a slot; its events and the tests it was part of stay. Refused while one of them is running.
#[utoipa::path(delete, path = "/deployment_slot/{id}/", tag = "deployment_slot", operation_id = "delete_deployment_slot",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), (status = 400, description = "The weights of the slots left would all be 0"),
        (status = 404, description = "Not there, or not yours"), (status = 409, description = "A running test uses it")))]
pub async fn delete(access: Access<DeploymentSlot, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    service::delete(&mut connection, access.object, access.principal.user.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
