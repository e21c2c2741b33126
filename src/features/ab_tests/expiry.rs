//! Expiry of events: the counts of a test that has ended are stored before its events are deleted, and a running test keeps its
//! events.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio_util::sync::CancellationToken;

use super::store;
use crate::features::events;
use crate::platform::db::try_to_lead;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_secs(3_600);
/// Any number that nothing else in the database locks: "expire" on a telephone's keypad.
const LEADER_LOCK: i64 = 397_473;

/// Expires events every hour until cancelled.
pub async fn keep_expiring(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = expire_events(&services).await {
            tracing::warn!(%error, "old events could not be removed; trying again later");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Counts and deletes the events that are older than the settings allow; does nothing if events are kept for ever.
pub async fn expire_events(services: &Services) -> anyhow::Result<()> {
    let Some(before) = oldest_kept(services.settings.event_retention_days, services.clock.now()) else { return Ok(()) };
    let mut connection = services.db.unrestricted_conn().await?;
    connection.transaction(async move |connection| expire(connection, before).await).await?;
    Ok(())
}

/// Returns the beginning of the first day that is kept as a whole.
fn oldest_kept(days: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    if days == 0 { None } else { today.checked_sub_signed(TimeDelta::days(days.into())) }
}

async fn expire(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> diesel::QueryResult<()> {
    if !try_to_lead(connection, LEADER_LOCK).await? {
        return Ok(());
    }
    for test in store::ended_uncounted(connection, before).await? {
        let slots = test.fields.slots();
        let counts = events::counts(connection, test.project_id, &slots, test.started_at, test.ended_at).await?;
        store::keep_counts(connection, test.id, &counts).await?;
    }
    let running = store::running(connection).await?;
    let exempt = running.iter().flat_map(|test| test.fields.slots().map(|slot| (slot, test.started_at)));
    let exempt = exempt.filter_map(|(slot, since)| Some((slot, since?))).collect();
    events::expire(connection, before, &exempt).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_whole() {
        let now = "2026-11-21T18:30:00Z".parse().unwrap();
        assert_eq!(oldest_kept(30, now).unwrap().to_rfc3339(), "2026-10-22T00:00:00+00:00");
        assert_eq!(oldest_kept(0, now), None);
    }
}
