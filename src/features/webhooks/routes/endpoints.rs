//! `/webhook_endpoint/`. Only users can create, change or delete endpoints: what happens in a project leaves the server there.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::model::{DisabledReason, Endpoint, EndpointFields, ErrorCode, Lane};
use super::super::service::endpoints as service;
use super::super::store::endpoints as store;
use crate::features::accounts::{Access, Admin, Principal, Role, Viewer};
use crate::features::projects::{OfProject, Project};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// The secret that signs messages, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
struct SecretBody {
    is_set: bool,
    /// Its last characters.
    hint: String,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    /// Until then the former secret signs as well.
    #[serde(serialize_with = "timestamp::option::serialize")]
    previous_until: Option<DateTime<Utc>>,
}

/// The last attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookLastAttempt)]
struct LastAttempt {
    #[serde(serialize_with = "timestamp::serialize")]
    at: DateTime<Utc>,
    status_code: Option<i32>,
    /// Null if the message was delivered.
    error_code: Option<ErrorCode>,
}

/// An endpoint in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: EndpointFields,
    /// Why it is switched off; null if it is not.
    disabled_reason: Option<DisabledReason>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    disabled_at: Option<DateTime<Utc>>,
    signing_secret: SecretBody,
    /// Null before the first attempt.
    last_attempt: Option<LastAttempt>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

/// A new endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedEndpoint {
    #[serde(flatten)]
    endpoint: EndpointBody,
    /// The secret that signs its messages. Returned only once.
    secret: String,
}

/// A new secret of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct NewSecret {
    /// The secret itself. Returned only once.
    secret: String,
    /// Until then the former secret signs as well.
    #[serde(serialize_with = "timestamp::serialize")]
    previous_until: DateTime<Utc>,
}

fn to_body(endpoint: Endpoint, lane: Option<Lane>, now: DateTime<Utc>) -> EndpointBody {
    let attempt = |lane: Lane| {
        Some(LastAttempt { at: lane.last_attempt_at?, status_code: lane.last_status_code, error_code: lane.last_error_code })
    };
    EndpointBody {
        id: endpoint.id,
        project: endpoint.project_id,
        fields: endpoint.fields,
        disabled_reason: endpoint.disabled_reason,
        disabled_at: endpoint.disabled_at,
        signing_secret: SecretBody {
            is_set: true,
            hint: endpoint.secret_hint,
            updated_at: endpoint.secret_changed_at,
            previous_until: endpoint.previous_until.filter(|until| *until > now),
        },
        last_attempt: lane.and_then(attempt),
        ins_datetime: endpoint.ins_datetime,
        updated_at: endpoint.updated_at,
    }
}

async fn to_bodies(services: &Services, endpoints: Vec<Endpoint>) -> ApiResult<Vec<EndpointBody>> {
    let ids: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.id).collect();
    let lanes = store::lanes(&mut *services.db.conn().await?, &ids).await?;
    let mut lanes: HashMap<i64, Lane> = lanes.into_iter().map(|lane| (lane.endpoint_id, lane)).collect();
    let now = services.clock.now();
    let bodies = endpoints.into_iter().map(|endpoint| {
        let lane = lanes.remove(&endpoint.id);
        to_body(endpoint, lane, now)
    });
    Ok(bodies.collect())
}

async fn to_one(services: &Services, endpoint: Endpoint) -> ApiResult<EndpointBody> {
    to_bodies(services, vec![endpoint]).await?.pop().ok_or_else(ApiError::not_found)
}

type EndpointRequest = RequestOf<(OfProject, EndpointFields)>;

/// Lists the endpoints of the projects that the caller may see, newest first.
#[utoipa::path(get, path = "/webhook_endpoint/", tag = "webhook_endpoint", operation_id = "list_webhook_endpoint",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<EndpointBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<EndpointBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, endpoints) = store::list(&mut connection, &principal, project, &page).await?;
    drop(connection);
    Ok(web::Json(page.wrap(count, to_bodies(&services, endpoints).await?)?))
}

