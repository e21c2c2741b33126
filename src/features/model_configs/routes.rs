//! `/model_configuration/` and `/algorithms/`.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::model::{ConfigurationFields, ModelConfiguration};
use super::service::{self, DEFAULT_ALGORITHMS};
use super::store;
use crate::features::accounts::{Access, Editor, Principal, Role, Viewer};
use crate::features::projects::{self, Kind, OfProject, Project};
use crate::ml::algorithms::{AlgorithmInfo, ParameterKind, ParameterSpec};
use crate::ml::registry;
use crate::ml::search_space::Domain;
use crate::platform::db::{Connection, QueryError, is_duplicate};
use crate::platform::http::{
    ApiError, ApiResult, Body, ConflictBody, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp,
};
use crate::platform::resource;
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, list_algorithms))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/model_configuration/").route("/algorithms/", web::get().to(list_algorithms));
}

/// A model configuration in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelConfiguration)]
pub struct ModelConfigurationBody {
    id: i64,
    /// The tuning job that found it.
    tuning_job: Option<i64>,
    project: i64,
    #[serde(flatten)]
    fields: ConfigurationFields,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

type ModelConfigurationRequest = RequestOf<(OfProject, ConfigurationFields)>;

async fn to_bodies(connection: &mut Connection, rows: Vec<ModelConfiguration>) -> ApiResult<Vec<ModelConfigurationBody>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let jobs: HashMap<i64, i64> = store::tuning_jobs_of(connection, &ids).await?.into_iter().collect();
    let bodies = rows.into_iter().map(|row| ModelConfigurationBody {
        tuning_job: jobs.get(&row.id).copied(),
        id: row.id,
        project: row.project_id,
        fields: row.fields,
        ins_datetime: row.ins_datetime,
    });
    Ok(bodies.collect())
}

async fn to_one(connection: &mut Connection, row: ModelConfiguration) -> ApiResult<ModelConfigurationBody> {
    to_bodies(connection, vec![row]).await?.pop().ok_or_else(ApiError::not_found)
}

/// Reads the fields, and checks the parameters of the algorithm. Faults are collected in `fields`.
fn read_fields(fields: &mut FieldReader, write: Write<'_, ConfigurationFields>) -> ApiResult<ConfigurationFields> {
    let mut read = ConfigurationFields::read(fields, write);
    if !fields.is_faulty("recommender_class_name") && !fields.is_faulty("parameters_json") {
        let parameters = read.parameters_json.as_object().cloned().unwrap_or_default();
        match service::check(&read.recommender_class_name, &parameters) {
            Ok(name) => name.clone_into(&mut read.recommender_class_name),
            Err(refusal) => fields.keep(refusal)?,
        }
    }
    Ok(read)
}

fn named_twice(error: QueryError) -> ApiError {
    if is_duplicate(&error) {
        return ApiError::non_field("This project already has a configuration with this name.");
    }
    error.into()
}

/// Lists the model configurations that the caller may see.
#[utoipa::path(get, path = "/model_configuration/", tag = "model_configuration", operation_id = "list_model_configuration",
    params(("id" = Option<i64>, Query), ("project" = Option<i64>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ModelConfigurationBody>)))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ModelConfigurationBody>>> {
    let (id, project) = (filters.id("id")?, filters.id("project")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, id, project, &page).await?;
    Ok(web::Json(page.wrap(count, to_bodies(&mut connection, rows).await?)?))
}

/// Creates a model configuration.
#[utoipa::path(post, path = "/model_configuration/", tag = "model_configuration", operation_id = "create_model_configuration",
    request_body = inline(ModelConfigurationRequest),
    responses((status = 201, body = ModelConfigurationBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let wanted = read_fields(&mut fields, Write::Create)?;
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    fields.refer("project", lookup).await?;
    fields.finish()?;
    let row = store::insert(&mut connection, project, wanted).await.map_err(named_twice)?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, row).await?))
}

/// Returns a model configuration.
#[utoipa::path(get, path = "/model_configuration/{id}/", tag = "model_configuration", operation_id = "read_model_configuration",
    params(("id" = i64, Path)),
    responses((status = 200, body = ModelConfigurationBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(
    access: Access<ModelConfiguration, Viewer>,
    services: web::Data<Services>,
) -> ApiResult<web::Json<ModelConfigurationBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object).await?))
}

/// Replaces the fields of a model configuration.
#[utoipa::path(put, path = "/model_configuration/{id}/", tag = "model_configuration", operation_id = "replace_model_configuration",
    params(("id" = i64, Path)), request_body = inline(ModelConfigurationRequest),
    responses((status = 200, body = ModelConfigurationBody)))]
