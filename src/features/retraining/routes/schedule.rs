//! `/retraining_schedule/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::cadence::Cadence;
use super::super::model::{CatchUp, DataSource, RunStatus, Schedule, ScheduleFields};
use super::super::{gate, service, store};
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::datasets::TrainingData;
use crate::features::evaluation;
use crate::features::events::EventType;
use crate::features::model_configs::ModelConfiguration;
use crate::features::projects::{self, Project};
use crate::platform::db::Connection;
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Missing, Page, PageRequest, timestamp};
use crate::platform::services::Services;
use crate::platform::words::Word;

const LONGEST_CRON: usize = 100;
const LONGEST_ZONE: usize = 64;

/// A retraining schedule as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetrainingSchedule)]
pub struct ScheduleBody {
    id: i64,
    project: i64,
    is_enabled: bool,
    /// Minute, hour, day of month, month, day of week (0 is Sunday).
    cron_expression: String,
    /// What to learn from; null stands for the newest upload.
    training_data: Option<i64>,
    model_configuration: Option<i64>,
    /// Whether to search anew, with `split_config` and `evaluation_config`, rather than to train the configuration.
    retune: bool,
    split_config: Option<i64>,
    evaluation_config: Option<i64>,
    max_retries: i32,
    notify_on_failure: bool,
    #[serde(serialize_with = "timestamp::option::serialize")]
    last_run_at: Option<DateTime<Utc>>,
    last_run_status: Option<RunStatus>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    next_run_at: Option<DateTime<Utc>>,
    auto_deploy: bool,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    /// Where the hours of the cron expression are read, such as `Europe/Berlin`.
    time_zone: String,
    /// How much worse than the deployed model a new one may be and still be deployed.
    gate_tolerance: Option<f64>,
    catch_up: CatchUp,
    /// Whether a run over unchanged data is skipped.
    skip_unchanged: bool,
    data_source: DataSource,
    /// Types of events that are learnt from as well: those recorded since the oldest
    /// upload that is learnt from.
    event_types: Vec<EventType>,
    /// Whether a training begins with what the model of the last successful run has learnt, which takes a quarter of the
    /// epochs; for iALS with the same number of components. What comes of it depends on that model too.
    warm_start: bool,
}

impl From<Schedule> for ScheduleBody {
    fn from(schedule: Schedule) -> Self {
        Self {
            event_types: schedule.learnt_events(),
            data_source: schedule.data_source,
            id: schedule.id,
            project: schedule.project_id,
            is_enabled: schedule.is_enabled,
            cron_expression: schedule.cron_expression,
            training_data: schedule.training_data_id,
            model_configuration: schedule.model_configuration_id,
            retune: schedule.retune,
            split_config: schedule.split_config_id,
            evaluation_config: schedule.evaluation_config_id,
            max_retries: schedule.max_retries,
            notify_on_failure: schedule.notify_on_failure,
            last_run_at: schedule.last_run_at,
            last_run_status: schedule.last_run_status,
            next_run_at: schedule.next_run_at,
            auto_deploy: schedule.auto_deploy,
            ins_datetime: schedule.ins_datetime,
            updated_at: schedule.updated_at,
            time_zone: schedule.time_zone,
            gate_tolerance: schedule.gate_tolerance,
            catch_up: schedule.catch_up,
            skip_unchanged: schedule.skip_unchanged,
            warm_start: schedule.warm_start,
        }
    }
}

/// The fields of a new schedule.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct ScheduleRequest {
    project: i64,
    is_enabled: Option<bool>,
    /// Sundays at two unless told otherwise.
    cron_expression: Option<String>,
    time_zone: Option<String>,
    training_data: Option<i64>,
    model_configuration: Option<i64>,
    retune: Option<bool>,
    split_config: Option<i64>,
    evaluation_config: Option<i64>,
    max_retries: Option<i32>,
    notify_on_failure: Option<bool>,
    auto_deploy: Option<bool>,
    gate_tolerance: Option<f64>,
    catch_up: Option<CatchUp>,
    skip_unchanged: Option<bool>,
    /// `newest` (unless told otherwise) or `all`; all leaves no choice of `training_data`.
    data_source: Option<DataSource>,
    /// None unless told otherwise.
    event_types: Option<Vec<EventType>>,
    warm_start: Option<bool>,
}

