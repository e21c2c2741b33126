//! `/parameter_tuning_job/`.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::model::{NewTuningJob, SearchStatus, Trial, TrialCounts, TrialStatus, TuningJob};
use super::{references, service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::features::evaluation::{self, EvaluationConfig, TargetMetric};
use crate::features::projects;
use crate::features::task_logs::{self, TaskLink};
use crate::platform::db::Connection;
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Missing, Page, PageRequest, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, cancel, trials))]
pub struct Docs;

const MOST_TRIALS: i32 = 1_000_000;
const MOST_TASKS: i32 = 256;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/parameter_tuning_job/").route(web::get().to(list)).route(web::post().to(create)))
        .service(
            web::resource("/parameter_tuning_job/{id}/")
                .route(web::get().to(read))
                .route(web::put().to(replace))
                .route(web::patch().to(update))
                .route(web::delete().to(delete)),
        )
        .route("/parameter_tuning_job/{id}/cancel/", web::post().to(cancel))
        .route("/parameter_tuning_job/{id}/trials/", web::get().to(trials));
}

/// A tuning job as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TuningJob)]
pub struct TuningJobBody {
    id: i64,
    data: i64,
    split: i64,
    evaluation: i64,
    status: SearchStatus,
    n_tasks_parallel: i32,
    n_trials: i32,
    memory_budget: i32,
    timeout_overall: Option<i32>,
    timeout_singlestep: Option<i32>,
    random_seed: Option<i32>,
    tried_algorithms_json: Option<Vec<String>>,
    /// Version of the engine; the name is 1.x's.
    irspack_version: Option<String>,
    train_after_tuning: bool,
    /// Whether the weights of event types and the half-life are searched too.
    search_weights: bool,
    tuned_model: Option<i64>,
    best_config: Option<i64>,
    best_score: Option<f64>,
    task_links: Vec<TaskLink>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    error: Option<String>,
    /// What recommending the most popular items scores on the same split.
    baseline_score: Option<f64>,
    target_metric: TargetMetric,
    cutoff: i32,
    n_running: i64,
    n_completed: i64,
    n_pruned: i64,
    n_failed: i64,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
    /// What was asked for and is not done, such as trying an algorithm that does not exist.
    warnings: Vec<String>,
}

/// The fields of a new tuning job.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct TuningJobRequest {
    data: i64,
    split: i64,
    evaluation: i64,
    n_tasks_parallel: Option<i32>,
    n_trials: Option<i32>,
    /// Megabytes a trial may need.
    memory_budget: Option<i32>,
    /// Seconds for the whole search.
    timeout_overall: Option<i32>,
    /// Seconds for each trial.
    timeout_singlestep: Option<i32>,
    random_seed: Option<i32>,
    /// Unknown names are left out, which `warnings` says; without a known one the default set is tried.
    tried_algorithms_json: Option<Vec<String>>,
    train_after_tuning: Option<bool>,
    /// Search the weights of event types around those of the project, and the half-life, too.
    search_weights: Option<bool>,
}

/// A trial as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trial)]
pub struct TrialBody {
    number: i32,
    algorithm: String,
    #[schema(value_type = Object)]
    parameters: Value,
    status: TrialStatus,
    score: Option<f64>,
    /// 95 % confidence interval of the score.
    interval: Option<[f64; 2]>,
    /// Every metric at the cutoff. `precision` divides the hits of a user by the cutoff, or by the number of items that can be
    /// listed for the user where that is smaller.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// Pairs of step and score.
    #[schema(value_type = Vec<Vec<f64>>)]
    intermediate: Value,
    note: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    finished_at: Option<DateTime<Utc>>,
    duration_seconds: Option<f64>,
}

impl From<Trial> for TrialBody {
    fn from(trial: Trial) -> Self {
        let seconds = trial.finished_at.map(|end| (end - trial.started_at).as_seconds_f64());
        Self {
            number: trial.number,
            algorithm: trial.algorithm,
            parameters: trial.parameters,
            status: trial.state,
            score: trial.score,
            interval: trial.interval_low.zip(trial.interval_high).map(|(low, high)| [low, high]),
            metrics: trial.metrics,
            intermediate: trial.intermediate,
            note: trial.note,
            started_at: trial.started_at,
            finished_at: trial.finished_at,
            duration_seconds: seconds,
        }
    }
}

