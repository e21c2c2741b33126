//! `/data_source/`. API keys may run a source, and only users can say what it reads: the connection belongs to the organisation.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{DataConnection, DataSource, NumbersToFill, SourceFields, SourceRun, TimesToFill};
use super::super::service::{looking, runs as running, sources as service};
use super::super::store::{runs, sources as store};
use super::super::windows;
use super::runs::RunBody;
use crate::connectors::{CursorKind, Sample};
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::projects::{OfProject, Project};
use crate::features::retraining::Schedule;
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// How far a source has been read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourcePosition)]
struct Position {
    /// Where the next window begins, a moment or a number; null if the next run reads everything.
    next_from: Option<String>,
}

/// A source in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub struct SourceBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: SourceFields,
    position: Position,
    #[serde(serialize_with = "timestamp::option::serialize")]
    next_run_at: Option<DateTime<Utc>>,
    last_run: Option<RunBody>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

async fn to_bodies(services: &Services, sources: Vec<DataSource>) -> ApiResult<Vec<SourceBody>> {
    let ids: Vec<i64> = sources.iter().map(|source| source.id).collect();
    let mut last: HashMap<i64, SourceRun> = runs::last_of(&mut *services.db.conn().await?, &ids).await?;
    let body = |source: DataSource| SourceBody {
        id: source.id,
        project: source.project_id,
        position: Position { next_from: source.position.map(|position| windows::text(source.fields.cursor_kind, position)) },
        next_run_at: source.next_run_at,
        last_run: last.remove(&source.id).map(RunBody::from),
        fields: source.fields,
        ins_datetime: source.ins_datetime,
        updated_at: source.updated_at,
    };
    Ok(sources.into_iter().map(body).collect())
}

async fn to_one(services: &Services, source: DataSource) -> ApiResult<SourceBody> {
    to_bodies(services, vec![source]).await?.pop().ok_or_else(ApiError::not_found)
}

type SourceRequest = RequestOf<(OfProject, SourceFields)>;
type BackfillRequest = RequestOf<TimesToFill>;

/// Lists the sources of the projects that the caller may see, newest first.
#[utoipa::path(get, path = "/data_source/", tag = "data_source", operation_id = "list_data_source",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<SourceBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<SourceBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, sources) = store::list(&mut connection, &principal, project, &page).await?;
    drop(connection);
    Ok(web::Json(page.wrap(count, to_bodies(&services, sources).await?)?))
}

/// Reads the fields, and looks up what they refer to. Faults are collected in `fields`. Returns them with the next time the source
/// is due.
async fn read_fields(
    fields: &mut FieldReader,
    write: Write<'_, SourceFields>,
    services: &Services,
    principal: &Principal,
    project: Option<&Project>,
) -> ApiResult<(SourceFields, Option<DateTime<Utc>>)> {
    let wanted = SourceFields::read(fields, write);
    let next_run_at = service::next_run(fields, &wanted, services.clock.now());
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<DataConnection>(&mut connection, "connection", wanted.connection_id, Role::Editor);
    let found = fields.refer("connection", lookup).await?;
    if found.zip(project).is_some_and(|(found, project)| found.organisation_id != project.organisation_id) {
        fields.fault("connection", "Choose a connection of the project's organisation.");
    }
    let mut schedule = None;
    if let Some(id) = wanted.retraining_schedule_id {
        let lookup = principal.load_referred::<Schedule>(&mut connection, "retraining_schedule", id, Role::Viewer);
        schedule = fields.refer("retraining_schedule", lookup).await?;
    }
    if let Some(project) = project {
        service::check(fields, &wanted, project, schedule.as_ref());
    }
    Ok((wanted, next_run_at))
}

/// Creates a source of a project.
#[utoipa::path(post, path = "/data_source/", tag = "data_source", operation_id = "create_data_source",
    request_body = inline(SourceRequest),
    responses((status = 201, body = SourceBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The project has as many sources as one project may")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    let found = fields.refer("project", lookup).await?;
    drop(connection);
    let (wanted, next_run_at) = read_fields(&mut fields, Write::Create, &services, &principal, found.as_ref()).await?;
    fields.finish()?;
    let made = service::create(&services, (project, principal.user.id), wanted, next_run_at).await?;
    Ok(HttpResponse::Created().json(to_one(&services, made).await?))
}

/// Returns a source with its last run.
#[utoipa::path(get, path = "/data_source/{id}/", tag = "data_source", operation_id = "read_data_source", params(("id" = i64, Path)),
    responses((status = 200, body = SourceBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<DataSource, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<SourceBody>> {
    Ok(web::Json(to_one(&services, access.object).await?))
}

/// Replaces the fields of a source. One that reads other rows then starts again.
#[utoipa::path(put, path = "/data_source/{id}/", tag = "data_source", operation_id = "replace_data_source", params(("id" = i64, Path)),
    request_body = inline(SourceRequest),
    responses((status = 200, body = SourceBody), (status = 409, description = "A run is under way")))]
pub async fn replace(
    access: Access<DataSource, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SourceBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a source. One that reads other rows then starts again.
#[utoipa::path(patch, path = "/data_source/{id}/", tag = "data_source", operation_id = "update_data_source",
    params(("id" = i64, Path)), request_body = inline(SourceRequest),
    responses((status = 200, body = SourceBody), (status = 409, description = "A run is under way")))]
