//! `/destination/`.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{Delivery, Destination, DestinationFields};
use super::super::{service, store};
use super::delivery::DeliveryBody;
use crate::features::accounts::{Access, Editor, Guarded, Principal, Role, Viewer};
use crate::features::data_sources::DataConnection;
use crate::features::deployments::DeploymentSlot;
use crate::features::models::TrainedModel;
use crate::features::projects::{OfProject, Project};
use crate::features::retraining::Cadence;
use crate::platform::db::Connection;
use crate::platform::http::{ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A destination in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub struct DestinationBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: DestinationFields,
    #[serde(serialize_with = "timestamp::option::serialize")]
    next_run_at: Option<DateTime<Utc>>,
    /// The newest delivery.
    last_run: Option<DeliveryBody>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

fn to_body(destination: Destination, newest: Option<Delivery>) -> DestinationBody {
    DestinationBody {
        id: destination.id,
        project: destination.project_id,
        fields: destination.fields,
        next_run_at: destination.next_run_at,
        last_run: newest.map(DeliveryBody::from),
        ins_datetime: destination.ins_datetime,
        updated_at: destination.updated_at,
    }
}

async fn with_newest(connection: &mut Connection, destinations: Vec<Destination>) -> ApiResult<Vec<DestinationBody>> {
    let ids: Vec<i64> = destinations.iter().map(|destination| destination.id).collect();
    let newest = store::newest(connection, &ids).await?;
    let mut newest: HashMap<i64, Delivery> = newest.into_iter().map(|delivery| (delivery.destination_id, delivery)).collect();
    let body = |destination: Destination| {
        let newest = newest.remove(&destination.id);
        to_body(destination, newest)
    };
    Ok(destinations.into_iter().map(body).collect())
}

type DestinationRequest = RequestOf<(OfProject, DestinationFields)>;

/// Lists the destinations that the caller may see.
#[utoipa::path(get, path = "/destination/", tag = "destination", operation_id = "list_destination",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<DestinationBody>), (status = 400, description = "A filter is not a number")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<DestinationBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, project, &page).await?;
    Ok(web::Json(page.wrap(count, with_newest(&mut connection, rows).await?)?))
}

/// Creates a destination: the lists of all users of a project, or of all its items, as a file for download.
#[utoipa::path(post, path = "/destination/", tag = "destination", operation_id = "create_destination",
    request_body = inline(DestinationRequest),
    responses((status = 201, body = DestinationBody), (status = 400, description = "A field is invalid")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let (wanted, next_run_at) = read_fields(&mut fields, Write::Create, services.clock.now());
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    let found = fields.refer("project", lookup).await?.map(|project| project.id);
    check_references(&principal, &mut connection, &mut fields, found, &wanted, None).await?;
    fields.finish()?;
    let destination = store::insert(&mut connection, project, principal.user.id, wanted, next_run_at).await?;
    Ok(HttpResponse::Created().json(to_body(destination, None)))
}

/// Reads the fields, and returns them with the next time that the destination is due.
fn read_fields(
    fields: &mut FieldReader,
    write: Write<'_, DestinationFields>,
    now: DateTime<Utc>,
) -> (DestinationFields, Option<DateTime<Utc>>) {
    let read = DestinationFields::read(fields, write);
    if read.model_id.is_some() == read.slot_id.is_some() && !fields.is_faulty("model") && !fields.is_faulty("slot") {
        fields.fault("model", "Choose a model, or else a slot.");
    }
    if read.connection_id.is_some() != read.target.is_some() && !fields.is_faulty("connection") && !fields.is_faulty("target") {
        fields.fault("target", "Choose a connection and a table, or neither.");
    }
    let next_run_at = next_run(fields, &read, now);
    (read, next_run_at)
}

/// Returns when a destination is due next, and keeps the faults of its times.
fn next_run(fields: &mut FieldReader, read: &DestinationFields, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone: Option<Tz> = read.time_zone.parse().ok();
    if zone.is_none() && !read.time_zone.is_empty() {
        let message = format!("\"{}\" is not a time zone. Use a name such as Europe/Berlin or UTC.", read.time_zone);
        fields.fault("time_zone", message);
    }
    let expression = read.cron_expression.as_deref()?;
    match Cadence::parse(expression, zone.unwrap_or(Tz::UTC)).map(|cadence| cadence.next_after(now)) {
        Ok(Some(next)) => return read.is_enabled.then_some(next),
        Ok(None) => fields.fault("cron_expression", "There is no such day: this expression would never fall due."),
        Err(message) => fields.fault("cron_expression", message),
    }
    None
}

