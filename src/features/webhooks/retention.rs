//! Removes old messages and notifications.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::content;
use super::store::{messages, notifications};
use crate::platform::services::Services;

/// How long messages and notifications are kept.
const KEPT: TimeDelta = TimeDelta::days(30);

/// How long messages about answered lists are kept once they are delivered: there may be one each second, and they are large.
const ANSWERS_KEPT: TimeDelta = TimeDelta::hours(1);

const PAUSE: Duration = Duration::from_secs(3_600);

/// Removes what is too old every hour until `stop` is cancelled.
pub async fn keep_tidy(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match tidy(&services).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed old webhook messages and notifications"),
            Err(error) => tracing::warn!(%error, "old webhook messages could not be removed; trying again later"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Removes messages and notifications of more than 30 days ago, and delivered messages about answered lists of more than an hour ago.
/// Returns how many. Safe to repeat, and in several processes at once.
pub async fn tidy(services: &Services) -> anyhow::Result<usize> {
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    let mut removed = notifications::delete_before(&mut connection, now - KEPT).await?;
    for (kept, of_answers) in [(KEPT, false), (ANSWERS_KEPT, true)] {
        let first = content::first_id_of(now - kept);
        loop {
            let some = messages::delete_before(&mut connection, first, of_answers).await?;
            removed += some;
            if some == 0 {
                break;
            }
        }
    }
    Ok(removed)
}
