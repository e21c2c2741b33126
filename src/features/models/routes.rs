//! `/trained_model/`.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::cache::ModelCache;
use super::error::ModelError;
use super::model::{ModelStatus, Recipe, TrainedModel};
use super::{item_rows, previews, service, store, training};
use crate::features::accounts::{Access, Editor, Principal, Role, Viewer};
use crate::features::datasets::TrainingData;
use crate::features::model_configs::ModelConfiguration;
use crate::features::projects;
use crate::features::task_logs::{self, TaskLink};
use crate::ml::registry;
use crate::platform::db::Connection;
use crate::platform::http::body::Id;
use crate::platform::http::{
    ApiError, ApiResult, Body, ConflictBody, FieldReader, Filters, Page, PageRequest, RequestOf, Write, checked_attachment,
    timestamp,
};
use crate::platform::request_fields;
use crate::platform::resource;
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(
    list,
    create,
    read,
    replace,
    update,
    delete,
    download_file,
    unlink_file,
    previews::recommendation,
    previews::sample_raw,
    previews::sample_metadata,
    previews::using_profile,
    previews::similar,
    item_rows::read
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/trained_model/")
        .route("/trained_model/{id}/download_file/", web::get().to(download_file))
        .route("/trained_model/{id}/unlink_file/", web::delete().to(unlink_file))
        .configure(previews::routes)
        .configure(item_rows::routes);
}

/// A trained model in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrainedModel)]
pub struct TrainedModelBody {
    id: i64,
    configuration: i64,
    data_loc: i64,
    /// URL of the file, once it exists.
    file: Option<String>,
    /// Version of the engine; the name is 1.x's.
    irspack_version: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    basename: Option<String>,
    filesize: Option<i64>,
    task_links: Vec<TaskLink>,
    status: ModelStatus,
    error: Option<String>,
    /// Name of the configuration.
    name: Option<String>,
    recommender_class_name: String,
    #[schema(value_type = Object)]
    parameters: Value,
    n_users: Option<i32>,
    n_items: Option<i32>,
    /// The metrics of the trial that found the configuration; null for one written by hand.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// The inputs needed to reproduce this model.
    #[schema(value_type = Object)]
    lineage: Value,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
}

request_fields! {
    /// The inputs of a model.
    struct Origin {
        configuration: i64 => Id,
        /// An upload of the same project.
        data_loc: i64 => Id,
    }
}

type TrainedModelRequest = RequestOf<Origin>;

fn to_body(model: TrainedModel, recipe: &Recipe, metrics: Option<Value>, task_links: Vec<TaskLink>) -> TrainedModelBody {
    TrainedModelBody {
        file: model.storage_key.as_ref().map(|_| format!("/api/v1/trained_model/{}/download_file/", model.id)),
        basename: model.basename(),
        id: model.id,
        configuration: model.configuration_id,
        data_loc: model.data_id,
        irspack_version: model.engine_version,
        ins_datetime: model.ins_datetime,
        filesize: model.filesize,
        task_links,
        status: model.status,
        error: model.error,
        name: recipe.name.clone(),
        recommender_class_name: recipe.recommender_class_name.clone(),
        parameters: recipe.parameters_json.clone(),
        n_users: model.n_users,
        n_items: model.n_items,
        metrics,
        lineage: model.lineage,
        started_at: model.started_at,
        finished_at: model.finished_at,
    }
}

async fn to_bodies(connection: &mut Connection, models: Vec<TrainedModel>) -> ApiResult<Vec<TrainedModelBody>> {
    let configurations: Vec<i64> = models.iter().map(|model| model.configuration_id).collect();
    let recipes = store::recipes(connection, &configurations).await?;
    let metrics: HashMap<Option<i64>, Option<Value>> = store::metrics(connection, &configurations).await?.into_iter().collect();
    let groups = models.iter().map(|model| TrainedModel::group(model.id)).collect();
    let mut links = task_logs::task_links(connection, groups).await?;
    let bodies = models.into_iter().filter_map(|model| {
        let recipe = recipes.iter().find(|recipe| recipe.id == model.configuration_id)?;
        let metrics = metrics.get(&Some(model.configuration_id)).cloned().flatten();
        let links = links.remove(&TrainedModel::group(model.id)).unwrap_or_default();
        Some(to_body(model, recipe, metrics, links))
    });
    Ok(bodies.collect())
}

async fn to_one(connection: &mut Connection, model: TrainedModel) -> ApiResult<TrainedModelBody> {
    to_bodies(connection, vec![model]).await?.pop().ok_or_else(ApiError::not_found)
}

/// Lists the models that the caller may see.
#[utoipa::path(get, path = "/trained_model/", tag = "trained_model", operation_id = "list_trained_model",
    params(("id" = Option<i64>, Query), ("data_loc" = Option<i64>, Query), ("data_loc__project" = Option<i64>, Query),
        ("configuration" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<TrainedModelBody>)))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<TrainedModelBody>>> {
    let filter = store::ModelFilter::read(&filters)?;
    let mut connection = services.db.conn().await?;
    let (count, models) = store::list(&mut connection, &principal, filter, &page).await?;
    Ok(web::Json(page.wrap(count, to_bodies(&mut connection, models).await?)?))
}