/// That a run is on its way.
#[derive(Debug, Serialize, ToSchema)]
struct Triggered {
    status: &'static str,
}

/// The schedules of the projects one may see.
#[utoipa::path(get, path = "/retraining_schedule/", tag = "retraining_schedule", operation_id = "list_retraining_schedule",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ScheduleBody>), (status = 400, description = "A filter is wrong")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ScheduleBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list_schedules(&mut connection, &principal, project, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(ScheduleBody::from).collect())?))
}

/// Give a project its schedule; it can have one.
#[utoipa::path(post, path = "/retraining_schedule/", tag = "retraining_schedule", operation_id = "create_retraining_schedule",
    request_body = inline(ScheduleRequest),
    responses((status = 201, body = ScheduleBody), (status = 400, description = "A field is wrong")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let project = fields.id("project", Missing::Required);
    let schedule = read_fields(&mut fields, None, services.clock.now());
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred(&mut connection, "project", project, Role::Editor);
    let found: Option<Project> = fields.refer("project", lookup).await?;
    check_references(&principal, &mut connection, &mut fields, found.as_ref(), &schedule, None).await?;
    if let Some(project) = &found {
        check_gate(&mut connection, &mut fields, project, &schedule).await?;
    }
    fields.finish()?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let maker = principal.user.id;
    let schedule = service::create(&mut connection, &found, maker, schedule).await?;
    Ok(HttpResponse::Created().json(ScheduleBody::from(schedule)))
}

/// What is left out keeps its value, or has its default in a new schedule.
fn read_fields(fields: &mut FieldReader, current: Option<&Schedule>, now: DateTime<Utc>) -> ScheduleFields {
    let is_enabled = fields.flag("is_enabled", Missing::Use(current.is_some_and(|schedule| schedule.is_enabled)));
    let cron = current.map_or_else(|| "0 2 * * 0".to_owned(), |schedule| schedule.cron_expression.clone());
    let cron_expression = fields.text("cron_expression", LONGEST_CRON, Missing::Use(cron));
    let zone = current.map_or_else(|| "UTC".to_owned(), |schedule| schedule.time_zone.clone());
    let time_zone = fields.text("time_zone", LONGEST_ZONE, Missing::Use(zone));
    let next_run_at =
        read_cadence(fields, &cron_expression, &time_zone, now).and_then(|cadence| service::next_run(&cadence, is_enabled, now));
    let catch_up = current.map(|schedule| schedule.catch_up).unwrap_or_default();
    let max_retries = current.map_or(3, |schedule| schedule.max_retries);
    let notify = current.is_none_or(|schedule| schedule.notify_on_failure);
    let auto_deploy = current.is_some_and(|schedule| schedule.auto_deploy);
    let source = current.map(|schedule| schedule.data_source).unwrap_or_default();
    ScheduleFields {
        is_enabled,
        cron_expression,
        time_zone,
        training_data_id: fields.nullable_id("training_data", current.and_then(|schedule| schedule.training_data_id)),
        model_configuration_id: fields
            .nullable_id("model_configuration", current.and_then(|schedule| schedule.model_configuration_id)),
        retune: fields.flag("retune", Missing::Use(current.is_some_and(|schedule| schedule.retune))),
        split_config_id: fields.nullable_id("split_config", current.and_then(|schedule| schedule.split_config_id)),
        evaluation_config_id: fields.nullable_id("evaluation_config", current.and_then(|schedule| schedule.evaluation_config_id)),
        max_retries: fields.integer("max_retries", 0..=100, Missing::Use(max_retries)),
        notify_on_failure: fields.flag("notify_on_failure", Missing::Use(notify)),
        auto_deploy: fields.flag("auto_deploy", Missing::Use(auto_deploy)),
        gate_tolerance: fields.nullable_number("gate_tolerance", 0.0..=1.0, current.and_then(|schedule| schedule.gate_tolerance)),
        catch_up: fields.choice("catch_up", Missing::Use(catch_up)),
        skip_unchanged: fields.flag("skip_unchanged", Missing::Use(current.is_some_and(|schedule| schedule.skip_unchanged))),
        warm_start: fields.flag("warm_start", Missing::Use(current.is_some_and(|schedule| schedule.warm_start))),
        next_run_at,
        data_source: fields.choice("data_source", Missing::Use(source)),
        event_types: read_event_types(fields, current),
    }
}