pub async fn update(
    access: Access<DataSource, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SourceBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<DataSource, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<SourceBody>> {
    access.principal.refuse_keys()?;
    let current = access.object;
    let mut fields = body.reader();
    OfProject::read_same(&mut fields, current.project_id, true, "A source cannot move to another project. Make a new one there.");
    let project = Project::load(&mut *services.db.conn().await?, current.project_id).await?.map(|(project, _)| project);
    let write = Write::over(&current.fields, partial);
    let (wanted, next_run_at) = read_fields(&mut fields, write, services, &access.principal, project.as_ref()).await?;
    if wanted.target != current.fields.target && !fields.is_faulty("target") {
        fields.fault("target", "What the rows are cannot change. Make a new source.");
    }
    fields.finish()?;
    let saved = service::update(services, &current, wanted, next_run_at).await?;
    Ok(web::Json(to_one(services, saved).await?))
}

/// Deletes a source with its runs; the uploads that they brought stay.
#[utoipa::path(delete, path = "/data_source/{id}/", tag = "data_source", operation_id = "delete_data_source",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A run is under way")))]
pub async fn delete(access: Access<DataSource, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    service::delete(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the first 100 rows of a source, under the names that the project's files have.
#[utoipa::path(post, path = "/data_source/{id}/preview/", tag = "data_source", operation_id = "create_data_source_preview",
    params(("id" = i64, Path)),
    responses((status = 200, body = inline(Sample)), (status = 400, description = "The source cannot be read; `code` says why")))]
pub async fn preview(access: Access<DataSource, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let is_staff = access.principal.user.is_staff;
    let sample = looking::preview(&services, &access.object).await.map_err(|error| error.answer(is_staff))?;
    Ok(HttpResponse::Ok().json(sample))
}

/// Says how much the next run would read, and reports on its first 10,000 rows. Nothing is stored.
#[utoipa::path(post, path = "/data_source/{id}/dry_run/", tag = "data_source", operation_id = "create_data_source_dry_run",
    params(("id" = i64, Path)),
    responses((status = 200, body = inline(looking::DryRun)), (status = 400, description = "The source cannot be read; `code` says why")))]
pub async fn dry_run(access: Access<DataSource, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let is_staff = access.principal.user.is_staff;
    let found = looking::dry_run(&services, &access.object).await.map_err(|error| error.answer(is_staff))?;
    Ok(HttpResponse::Ok().json(found))
}

/// Runs a source now.
#[utoipa::path(post, path = "/data_source/{id}/run/", tag = "data_source", operation_id = "create_data_source_run",
    params(("id" = i64, Path)),
    responses((status = 201, body = RunBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A run is under way")))]
pub async fn run(access: Access<DataSource, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let run = running::start(&services, access.object.id, access.principal.user.id).await?;
    Ok(HttpResponse::Created().json(RunBody::from(run)))
}

/// Reads a window again that has been read, widened to whole windows. Its bounds are moments, or numbers for a cursor of integers.
#[utoipa::path(post, path = "/data_source/{id}/backfill/", tag = "data_source", operation_id = "create_data_source_backfill",
    params(("id" = i64, Path)), request_body = inline(BackfillRequest),
    responses((status = 201, body = RunBody), (status = 400, description = "The window is not valid"),
        (status = 409, description = "The window has not been read yet")))]
pub async fn backfill(access: Access<DataSource, Editor>, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let source = access.object;
    let mut fields = body.reader();
    let (from, to) = match source.fields.cursor_kind {
        CursorKind::Time => {
            let TimesToFill { from, to } = TimesToFill::read(&mut fields, Write::Create);
            (from.timestamp_micros(), to.timestamp_micros())
        }
        CursorKind::Integer => {
            let NumbersToFill { from, to } = NumbersToFill::read(&mut fields, Write::Create);
            (from, to)
        }
    };
    if from >= to && !fields.is_faulty("from") && !fields.is_faulty("to") {
        fields.fault("to", "The end of the window has to be after its beginning.");
    }
    fields.finish()?;
    let run = running::backfill(&services, source.id, access.principal.user.id, (from, to)).await?;
    Ok(HttpResponse::Created().json(RunBody::from(run)))
}

/// Forgets how far a source has been read: its next run reads everything, and replaces what was read before.
#[utoipa::path(post, path = "/data_source/{id}/reset/", tag = "data_source", operation_id = "create_data_source_reset",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Done"), (status = 409, description = "A run is under way")))]
pub async fn reset(access: Access<DataSource, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::reset(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
