//! `/studio/` and `/studio/{id}/`.

use std::collections::HashMap;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::guess::Guesses;
use super::super::model::{Goal, Run, RunFields, RunResult, Stage, StudioState};
use super::super::stages::{StageProgress, Stages};
use super::super::{service, store};
use super::form::{FileParts, MappingPart, StudioForm};
use crate::features::accounts::{Access, Admin, Editor, Organisation, Principal, Role, Viewer, personal_organisation};
use crate::features::tuning;
use crate::platform::db::Connection;
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A run in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StudioRun)]
pub struct RunBody {
    id: i64,
    project: i64,
    project_name: String,
    name: String,
    goal: Goal,
    budget_seconds: i32,
    state: StudioState,
    /// The present stage, or the one at which the run ended.
    stage: Stage,
    /// From 0 to 1.
    progress: f64,
    stages: Vec<StageProgress>,
    /// What the user should know, in sentences.
    warnings: Vec<String>,
    /// Why it failed.
    error: Option<String>,
    training_data: Option<i64>,
    item_meta_data: Option<i64>,
    user_meta_data: Option<i64>,
    tuning_job: Option<i64>,
    trained_model: Option<i64>,
    /// The slot that the model answers in.
    slot: Option<i64>,
    /// The quality of the model; null while it is not known, and if nothing could be judged.
    result: Option<RunResult>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
}

async fn to_bodies(connection: &mut Connection, runs: Vec<Run>, now: DateTime<Utc>) -> ApiResult<Vec<RunBody>> {
    let ids = runs.iter().map(|run| run.project_id).collect();
    let names: HashMap<i64, String> = store::project_names(connection, ids).await?.into_iter().collect();
    let mut bodies = Vec::with_capacity(runs.len());
    for run in runs {
        let mut stages = Stages::of(&run.stages);
        let of_stage = match run.tuning_job_id.filter(|_| run.is_live() && run.stage == Stage::Searching) {
            Some(job) => follow_search(connection, job, &mut stages, now).await?,
            None => 0.0,
        };
        bodies.push(RunBody {
            id: run.id,
            project: run.project_id,
            project_name: names.get(&run.project_id).cloned().unwrap_or_default(),
            goal: run.goal,
            budget_seconds: run.budget_seconds,
            state: run.state,
            stage: run.stage,
            progress: stages.progress(run.stage, of_stage),
            warnings: run.warnings(),
            error: run.error,
            training_data: run.training_data_id,
            item_meta_data: run.item_meta_data_id,
            user_meta_data: run.user_meta_data_id,
            tuning_job: run.tuning_job_id,
            trained_model: run.trained_model_id,
            slot: run.slot_id,
            result: run.result.as_ref().and_then(|result| RunResult::deserialize(result).ok()),
            ins_datetime: run.ins_datetime,
            finished_at: run.finished_at,
            stages: stages.into_all(),
            name: run.name,
        });
    }
    Ok(bodies)
}

/// Adds the figures of a search that runs; returns the share of it that is done.
async fn follow_search(connection: &mut Connection, job: i64, stages: &mut Stages, now: DateTime<Utc>) -> ApiResult<f64> {
    let Some((job, counts)) = tuning::snapshot(connection, job).await? else { return Ok(0.0) };
    let ended = (counts.total() - counts.running).max(0);
    if let Some(searching) = stages.at(Stage::Searching) {
        let detail = &mut searching.detail;
        (detail.trials, detail.best_score) = (u64::try_from(ended).ok(), job.best_score);
        detail.popularity_score = job.baseline_score;
    }
    let of_trials = ended as f64 / f64::from(job.fields.n_trials.max(1));
    let budget = f64::from(job.fields.timeout_overall.unwrap_or(i32::MAX));
    let of_time = job.started_at.map_or(0.0, |start| (now - start).as_seconds_f64() / budget);
    Ok(of_trials.max(of_time))
}

