//! `/users/`: the users of the installation, for staff.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Email, NewAccount, NewPassword, base_url, check_password};
use crate::features::accounts::model::User;
use crate::features::accounts::principal::Principal;
use crate::features::accounts::store::NewUser;
use crate::features::accounts::{service, store};
use crate::platform::http::body::Flag;
use crate::platform::http::{ApiError, ApiResult, Body, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/users/").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/users/{id}/").route(web::get().to(read)).route(web::patch().to(update)))
        .service(web::resource("/users/{id}/deactivate/").route(web::post().to(deactivate)))
        .service(web::resource("/users/{id}/activate/").route(web::post().to(activate)))
        .service(web::resource("/users/{id}/reset_password/").route(web::post().to(reset_password)))
        .service(web::resource("/users/{id}/password_reset_link/").route(web::post().to(password_reset_link)));
}

/// A user as staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
struct UserBody {
    id: i64,
    username: String,
    email: String,
    is_staff: bool,
    is_active: bool,
    #[serde(serialize_with = "timestamp::serialize")]
    date_joined: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    last_login: Option<DateTime<Utc>>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            is_staff: user.is_staff,
            is_active: user.is_active,
            date_joined: user.date_joined,
            last_login: user.last_login,
        }
    }
}

/// The answer to a change.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedUser {
    id: i64,
    username: String,
    email: String,
    is_staff: bool,
    is_active: bool,
}

impl From<User> for ChangedUser {
    fn from(user: User) -> Self {
        let User { id, username, email, is_staff, is_active, .. } = user;
        Self { id, username, email, is_staff, is_active }
    }
}

request_fields! {
    /// The rights of a new user.
    struct Rights {
        is_staff: bool = false => Flag,
    }
}

request_fields! {
    /// The fields that staff may change of a user.
    struct UserFields {
        email: String => Email,
        is_staff: bool => Flag,
        is_active: bool => Flag,
    }
}

type UserChangeRequest = RequestOf<UserFields>;

/// A link that sets a new password, to be passed on by staff.
#[derive(Debug, Serialize, ToSchema)]
struct ResetLink {
    url: String,
    #[serde(serialize_with = "timestamp::serialize")]
    expires_at: DateTime<Utc>,
}

/// Returns the user with an id for a change by staff; only superusers may change superusers.
async fn for_change(principal: &Principal, services: &Services, id: &str) -> ApiResult<User> {
    let user = for_reading(principal, services, id).await?;
    if user.is_superuser && !principal.user.is_superuser {
        return Err(ApiError::forbidden("Only a superuser may change a superuser."));
    }
    Ok(user)
}

async fn for_reading(principal: &Principal, services: &Services, id: &str) -> ApiResult<User> {
    principal.require_staff()?;
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    store::user_by_id(&mut *services.db.conn().await?, id).await?.ok_or_else(ApiError::not_found)
}

/// Lists all users, the latest to join first. For staff.
#[utoipa::path(get, path = "/users/", tag = "users", operation_id = "list_users", responses((status = 200, body = Vec<UserBody>)))]
pub(super) async fn list(principal: Principal, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    principal.require_staff()?;
    let users = store::all_users(&mut *services.db.conn().await?).await?;
    Ok(HttpResponse::Ok().json(users.into_iter().map(UserBody::from).collect::<Vec<_>>()))
}

type UserRequest = RequestOf<(NewAccount, Rights)>;

/// Creates a user. For staff.
#[utoipa::path(post, path = "/users/", tag = "users", operation_id = "create_users", request_body = inline(UserRequest),
    responses((status = 201, body = UserBody), (status = 400, description = "A field is invalid")))]
pub(super) async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.require_staff()?;
    let mut fields = body.reader();
    let NewAccount { username, email, password } = NewAccount::read_checked(&mut fields);
    let Rights { is_staff } = Rights::read(&mut fields, Write::Create);
    fields.finish()?;
    let hash = service::hash(password).await?;
    let user = NewUser { id: None, username: &username, email: &email, password_hash: &hash, is_superuser: false, is_staff };
    let made = service::add_user(&mut *services.db.conn().await?, user).await?;
    Ok(HttpResponse::Created().json(UserBody::from(made)))
}

/// Returns a user. For staff.
#[utoipa::path(get, path = "/users/{id}/", tag = "users", operation_id = "read_users", params(("id" = i64, Path)),
    responses((status = 200, body = UserBody), (status = 404, description = "Not found")))]
