//! Partitions of the events, which grow with the traffic, created before they are needed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store;
use crate::platform::db::make_months;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_secs(3_600);

/// Creates partitions every hour until cancelled.
pub async fn keep_ahead(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match make_ahead(&services).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(made, "made partitions for the months to come"),
            Err(error) => tracing::warn!(%error, "partitions could not be made; events go to the default partition"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Creates missing partitions of this month and the next ones, and returns how many. Safe to repeat, and in several processes at
/// once; events of a month without a partition are kept in the default partition until it has one.
pub async fn make_ahead(services: &Services) -> anyhow::Result<i64> {
    let mut connection = services.db.unrestricted_conn().await?;
    Ok(make_months(&mut connection, store::EVENTS, services.clock.now()).await?)
}
