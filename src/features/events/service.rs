//! Decisions about events: what counts as new.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::{ConversionEvent, EventFields};
use super::store;

/// What became of a reported event.
pub enum Reported {
    New(ConversionEvent),
    /// The client has reported it before; this is what is known of it.
    Repeated(ConversionEvent),
    /// The client has reported it before, and it has been removed since.
    Removed,
}

/// Stores one event, unless its client has reported it before.
pub async fn report(connection: &mut AsyncPgConnection, event: EventFields, at: DateTime<Utc>) -> QueryResult<Reported> {
    let (project, client_id) = (event.project_id, event.client_event_id.clone());
    if let Some(id) = store::insert(connection, vec![event], at).await?.first() {
        let stored = store::find(connection, *id).await?;
        return Ok(stored.map_or(Reported::Removed, Reported::New));
    }
    let first = match client_id {
        Some(client_id) => store::find_by_client_id(connection, project, &client_id).await?,
        None => None,
    };
    Ok(first.map_or(Reported::Removed, Reported::Repeated))
}
