//! `/api_keys/`. An API key may list the keys of its project, but only users can create, change or revoke keys.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::model::{ApiKey, KeyFields, stored};
use super::{service, store};
use crate::features::accounts::{Access, Admin, Principal, Role, Viewer};
use crate::features::projects::{OfProject, Project};
use crate::platform::http::{ApiResult, Body, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::resource;
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, revoke))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/api_keys/").route("/api_keys/{id}/revoke/", web::post().to(revoke));
}

/// An API key in answers; the key itself is returned at its creation only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: KeyFields,
    key_prefix: String,
    is_active: bool,
    #[serde(serialize_with = "timestamp::option::serialize")]
    last_used_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            project: key.project_id,
            fields: key.fields(),
            key_prefix: key.key_prefix,
            is_active: key.is_active,
            last_used_at: key.last_used_at,
            ins_datetime: key.ins_datetime,
        }
    }
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
struct NewKey {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: KeyFields,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    /// The key itself. Returned only once.
    key: String,
}

type KeyRequest = RequestOf<(OfProject, KeyFields)>;

/// Lists the keys of the projects that the caller may see.
#[utoipa::path(get, path = "/api_keys/", tag = "api_keys", operation_id = "list_api_keys",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ApiKeyBody>)))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ApiKeyBody>>> {
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, filters.id("project")?, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(ApiKeyBody::from).collect())?))
}

/// Creates a key.
#[utoipa::path(post, path = "/api_keys/", tag = "api_keys", operation_id = "create_api_keys", request_body = inline(KeyRequest),
    responses((status = 201, body = inline(NewKey)), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The project has as many keys as one project may")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let KeyFields { name, scopes, expires_at } = KeyFields::read(&mut fields, Write::Create);
    if expires_at.is_some_and(|end| end <= services.clock.now()) {
        fields.fault("expires_at", "Choose a moment that is still to come.");
    }
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Admin);
    fields.refer("project", lookup).await?;
    fields.finish()?;
    let (user, most) = (principal.user.id, services.settings.max_api_keys_per_project);
    let (row, key) = service::create_for(&mut connection, project, user, name, &scopes, expires_at, most).await?;
    let answer = NewKey {
        id: row.id,
        project: row.project_id,
        fields: row.fields(),
        ins_datetime: row.ins_datetime,
        key: key.expose_secret().to_owned(),
    };
    Ok(HttpResponse::Created().json(answer))
}

/// Returns a key, without its secret.
#[utoipa::path(get, path = "/api_keys/{id}/", tag = "api_keys", operation_id = "read_api_keys", params(("id" = i64, Path)),
    responses((status = 200, body = ApiKeyBody)))]
async fn read(access: Access<ApiKey, Viewer>) -> web::Json<ApiKeyBody> {
    web::Json(access.object.into())
}

/// Replaces name, scopes and expiry of a key; its project cannot change.
#[utoipa::path(put, path = "/api_keys/{id}/", tag = "api_keys", operation_id = "replace_api_keys", params(("id" = i64, Path)),
    request_body = inline(KeyRequest), responses((status = 200, body = ApiKeyBody)))]
async fn replace(access: Access<ApiKey, Admin>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<ApiKeyBody>> {
    save(access, &services, body, false).await
}

/// Changes name, scopes or expiry of a key; its project cannot change.
#[utoipa::path(patch, path = "/api_keys/{id}/", tag = "api_keys", operation_id = "update_api_keys", params(("id" = i64, Path)),
    request_body = inline(KeyRequest), responses((status = 200, body = ApiKeyBody)))]
async fn update(access: Access<ApiKey, Admin>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<ApiKeyBody>> {
    save(access, &services, body, true).await
}

async fn save(access: Access<ApiKey, Admin>, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<ApiKeyBody>> {
    access.principal.refuse_keys()?;
    let current = access.object;
    let mut fields = body.reader();
    let KeyFields { name, scopes, expires_at } = KeyFields::read(&mut fields, Write::over(&current.fields(), partial));
    let message = "A key cannot move to another project. Make a new one there.";
    OfProject::read_same(&mut fields, current.project_id, true, message);
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let saved =
        store::update(&mut connection, current.id, &name, stored(&scopes), expires_at).await.map_err(service::named_twice)?;
    Ok(web::Json(saved.into()))
}

/// Deletes a key.
#[utoipa::path(delete, path = "/api_keys/{id}/", tag = "api_keys", operation_id = "delete_api_keys", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted")))]
async fn delete(access: Access<ApiKey, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    store::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revokes a key permanently.
#[utoipa::path(post, path = "/api_keys/{id}/revoke/", tag = "api_keys", operation_id = "create_api_keys_revoke", params(("id" = i64, Path)),
    responses((status = 200, description = "Revoked")))]
async fn revoke(access: Access<ApiKey, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    store::revoke(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::Ok().json(json!({ "status": "revoked" })))
}
