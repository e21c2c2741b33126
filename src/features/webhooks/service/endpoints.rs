//! Decisions about endpoints: their secrets, how many there may be, and when they are switched off.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::{ExposeSecret, SecretString};

use super::super::error::WebhookError;
use super::super::model::{DisabledReason, Endpoint, EndpointFields, NewEndpoint};
use super::super::secrets::{self, Kept};
use super::super::store::endpoints::{self as store, Secrets};
use crate::features::projects::Topic;
use crate::platform::db::without_statement_timeout;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::outbound::Policy;
use crate::platform::services::Services;

/// The largest number of endpoints of a project.
pub const MOST_ENDPOINTS: i64 = 50;

/// The largest number of those that are told of answers, which are most of what is sent.
pub const MOST_TOLD_OF_ANSWERS: i64 = 5;

/// How long a replaced secret still signs.
const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// Returns why messages cannot be sent to an address, in words for a caller; only staff learn addresses of the network.
pub fn refusal_of(policy: &Policy, url: &str, is_staff: bool) -> Option<String> {
    let refusal = policy.read_url(url).err()?;
    Some(if is_staff { refusal.for_operator() } else { refusal.to_string() })
}

/// Creates an endpoint. Returns it with its secret, which is shown once.
pub async fn create(services: &Services, project: i64, fields: EndpointFields) -> ApiResult<(Endpoint, SecretString)> {
    let (vault, secret, now) = (services.vault()?, secrets::fresh()?, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            if store::lock_and_count(connection, project).await? >= MOST_ENDPOINTS {
                return Err(WebhookError::TooManyEndpoints { most: MOST_ENDPOINTS }.into());
            }
            refuse_many_told(connection, project, None, &fields).await?;
            let id = store::next_id(connection).await?;
            let off = (!fields.is_active).then_some((DisabledReason::User, now));
            let endpoint = NewEndpoint {
                id,
                project_id: project,
                fields,
                disabled_reason: off.map(|(reason, _)| reason),
                disabled_at: off.map(|(_, at)| at),
                secret_sealed: secrets::seal(&vault, &secret, Kept::Present, id, project)?,
                secret_hint: secrets::hint_of(&secret),
            };
            Ok((store::insert(connection, endpoint).await?, secret))
        })
        .await
}

/// Changes an endpoint. One that is switched on again starts without its failures.
pub async fn update(services: &Services, current: &Endpoint, fields: EndpointFields) -> ApiResult<Endpoint> {
    let (now, id) = (services.clock.now(), current.id);
    let switched = match (current.fields.is_active, fields.is_active) {
        (true, false) => Some(Some((DisabledReason::User, now))),
        (false, true) => Some(None),
        _ => None,
    };
    let mut connection = services.db.conn().await?;
    let project = current.project_id;
    connection
        .transaction(async move |connection| {
            store::lock_and_count(connection, project).await?;
            refuse_many_told(connection, project, Some(id), &fields).await?;
            Ok(store::update(connection, id, fields, switched, now).await?)
        })
        .await
}

/// Fails if an endpoint with these fields would be one too many of those that are told of answers; the caller holds the project.
async fn refuse_many_told(
    connection: &mut AsyncPgConnection,
    project: i64,
    itself: Option<i64>,
    fields: &EndpointFields,
) -> ApiResult<()> {
    let is_told = fields.topics.contains(&Topic::RecommendationServed);
    if is_told && store::count_told_of_answers(connection, project, itself).await? >= MOST_TOLD_OF_ANSWERS {
        return Err(WebhookError::TooManyToldOfAnswers { most: MOST_TOLD_OF_ANSWERS }.into());
    }
    Ok(())
}

/// Deletes an endpoint with its messages.
pub async fn delete(services: &Services, id: i64) -> ApiResult<()> {
    let mut connection = services.db.conn().await?;
    let deleting = connection.transaction(async move |connection| {
        without_statement_timeout(connection).await?;
        store::delete(connection, id).await
    });
    Ok(deleting.await?)
}

/// Replaces the secret of an endpoint. Returns the new one, and until when the former one signs as well.
pub async fn rotate(services: &Services, endpoint: &Endpoint) -> ApiResult<(SecretString, DateTime<Utc>)> {
    let (vault, fresh, now) = (services.vault()?, secrets::fresh()?, services.clock.now());
    let (id, project) = (endpoint.id, endpoint.project_id);
    let until = now + OVERLAP;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let sealed = store::locked_secret(connection, id).await?.ok_or_else(ApiError::not_found)?;
            // One that can no longer be opened signs nothing, and needs no overlap.
            let former = secrets::open(&vault, &sealed, Kept::Present, id, project).ok();
            let former = former.map(|former| secrets::seal(&vault, &former, Kept::Previous, id, project)).transpose()?;
            let secrets = Secrets {
                secret_sealed: secrets::seal(&vault, &fresh, Kept::Present, id, project)?,
                secret_hint: secrets::hint_of(&fresh),
                secret_changed_at: now,
                previous_until: former.as_ref().map(|_| until),
                previous_secret_sealed: former,
            };
            store::set_secrets(connection, id, secrets).await?;
            Ok((SecretString::from(fresh.expose_secret()), until))
        })
        .await
}
