//! `/evaluation_config/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::{Editor, Principal, Viewer};
use crate::features::evaluation::access::Shared;
use crate::features::evaluation::model::{EvaluationConfig, EvaluationFields, TARGET_METRICS};
use crate::features::evaluation::store;
use crate::features::projects::{self, Kind};
use crate::platform::http::{ApiResult, Body, ConflictBody, Filters, Missing, Page, PageRequest, timestamp};
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/evaluation_config/").route(web::get().to(list)).route(web::post().to(create))).service(
        web::resource("/evaluation_config/{id}/")
            .route(web::get().to(read))
            .route(web::put().to(replace))
            .route(web::patch().to(update))
            .route(web::delete().to(delete)),
    );
}

/// An evaluation config as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvaluationConfig)]
pub struct EvaluationConfigBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    name: Option<String>,
    cutoff: i32,
    target_metric: String,
    created_by: Option<i64>,
}

impl From<EvaluationConfig> for EvaluationConfigBody {
    fn from(config: EvaluationConfig) -> Self {
        Self {
            id: config.id,
            ins_datetime: config.ins_datetime,
            updated_at: config.updated_at,
            name: config.name,
            cutoff: config.cutoff,
            target_metric: config.target_metric,
            created_by: config.created_by,
        }
    }
}

/// The fields of a new evaluation config; each has a default.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct EvaluationConfigRequest {
    name: Option<String>,
    /// Length of the lists that are judged.
    cutoff: Option<i32>,
    /// `ndcg`, `map`, `recall` or `hit`.
    target_metric: Option<String>,
}

/// Reads the fields; what is left out is as in `base`.
fn read_fields(body: Body, base: EvaluationFields) -> ApiResult<EvaluationFields> {
    let mut fields = body.reader();
    let result = EvaluationFields {
        name: fields.nullable_text("name", 256, base.name),
        cutoff: fields.integer("cutoff", 1..=i32::MAX, Missing::Use(base.cutoff)),
        target_metric: fields.choice("target_metric", &TARGET_METRICS, Missing::Use(base.target_metric)),
    };
    fields.finish()?;
    Ok(result)
}

/// The evaluation configs one may see.
#[utoipa::path(get, path = "/evaluation_config/", tag = "evaluation_config", operation_id = "list_evaluation_config",
    params(("id" = Option<i64>, Query), ("name" = Option<String>, Query), ("unnamed" = Option<bool>, Query),
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
    let (count, rows) = store::list_evaluations(&mut connection, &principal, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(EvaluationConfigBody::from).collect())?))
}

/// Make an evaluation config.
#[utoipa::path(post, path = "/evaluation_config/", tag = "evaluation_config", operation_id = "create_evaluation_config",
    request_body = inline(EvaluationConfigRequest),
    responses((status = 201, body = EvaluationConfigBody), (status = 400, description = "A field is wrong")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let fields = read_fields(body, EvaluationFields::default())?;
    let mut connection = services.db.conn().await?;
    let config = store::insert_evaluation(&mut connection, fields, principal.user.id).await?;
    Ok(HttpResponse::Created().json(EvaluationConfigBody::from(config)))
}

/// One evaluation config.
#[utoipa::path(get, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "read_evaluation_config", params(("id" = i64, Path)),
    responses((status = 200, body = EvaluationConfigBody), (status = 404, description = "Not there, or not yours")))]
pub async fn read(shared: Shared<EvaluationConfig, Viewer>) -> web::Json<EvaluationConfigBody> {
    web::Json(shared.object.into())
}

/// Replace the fields of an evaluation config.
#[utoipa::path(put, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "replace_evaluation_config",
    params(("id" = i64, Path)), request_body = inline(EvaluationConfigRequest), responses((status = 200, body = EvaluationConfigBody)))]
pub async fn replace(
    shared: Shared<EvaluationConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    let fields = read_fields(body, EvaluationFields::default())?;
    save(shared.object, fields, &services).await
}

/// Change some fields of an evaluation config.
#[utoipa::path(patch, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "update_evaluation_config",
    params(("id" = i64, Path)), request_body = inline(EvaluationConfigRequest), responses((status = 200, body = EvaluationConfigBody)))]
pub async fn update(
    shared: Shared<EvaluationConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    let fields = read_fields(body, shared.object.fields())?;
    save(shared.object, fields, &services).await
}

async fn save(
    current: EvaluationConfig,
    fields: EvaluationFields,
    services: &Services,
) -> ApiResult<web::Json<EvaluationConfigBody>> {
    let mut connection = services.db.conn().await?;
    if !current.fields().measures_like(&fields) {
        // A live search must end as it began, so what it goes by stays as it is.
        projects::refuse_while_used(&mut connection, Kind::EvaluationConfig, current.id).await?;
    }
    let saved = store::update_evaluation(&mut connection, current.id, fields, services.clock.now()).await?;
    Ok(web::Json(saved.into()))
}

/// Delete an evaluation config with the tuning jobs that were run with it; refused while one of them is live.
#[utoipa::path(delete, path = "/evaluation_config/{id}/", tag = "evaluation_config", operation_id = "delete_evaluation_config",
    params(("id" = i64, Path)), responses((status = 204, description = "Gone"), (status = 404, description = "Not there, or not yours"),
        (status = 409, description = "A live job uses it", body = ConflictBody)))]
pub async fn delete(shared: Shared<EvaluationConfig, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::EvaluationConfig, shared.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
