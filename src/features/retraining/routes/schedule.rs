//! `/retraining_schedule/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::cadence::Cadence;
use super::super::model::{DataSource, RunStatus, Schedule, ScheduleFields};
use super::super::{gate, service, store};
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::datasets::TrainingData;
use crate::features::evaluation;
use crate::features::model_configs::ModelConfiguration;
use crate::features::projects::{OfProject, Project};
use crate::platform::db::Connection;
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A retraining schedule in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetrainingSchedule)]
pub struct ScheduleBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: ScheduleFields,
    #[serde(serialize_with = "timestamp::option::serialize")]
    last_run_at: Option<DateTime<Utc>>,
    last_run_status: Option<RunStatus>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    next_run_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

impl From<Schedule> for ScheduleBody {
    fn from(schedule: Schedule) -> Self {
        Self {
            id: schedule.id,
            project: schedule.project_id,
            fields: schedule.fields,
            last_run_at: schedule.last_run_at,
            last_run_status: schedule.last_run_status,
            next_run_at: schedule.next_run_at,
            ins_datetime: schedule.ins_datetime,
            updated_at: schedule.updated_at,
        }
    }
}

type ScheduleRequest = RequestOf<(OfProject, ScheduleFields)>;

/// The confirmation that a run was started.
#[derive(Debug, Serialize, ToSchema)]
struct Triggered {
    status: &'static str,
}

/// Lists the schedules of the projects that the caller may see.
#[utoipa::path(get, path = "/retraining_schedule/", tag = "retraining_schedule", operation_id = "list_retraining_schedule",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ScheduleBody>), (status = 400, description = "A filter is invalid")))]
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

/// Creates the schedule of a project; a project can have one.
#[utoipa::path(post, path = "/retraining_schedule/", tag = "retraining_schedule", operation_id = "create_retraining_schedule",
    request_body = inline(ScheduleRequest),
    responses((status = 201, body = ScheduleBody), (status = 400, description = "A field is invalid")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let (schedule, next_run_at) = read_fields(&mut fields, Write::Create, services.clock.now());
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
    let schedule = service::create(&mut connection, &found, maker, schedule, next_run_at).await?;
    Ok(HttpResponse::Created().json(ScheduleBody::from(schedule)))
}

/// Reads the fields, and returns them with the next time the schedule is due.
fn read_fields(
    fields: &mut FieldReader,
    write: Write<'_, ScheduleFields>,
    now: DateTime<Utc>,
) -> (ScheduleFields, Option<DateTime<Utc>>) {
    let read = ScheduleFields::read(fields, write);
    let cadence = read_cadence(fields, &read.cron_expression, &read.time_zone, now);
    let next_run_at = cadence.and_then(|cadence| service::next_run(&cadence, read.is_enabled, now));
    (read, next_run_at)
}

/// Returns the cadence if zone and expression are valid.
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

/// Checks that new references of a schedule are in its project, or configs that the caller may use; and that it names no upload
/// if it trains on all.
async fn check_references(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: Option<&Project>,
    wanted: &ScheduleFields,
    current: Option<&ScheduleFields>,
) -> ApiResult<()> {
    if wanted.data_source == DataSource::All && wanted.training_data_id.is_some() {
        fields.fault("training_data", "Leave this empty to learn from all uploads, or set data_source to newest.");
    }
    let new = |wanted: Option<i64>, current: Option<i64>| wanted.filter(|id| Some(*id) != current);
    if let Some(id) = new(wanted.training_data_id, current.and_then(|current| current.training_data_id)) {
        let lookup = principal.load_referred::<TrainingData>(connection, "training_data", id, Role::Viewer);
        let theirs = fields.refer("training_data", lookup).await?.map(|data| data.project_id);
        same_project(fields, "training_data", theirs, project.map(|project| project.id));
    }
    if let Some(id) = new(wanted.model_configuration_id, current.and_then(|current| current.model_configuration_id)) {
        let lookup = principal.load_referred::<ModelConfiguration>(connection, "model_configuration", id, Role::Viewer);
        let theirs = fields.refer("model_configuration", lookup).await?.map(|configuration| configuration.project_id);
        same_project(fields, "model_configuration", theirs, project.map(|project| project.id));
    }
    if let Some(id) = new(wanted.split_config_id, current.and_then(|current| current.split_config_id)) {
        fields.refer("split_config", evaluation::split_for(connection, principal, "split_config", id, project)).await?;
    }
    if let Some(id) = new(wanted.evaluation_config_id, current.and_then(|current| current.evaluation_config_id)) {
        fields
            .refer("evaluation_config", evaluation::evaluation_for(connection, principal, "evaluation_config", id, project))
            .await?;
    }
    Ok(())
}

/// Checks that the quality gate can compare the models of the schedule with the deployed one.
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

/// Checks that a referenced object belongs to the schedule's project, if both are known.
fn same_project(fields: &mut FieldReader, field: &str, theirs: Option<i64>, ours: Option<i64>) {
    if theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours) {
        fields.fault(field, "Choose one of the same project.");
    }
}

/// Returns a schedule.
#[utoipa::path(get, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "read_retraining_schedule",
    params(("id" = i64, Path)),
    responses((status = 200, body = ScheduleBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Schedule, Viewer>) -> web::Json<ScheduleBody> {
    web::Json(access.object.into())
}

/// Replaces the fields of a schedule; its project cannot change.
#[utoipa::path(put, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "replace_retraining_schedule",
    params(("id" = i64, Path)), request_body = inline(ScheduleRequest),
    responses((status = 200, body = ScheduleBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn replace(
    access: Access<Schedule, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ScheduleBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a schedule; its project cannot change.
#[utoipa::path(patch, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "update_retraining_schedule",
    params(("id" = i64, Path)), request_body = inline(ScheduleRequest),
    responses((status = 200, body = ScheduleBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
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
    OfProject::read_same(&mut fields, current.project_id, partial, "A schedule cannot move to another project.");
    let now = services.clock.now();
    let (wanted, next_run_at) = read_fields(&mut fields, Write::over(&current.fields, partial), now);
    let mut connection = services.db.conn().await?;
    let (project, _) = Project::load(&mut connection, current.project_id).await?.ok_or_else(ApiError::not_found)?;
    check_references(&access.principal, &mut connection, &mut fields, Some(&project), &wanted, Some(&current.fields)).await?;
    check_gate(&mut connection, &mut fields, &project, &wanted).await?;
    fields.finish()?;
    Ok(web::Json(service::change(&mut connection, &project, &current, wanted, next_run_at, now).await?.into()))
}

/// Deletes a schedule. A run in progress ends; runs and their models stay.
#[utoipa::path(delete, path = "/retraining_schedule/{id}/", tag = "retraining_schedule", operation_id = "delete_retraining_schedule",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn delete(access: Access<Schedule, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let now = services.clock.now();
    service::delete(&mut *services.db.conn().await?, access.object.id, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Runs an enabled schedule now.
#[utoipa::path(post, path = "/retraining_schedule/{id}/trigger/", tag = "retraining_schedule",
    operation_id = "create_retraining_schedule_trigger", params(("id" = i64, Path)),
    responses((status = 202, body = inline(Triggered)), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The schedule is disabled")))]
pub async fn trigger(access: Access<Schedule, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    service::trigger(&mut connection, access.object.id, access.principal.user.id, most_waiting).await?;
    Ok(HttpResponse::Accepted().json(Triggered { status: "triggered" }))
}