async fn replace(
    access: Access<ModelConfiguration, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ModelConfigurationBody>> {
    save(&access.object, &services, body, false).await
}

/// Changes some fields of a model configuration.
#[utoipa::path(patch, path = "/model_configuration/{id}/", tag = "model_configuration", operation_id = "update_model_configuration",
    params(("id" = i64, Path)), request_body = inline(ModelConfigurationRequest),
    responses((status = 200, body = ModelConfigurationBody)))]
async fn update(
    access: Access<ModelConfiguration, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ModelConfigurationBody>> {
    save(&access.object, &services, body, true).await
}

async fn save(
    current: &ModelConfiguration,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<ModelConfigurationBody>> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::over(&OfProject { project: current.project_id }, partial));
    let wanted = read_fields(&mut fields, Write::over(&current.fields, partial))?;
    if project != current.project_id {
        fields.fault("project", "A configuration cannot move to another project. Make a new one there.");
    }
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let saved = store::update(&mut connection, current.id, wanted).await.map_err(named_twice)?;
    Ok(web::Json(to_one(&mut connection, saved).await?))
}

/// Deletes a model configuration; refused while a model trained from it exists.
#[utoipa::path(delete, path = "/model_configuration/{id}/", tag = "model_configuration", operation_id = "delete_model_configuration",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "An active object depends on it", body = ConflictBody)))]
async fn delete(access: Access<ModelConfiguration, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::ModelConfiguration, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An available algorithm.
#[derive(Debug, Serialize, ToSchema)]
struct Algorithm {
    /// The value for `recommender_class_name`.
    name: &'static str,
    short: &'static str,
    description: &'static str,
    parameters: Vec<Parameter>,
    /// Whether it trains in epochs, so that a search can stop it early.
    early_stopping: bool,
    /// Whether a search without named algorithms tries it.
    default_in_tuning: bool,
    learns_from: LearnsFrom,
}

/// The kind of data that an algorithm is trained on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LearnsFrom {
    /// The items that each user interacted with.
    Users,
    /// The order of items: every user id of the data is one session, and the project needs a time column. Searches do not try
    /// such algorithms.
    Sessions,
}

/// A parameter of an algorithm.
#[derive(Debug, Serialize, ToSchema)]
struct Parameter {
    name: &'static str,
    /// `int`, `float`, `bool` or `choice`.
    r#type: &'static str,
    /// A value of the type above, or null where that is allowed.
    default: Value,
    nullable: bool,
    min: Option<f64>,
    max: Option<f64>,
    choices: Option<Vec<&'static str>>,
    /// The values that a search tries; null if searches do not vary it.
    #[schema(value_type = Option<Object>)]
    search: Option<Domain>,
}

impl From<&'static AlgorithmInfo> for Algorithm {
    fn from(info: &'static AlgorithmInfo) -> Self {
        Self {
            name: info.name,
            short: info.short,
            description: info.summary,
            parameters: info.parameters().into_iter().map(Parameter::from).collect(),
            early_stopping: info.early_stopping(),
            default_in_tuning: DEFAULT_ALGORITHMS.contains(&info.name),
            learns_from: if info.learns_from_sessions() { LearnsFrom::Sessions } else { LearnsFrom::Users },
        }
    }
}

impl From<ParameterSpec> for Parameter {
    fn from(spec: ParameterSpec) -> Self {
        let (r#type, range, choices) = match spec.kind {
            ParameterKind::Int { min, max } => ("int", Some((min as f64, max as f64)), None),
            ParameterKind::Float { min, max } => ("float", Some((min, max)), None),
            ParameterKind::Bool => ("bool", None, None),
            ParameterKind::Choice(words) => ("choice", None, Some(words.to_vec())),
        };
        // An infinite bound is no bound, and JSON cannot represent it.
        let bound = |bound: Option<f64>| bound.filter(|bound| bound.is_finite());
        Self {
            name: spec.name,
            r#type,
            default: spec.default,
            nullable: spec.nullable,
            min: bound(range.map(|(min, _)| min)),
            max: bound(range.map(|(_, max)| max)),
            choices,
            search: spec.search,
        }
    }
}

/// Lists the available algorithms with their parameters.
#[utoipa::path(get, path = "/algorithms/", tag = "model_configuration", operation_id = "list_algorithms",
    responses((status = 200, body = Vec<Algorithm>)))]
async fn list_algorithms(_: Principal) -> web::Json<Vec<Algorithm>> {
    web::Json(registry::algorithms().map(Algorithm::from).collect())
}