pub(super) async fn read(principal: Principal, services: web::Data<Services>, id: web::Path<String>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(UserBody::from(for_reading(&principal, &services, &id).await?)))
}

/// Changes address and rights of a user; staff cannot remove their own rights. For staff.
#[utoipa::path(patch, path = "/users/{id}/", tag = "users", operation_id = "update_users", params(("id" = i64, Path)),
    request_body = inline(UserChangeRequest),
    responses((status = 200, body = inline(ChangedUser)), (status = 400, description = "A field is invalid, or the user is the caller"), (status = 404, description = "Not found")))]
pub(super) async fn update(
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let user = for_change(&principal, &services, &id).await?;
    let mut fields = body.reader();
    let current = UserFields { email: user.email.clone(), is_staff: user.is_staff, is_active: user.is_active };
    let UserFields { email, is_staff, is_active } = UserFields::read(&mut fields, Write::Change(&current));
    fields.finish()?;
    let changed = save(&principal, &services, &user, &email, is_staff, is_active).await?;
    Ok(HttpResponse::Ok().json(ChangedUser::from(changed)))
}

async fn save(
    principal: &Principal,
    services: &Services,
    user: &User,
    email: &str,
    is_staff: bool,
    is_active: bool,
) -> ApiResult<User> {
    if user.id == principal.user.id && !(is_staff && is_active) {
        return Err(ApiError::bad_request("You cannot deactivate yourself or give up your own staff rights."));
    }
    Ok(store::change_user(&mut *services.db.conn().await?, user, email, is_staff, is_active).await?)
}

/// Deactivates a user: their sessions and API keys become invalid at once. For staff.
#[utoipa::path(post, path = "/users/{id}/deactivate/", tag = "users", operation_id = "create_users_deactivate", params(("id" = i64, Path)),
    responses((status = 200, body = UserBody), (status = 400, description = "The user is the caller"), (status = 404, description = "Not found")))]
pub(super) async fn deactivate(
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    set_active(&principal, &services, &id, false).await
}

/// Activates a deactivated user; old sessions stay ended. For staff.
#[utoipa::path(post, path = "/users/{id}/activate/", tag = "users", operation_id = "create_users_activate", params(("id" = i64, Path)),
    responses((status = 200, body = UserBody), (status = 404, description = "Not found")))]
pub(super) async fn activate(
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    set_active(&principal, &services, &id, true).await
}

async fn set_active(principal: &Principal, services: &Services, id: &str, is_active: bool) -> ApiResult<HttpResponse> {
    let user = for_change(principal, services, id).await?;
    let changed = save(principal, services, &user, &user.email, user.is_staff, is_active).await?;
    Ok(HttpResponse::Ok().json(UserBody::from(changed)))
}

type NewPasswordRequest = RequestOf<NewPassword>;

/// Sets the password of a user; ends all sessions and API keys of that user. For staff.
#[utoipa::path(post, path = "/users/{id}/reset_password/", tag = "users", operation_id = "create_users_reset_password",
    params(("id" = i64, Path)), request_body = inline(NewPasswordRequest),
    responses((status = 200, description = "Set"), (status = 400, description = "The password is weak"), (status = 404, description = "Not found")))]
pub(super) async fn reset_password(
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let user = for_change(&principal, &services, &id).await?;
    let mut fields = body.reader();
    let NewPassword { new_password: new } = NewPassword::read(&mut fields, Write::Create);
    check_password(&mut fields, "new_password", &new, |text| service::password_faults(&user, text));
    fields.finish()?;
    service::set_password(&services, principal.user.id, &user, new, false).await?;
    Ok(HttpResponse::Ok().json(json!({ "detail": "Password reset successfully." })))
}

/// Creates a link that sets a new password, for installations without mail. It works once, within an hour. For staff.
#[utoipa::path(post, path = "/users/{id}/password_reset_link/", tag = "users", operation_id = "create_users_password_reset_link",
    params(("id" = i64, Path)),
    responses((status = 200, body = inline(ResetLink)), (status = 400, description = "The user is deactivated"), (status = 404, description = "Not found")))]
pub(super) async fn password_reset_link(
    request: HttpRequest,
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let user = for_change(&principal, &services, &id).await?;
    if !user.is_active {
        return Err(ApiError::bad_request("This user is deactivated. Activate them first."));
    }
    let (now, base) = (services.clock.now(), base_url(&request, &services));
    let (url, expires_at) = service::resets::issue(&mut *services.db.conn().await?, &user, &base, now).await?;
    Ok(HttpResponse::Ok().json(ResetLink { url, expires_at }))
}