fn to_body(job: TuningJob, evaluation: &EvaluationConfig, counts: TrialCounts, task_links: Vec<TaskLink>) -> TuningJobBody {
    let names = texts(job.tried_algorithms_json.as_ref());
    let warnings = service::Algorithms::of(job.tried_algorithms_json.as_ref()).warnings();
    TuningJobBody {
        id: job.id,
        data: job.data_id,
        split: job.split_id,
        evaluation: job.evaluation_id,
        status: job.status,
        n_tasks_parallel: job.n_tasks_parallel,
        n_trials: job.n_trials,
        memory_budget: job.memory_budget,
        timeout_overall: job.timeout_overall,
        timeout_singlestep: job.timeout_singlestep,
        random_seed: job.random_seed,
        tried_algorithms_json: names,
        irspack_version: job.engine_version,
        train_after_tuning: job.train_after_tuning,
        search_weights: job.search_weights,
        tuned_model: job.tuned_model_id,
        best_config: job.best_config_id,
        best_score: job.best_score,
        task_links,
        ins_datetime: job.ins_datetime,
        error: job.error,
        baseline_score: job.baseline_score,
        target_metric: evaluation.target_metric,
        cutoff: evaluation.cutoff,
        n_running: counts.running,
        n_completed: counts.completed,
        n_pruned: counts.pruned,
        n_failed: counts.failed,
        started_at: job.started_at,
        finished_at: job.finished_at,
        warnings,
    }
}

async fn to_bodies(connection: &mut Connection, jobs: Vec<TuningJob>) -> ApiResult<Vec<TuningJobBody>> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let counts: HashMap<i64, TrialCounts> = store::counts(connection, &ids).await?.into_iter().collect();
    let evaluations = evaluation::find_evaluations(connection, jobs.iter().map(|job| job.evaluation_id).collect()).await?;
    let mut links = task_logs::task_links(connection, ids.iter().map(|id| TuningJob::group(*id)).collect()).await?;
    let bodies = jobs.into_iter().filter_map(|job| {
        let evaluation = evaluations.iter().find(|evaluation| evaluation.id == job.evaluation_id)?;
        let links = links.remove(&TuningJob::group(job.id)).unwrap_or_default();
        let counts = counts.get(&job.id).copied().unwrap_or_default();
        Some(to_body(job, evaluation, counts, links))
    });
    Ok(bodies.collect())
}

async fn to_one(connection: &mut Connection, job: TuningJob) -> ApiResult<TuningJobBody> {
    to_bodies(connection, vec![job]).await?.pop().ok_or_else(ApiError::not_found)
}

/// The tuning jobs one may see.
#[utoipa::path(get, path = "/parameter_tuning_job/", tag = "parameter_tuning_job", operation_id = "list_parameter_tuning_job",
    params(("id" = Option<i64>, Query), ("data" = Option<i64>, Query), ("data__project" = Option<i64>, Query),
        ("status" = Option<String>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<TuningJobBody>), (status = 400, description = "A filter is wrong"),
        (status = 404, description = "No such page")))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<TuningJobBody>>> {
    let filter = store::JobFilter {
        id: filters.id("id")?,
        data: filters.id("data")?,
        project: filters.id("data__project")?,
        status: filters.choice("status")?,
    };
    let mut connection = services.db.conn().await?;
    let (count, jobs) = store::list(&mut connection, &principal, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, to_bodies(&mut connection, jobs).await?)?))
}

/// Start a search.
#[utoipa::path(post, path = "/parameter_tuning_job/", tag = "parameter_tuning_job", operation_id = "create_parameter_tuning_job",
    request_body = inline(TuningJobRequest),
    responses((status = 201, body = TuningJobBody), (status = 400, description = "A field is wrong")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    let job = read_fields(&principal, &mut connection, body).await?;
    let project = projects::of_data(&mut connection, job.data_id).await?;
    projects::admit_jobs(&services, &mut connection, project.id, job.n_tasks().into()).await?;
    let job = service::create_asked(&mut connection, job, project.organisation_id).await?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, job).await?))
}

async fn read_fields(principal: &Principal, connection: &mut Connection, body: Body) -> ApiResult<NewTuningJob> {
    let mut fields = with_list(body).reader();
    let job = fields_of(&mut fields, principal.user.id, None, false);
    references::check(principal, connection, &mut fields, &job).await?;
    fields.finish()?;
    Ok(job)
}

/// What a body asks for; what it leaves out is as it stands (the references only where it is `partial`), or the default.
fn fields_of(fields: &mut FieldReader, user: i64, current: Option<&TuningJob>, partial: bool) -> NewTuningJob {
    let reference = |id: fn(&TuningJob) -> i64| Missing::keep_or_require(current.filter(|_| partial).map(id));
    let or = |value: fn(&TuningJob) -> i32, default| Missing::Use(current.map_or(default, value));
    let algorithms = current.and_then(|job| texts(job.tried_algorithms_json.as_ref()));
    NewTuningJob {
        data_id: fields.id("data", reference(|job| job.data_id)),
        split_id: fields.id("split", reference(|job| job.split_id)),
        evaluation_id: fields.id("evaluation", reference(|job| job.evaluation_id)),
        created_by: Some(user),
        n_tasks_parallel: fields.integer("n_tasks_parallel", 1..=MOST_TASKS, or(|job| job.n_tasks_parallel, 1)),
        n_trials: fields.integer("n_trials", 1..=MOST_TRIALS, or(|job| job.n_trials, 40)),
        memory_budget: fields.integer("memory_budget", 1..=i32::MAX, or(|job| job.memory_budget, 8_000)),
        timeout_overall: seconds(fields, "timeout_overall", current.and_then(|job| job.timeout_overall)),
        timeout_singlestep: seconds(fields, "timeout_singlestep", current.and_then(|job| job.timeout_singlestep)),
        random_seed: fields.nullable_integer("random_seed", 0..=i32::MAX, current.and_then(|job| job.random_seed)),
        tried_algorithms_json: fields.nullable_texts("tried_algorithms_json", algorithms).map(Value::from),
        train_after_tuning: fields.flag("train_after_tuning", Missing::Use(current.is_none_or(|job| job.train_after_tuning))),
        search_weights: fields.flag("search_weights", Missing::Use(current.is_some_and(|job| job.search_weights))),
    }
}