/// Trains a configuration on an upload. Returns at once; training continues in the background.
#[utoipa::path(post, path = "/trained_model/", tag = "trained_model", operation_id = "create_trained_model",
    request_body = inline(TrainedModelRequest),
    responses((status = 201, body = TrainedModelBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let Origin { configuration, data_loc: data } = Origin::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    check_references(&principal, &mut connection, &mut fields, configuration, data).await?;
    fields.finish()?;
    let project = projects::of_data(&mut connection, data).await?;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let model = service::create_asked(&mut connection, configuration, data, project.id, most_waiting).await?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, model).await?))
}

async fn check_references(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    configuration: i64,
    data: i64,
) -> ApiResult<()> {
    let configuration = principal.load_referred(connection, "configuration", configuration, Role::Editor);
    let configuration: Option<ModelConfiguration> = fields.refer("configuration", configuration).await?;
    let data = principal.load_referred(connection, "data_loc", data, Role::Editor);
    let data: Option<TrainingData> = fields.refer("data_loc", data).await?;
    let (Some(configuration), Some(data)) = (configuration, data) else { return Ok(()) };
    if configuration.project_id != data.project_id {
        fields.fault("configuration", "The configuration and the data must belong to the same project.");
    }
    // Data in preparation is accepted: training waits for it.
    if let Some(problem) = data.problem().filter(|_| !data.is_coming()) {
        fields.fault("data_loc", problem);
    } else if registry::learns_from_sessions(&configuration.fields.recommender_class_name) && data.has_times() == Some(false) {
        fields.fault("data_loc", format!("{}.", training::TIMES_NEEDED));
    }
    Ok(())
}

/// Returns a model.
#[utoipa::path(get, path = "/trained_model/{id}/", tag = "trained_model", operation_id = "read_trained_model", params(("id" = i64, Path)),
    responses((status = 200, body = TrainedModelBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<TrainedModel, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<TrainedModelBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object).await?))
}

/// Checks the fields of a model, none of which can change; unchanged values are accepted.
#[utoipa::path(put, path = "/trained_model/{id}/", tag = "trained_model", operation_id = "replace_trained_model", params(("id" = i64, Path)),
    request_body = inline(TrainedModelRequest), responses((status = 200, body = TrainedModelBody)))]
async fn replace(
    access: Access<TrainedModel, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TrainedModelBody>> {
    save(access.object, &services, body, false).await
}

/// Checks the fields of a model, none of which can change; unchanged values are accepted.
#[utoipa::path(patch, path = "/trained_model/{id}/", tag = "trained_model", operation_id = "update_trained_model", params(("id" = i64, Path)),
    request_body = inline(TrainedModelRequest), responses((status = 200, body = TrainedModelBody)))]
async fn update(
    access: Access<TrainedModel, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TrainedModelBody>> {
    save(access.object, &services, body, true).await
}

/// Refuses changes: a model is the result of its configuration and upload, and with others it would be another model.
async fn save(model: TrainedModel, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<TrainedModelBody>> {
    let mut fields = body.reader();
    let current = Origin { configuration: model.configuration_id, data_loc: model.data_id };
    let wanted = Origin::read(&mut fields, Write::over(&current, partial));
    let differs =
        [("configuration", wanted.configuration != current.configuration), ("data_loc", wanted.data_loc != current.data_loc)];
    for (field, differs) in differs {
        if differs && fields.has(field) {
            fields.fault(field, "A trained model keeps the configuration and data it was made from. Train another one instead.");
        }
    }
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, model).await?))
}

/// Deletes a model with its file; its training is stopped if in progress. Refused while an active object depends on it.
#[utoipa::path(delete, path = "/trained_model/{id}/", tag = "trained_model", operation_id = "delete_trained_model", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "An active object depends on it", body = ConflictBody)))]
async fn delete(
    access: Access<TrainedModel, Editor>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
) -> ApiResult<HttpResponse> {
    service::delete(&services, cache.into_inner(), access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the artifact: a safetensors file.
#[utoipa::path(get, path = "/trained_model/{id}/download_file/", tag = "trained_model", operation_id = "read_trained_model_download_file",
    params(("id" = i64, Path)), responses((status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "There is no file"), (status = 503, description = "The file is damaged")))]
async fn download_file(access: Access<TrainedModel, Viewer>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    // Clients depend on the shape of this answer.
    let no_file = || ApiError::with_body(StatusCode::NOT_FOUND, json!({ "detail": ["There is no file."] }));
    let name = access.object.basename().ok_or_else(no_file)?;
    match service::file(&services, access.object).await? {
        Ok(file) => {
            let (file, size, check) = file.into_parts();
            Ok(checked_attachment(file, size, &name, check))
        }
        Err(ModelError::Missing) => Err(no_file()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the file of a model and keeps the row. Refused while an active object depends on it.
#[utoipa::path(delete, path = "/trained_model/{id}/unlink_file/", tag = "trained_model", operation_id = "delete_trained_model_unlink_file",
    params(("id" = i64, Path)), responses((status = 200, body = TrainedModelBody),
        (status = 409, description = "An active object depends on it, or it is still being trained", body = ConflictBody)))]
async fn unlink_file(
    access: Access<TrainedModel, Editor>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
) -> ApiResult<web::Json<TrainedModelBody>> {
    let model = service::unlink(&services, cache.into_inner(), access.object).await?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, model).await?))
}
