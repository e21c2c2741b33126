//! Sending the lists of a delivery to a table of another server.

use std::io::{Seek as _, SeekFrom};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::delivering::Whole;
use super::files::{ListKind, list_columns};
use super::model::Delivery;
use super::store;
use super::target::DeliveryTarget;
use crate::connectors::{ConnectorError, DeliveredColumn, DeliveredType, PullLimits, Stop, TableDelivery};
use crate::features::data_sources::{self, SourceError};
use crate::platform::queue::{JobContext, JobError};
use crate::platform::services::Services;

/// How often it is recorded how much is sent.
const TICK: Duration = Duration::from_secs(1);

/// Replaces the rows of the table of a delivery by its lists.
pub async fn send(
    context: &JobContext<Services>,
    delivery: &Delivery,
    target: &DeliveryTarget,
    whole: &Whole,
) -> Result<(), JobError> {
    let services = &context.app;
    let rows = table_rows(services, delivery, target, whole)?;
    record(services, delivery.id, 0, whole.written.bytes).await;
    let Some(connection) = delivery.connection_id else {
        return Err(JobError::Fail { reason: "The connection of this delivery has been deleted.".to_owned() });
    };
    let connector = data_sources::connector_of(services, connection, delivery.project_id).await.map_err(SourceError::of_job)?;
    let sent = AtomicU64::new(0);
    let progress = |_: u64, bytes: u64| sent.store(bytes, Ordering::Relaxed);
    let (limits, stop) = (PullLimits::default(), Stop::default());
    let _stops_when_dropped = stop.on_drop();
    let mut sending = pin!(connector.deliver(rows, &limits, &progress, &stop));
    let mut ticks = tokio::time::interval(TICK);
    let result = loop {
        tokio::select! {
            result = &mut sending => break result,
            // What the server has begun is undone before this ends.
            () = context.cancel.cancelled() => stop.stop(),
            () = context.shutdown.cancelled() => stop.stop(),
            _ = ticks.tick() => record(services, delivery.id, sent.load(Ordering::Relaxed), whole.written.bytes).await,
        }
        if stop.is_stopped() {
            break sending.await;
        }
    };
    match result {
        Ok(rows) if rows != whole.written.entries.rows => {
            let expected = whole.written.entries.rows;
            Err(JobError::Fail {
                reason: format!("The table has {rows} rows, and the lists have {expected}. Please report this."),
            })
        }
        Ok(_) => Ok(()),
        Err(ConnectorError::Stopped) => Err(JobError::Cancelled),
        Err(error) => Err(SourceError::from(error).of_job()),
    }
}

/// Returns the rows of a table from the whole file.
fn table_rows(
    services: &Services,
    delivery: &Delivery,
    target: &DeliveryTarget,
    whole: &Whole,
) -> Result<TableDelivery, JobError> {
    let unread = |error: std::io::Error| JobError::Retry { reason: format!("The lists could not be read: {error}.") };
    let mut file = whole.file.file.try_clone().map_err(unread)?;
    file.seek(SeekFrom::Start(0)).map_err(unread)?;
    let model = delivery.trained_model_id.unwrap_or_default();
    let now = services.clock.now().format("%Y-%m-%dT%H:%M:%SZ");
    Ok(TableDelivery {
        table: target.table().map_err(|reason| JobError::Fail { reason })?,
        columns: table_columns(delivery.lists),
        comment: format!("Recotem: lists of model {model}, delivered {now}"),
        rows: Box::new(file),
    })
}

/// Returns the columns of a table of lists.
pub fn table_columns(lists: ListKind) -> Vec<DeliveredColumn> {
    let kinds = [DeliveredType::Text, DeliveredType::Integer, DeliveredType::Text, DeliveredType::Real];
    list_columns(lists).into_iter().zip(kinds).map(|(name, kind)| DeliveredColumn { name, kind }).collect()
}

/// Records how much is sent; a failure only delays what users see.
async fn record(services: &Services, id: i64, sent: u64, of: u64) {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let Ok(mut connection) = services.db.conn().await else { return };
    if let Err(error) = store::advance_sending(&mut connection, id, signed(sent), signed(of)).await {
        tracing::warn!(%error, delivery = id, "the progress of a delivery could not be recorded");
    }
}
