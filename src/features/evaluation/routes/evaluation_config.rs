//! `/evaluation_config/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::ConfigHome;
use crate::features::accounts::{Editor, Principal, Viewer};
use crate::features::evaluation::access::Shared;
use crate::features::evaluation::model::{EvaluationConfig, EvaluationFields};
use crate::features::evaluation::{service, store};
use crate::features::projects::{self, Kind};
use crate::platform::http::{
    ApiResult, Body, ConflictBody, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp,
};
use crate::platform::resource;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/evaluation_config/");
}

/// An evaluation config in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvaluationConfig)]
pub struct EvaluationConfigBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    #[serde(flatten)]
    fields: EvaluationFields,
    created_by: Option<i64>,
    /// The organisation whose members may use it.
    organisation: i64,
    /// Its project; null for one that all projects of the organisation may use.
    project: Option<i64>,
}

impl From<EvaluationConfig> for EvaluationConfigBody {
    fn from(config: EvaluationConfig) -> Self {
        Self {
            id: config.id,
            ins_datetime: config.ins_datetime,
            updated_at: config.updated_at,
            fields: config.fields,
            created_by: config.created_by,
            organisation: config.organisation_id,
            project: config.project_id,
        }
    }
}

type EvaluationConfigRequest = RequestOf<(EvaluationFields, ConfigHome)>;

fn read_fields(mut fields: FieldReader, write: Write<'_, EvaluationFields>) -> ApiResult<EvaluationFields> {
    let result = EvaluationFields::read(&mut fields, write);
    fields.finish()?;
    Ok(result)
}

/// Lists the evaluation configs that the caller may see.
#[utoipa::path(get, path = "/evaluation_config/", tag = "evaluation_config", operation_id = "list_evaluation_config",
    params(("id" = Option<i64>, Query), ("name" = Option<String>, Query), ("unnamed" = Option<bool>, Query), ("project" = Option<i64>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<EvaluationConfigBody>)))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<EvaluationConfigBody>>> {
    let filter = store::ConfigFilter::read(&filters)?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::evaluation::list(&mut connection, &principal, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(EvaluationConfigBody::from).collect())?))
}

/// Creates an evaluation config.
#[utoipa::path(post, path = "/evaluation_config/", tag = "evaluation_config", operation_id = "create_evaluation_config",
    request_body = inline(EvaluationConfigRequest),
    responses((status = 201, body = EvaluationConfigBody), (status = 400, description = "A field is invalid")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let ConfigHome { project } = ConfigHome::read(&mut fields, Write::Create);
    let fields = read_fields(fields, Write::Create)?;
    let mut connection = services.db.conn().await?;
    let home = service::home_of_new(&mut connection, &principal, project).await?;
    let config = store::evaluation::insert(&mut connection, fields, principal.user.id, home).await?;
    Ok(HttpResponse::Created().json(EvaluationConfigBody::from(config)))
}

/// Returns an evaluation config.
#[utoipa::path(get, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "read_evaluation_config", params(("id" = i64, Path)),
    responses((status = 200, body = EvaluationConfigBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(shared: Shared<EvaluationConfig, Viewer>) -> web::Json<EvaluationConfigBody> {
    web::Json(shared.object.into())
}

/// Replaces the fields of an evaluation config.
#[utoipa::path(put, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "replace_evaluation_config",
    params(("id" = i64, Path)), request_body = inline(EvaluationConfigRequest),
    responses((status = 200, body = EvaluationConfigBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "A search or a schedule uses it in its present form", body = ConflictBody)))]
pub async fn replace(
    shared: Shared<EvaluationConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    save(shared.object, &services, body, false).await
}

/// Changes some fields of an evaluation config.
#[utoipa::path(patch, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "update_evaluation_config",
    params(("id" = i64, Path)), request_body = inline(EvaluationConfigRequest),
    responses((status = 200, body = EvaluationConfigBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "A search or a schedule uses it in its present form", body = ConflictBody)))]
pub async fn update(
    shared: Shared<EvaluationConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    save(shared.object, &services, body, true).await
}

async fn save(
    current: EvaluationConfig,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    let mut fields = body.reader();
    ConfigHome::refuse_move(&mut fields, current.project_id);
    let fields = read_fields(fields, Write::over(&current.fields, partial))?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::change(&mut connection, current, fields, services.clock.now()).await?.into()))
}

/// Deletes an evaluation config; refused while a search, finished or not, or a schedule uses it.
#[utoipa::path(delete, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "delete_evaluation_config",
    params(("id" = i64, Path)), responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A search or a schedule uses it", body = ConflictBody)))]
pub async fn delete(shared: Shared<EvaluationConfig, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::EvaluationConfig, shared.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