fn read_event_types(fields: &mut FieldReader, current: Option<&Schedule>) -> Value {
    let current = current.map(Schedule::learnt_events).unwrap_or_default();
    let words = fields.texts("event_types", Missing::Use(current.iter().map(EventType::to_string).collect()));
    let known = EventType::words();
    if let Some(unknown) = words.iter().find(|word| !known.contains(&word.as_str())) {
        fields.fault("event_types", format!("\"{unknown}\" is not a type of event. Choose among: {}.", known.join(", ")));
    }
    // In one order, each once: the same choice is the same data.
    known.into_iter().filter(|known| words.iter().any(|word| word == known)).collect()
}

/// The cadence, once zone and expression have been found in order.
fn read_cadence(fields: &mut FieldReader, expression: &str, zone: &str, now: DateTime<Utc>) -> Option<Cadence> {
    let parsed: Option<Tz> = zone.parse().ok();
    if parsed.is_none() && !zone.is_empty() {
        fields.fault("time_zone", format!("\"{zone}\" is not a time zone. Use a name such as Europe/Berlin or UTC."));
    }
    if expression.is_empty() {
        return None;
    }
    match Cadence::parse(expression, parsed.unwrap_or(Tz::UTC)) {
        Ok(cadence) if cadence.next_after(now).is_some() => return Some(cadence),
        Ok(_) => fields.fault("cron_expression", "There is no such day: this expression would never fall due."),
        Err(message) => fields.fault("cron_expression", message),
    }
    None
}

/// Checks that what a schedule newly refers to is in its project, or a config the caller may use; and that it names no upload
/// where it learns from all.
async fn check_references(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: Option<&Project>,
    wanted: &ScheduleFields,
    current: Option<&Schedule>,
) -> ApiResult<()> {
    if wanted.data_source == DataSource::All && wanted.training_data_id.is_some() {
        fields.fault("training_data", "Leave this empty to learn from all uploads, or set data_source to newest.");
    }
    let new = |wanted: Option<i64>, current: Option<i64>| wanted.filter(|id| Some(*id) != current);
    if let Some(id) = new(wanted.training_data_id, current.and_then(|schedule| schedule.training_data_id)) {
        let lookup = principal.load_referred::<TrainingData>(connection, "training_data", id, Role::Viewer);
        let theirs = fields.refer("training_data", lookup).await?.map(|data| data.project_id);
        same_project(fields, "training_data", theirs, project.map(|project| project.id));
    }
    if let Some(id) = new(wanted.model_configuration_id, current.and_then(|schedule| schedule.model_configuration_id)) {
        let lookup = principal.load_referred::<ModelConfiguration>(connection, "model_configuration", id, Role::Viewer);
        let theirs = fields.refer("model_configuration", lookup).await?.map(|configuration| configuration.project_id);
        same_project(fields, "model_configuration", theirs, project.map(|project| project.id));
    }
    if let Some(id) = new(wanted.split_config_id, current.and_then(|schedule| schedule.split_config_id)) {
        fields.refer("split_config", evaluation::split_for(connection, principal, "split_config", id, project)).await?;
    }
    if let Some(id) = new(wanted.evaluation_config_id, current.and_then(|schedule| schedule.evaluation_config_id)) {
        fields
            .refer("evaluation_config", evaluation::evaluation_for(connection, principal, "evaluation_config", id, project))
            .await?;
    }
    Ok(())
}

