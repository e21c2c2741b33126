//! Projects, each made by a run of the studio.

use std::collections::HashMap;

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::super::error::StudioError;
use super::super::mapping::{Mapping, Part};
use super::super::model::{Goal, Run, RunFields, Stage, StudioState};
use super::super::stages::Stages;
use super::super::{service, store};
use super::form::ProjectForm;
use crate::features::accounts::{Access, Principal, Viewer, personal_organisation};
use crate::features::projects::Project;
use crate::platform::http::request::Description;
use crate::platform::http::{ApiError, ApiResult, Described, RequestOf, timestamp};
use crate::platform::services::Services;
use crate::platform::wire_enum;

/// The largest number of projects in a list.
const MOST_LISTED: i64 = 1_000;

/// Seconds that the search for the best algorithm may take.
const BUDGET: i32 = 60;

wire_enum! {
    /// How far a project is.
    #[schema(as = AirecStatus)]
    pub enum Status {
        Pending = "PENDING",
        Processing = "PROCESSING",
        Ready = "READY",
        Error = "ERROR",
    }
}

wire_enum! {
    /// What recommendations of a project are learnt from.
    #[schema(as = AirecModelType)]
    pub enum ModelType {
        Content = "CONTENT",
        Collaborative = "COLLABORATIVE",
        Hybrid = "HYBRID",
    }
}

impl Status {
    fn of(run: &Run) -> Self {
        match run.state {
            StudioState::Ready => Self::Ready,
            StudioState::Failed | StudioState::Cancelled => Self::Error,
            StudioState::Running if run.stage == Stage::Reading => Self::Pending,
            StudioState::Running => Self::Processing,
        }
    }
}

impl ModelType {
    /// Returns what a run learns from: what it was told to, or else all its files.
    pub fn of(run: &Run) -> Self {
        let mapping = Mapping::of(&run.mapping);
        let has = |part: Part| mapping.of_part(part).is_some();
        match (run.goal, has(Part::Items), has(Part::Interactions)) {
            (Goal::Content, ..) | (Goal::Auto, true, false) => Self::Content,
            (Goal::Hybrid, ..) | (Goal::Auto, true, true) => Self::Hybrid,
            (Goal::Collaborative, ..) | (Goal::Auto, false, _) => Self::Collaborative,
        }
    }
}

/// A project in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecProject)]
pub struct ProjectBody {
    id: i64,
    project_name: String,
    status: Status,
    model_type: ModelType,
    /// The name of the deployed model; null before there is one.
    mlflow_model_name: Option<String>,
    /// The id of the deployed model.
    mlflow_model_version: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    created_at: DateTime<Utc>,
}

impl ProjectBody {
    fn new(run: &Run, name: String) -> Self {
        let model = run.trained_model_id.filter(|_| run.state == StudioState::Ready);
        Self {
            id: run.project_id,
            status: Status::of(run),
            model_type: ModelType::of(run),
            mlflow_model_name: model.map(|_| name.clone()),
            mlflow_model_version: model.map(|model| model.to_string()),
            created_at: run.ins_datetime,
            project_name: name,
        }
    }
}

/// How far a project is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecProjectStatus)]
pub struct StatusBody {
    status: Status,
    /// Why it failed; null otherwise.
    error: Option<String>,
    stage: Stage,
    /// From 0 to 1.
    progress: f64,
}

/// Lists the projects that the caller may see, newest first, at most 1,000.
#[utoipa::path(get, path = "/airec/projects", tag = "airec", operation_id = "list_airec_projects",
    responses((status = 200, body = Vec<ProjectBody>)))]
pub async fn list(principal: Principal, services: web::Data<Services>) -> ApiResult<web::Json<Vec<ProjectBody>>> {
    let mut connection = services.db.conn().await?;
    let runs = store::newest(&mut connection, &principal, MOST_LISTED).await?;
    let ids = runs.iter().map(|run| run.project_id).collect();
    let mut names: HashMap<i64, String> = store::project_names(&mut connection, ids).await?.into_iter().collect();
    let body = |run: &Run| ProjectBody::new(run, names.remove(&run.project_id).unwrap_or_default());
    Ok(web::Json(runs.iter().map(body).collect()))
}

