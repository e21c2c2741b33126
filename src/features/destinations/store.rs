//! SQL of destinations and deliveries.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Delivered, Delivery, DeliveryStage, DeliveryState, Destination, DestinationFields, NewDelivery};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{deliveries, destinations};

impl Guarded for Destination {
    load_of_project!(destinations);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

impl Guarded for Delivery {
    load_of_project!(deliveries);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("project", self.project_id)? && filters.id_is("destination", self.destination_id)?)
    }
}

/// Returns one page of the destinations that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Destination>)> {
    page_of_project!(destinations as Destination, by ins_datetime, connection, principal, project, page)
}

/// Returns one page of the deliveries that a caller may see, newest first.
pub async fn list_deliveries(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    (project, destination): (Option<i64>, Option<i64>),
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Delivery>)> {
    page_of_project!(deliveries as Delivery, by id, connection, principal, project, page, {
        destination => deliveries::destination_id.eq(destination),
    })
}

/// Returns the newest delivery of each of some destinations.
pub async fn newest(connection: &mut AsyncPgConnection, of: &[i64]) -> QueryResult<Vec<Delivery>> {
    deliveries::table
        .filter(deliveries::destination_id.eq_any(of))
        .distinct_on(deliveries::destination_id)
        .order((deliveries::destination_id, deliveries::id.desc()))
        .select(Delivery::as_select())
        .load(connection)
        .await
}

/// Returns the names of some destinations, by their ids.
pub async fn names(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<HashMap<i64, String>> {
    let query = destinations::table.filter(destinations::id.eq_any(ids)).select((destinations::id, destinations::name));
    Ok(query.load(connection).await?.into_iter().collect())
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    project: i64,
    creator: i64,
    fields: DestinationFields,
    next_run_at: Option<DateTime<Utc>>,
) -> QueryResult<Destination> {
    let of = (destinations::project_id.eq(project), destinations::created_by.eq(creator));
    diesel::insert_into(destinations::table)
        .values((fields, of, destinations::next_run_at.eq(next_run_at)))
        .returning(Destination::as_returning())
        .get_result(connection)
        .await
}

pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: DestinationFields,
    next_run_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> QueryResult<Destination> {
    diesel::update(destinations::table.find(id))
        .set((fields, destinations::next_run_at.eq(next_run_at), destinations::updated_at.eq(at)))
        .returning(Destination::as_returning())
        .get_result(connection)
        .await
}

/// Deletes a destination with its deliveries, and returns what these were.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Vec<Delivery>> {
    let of = deliveries::table.filter(deliveries::destination_id.eq(id)).select(Delivery::as_select()).load(connection).await?;
    diesel::delete(destinations::table.find(id)).execute(connection).await?;
    Ok(of)
}

/// Returns a destination and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Destination>> {
    let query = destinations::table.find(id).select(Destination::as_select()).for_no_key_update();
    query.first(connection).await.optional()
}

/// Returns the destinations that are due, at most `most` of them, and locks them until the end of the transaction.
pub async fn lock_due(connection: &mut AsyncPgConnection, now: DateTime<Utc>, most: usize) -> QueryResult<Vec<Destination>> {
    destinations::table
        .filter(destinations::is_enabled.and(destinations::next_run_at.le(now)))
        .order(destinations::next_run_at)
        .select(Destination::as_select())
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .for_no_key_update()
        .skip_locked()
        .load(connection)
        .await
}

/// Returns the destinations of a project that follow its retraining and have no delivery after this run yet.
pub async fn following(connection: &mut AsyncPgConnection, project: i64, run: i64) -> QueryResult<Vec<i64>> {
    let delivered = deliveries::table.filter(deliveries::retraining_run_id.eq(run)).select(deliveries::destination_id);
    destinations::table
        .filter(destinations::project_id.eq(project).and(destinations::is_enabled).and(destinations::after_retraining))
        .filter(destinations::id.ne_all(delivered))
        .order(destinations::id)
        .select(destinations::id)
        .load(connection)
        .await
}

pub async fn set_next_run(connection: &mut AsyncPgConnection, id: i64, at: Option<DateTime<Utc>>) -> QueryResult<()> {
    diesel::update(destinations::table.find(id)).set(destinations::next_run_at.eq(at)).execute(connection).await.map(drop)
}

