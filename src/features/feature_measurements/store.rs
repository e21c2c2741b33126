//! SQL of measurements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::model::{FeatureMeasurement, MeasurementStatus, NewMeasurement};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::feature_measurements;

impl Guarded for FeatureMeasurement {
    load_of_project!(feature_measurements);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)?
            && filters.id_is("project", self.project_id)?
            && filters.id_is("feature_set", self.feature_set_id)?)
    }
}

/// Returns one page of the measurements that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    feature_set: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<FeatureMeasurement>)> {
    page_of_project!(feature_measurements as FeatureMeasurement, by id, connection, principal, project, page, {
        feature_set => feature_measurements::feature_set_id.eq(feature_set),
    })
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<FeatureMeasurement>> {
    feature_measurements::table.find(id).select(FeatureMeasurement::as_select()).first(connection).await.optional()
}

pub async fn insert(connection: &mut AsyncPgConnection, measurement: NewMeasurement) -> QueryResult<FeatureMeasurement> {
    diesel::insert_into(feature_measurements::table)
        .values(measurement)
        .returning(FeatureMeasurement::as_returning())
        .get_result(connection)
        .await
}

/// Marks a measurement as running; false if it is gone or has ended already.
pub async fn begin(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let live = feature_measurements::status.eq_any(MeasurementStatus::LIVE);
    let rows = diesel::update(feature_measurements::table.find(id).filter(live))
        .set((feature_measurements::status.eq(MeasurementStatus::Running), feature_measurements::done.eq(0)))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Records how many steps of a running measurement are done.
pub async fn advance(connection: &mut AsyncPgConnection, id: i64, done: i64, total: i64) -> QueryResult<()> {
    let running = feature_measurements::status.eq(MeasurementStatus::Running);
    diesel::update(feature_measurements::table.find(id).filter(running))
        .set((feature_measurements::done.eq(done), feature_measurements::total.eq(total)))
        .execute(connection)
        .await
        .map(drop)
}

/// Records how a measurement ended; without effect if it is gone or has ended meanwhile.
pub async fn end(connection: &mut AsyncPgConnection, id: i64, ended: Result<Value, &str>, at: DateTime<Utc>) -> QueryResult<()> {
    let (status, result, error) = match ended {
        Ok(result) => (MeasurementStatus::Completed, Some(result), None),
        Err(error) => (MeasurementStatus::Failed, None, Some(error)),
    };
    let live = feature_measurements::status.eq_any(MeasurementStatus::LIVE);
    diesel::update(feature_measurements::table.find(id).filter(live))
        .set((
            feature_measurements::status.eq(status),
            feature_measurements::result.eq(result),
            feature_measurements::error.eq(error),
            feature_measurements::end_datetime.eq(at),
        ))
        .execute(connection)
        .await
        .map(drop)
}

pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(feature_measurements::table.find(id)).execute(connection).await.map(drop)
}
