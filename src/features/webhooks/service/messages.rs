//! Decisions about messages: what is sent again, and what is sent on request.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::super::content;
use super::super::error::WebhookError;
use super::super::model::{Attempt, Endpoint, Message, NewMessage};
use super::super::store::messages as store;
use crate::features::projects::Topic;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest number of messages that are sent again at once.
pub const MOST_REPLAYED: i64 = 10_000;

/// The largest number of attempts that a message is shown with.
const SHOWN_ATTEMPTS: i64 = 50;

/// Sends a test to an endpoint. Returns the id of the message.
pub async fn test(services: &Services, endpoint: &Endpoint) -> ApiResult<Uuid> {
    require_active(endpoint)?;
    let now = services.clock.now();
    let data = json!({ "project": endpoint.project_id, "endpoint": endpoint.id, "text": "This is a test." });
    let message = NewMessage {
        id: content::id_at(now),
        endpoint_id: endpoint.id,
        topic: Topic::WebhookTest,
        body: content::body_of(Topic::WebhookTest, now, &data).map_err(|error| ApiError::internal(&error))?,
        due_at: now,
        ins_datetime: now,
    };
    let mut connection = services.db.conn().await?;
    store::end_rest(&mut connection, endpoint.id).await?;
    store::insert(&mut connection, std::slice::from_ref(&message)).await?;
    Ok(message.id)
}

/// Returns a message with the attempts to deliver it; 404 if the endpoint has no such message.
pub async fn read(services: &Services, endpoint: i64, id: Uuid) -> ApiResult<(Message, Vec<Attempt>)> {
    let mut connection = services.db.conn().await?;
    let message = store::find(&mut connection, endpoint, id).await?.ok_or_else(ApiError::not_found)?;
    let attempts = store::attempts(&mut connection, id, SHOWN_ATTEMPTS).await?;
    Ok((message, attempts))
}

/// Sends a message again; 404 if the endpoint has no such message.
pub async fn retry(services: &Services, endpoint: &Endpoint, id: Uuid) -> ApiResult<()> {
    let mut connection = services.db.conn().await?;
    store::find(&mut connection, endpoint.id, id).await?.ok_or_else(ApiError::not_found)?;
    require_active(endpoint)?;
    store::retry(&mut connection, endpoint.id, id, services.clock.now()).await?;
    Ok(())
}

/// Sends the messages of an endpoint again that were delivered or have failed since a moment. Returns how many these are.
pub async fn replay(services: &Services, endpoint: &Endpoint, since: DateTime<Utc>) -> ApiResult<usize> {
    require_active(endpoint)?;
    let mut connection = services.db.conn().await?;
    let found = store::count_ended(&mut connection, endpoint.id, since).await?;
    if found > MOST_REPLAYED {
        return Err(WebhookError::TooManyToReplay { found, most: MOST_REPLAYED }.into());
    }
    Ok(store::replay(&mut connection, endpoint.id, since, services.clock.now()).await?)
}

fn require_active(endpoint: &Endpoint) -> ApiResult<()> {
    if endpoint.fields.is_active { Ok(()) } else { Err(WebhookError::EndpointIsOff.into()) }
}