/// The parts of a call, for the API document.
struct ProjectParts;

impl Described for ProjectParts {
    fn describe(description: &mut Description) {
        let file = || -> RefOr<Schema> {
            let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
            ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).into()
        };
        let text = || -> RefOr<Schema> { ObjectBuilder::new().schema_type(Type::String).into() };
        let schema = "The columns of the file by their meaning, as JSON: `{\"item_id\": \"movieId\", \"feature_col\": [\"genres\"]}`. \
                      Guessed where it is left out.";
        description.value("project_name", text(), true, &[Some("The name of the new project.")]);
        description.value("content_file", file(), false, &[Some("One row for each item.")]);
        description.value("content_schema_json", text(), false, &[Some(schema)]);
        description.value("interaction_file", file(), false, &[Some("One row for each interaction.")]);
        description.value("interaction_schema_json", text(), false, &[Some(schema)]);
    }
}

type ProjectRequest = RequestOf<ProjectParts>;

/// Creates a project from files, and starts the run that searches, trains and deploys a model.
#[utoipa::path(post, path = "/airec/create-project", tag = "airec", operation_id = "create_airec_project",
    request_body(content = inline(ProjectRequest), content_type = "multipart/form-data"),
    responses((status = 201, body = ProjectBody), (status = 413, description = "A file is too large"),
        (status = 415, description = "The body is not multipart/form-data"),
        (status = 422, description = "A part or a file cannot be used, or the meaning of a column is not certain")))]
pub async fn create(
    principal: Principal,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let ProjectForm { name, files, mapping, .. } = ProjectForm::read(&request, body, &services, &principal).await?;
    let organisation = personal_organisation(&mut *services.db.conn().await?, principal.user.id).await?;
    let wanted = RunFields { name: name.clone(), organisation: None, goal: Goal::Auto, budget_seconds: BUDGET };
    let created = service::create(&services, principal.user.id, organisation, wanted, files, mapping).await;
    let run = created.map_err(refusal)?;
    Ok(HttpResponse::Created().json(ProjectBody::new(&run, name)))
}

/// Returns the refusal of a project, in words that its caller can act on.
fn refusal(error: StudioError) -> ApiError {
    match error {
        StudioError::MappingNeeded(guesses) => {
            let detail = "The meaning of some columns is not certain. Name those of the content file in content_schema_json, and call \
                those of the interaction file user_id, item_id and timestamp.";
            let body = json!({ "detail": detail, "code": "mapping_needed", "guesses": guesses });
            ApiError::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
        }
        other => unprocessable(other.into()),
    }
}

/// Returns a refusal of fields as 422, with the names that a caller sent them by.
fn unprocessable(error: ApiError) -> ApiError {
    let Some(faults) = error.by_field() else { return error };
    let renamed = faults.into_iter().map(|(field, messages)| match field.as_str() {
        "name" => ("project_name".to_owned(), messages),
        "interactions" => ("interaction_file".to_owned(), messages),
        "items" => ("content_file".to_owned(), messages),
        // Its messages name file and column.
        "mapping" => ("detail".to_owned(), messages),
        _ => (field, messages),
    });
    ApiError::with_body(StatusCode::UNPROCESSABLE_ENTITY, json!(renamed.collect::<HashMap<_, _>>()))
}

/// Returns how far a project is; 404 if the studio did not create it.
#[utoipa::path(get, path = "/airec/project/{id}/status", tag = "airec", operation_id = "read_airec_project_status",
    params(("id" = i64, Path)),
    responses((status = 200, body = inline(StatusBody)), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn status(access: Access<Project, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<StatusBody>> {
    let run = store::of_project(&mut *services.db.conn().await?, access.object.id).await?.ok_or_else(ApiError::not_found)?;
    let progress = Stages::of(&run.stages).progress(run.stage, 0.0);
    let cancelled = || "The run was cancelled.".to_owned();
    let error = run.error.clone().or_else(|| (run.state == StudioState::Cancelled).then(cancelled));
    Ok(web::Json(StatusBody { status: Status::of(&run), error, stage: run.stage, progress }))
}
