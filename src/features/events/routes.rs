//! `/conversion_event/`.

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::access::{EventAccess, Reporter};
use super::limit::ReportLimit;
use super::model::{ConversionEvent, EventFields, EventType};
use super::service::{self, Reported};
use super::slots::KnownSlots;
use super::store::expiry::{DailyCount, Days};
use super::writer::EventWriter;
use super::{input, store};
use crate::platform::http::{ApiError, ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, create_batch, daily_counts, read, replace, update, delete))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/conversion_event/").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/conversion_event/batch/").route(web::post().to(create_batch)))
        .route("/conversion_event/daily_counts/", web::get().to(daily_counts))
        .service(
            web::resource("/conversion_event/{id}/")
                .route(web::get().to(read))
                .route(web::put().to(replace))
                .route(web::patch().to(update))
                .route(web::delete().to(delete)),
        );
}

/// An event in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversionEvent)]
pub struct EventBody {
    id: i64,
    #[serde(flatten)]
    fields: EventFields,
    /// When the server received it.
    #[serde(serialize_with = "timestamp::serialize")]
    timestamp: DateTime<Utc>,
}

impl From<ConversionEvent> for EventBody {
    fn from(event: ConversionEvent) -> Self {
        let ConversionEvent { id, fields, timestamp } = event;
        Self { id, fields, timestamp }
    }
}

/// The outcome of a batch.
#[derive(Debug, Serialize, ToSchema)]
struct Created {
    /// The number of new events.
    created: usize,
}

fn read_filter(filters: &Filters) -> ApiResult<store::EventFilter> {
    Ok(store::EventFilter {
        project: filters.id("project")?,
        slot: filters.id("deployment_slot")?,
        event_type: filters.choice("event_type")?,
    })
}

/// Lists the events of the projects that the caller may see, newest first.
#[utoipa::path(get, path = "/conversion_event/", tag = "conversion_event", operation_id = "list_conversion_event",
    params(("project" = Option<i64>, Query), ("deployment_slot" = Option<i64>, Query), ("event_type" = Option<String>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<EventBody>), (status = 400, description = "A filter is invalid")))]
async fn list(
    reporter: Reporter,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<EventBody>>> {
    let filter = read_filter(&filters)?;
    let mut connection = services.db.conn_for_long_read().await?;
    let (count, rows) = store::list(&mut connection, &reporter.0, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(EventBody::from).collect())?))
}

type ConversionEventRequest = RequestOf<EventFields>;

/// Records an event. If an event with the same `event_id` was recorded before, returns the stored one, with 200.
#[utoipa::path(post, path = "/conversion_event/", tag = "conversion_event", operation_id = "create_conversion_event",
    request_body = inline(ConversionEventRequest),
    responses((status = 201, body = EventBody), (status = 200, body = EventBody, description = "Reported before"),
        (status = 400, description = "A field is invalid"), (status = 409, description = "Reported before, and removed since"),
        (status = 503, description = "The event is not stored, because the database is unavailable, the disk is nearly full, or more arrive than can be stored")))]
async fn create(
    reporter: Reporter,
    services: web::Data<Services>,
    slots: web::Data<KnownSlots>,
    writer: web::Data<EventWriter>,
    limit: web::Data<ReportLimit>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let event = input::event(body, Write::Create)?;
    limit.count(&reporter.0.user, std::slice::from_ref(&event));
    reporter.require(&slots, &HashSet::from([(event.project_id, event.deployment_slot_id)])).await?;
    match service::report(&services, &writer, event).await? {
        Reported::New(event) => Ok(HttpResponse::Created().json(EventBody::from(event))),
        Reported::Repeated(event) => Ok(HttpResponse::Ok().json(EventBody::from(event))),
        Reported::Removed => Err(ApiError::conflict("An event with this event_id was reported before and has been removed.")),
    }
}

type ConversionEventBatchRequest = RequestOf<input::EventBatch>;

/// Records many events, all or none. Events recorded before with the same `event_id` are neither stored again nor counted.
#[utoipa::path(post, path = "/conversion_event/batch/", tag = "conversion_event", operation_id = "create_conversion_event_batch",
    request_body = inline(ConversionEventBatchRequest),
    responses((status = 201, body = inline(Created)),
        (status = 400, description = "At least one event is invalid: `events` has an entry for each, which is empty for valid ones"),
        (status = 503, description = "No event is stored, because the database is unavailable or the disk is nearly full")))]
async fn create_batch(
    reporter: Reporter,
    services: web::Data<Services>,
    slots: web::Data<KnownSlots>,
    writer: web::Data<EventWriter>,
    limit: web::Data<ReportLimit>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let events = input::batch(body)?;
    limit.count(&reporter.0.user, &events);
    if events.is_empty() {
        return Ok(HttpResponse::Created().json(Created { created: 0 }));
    }
    let pairs = events.iter().map(|event| (event.project_id, event.deployment_slot_id)).collect();
    reporter.require(&slots, &pairs).await?;
    writer.require_room()?;
    let mut connection = services.db.conn().await?;
    let created = store::insert(&mut connection, events, services.clock.now()).await?.len();
    Ok(HttpResponse::Created().json(Created { created }))
}

