//! `/parameter_tuning_job/`.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::model::{NewTuningJob, SearchStatus, Trial, TrialCounts, TrialStatus, TuningFields, TuningJob};
use super::new_items::{BesideNewItems, ColdBaselineScore};
use super::{references, service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::features::evaluation::{self, EvaluationConfig, SplitConfig, TargetMetric};
use crate::features::projects;
use crate::features::task_logs::{self, TaskLink};
use crate::platform::db::Connection;
use crate::platform::http::{ApiError, ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::resource;
use crate::platform::services::Services;

/// Trials of one answer. Clients ask for the next ones after an answer that holds this many.
const MOST_IN_ANSWER: i64 = 1_000;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, cancel, trials))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/parameter_tuning_job/")
        .route("/parameter_tuning_job/{id}/cancel/", web::post().to(cancel))
        .route("/parameter_tuning_job/{id}/trials/", web::get().to(trials));
}

/// A tuning job in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TuningJob)]
pub struct TuningJobBody {
    id: i64,
    #[serde(flatten)]
    fields: TuningFields,
    status: SearchStatus,
    /// Version of the engine; the name is 1.x's.
    irspack_version: Option<String>,
    tuned_model: Option<i64>,
    best_config: Option<i64>,
    best_score: Option<f64>,
    task_links: Vec<TaskLink>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    error: Option<String>,
    /// Score of recommending the most popular items on the same split; of new items, those whose features predict popularity.
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
    /// Requested settings without effect, such as an algorithm that does not exist.
    warnings: Vec<String>,
    /// On a split that holds out items: what recommendations of new items have to beat.
    #[schema(value_type = Option<Vec<ColdBaselineScore>>)]
    cold_baselines: Option<Value>,
}

/// A trial in answers.
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
    /// listed for the user if that is smaller.
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
    /// On a split that holds out items, where the score is that of new items: the target metric for the others.
    #[schema(value_type = Option<BesideNewItems>)]
    beside_new_items: Option<Value>,
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
            beside_new_items: trial.beside_new_items,
        }
    }
}

fn to_body(
    job: TuningJob,
    evaluation: &EvaluationConfig,
    split: &SplitConfig,
    counts: TrialCounts,
    task_links: Vec<TaskLink>,
) -> TuningJobBody {
    let algorithms = service::Algorithms::of(job.fields.tried_algorithms_json.as_ref());
    let warnings = algorithms.suited(split.fields.scheme.holds_out_items()).warnings();
    TuningJobBody {
        id: job.id,
        fields: job.fields,
        status: job.status,
        irspack_version: job.engine_version,
        tuned_model: job.tuned_model_id,
        best_config: job.best_config_id,
        best_score: job.best_score,
        task_links,
        ins_datetime: job.ins_datetime,
        error: job.error,
        baseline_score: job.baseline_score,
        target_metric: evaluation.fields.target_metric,
        cutoff: evaluation.fields.cutoff,
        n_running: counts.running,
        n_completed: counts.completed,
        n_pruned: counts.pruned,
        n_failed: counts.failed,
        started_at: job.started_at,
        finished_at: job.finished_at,
        warnings,
        cold_baselines: job.cold_baselines,
    }
}

async fn to_bodies(connection: &mut Connection, jobs: Vec<TuningJob>) -> ApiResult<Vec<TuningJobBody>> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let counts: HashMap<i64, TrialCounts> = store::counts(connection, &ids).await?.into_iter().collect();
    let evaluations = evaluation::find_evaluations(connection, jobs.iter().map(|job| job.fields.evaluation_id).collect()).await?;
    let splits = evaluation::find_splits(connection, jobs.iter().map(|job| job.fields.split_id).collect()).await?;
    let mut links = task_logs::task_links(connection, ids.iter().map(|id| TuningJob::group(*id)).collect()).await?;
    let bodies = jobs.into_iter().filter_map(|job| {
        let evaluation = evaluations.iter().find(|evaluation| evaluation.id == job.fields.evaluation_id)?;
        let split = splits.iter().find(|split| split.id == job.fields.split_id)?;
        let links = links.remove(&TuningJob::group(job.id)).unwrap_or_default();
        let counts = counts.get(&job.id).copied().unwrap_or_default();
        Some(to_body(job, evaluation, split, counts, links))
    });
    Ok(bodies.collect())
}

async fn to_one(connection: &mut Connection, job: TuningJob) -> ApiResult<TuningJobBody> {
    to_bodies(connection, vec![job]).await?.pop().ok_or_else(ApiError::not_found)
}

/// Lists the tuning jobs that the caller may see.
#[utoipa::path(get, path = "/parameter_tuning_job/", tag = "parameter_tuning_job", operation_id = "list_parameter_tuning_job",
    params(("id" = Option<i64>, Query), ("data" = Option<i64>, Query), ("data__project" = Option<i64>, Query),
        ("status" = Option<String>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<TuningJobBody>), (status = 400, description = "A filter is invalid"),
        (status = 404, description = "There is no such page")))]
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