/// Checks that a new model or slot belongs to the project, and a new connection to its organisation.
async fn check_references(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: Option<i64>,
    wanted: &DestinationFields,
    current: Option<&DestinationFields>,
) -> ApiResult<()> {
    let new = |wanted: Option<i64>, current: Option<i64>| wanted.filter(|id| Some(*id) != current);
    if let Some(id) = new(wanted.model_id, current.and_then(|current| current.model_id)) {
        let lookup = principal.load_referred::<TrainedModel>(connection, "model", id, Role::Viewer);
        if fields.refer("model", lookup).await?.is_some() {
            let owner = TrainedModel::load(connection, id).await?.and_then(|(_, ownership)| ownership.project_id);
            same_project(fields, "model", owner, project);
        }
    }
    if let Some(id) = new(wanted.slot_id, current.and_then(|current| current.slot_id)) {
        let lookup = principal.load_referred::<DeploymentSlot>(connection, "slot", id, Role::Viewer);
        let owner = fields.refer("slot", lookup).await?.map(|slot| slot.project_id);
        same_project(fields, "slot", owner, project);
    }
    let former = current.map(|current| (current.connection_id, &current.target));
    if let Some(id) = wanted.connection_id.filter(|id| former != Some((Some(*id), &wanted.target))) {
        let lookup = principal.load_referred::<DataConnection>(connection, "connection", id, Role::Editor);
        let found = fields.refer("connection", lookup).await?;
        if found.as_ref().is_some_and(|found| found.fields.kind.has_files()) {
            fields.fault("connection", "Choose a connection to a database: lists are delivered to tables.");
        }
        let theirs = found.map(|found| found.organisation_id);
        let ours = match project {
            Some(project) => Project::load(connection, project).await?.map(|(project, _)| project.organisation_id),
            None => None,
        };
        if theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours) {
            fields.fault("connection", "Choose a connection of the project's organisation.");
        }
    }
    Ok(())
}

fn same_project(fields: &mut FieldReader, field: &str, theirs: Option<i64>, ours: Option<i64>) {
    if theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours) {
        fields.fault(field, "Choose one of the same project.");
    }
}

/// Returns a destination.
#[utoipa::path(get, path = "/destination/{id}/", tag = "destination", operation_id = "read_destination", params(("id" = i64, Path)),
    responses((status = 200, body = DestinationBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Destination, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<DestinationBody>> {
    let mut connection = services.db.conn().await?;
    let newest = store::newest(&mut connection, &[access.object.id]).await?.pop();
    Ok(web::Json(to_body(access.object, newest)))
}

/// Replaces the fields of a destination; its project cannot change.
#[utoipa::path(put, path = "/destination/{id}/", tag = "destination", operation_id = "replace_destination",
    params(("id" = i64, Path)), request_body = inline(DestinationRequest),
    responses((status = 200, body = DestinationBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn replace(
    access: Access<Destination, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<DestinationBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a destination; its project cannot change.
#[utoipa::path(patch, path = "/destination/{id}/", tag = "destination", operation_id = "update_destination",
    params(("id" = i64, Path)), request_body = inline(DestinationRequest),
    responses((status = 200, body = DestinationBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn update(
    access: Access<Destination, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<DestinationBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<Destination, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<DestinationBody>> {
    let current = access.object;
    let mut fields = body.reader();
    OfProject::read_same(&mut fields, current.project_id, partial, "A destination cannot move to another project.");
    let now = services.clock.now();
    let (wanted, next_run_at) = read_fields(&mut fields, Write::over(&current.fields, partial), now);
    let mut connection = services.db.conn().await?;
    let project = Some(current.project_id);
    check_references(&access.principal, &mut connection, &mut fields, project, &wanted, Some(&current.fields)).await?;
    fields.finish()?;
    let saved = store::update(&mut connection, current.id, wanted, next_run_at, now).await?;
    let newest = store::newest(&mut connection, &[saved.id]).await?.pop();
    Ok(web::Json(to_body(saved, newest)))
}

/// Deletes a destination with its deliveries and their files; one that is under way is cancelled.
#[utoipa::path(delete, path = "/destination/{id}/", tag = "destination", operation_id = "delete_destination",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn delete(access: Access<Destination, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Computes and delivers the lists now. Returns at once; the delivery continues in the background.
#[utoipa::path(post, path = "/destination/{id}/run/", tag = "destination", operation_id = "create_destination_run",
    params(("id" = i64, Path)),
    responses((status = 201, body = DeliveryBody), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A delivery is under way, or the model has no file")))]
pub async fn run(access: Access<Destination, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let mut connection = services.db.conn().await?;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let delivery = service::run(&mut connection, access.object.id, access.principal.user.id, most_waiting).await?;
    Ok(HttpResponse::Created().json(DeliveryBody::from(delivery)))
}
