//! Retention of the log. It is partitioned by month: partitions are created ahead of time and dropped as a whole.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::store;
use crate::platform::db::make_months;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_secs(3_600);

/// Creates and drops partitions every hour until cancelled.
pub async fn keep_in_bounds(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match tidy(&services).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped months of the recommendation log"),
            Err(error) => tracing::warn!(%error, "the recommendation log could not be tidied; trying again later"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Creates the partitions of this month and the next ones, and drops those of months whose last list is older than the setting
/// allows. Returns how many were dropped. Safe to repeat, and in several processes at once.
pub async fn tidy(services: &Services) -> anyhow::Result<usize> {
    let now = services.clock.now();
    let oldest = now - TimeDelta::days(services.settings.recommendation_log_days.into());
    let mut connection = services.db.unrestricted_conn().await?;
    make_months(&mut connection, store::LOG, now).await?;
    store::delete_strays(&mut connection, oldest).await?;
    Ok(store::drop_partitions(&mut connection, oldest).await?)
}
