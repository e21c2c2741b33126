//! Decisions about events: which reports are new.

use super::model::{ConversionEvent, EventFields};
use super::store;
use super::writer::EventWriter;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// The outcome of reporting an event.
pub enum Reported {
    New(ConversionEvent),
    /// The client has reported it before; this is the stored event.
    Repeated(ConversionEvent),
    /// The client has reported it before, and it has been deleted since.
    Removed,
}

/// Stores an event unless its client has reported it before.
pub async fn report(services: &Services, writer: &EventWriter, event: EventFields) -> ApiResult<Reported> {
    if let Some(stored) = writer.store(event.clone()).await? {
        return Ok(Reported::New(ConversionEvent { id: stored.id, fields: event, timestamp: stored.at }));
    }
    let Some(client_id) = event.client_event_id else { return Ok(Reported::Removed) };
    let mut connection = services.db.conn().await?;
    let first = store::find_by_client_id(&mut connection, event.project_id, &client_id).await?;
    Ok(first.map_or(Reported::Removed, Reported::Repeated))
}