pub async fn find_delivery(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Delivery>> {
    deliveries::table.find(id).select(Delivery::as_select()).first(connection).await.optional()
}

/// Returns the name of the destination of a delivery.
pub async fn name_of(connection: &mut AsyncPgConnection, delivery: i64) -> QueryResult<String> {
    let query = deliveries::table.find(delivery).inner_join(destinations::table).select(destinations::name);
    query.first(connection).await
}

/// Returns the delivery of a destination that is waiting or running.
pub async fn under_way(connection: &mut AsyncPgConnection, destination: i64) -> QueryResult<Option<Delivery>> {
    let live = deliveries::destination_id.eq(destination).and(deliveries::state.eq_any(DeliveryState::LIVE));
    deliveries::table.filter(live).select(Delivery::as_select()).first(connection).await.optional()
}

/// Returns the deliveries that followed some retraining runs, newest first.
pub async fn after_retraining(connection: &mut AsyncPgConnection, runs: &[i64]) -> QueryResult<Vec<Delivery>> {
    deliveries::table
        .filter(deliveries::retraining_run_id.eq_any(runs))
        .order(deliveries::id.desc())
        .select(Delivery::as_select())
        .load(connection)
        .await
}

pub async fn insert_delivery(connection: &mut AsyncPgConnection, delivery: NewDelivery) -> QueryResult<Delivery> {
    diesel::insert_into(deliveries::table).values(delivery).returning(Delivery::as_returning()).get_result(connection).await
}

/// Marks a delivery as running; false if it is gone or has ended already.
pub async fn begin(connection: &mut AsyncPgConnection, id: i64, at: DateTime<Utc>) -> QueryResult<bool> {
    let live = deliveries::state.eq_any(DeliveryState::LIVE);
    let rows = diesel::update(deliveries::table.find(id).filter(live))
        .set((
            deliveries::state.eq(DeliveryState::Running),
            deliveries::stage.eq(DeliveryStage::Computing),
            deliveries::started_at.eq(at),
        ))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Records how many lists of a running delivery are computed.
pub async fn advance(connection: &mut AsyncPgConnection, id: i64, done: i64, total: i64) -> QueryResult<()> {
    let running = deliveries::state.eq(DeliveryState::Running);
    diesel::update(deliveries::table.find(id).filter(running))
        .set((deliveries::done.eq(done), deliveries::total.eq(total)))
        .execute(connection)
        .await
        .map(drop)
}

/// Records that a running delivery sends its lists, and how many bytes of them are sent.
pub async fn advance_sending(connection: &mut AsyncPgConnection, id: i64, sent: i64, of: i64) -> QueryResult<()> {
    let running = deliveries::state.eq(DeliveryState::Running);
    diesel::update(deliveries::table.find(id).filter(running))
        .set((deliveries::stage.eq(DeliveryStage::Sending), deliveries::sent.eq(sent), deliveries::to_send.eq(of)))
        .execute(connection)
        .await
        .map(drop)
}

/// Records the result of a delivery; false if it is gone or has ended meanwhile.
pub async fn complete(
    connection: &mut AsyncPgConnection,
    id: i64,
    delivered: &Delivered,
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let live = deliveries::state.eq_any(DeliveryState::LIVE);
    let rows = diesel::update(deliveries::table.find(id).filter(live))
        .set((
            delivered,
            deliveries::total.eq(delivered.done),
            deliveries::state.eq(DeliveryState::Succeeded),
            deliveries::finished_at.eq(at),
        ))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Records how a delivery ended without a file; false if it is gone or has ended already.
pub async fn end(
    connection: &mut AsyncPgConnection,
    id: i64,
    state: DeliveryState,
    error: Option<&str>,
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let live = deliveries::state.eq_any(DeliveryState::LIVE);
    let rows = diesel::update(deliveries::table.find(id).filter(live))
        .set((deliveries::state.eq(state), deliveries::error.eq(error), deliveries::finished_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Lets a delivery that failed or was cancelled wait again; `None` if it is in another state.
pub async fn renew(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Delivery>> {
    let over = deliveries::state.eq_any([DeliveryState::Failed, DeliveryState::Cancelled]);
    diesel::update(deliveries::table.find(id).filter(over))
        .set((
            deliveries::state.eq(DeliveryState::Queued),
            deliveries::error.eq(None::<String>),
            deliveries::finished_at.eq(None::<DateTime<Utc>>),
        ))
        .returning(Delivery::as_returning())
        .get_result(connection)
        .await
        .optional()
}

/// Takes the files from all but the newest deliveries of a destination, and returns their keys.
pub async fn forget_old_files(connection: &mut AsyncPgConnection, destination: i64, keep: i64) -> QueryResult<Vec<String>> {
    let with_file = deliveries::destination_id.eq(destination).and(deliveries::storage_key.is_not_null());
    let old: Vec<(i64, Option<String>)> = deliveries::table
        .filter(with_file)
        .order(deliveries::id.desc())
        .offset(keep)
        .select((deliveries::id, deliveries::storage_key))
        .load(connection)
        .await?;
    let (ids, keys): (Vec<i64>, Vec<Option<String>>) = old.into_iter().unzip();
    diesel::update(deliveries::table.filter(deliveries::id.eq_any(ids)))
        .set(deliveries::storage_key.eq(None::<String>))
        .execute(connection)
        .await?;
    Ok(keys.into_iter().flatten().collect())
}
