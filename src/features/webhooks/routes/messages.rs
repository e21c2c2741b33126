//! `/webhook_endpoint/{id}/messages/`, and what sends messages on request.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::model::{Attempt, Endpoint, ErrorCode, Message, MessageState, MessageSummary, ReplayFields};
use super::super::service::messages as service;
use super::super::store::messages as store;
use crate::features::accounts::{Access, Admin, Viewer};
use crate::features::projects::Topic;
use crate::platform::http::{ApiError, ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// A message in lists.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookMessage)]
pub struct MessageBody {
    /// The `webhook-id` of each attempt.
    id: Uuid,
    topic: Topic,
    state: MessageState,
    attempts: i32,
    /// Null if no attempt is due.
    #[serde(serialize_with = "timestamp::option::serialize")]
    next_attempt_at: Option<DateTime<Utc>>,
    /// Of the last attempt.
    status_code: Option<i32>,
    /// Of the last attempt; null if it succeeded.
    error_code: Option<ErrorCode>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl From<MessageSummary> for MessageBody {
    fn from(message: MessageSummary) -> Self {
        let is_waiting = message.state == MessageState::Waiting;
        Self {
            id: message.id,
            topic: message.topic,
            state: message.state,
            attempts: message.attempts,
            next_attempt_at: is_waiting.then_some(message.due_at),
            status_code: message.status_code,
            error_code: message.error_code,
            ins_datetime: message.ins_datetime,
        }
    }
}

/// An attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTry)]
struct Try {
    #[serde(serialize_with = "timestamp::serialize")]
    at: DateTime<Utc>,
    /// Null if there was no answer.
    status_code: Option<i32>,
    /// Null if it succeeded.
    error_code: Option<ErrorCode>,
    duration_ms: i32,
    /// The beginning of the answer.
    response_head: String,
}

impl From<Attempt> for Try {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at, status_code, error_code, duration_ms, response_head } = attempt;
        Self { at, status_code, error_code, duration_ms, response_head }
    }
}

/// A message with what it says and the attempts to deliver it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookMessageDetail)]
pub struct MessageDetail {
    #[serde(flatten)]
    message: MessageBody,
    /// The body, as it is sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// The last 50 attempts, oldest first.
    tries: Vec<Try>,
}

/// A message that is about to be sent.
#[derive(Debug, Serialize, ToSchema)]
struct Sent {
    message: Uuid,
}

/// Messages that are about to be sent again.
#[derive(Debug, Serialize, ToSchema)]
struct Replayed {
    messages: usize,
}

/// Sends a message of the topic `webhook.test` to an endpoint.
#[utoipa::path(post, path = "/webhook_endpoint/{id}/test/", tag = "webhook_endpoint", operation_id = "create_webhook_endpoint_test",
    params(("id" = i64, Path)),
    responses((status = 202, body = inline(Sent)), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The endpoint is switched off")))]
pub async fn test(access: Access<Endpoint, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let message = service::test(&services, &access.object).await?;
    Ok(HttpResponse::Accepted().json(Sent { message }))
}

/// Lists the messages to an endpoint of the last 30 days, newest first.
#[utoipa::path(get, path = "/webhook_endpoint/{id}/messages/", tag = "webhook_endpoint",
    operation_id = "list_webhook_endpoint_messages",
    params(("id" = i64, Path), ("topic" = Option<Topic>, Query), ("state" = Option<MessageState>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<MessageBody>), (status = 400, description = "A filter is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn list(
    access: Access<Endpoint, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<MessageBody>>> {
    let (topic, state) = (filters.choice("topic")?, filters.choice("state")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, access.object.id, topic, state, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(MessageBody::from).collect())?))
}

/// Returns the id of a message in the path.
fn message_of(request: &HttpRequest) -> ApiResult<Uuid> {
    request.match_info().get("message_id").and_then(|text| text.parse().ok()).ok_or_else(ApiError::not_found)
}

/// Returns a message with the attempts to deliver it.
#[utoipa::path(get, path = "/webhook_endpoint/{id}/messages/{message_id}/", tag = "webhook_endpoint",
    operation_id = "read_webhook_endpoint_messages", params(("id" = i64, Path), ("message_id" = Uuid, Path)),
    responses((status = 200, body = MessageDetail), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(
    access: Access<Endpoint, Viewer>,
    services: web::Data<Services>,
    request: HttpRequest,
) -> ApiResult<web::Json<MessageDetail>> {
    let (Message { summary, body }, attempts) = service::read(&services, access.object.id, message_of(&request)?).await?;
    let payload = serde_json::from_str(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(web::Json(MessageDetail { message: summary.into(), payload, tries: attempts.into_iter().map(Try::from).collect() }))
}

/// Sends a message again, under the same id.
#[utoipa::path(post, path = "/webhook_endpoint/{id}/messages/{message_id}/retry/", tag = "webhook_endpoint",
    operation_id = "create_webhook_endpoint_messages_retry", params(("id" = i64, Path), ("message_id" = Uuid, Path)),
    responses((status = 202, body = inline(Sent)), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The endpoint is switched off")))]
pub async fn retry(
    access: Access<Endpoint, Admin>,
    services: web::Data<Services>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let message = message_of(&request)?;
    service::retry(&services, &access.object, message).await?;
    Ok(HttpResponse::Accepted().json(Sent { message }))
}

type ReplayRequest = RequestOf<ReplayFields>;

/// Sends the messages of an endpoint again, under the same ids, that were delivered or have failed since a moment: at most 10,000.
#[utoipa::path(post, path = "/webhook_endpoint/{id}/replay/", tag = "webhook_endpoint",
    operation_id = "create_webhook_endpoint_replay", params(("id" = i64, Path)), request_body = inline(ReplayRequest),
    responses((status = 202, body = inline(Replayed)), (status = 400, description = "`since` is invalid, or too long ago"),
        (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The endpoint is switched off")))]
pub async fn replay(access: Access<Endpoint, Admin>, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let mut fields = body.reader();
    let ReplayFields { since } = ReplayFields::read(&mut fields, Write::Create);
    fields.finish()?;
    let messages = service::replay(&services, &access.object, since).await?;
    Ok(HttpResponse::Accepted().json(Replayed { messages }))
}