type TuningJobRequest = RequestOf<TuningFields>;

/// Starts a search.
#[utoipa::path(post, path = "/parameter_tuning_job/", tag = "parameter_tuning_job", operation_id = "create_parameter_tuning_job",
    request_body = inline(TuningJobRequest),
    responses((status = 201, body = TuningJobBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    let mut fields = with_list(body).reader();
    let wanted = TuningFields::read(&mut fields, Write::Create);
    if let Some(fault) = service::too_many_trials(wanted.n_trials, services.settings.max_trials) {
        fields.fault("n_trials", fault);
    }
    references::check(&principal, &mut connection, &mut fields, &wanted).await?;
    fields.finish()?;
    let project = projects::of_data(&mut connection, wanted.data_id).await?;
    let job = NewTuningJob { fields: wanted, created_by: Some(principal.user.id) };
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let job = service::create_asked(&mut connection, job, &project, most_waiting).await?;
    Ok(HttpResponse::Created().json(to_one(&mut connection, job).await?))
}

/// Parses the list of algorithms if it is sent as a JSON text, as some clients do.
fn with_list(mut body: Body) -> Body {
    let sent = body.0.get_mut("tried_algorithms_json");
    if let Some((sent, list)) = sent.and_then(|sent| Some((serde_json::from_str(sent.as_str()?).ok()?, sent))) {
        *list = sent;
    }
    body
}

/// Returns a tuning job.
#[utoipa::path(get, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "read_parameter_tuning_job",
    params(("id" = i64, Path)),
    responses((status = 200, body = TuningJobBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<TuningJob, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<TuningJobBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, access.object).await?))
}

/// Checks the fields of a tuning job, none of which can change; unchanged values are accepted.
#[utoipa::path(put, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "replace_parameter_tuning_job",
    params(("id" = i64, Path)), request_body = inline(TuningJobRequest),
    responses((status = 200, body = TuningJobBody), (status = 400, description = "A field differs from its present value"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn replace(
    access: Access<TuningJob, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TuningJobBody>> {
    save(access, &services, body, false).await
}

/// Checks the fields of a tuning job, none of which can change; unchanged values are accepted.
#[utoipa::path(patch, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "update_parameter_tuning_job",
    params(("id" = i64, Path)), request_body = inline(TuningJobRequest),
    responses((status = 200, body = TuningJobBody), (status = 400, description = "A field differs from its present value"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn update(
    access: Access<TuningJob, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<TuningJobBody>> {
    save(access, &services, body, true).await
}

/// Refuses changes: with other settings it would be another search.
async fn save(
    access: Access<TuningJob, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<TuningJobBody>> {
    let job = access.object;
    let mut fields = with_list(body).reader();
    let wanted = TuningFields::read(&mut fields, Write::over(&job.fields, partial));
    for field in wanted.differences(&job.fields).into_iter().filter(|field| fields.has(field)).collect::<Vec<_>>() {
        fields.fault(&field, "A tuning job keeps what it was started with. Start another one instead.");
    }
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, job).await?))
}

/// Deletes a tuning job that has ended; a live one must be cancelled first.
#[utoipa::path(delete, path = "/parameter_tuning_job/{id}/", tag = "parameter_tuning_job", operation_id = "delete_parameter_tuning_job",
    params(("id" = i64, Path)), 
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The search is still running")))]
async fn delete(access: Access<TuningJob, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Cancels a pending or running tuning job; its finished trials stay.
#[utoipa::path(post, path = "/parameter_tuning_job/{id}/cancel/", tag = "parameter_tuning_job", operation_id = "create_parameter_tuning_job_cancel",
    params(("id" = i64, Path)),
    responses((status = 200, body = TuningJobBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The search has already ended")))]
async fn cancel(access: Access<TuningJob, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<TuningJobBody>> {
    let job = service::cancel(&services, &access.object).await?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(to_one(&mut connection, job).await?))
}

/// The trials of a tuning job in the order of their numbers.
///
/// An answer holds up to 1,000 trials. Pass the number of the last one as `after` for those that follow it.
#[utoipa::path(get, path = "/parameter_tuning_job/{id}/trials/", tag = "parameter_tuning_job", operation_id = "list_parameter_tuning_job_trials",
    params(("id" = i64, Path),
        ("after" = Option<i32>, Query, minimum = 0, description = "The number of a trial; only later ones are listed")),
    responses((status = 200, body = Vec<TrialBody>), (status = 400, description = "`after` is not a number of a trial"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn trials(
    access: Access<TuningJob, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<web::Json<Vec<TrialBody>>> {
    let after = filters.bounded("after", 0..=i32::MAX, -1)?;
    let mut connection = services.db.conn().await?;
    let trials = store::trials_after(&mut connection, access.object.id, after, MOST_IN_ANSWER).await?;
    Ok(web::Json(trials.into_iter().map(TrialBody::from).collect()))
}
