//! Watches running tests: when one can tell its slots apart for the first time, that is recorded.

use std::time::Duration;

use diesel_async::AsyncConnection;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::model::{AbTest, TestStatus};
use super::{service, store};
use crate::features::projects::{self, Topic};
use crate::platform::services::Services;

/// Counting the events of a test takes a while, and its result does not depend on when it is looked at.
const PAUSE: Duration = Duration::from_secs(600);

/// Looks at the running tests every ten minutes until cancelled.
pub async fn keep_watching(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = watch(&services).await {
            tracing::warn!(%error, "running A/B tests could not be evaluated; trying again later");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Records which running tests have become significant. Safe to repeat, and in several processes at once.
pub async fn watch(services: &Services) -> anyhow::Result<()> {
    let mut connection = services.db.conn().await?;
    for test in store::running_undecided(&mut connection).await? {
        let results = service::results(&mut connection, &test).await?;
        if results.sequential.significant {
            let told = json!({
                "ab_test": test.id,
                "name": test.fields.name,
                "control_slot": test.fields.control_slot_id,
                "variant_slot": test.fields.variant_slot_id,
                "p_value": results.sequential.p_value,
                "advice": results.advice,
            });
            record(services, &mut connection, test, told).await?;
        }
    }
    Ok(())
}

async fn record(
    services: &Services,
    connection: &mut diesel_async::AsyncPgConnection,
    test: AbTest,
    told: serde_json::Value,
) -> diesel::QueryResult<()> {
    let now = services.clock.now();
    connection
        .transaction(async move |connection| {
            // Another process may have recorded it, or the test was stopped meanwhile.
            let is_new = store::lock(connection, test.id).await?.is_some_and(|test| test.status == TestStatus::Running)
                && store::note_significant(connection, test.id, now).await?;
            if is_new {
                projects::record(connection, test.project_id, Topic::AbTestSignificant, told).await?;
            }
            Ok(())
        })
        .await
}