/// Reads the fields, and checks the address and the app. Faults are collected in `fields`.
async fn read_fields(
    fields: &mut FieldReader,
    write: Write<'_, EndpointFields>,
    services: &Services,
    principal: &Principal,
    project: i64,
) -> ApiResult<EndpointFields> {
    let read = EndpointFields::read(fields, write);
    if !fields.is_faulty("url")
        && let Some(refusal) = service::refusal_of(services.outbound.policy(), &read.url, principal.user.is_staff)
    {
        fields.fault("url", refusal);
    }
    if let Some(app) = read.app_id
        && !fields.is_faulty("app")
        && !store::has_app(&mut *services.db.conn().await?, project, app).await?
    {
        fields.fault("app", format!("Invalid pk \"{app}\" - object does not exist."));
    }
    Ok(read)
}

/// Creates an endpoint with the secret that signs its messages.
#[utoipa::path(post, path = "/webhook_endpoint/", tag = "webhook_endpoint", operation_id = "create_webhook_endpoint",
    request_body = inline(EndpointRequest),
    responses((status = 201, body = inline(CreatedEndpoint)), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The project has as many endpoints as one project may")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Admin);
    fields.refer("project", lookup).await?;
    drop(connection);
    let wanted = read_fields(&mut fields, Write::Create, &services, &principal, project).await?;
    fields.finish()?;
    let (endpoint, secret) = service::create(&services, project, wanted).await?;
    let secret = secret.expose_secret().to_owned();
    Ok(HttpResponse::Created().json(CreatedEndpoint { endpoint: to_one(&services, endpoint).await?, secret }))
}

/// Returns an endpoint, without its secret.
#[utoipa::path(get, path = "/webhook_endpoint/{id}/", tag = "webhook_endpoint", operation_id = "read_webhook_endpoint",
    params(("id" = i64, Path)),
    responses((status = 200, body = EndpointBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<Endpoint, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<EndpointBody>> {
    Ok(web::Json(to_one(&services, access.object).await?))
}

/// Replaces the fields of an endpoint; its secret stays.
#[utoipa::path(put, path = "/webhook_endpoint/{id}/", tag = "webhook_endpoint", operation_id = "replace_webhook_endpoint",
    params(("id" = i64, Path)), request_body = inline(EndpointRequest), responses((status = 200, body = EndpointBody)))]
pub async fn replace(
    access: Access<Endpoint, Admin>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EndpointBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of an endpoint; its secret stays.
#[utoipa::path(patch, path = "/webhook_endpoint/{id}/", tag = "webhook_endpoint", operation_id = "update_webhook_endpoint",
    params(("id" = i64, Path)), request_body = inline(EndpointRequest), responses((status = 200, body = EndpointBody)))]
pub async fn update(
    access: Access<Endpoint, Admin>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<EndpointBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<Endpoint, Admin>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<EndpointBody>> {
    access.principal.refuse_keys()?;
    let current = access.object;
    let mut fields = body.reader();
    let write = Write::over(&current.fields, partial);
    let wanted = read_fields(&mut fields, write, services, &access.principal, current.project_id).await?;
    let message = "An endpoint cannot move to another project. Make a new one there.";
    OfProject::read_same(&mut fields, current.project_id, true, message);
    fields.finish()?;
    let saved = service::update(services, &current, wanted).await?;
    Ok(web::Json(to_one(services, saved).await?))
}

/// Deletes an endpoint with its messages.
#[utoipa::path(delete, path = "/webhook_endpoint/{id}/", tag = "webhook_endpoint", operation_id = "delete_webhook_endpoint",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn delete(access: Access<Endpoint, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    service::delete(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replaces the secret of an endpoint. For 24 hours the former one signs its messages as well.
#[utoipa::path(post, path = "/webhook_endpoint/{id}/rotate_secret/", tag = "webhook_endpoint",
    operation_id = "create_webhook_endpoint_rotate_secret", params(("id" = i64, Path)),
    responses((status = 200, body = inline(NewSecret)), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn rotate_secret(access: Access<Endpoint, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let (secret, previous_until) = service::rotate(&services, &access.object).await?;
    Ok(HttpResponse::Ok().json(NewSecret { secret: secret.expose_secret().to_owned(), previous_until }))
}