fn seconds(fields: &mut FieldReader, field: &str, current: Option<i32>) -> Option<i32> {
    fields.nullable_integer(field, 1..=i32::MAX, current)
}

fn texts(list: Option<&Value>) -> Option<Vec<String>> {
    list.and_then(|list| serde_json::from_value(list.clone()).ok())
}

/// Some clients send the list of algorithms as the text of a JSON list.
fn with_list(mut body: Body) -> Body {
    let sent = body.0.get_mut("tried_algorithms_json");
    if let Some((sent, list)) = sent.and_then(|sent| Some((serde_json::from_str(sent.as_str()?).ok()?, sent))) {
        *list = sent;
    }
    body
}

/// One tuning job.
#[utoipa::path(get, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "read_parameter_tuning_job",
    params(("id" = i64, Path)),
    responses((status = 200, body = TuningJobBody), (status = 404, description = "Not there, or not yours")))]
async fn read(access: Access<TuningJob, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<TuningJobBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object).await?))
}

/// Nothing of a tuning job can change; fields sent as they are, are accepted.
#[utoipa::path(put, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "replace_parameter_tuning_job",
    params(("id" = i64, Path)), request_body = inline(TuningJobRequest),
    responses((status = 200, body = TuningJobBody), (status = 400, description = "A field differs"),
        (status = 404, description = "Not there, or not yours")))]
async fn replace(
    access: Access<TuningJob, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TuningJobBody>> {
    save(access, &services, body, false).await
}

/// Nothing of a tuning job can change; fields sent as they are, are accepted.
#[utoipa::path(patch, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "update_parameter_tuning_job",
    params(("id" = i64, Path)), request_body = inline(TuningJobRequest),
    responses((status = 200, body = TuningJobBody), (status = 400, description = "A field differs"),
        (status = 404, description = "Not there, or not yours")))]
async fn update(
    access: Access<TuningJob, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TuningJobBody>> {
    save(access, &services, body, true).await
}

/// With other settings it would be another search.
async fn save(
    access: Access<TuningJob, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<TuningJobBody>> {
    let job = access.object;
    let mut fields = with_list(body).reader();
    let asked = fields_of(&mut fields, access.principal.user.id, Some(&job), partial);
    for field in asked.differences(&job).into_iter().filter(|field| fields.has(field)).collect::<Vec<_>>() {
        fields.fault(field, "A tuning job keeps what it was started with. Start another one instead.");
    }
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, job).await?))
}

/// Delete a tuning job that is over; a live one has to be cancelled first.
#[utoipa::path(delete, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "delete_parameter_tuning_job",
    params(("id" = i64, Path)), 
    responses((status = 204, description = "Gone"), (status = 404, description = "Not there, or not yours"),
        (status = 409, description = "Still running")))]
async fn delete(access: Access<TuningJob, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Cancel a pending or running tuning job; its finished trials stay.
#[utoipa::path(post, path = "/parameter_tuning_job/{id}/cancel/", tag = "parameter_tuning_job", operation_id = "create_parameter_tuning_job_cancel",
    params(("id" = i64, Path)),
    responses((status = 200, body = TuningJobBody), (status = 404, description = "Not there, or not yours"),
        (status = 409, description = "Over already")))]
async fn cancel(access: Access<TuningJob, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<TuningJobBody>> {
    let job = service::cancel(&services, &access.object).await?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, job).await?))
}

/// The trials of a tuning job in the order of their numbers.
#[utoipa::path(get, path = "/parameter_tuning_job/{id}/trials/", tag = "parameter_tuning_job", operation_id = "list_parameter_tuning_job_trials",
    params(("id" = i64, Path)),
    responses((status = 200, body = Vec<TrialBody>), (status = 404, description = "Not there, or not yours")))]
async fn trials(access: Access<TuningJob, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<Vec<TrialBody>>> {
    let mut connection = services.db.conn().await?;
    let trials = store::trials_of(&mut connection, access.object.id).await?;
    Ok(web::Json(trials.into_iter().map(TrialBody::from).collect()))
}