/// The number of events of a type in a slot on one day.
#[derive(Debug, Serialize, ToSchema)]
struct DailyEventCount {
    project: i64,
    deployment_slot: i64,
    /// In UTC.
    day: NaiveDate,
    event_type: EventType,
    events: i64,
}

impl From<DailyCount> for DailyEventCount {
    fn from(count: DailyCount) -> Self {
        let DailyCount { project_id, deployment_slot_id, day, event_type, events } = count;
        Self { project: project_id, deployment_slot: deployment_slot_id, day, event_type, events }
    }
}

/// The number of days if the caller chooses none.
const DAYS_SHOWN: i64 = 90;
/// The largest number of days in one answer: the events of each have to be read.
const MOST_DAYS: i64 = 400;

/// Reads the days that the caller requests.
fn read_days(filters: &Filters, today: NaiveDate) -> ApiResult<Days> {
    let (from, to) = (filters.day("from")?, filters.day("to")?.unwrap_or(today));
    let from = from.unwrap_or(to - TimeDelta::days(DAYS_SHOWN - 1));
    if from > to {
        return Err(ApiError::field("from", format!("The days begin after they end: {from} is later than {to}.")));
    }
    if (to - from).num_days() >= MOST_DAYS {
        return Err(ApiError::field("from", format!("Ask for {MOST_DAYS} days at most; ask again for the others.")));
    }
    Ok(Days { from, to })
}

/// Returns the number of events by day, slot and type, newest first, including events that have expired. Days are in UTC, `from`
/// and `to` included: the last 90 by default, at most 400.
#[utoipa::path(get, path = "/conversion_event/daily_counts/", tag = "conversion_event", operation_id = "list_conversion_event_daily_counts",
    params(("project" = Option<i64>, Query), ("deployment_slot" = Option<i64>, Query), ("event_type" = Option<String>, Query),
        ("from" = Option<NaiveDate>, Query), ("to" = Option<NaiveDate>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<DailyEventCount>), (status = 400, description = "A filter is invalid")))]
async fn daily_counts(
    reporter: Reporter,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<DailyEventCount>>> {
    let filter = read_filter(&filters)?;
    let days = read_days(&filters, services.clock.now().date_naive())?;
    let mut connection = services.db.conn_for_long_read().await?;
    let (count, rows) = store::expiry::daily_counts(&mut connection, &reporter.0, &filter, days, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(DailyEventCount::from).collect())?))
}

/// Returns an event.
#[utoipa::path(get, path = "/conversion_event/{id}/", tag = "conversion_event", operation_id = "read_conversion_event",
    params(("id" = i64, Path)),
    responses((status = 200, body = EventBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: EventAccess) -> web::Json<EventBody> {
    web::Json(access.object.into())
}

/// Replaces the fields of an event; its time and `event_id` stay.
#[utoipa::path(put, path = "/conversion_event/{id}/", tag = "conversion_event", operation_id = "replace_conversion_event",
    params(("id" = i64, Path)), request_body = inline(ConversionEventRequest),
    responses((status = 200, body = EventBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn replace(
    access: EventAccess,
    services: web::Data<Services>,
    slots: web::Data<KnownSlots>,
    writer: web::Data<EventWriter>,
    body: Body,
) -> ApiResult<web::Json<EventBody>> {
    writer.require_room()?;
    save(access, &services, &slots, body, false).await
}

/// Changes some fields of an event; its time and `event_id` stay.
#[utoipa::path(patch, path = "/conversion_event/{id}/", tag = "conversion_event", operation_id = "update_conversion_event",
    params(("id" = i64, Path)), request_body = inline(ConversionEventRequest),
    responses((status = 200, body = EventBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn update(
    access: EventAccess,
    services: web::Data<Services>,
    slots: web::Data<KnownSlots>,
    writer: web::Data<EventWriter>,
    body: Body,
) -> ApiResult<web::Json<EventBody>> {
    writer.require_room()?;
    save(access, &services, &slots, body, true).await
}

async fn save(
    access: EventAccess,
    services: &Services,
    slots: &KnownSlots,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<EventBody>> {
    let current = access.object;
    let wanted = input::event(body, Write::over(&current.fields, partial))?;
    if wanted.project_id != current.fields.project_id {
        return Err(ApiError::field("project", "An event cannot move to another project."));
    }
    access.reporter.require(slots, &HashSet::from([(wanted.project_id, wanted.deployment_slot_id)])).await?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(store::update(&mut connection, current.id, wanted).await?.into()))
}

/// Deletes an event.
#[utoipa::path(delete, path = "/conversion_event/{id}/", tag = "conversion_event", operation_id = "delete_conversion_event",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn delete(access: EventAccess, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    store::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