async fn to_one(connection: &mut Connection, run: Run, now: DateTime<Utc>) -> ApiResult<RunBody> {
    to_bodies(connection, vec![run], now).await?.pop().ok_or_else(ApiError::not_found)
}

/// Lists the runs that the caller may see, newest first.
#[utoipa::path(get, path = "/studio/", tag = "studio", operation_id = "list_studio",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<RunBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<RunBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, runs) = store::list(&mut connection, &principal, project, &page).await?;
    Ok(web::Json(page.wrap(count, to_bodies(&mut connection, runs, services.clock.now()).await?)?))
}

/// The refusal of a call whose columns have to be confirmed.
#[derive(Debug, Serialize, ToSchema)]
struct MappingNeeded {
    detail: String,
    /// `mapping_needed`.
    code: String,
    guesses: Guesses,
}

type StudioRequest = RequestOf<((RunFields, FileParts), MappingPart)>;

/// Turns files into an endpoint: creates a project with them, and starts the run that searches, trains and deploys a model.
#[utoipa::path(post, path = "/studio/", tag = "studio", operation_id = "create_studio",
    request_body(content = inline(StudioRequest), content_type = "multipart/form-data"),
    responses((status = 201, body = RunBody), (status = 400, description = "A part is invalid, or a file cannot be used"),
        (status = 413, description = "A file is too large"), (status = 415, description = "The body is not multipart/form-data"),
        (status = 422, description = "The meaning of some columns is not certain (`mapping_needed`)", body = inline(MappingNeeded))))]
pub async fn create(
    principal: Principal,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut form = StudioForm::read(&request, body, &services, &principal).await?;
    let mut fields = form.reader();
    let wanted = RunFields::read(&mut fields, Write::Create);
    form.require_files(&mut fields);
    service::require_for_goal(&mut fields, wanted.goal, &form.files);
    let mut connection = services.db.conn().await?;
    let organisation = match wanted.organisation {
        Some(id) => {
            let lookup = principal.load_referred::<Organisation>(&mut connection, "organisation", id, Role::Editor);
            fields.refer("organisation", lookup).await?;
            id
        }
        None => personal_organisation(&mut connection, principal.user.id).await?,
    };
    drop(connection);
    fields.finish()?;
    let run = service::create(&services, principal.user.id, organisation, wanted, form.files, form.mapping).await?;
    let mut connection = services.db.conn().await?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, run, services.clock.now()).await?))
}

/// Returns a run.
#[utoipa::path(get, path = "/studio/{id}/", tag = "studio", operation_id = "read_studio", params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Run, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object, services.clock.now()).await?))
}

/// Cancels a run with its search and its training. The project stays.
#[utoipa::path(post, path = "/studio/{id}/cancel/", tag = "studio", operation_id = "create_studio_cancel", params(("id" = i64, Path)),
    responses((status = 200, body = RunBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The run is over")))]
pub async fn cancel(access: Access<Run, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<RunBody>> {
    let run = service::cancel(&services, access.object.id).await?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, run, services.clock.now()).await?))
}

/// A key for trying an endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct DemoKeyBody {
    /// The key itself. Returned only once.
    key: String,
    #[serde(serialize_with = "timestamp::serialize")]
    expires_at: DateTime<Utc>,
}

/// Creates a key for trying the endpoint of a run: it may only predict, 60 times in a minute, for 30 days. The one before it ends.
#[utoipa::path(post, path = "/studio/{id}/demo_key/", tag = "studio", operation_id = "create_studio_demo_key",
    params(("id" = i64, Path)),
    responses((status = 201, body = inline(DemoKeyBody)), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The run is not ready, or the project has as many keys as one project may")))]
pub async fn demo_key(access: Access<Run, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let made = service::demo_key(&services, access.object.id, access.principal.user.id).await?;
    let body = DemoKeyBody { key: made.key.expose_secret().to_owned(), expires_at: made.expires_at };
    Ok(HttpResponse::Created().json(body))
}