/// Checks that the quality gate can compare what the schedule makes with what is deployed.
async fn check_gate(
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: &Project,
    wanted: &ScheduleFields,
) -> ApiResult<()> {
    if let Some(reason) = gate::obstacle(connection, project, wanted).await? {
        fields.fault("gate_tolerance", reason);
    }
    Ok(())
}

/// Checks that what was found is of the schedule's project, where both are known.
fn same_project(fields: &mut FieldReader, field: &str, theirs: Option<i64>, ours: Option<i64>) {
    if theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours) {
        fields.fault(field, "Choose one of the same project.");
    }
}

/// One schedule.
#[utoipa::path(get, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "read_retraining_schedule",
    params(("id" = i64, Path)),
    responses((status = 200, body = ScheduleBody), (status = 404, description = "Not there, or not yours")))]
pub async fn read(access: Access<Schedule, Viewer>) -> web::Json<ScheduleBody> {
    web::Json(access.object.into())
}

/// Replace the fields of a schedule; its project cannot change.
#[utoipa::path(put, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "replace_retraining_schedule",
    params(("id" = i64, Path)), request_body = inline(ScheduleRequest),
    responses((status = 200, body = ScheduleBody), (status = 400, description = "A field is wrong"),
        (status = 404, description = "Not there, or not yours")))]
pub async fn replace(
    access: Access<Schedule, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ScheduleBody>> {
    save(access, &services, body, false).await
}

/// Change some fields of a schedule; its project cannot change.
#[utoipa::path(patch, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "update_retraining_schedule",
    params(("id" = i64, Path)), request_body = inline(ScheduleRequest),
    responses((status = 200, body = ScheduleBody), (status = 400, description = "A field is wrong"),
        (status = 404, description = "Not there, or not yours")))]
pub async fn update(
    access: Access<Schedule, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ScheduleBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<Schedule, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<ScheduleBody>> {
    let current = access.object;
    let mut fields = body.reader();
    let project = fields.id("project", Missing::keep_or_require(partial.then_some(current.project_id)));
    if fields.has("project") && project != current.project_id {
        fields.fault("project", "A schedule cannot move to another project.");
    }
    let now = services.clock.now();
    let wanted = read_fields(&mut fields, Some(&current), now);
    let mut connection = services.db.conn().await?;
    let (project, _) = Project::load(&mut connection, current.project_id).await?.ok_or_else(ApiError::not_found)?;
    check_references(&access.principal, &mut connection, &mut fields, Some(&project), &wanted, Some(&current)).await?;
    check_gate(&mut connection, &mut fields, &project, &wanted).await?;
    fields.finish()?;
    Ok(web::Json(service::change(&mut connection, &project, &current, wanted, now).await?.into()))
}

/// Delete a schedule. A run on its way ends; the runs and the models they made stay.
#[utoipa::path(delete, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "delete_retraining_schedule",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), (status = 404, description = "Not there, or not yours")))]
pub async fn delete(access: Access<Schedule, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let now = services.clock.now();
    service::delete(&mut *services.db.conn().await?, access.object.id, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Run an enabled schedule now.
#[utoipa::path(post, path = "/retraining_schedule/{id}/trigger/", tag = "retraining_schedule",
    operation_id = "create_retraining_schedule_trigger", params(("id" = i64, Path)),
    responses((status = 202, body = inline(Triggered)), (status = 404, description = "Not there, or not yours"),
        (status = 409, description = "The schedule is disabled")))]
pub async fn trigger(access: Access<Schedule, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    projects::admit_jobs(&services, &mut connection, access.object.project_id, 1).await?;
    service::trigger(&mut connection, access.object.id, access.principal.user.id).await?;
    Ok(HttpResponse::Accepted().json(Triggered { status: "triggered" }))
}
