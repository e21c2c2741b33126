//! Decisions about sources: when they are due, and what a change means for their position.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel_async::AsyncConnection;

use super::super::error::SourceError;
use super::super::model::{DataSource, FollowUp, Mode, SourceFields, Target};
use super::super::store::{files, runs, sources as store};
use crate::features::projects::Project;
use crate::features::retraining::{Cadence, DataSource as UploadsOf, Schedule};
use crate::platform::http::{ApiError, ApiResult, FieldReader};
use crate::platform::services::Services;

/// The largest number of sources of a project.
pub const MOST_SOURCES: i64 = 100;

/// Returns when a source is due next; `None` if it is read by hand only, or not at all. Faults are collected in `fields`.
pub fn next_run(fields: &mut FieldReader, wanted: &SourceFields, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone: Option<Tz> = wanted.time_zone.parse().ok();
    if zone.is_none() && !wanted.time_zone.is_empty() {
        let message = format!("\"{}\" is not a time zone. Use a name such as Europe/Berlin or UTC.", wanted.time_zone);
        fields.fault("time_zone", message);
    }
    let expression = wanted.cron_expression.as_deref()?;
    match Cadence::parse(expression, zone.unwrap_or(Tz::UTC)) {
        Ok(cadence) => match cadence.next_after(now) {
            Some(next) => return wanted.is_enabled.then_some(next),
            None => fields.fault("cron_expression", "There is no such day: this expression would never fall due."),
        },
        Err(message) => fields.fault("cron_expression", message),
    }
    None
}

/// Checks what one field alone does not say. Faults are collected in `fields`.
pub fn check(fields: &mut FieldReader, wanted: &SourceFields, project: &Project, schedule: Option<&Schedule>) {
    if !fields.is_faulty("query")
        && let Some(problem) = wanted.query().problem(wanted, &project.fields)
    {
        fields.fault("query", problem);
    }
    match wanted.mode {
        Mode::Incremental if wanted.target != Target::Interactions => {
            fields.fault("mode", "Items and users are read as a whole: choose snapshot.");
        }
        Mode::Incremental if wanted.cursor_column.is_none() => {
            fields.fault(
                "cursor_column",
                "Windows need a column that says when a row was written. Choose one, or the mode snapshot.",
            );
        }
        _ => {}
    }
    if wanted.follow_up != FollowUp::Retrain || fields.is_faulty("retraining_schedule") {
        return;
    }
    match schedule {
        None => fields.fault("retraining_schedule", "Choose the schedule that is run."),
        Some(schedule) if schedule.project_id != project.id => {
            fields.fault("retraining_schedule", "Choose one of the same project.");
        }
        Some(schedule) if wanted.mode != Mode::Snapshot && schedule.fields.data_source != UploadsOf::All => {
            let message =
                "This schedule learns from one upload, which would be one window or a few files. Set its data_source to all.";
            fields.fault("retraining_schedule", message);
        }
        Some(_) => {}
    }
}

/// Creates a source of a project.
pub async fn create(
    services: &Services,
    (project, maker): (i64, i64),
    fields: SourceFields,
    next_run_at: Option<DateTime<Utc>>,
) -> ApiResult<DataSource> {
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            if store::lock_and_count(connection, project).await? >= MOST_SOURCES {
                let message = format!("This project has {MOST_SOURCES} sources, which is as many as one project may have.");
                return Err(ApiError::conflict(message));
            }
            Ok(store::insert(connection, project, maker, fields, next_run_at).await?)
        })
        .await
}

/// Changes a source. If it reads other rows then, or by another cursor, its next run reads everything. Refused while a run is under
/// way.
pub async fn update(
    services: &Services,
    current: &DataSource,
    fields: SourceFields,
    next_run_at: Option<DateTime<Utc>>,
) -> Result<DataSource, SourceError> {
    let (id, now) = (current.id, services.clock.now());
    let starts_again = fields.starts_again(&current.fields);
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            store::lock(connection, id).await?;
            if starts_again && runs::has_live(connection, id, false).await? {
                return Err(SourceError::UnderWay);
            }
            let position = starts_again.then_some(None);
            if starts_again {
                files::forget_all(connection, id).await?;
            }
            Ok(store::update(connection, id, fields, (next_run_at, position), now).await?)
        })
        .await
}

/// Forgets the position of a source: its next run reads everything, and replaces what was read before.
pub async fn reset(services: &Services, id: i64) -> Result<(), SourceError> {
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            store::lock(connection, id).await?;
            if runs::has_live(connection, id, false).await? {
                return Err(SourceError::UnderWay);
            }
            files::forget_all(connection, id).await?;
            Ok(store::set_position(connection, id, None).await?)
        })
        .await
}

/// Deletes a source with its runs; the uploads that they brought stay.
pub async fn delete(services: &Services, id: i64) -> Result<(), SourceError> {
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            store::lock(connection, id).await?;
            if runs::has_live(connection, id, false).await? {
                return Err(SourceError::UnderWay);
            }
            Ok(store::delete(connection, id).await?)
        })
        .await
}
