//! Partitions of the events, which grow with the traffic, made before they are needed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store;
use crate::platform::db::make_months;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_secs(3_600);

/// Looks every hour until told to stop.
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

/// Makes the partitions of this month and the next ones where they are missing, and says how many were. Safe to repeat, and in
/// several processes at once; what nobody made one for is kept in the default partition until then.
pub async fn make_ahead(services: &Services) -> anyhow::Result<i64> {
    let mut connection = services.db.unrestricted_conn().await?;
    Ok(make_months(&mut connection, store::EVENTS, services.clock.now()).await?)
}
