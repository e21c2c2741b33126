//! `/auth/`: logging in and out, tokens, one's own account.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::error::AccountError;
use super::model::User;
use super::principal::{self, Principal};
use super::{service, store};
use crate::platform::db::is_duplicate;
use crate::platform::http::{ApiError, ApiResult, Body, Missing, timestamp};
use crate::platform::services::Services;

/// Cookie of the access token.
pub const ACCESS_COOKIE: &str = "jwt-access";
/// Cookie of the refresh token.
pub const REFRESH_COOKIE: &str = "jwt-refresh";

#[derive(OpenApi)]
#[openapi(paths(log_in, log_out, refresh, verify, read_user, replace_user, update_user, change_password))]
pub struct Docs;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/auth/login/", web::post().to(log_in))
        .route("/auth/logout/", web::post().to(log_out))
        .route("/auth/token/refresh/", web::post().to(refresh))
        .route("/auth/token/verify/", web::post().to(verify))
        .service(
            web::resource("/auth/user/")
                .route(web::get().to(read_user))
                .route(web::put().to(replace_user))
                .route(web::patch().to(update_user)),
        )
        .route("/users/change_password/", web::post().to(change_password));
}

/// The logged-in user as clients see them.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserDetails {
    pk: i64,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    is_superuser: bool,
    is_staff: bool,
}

impl From<User> for UserDetails {
    fn from(user: User) -> Self {
        Self {
            pk: user.id,
            username: user.username,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            is_superuser: user.is_superuser,
            is_staff: user.is_staff,
        }
    }
}

/// Name and password.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct Credentials {
    username: String,
    password: String,
}

/// What a log-in answers.
#[derive(Debug, Serialize, ToSchema)]
struct LoggedIn {
    access: String,
    /// Always empty: the refresh token travels in a cookie only.
    refresh: String,
    user: UserDetails,
}

/// Log in with name and password; the tokens come as HttpOnly cookies.
#[utoipa::path(post, path = "/auth/login/", tag = "auth", operation_id = "create_login", request_body = inline(Credentials),
    responses((status = 200, body = inline(LoggedIn)), (status = 400, description = "Wrong credentials")))]
async fn log_in(services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    if !fields.has("username") && fields.has("password") {
        return Err(ApiError::non_field("Must include \"username\" and \"password\"."));
    }
    let username = fields.text("username", 150, Missing::Required);
    let password = fields.secret("password");
    fields.finish()?;
    let session = service::log_in(&services, &username, password).await?;
    let settings = &services.settings;
    Ok(HttpResponse::Ok()
        .cookie(cookie(&services, ACCESS_COOKIE, session.access.clone(), settings.access_token_lifetime))
        .cookie(cookie(&services, REFRESH_COOKIE, session.refresh, settings.refresh_token_lifetime))
        .json(LoggedIn { access: session.access, refresh: String::new(), user: session.user.into() }))
}

fn cookie(services: &Services, name: &'static str, value: String, seconds: i64) -> Cookie<'static> {
    Cookie::build(name, value)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(services.settings.jwt_auth_secure)
        .path("/")
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// Forget the tokens of this browser. Works whatever state they are in.
#[utoipa::path(post, path = "/auth/logout/", tag = "auth", operation_id = "create_logout", responses((status = 200, description = "Cookies cleared")))]
async fn log_out(services: web::Data<Services>) -> HttpResponse {
    HttpResponse::Ok()
        .cookie(cookie(&services, ACCESS_COOKIE, String::new(), 0))
        .cookie(cookie(&services, REFRESH_COOKIE, String::new(), 0))
        .json(json!({ "detail": "Successfully logged out." }))
}

/// A new access token.
#[derive(Debug, Serialize, ToSchema)]
struct Refreshed {
    access: String,
    access_expiration: String,
}

/// A new access token for the refresh token in the cookie or the body.
#[utoipa::path(post, path = "/auth/token/refresh/", tag = "auth", operation_id = "create_token_refresh",
    responses((status = 200, body = inline(Refreshed)), (status = 401, description = "The refresh token is no good")))]
async fn refresh(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let sent = body.0.get("refresh").and_then(|value| value.as_str()).filter(|text| !text.is_empty()).map(str::to_owned);
    let token = sent.or_else(|| request.cookie(REFRESH_COOKIE).map(|cookie| cookie.value().to_owned()));
    let token = token.filter(|text| !text.is_empty()).ok_or(AccountError::BadRefreshToken)?;
    let (access, until) = service::refresh(&services, &token).await?;
    Ok(HttpResponse::Ok()
        .cookie(cookie(&services, ACCESS_COOKIE, access.clone(), services.settings.access_token_lifetime))
        .json(Refreshed { access, access_expiration: timestamp::text(&until) }))
}

/// Whether a token is still good.
#[utoipa::path(post, path = "/auth/token/verify/", tag = "auth", operation_id = "create_token_verify",
    responses((status = 200, description = "It is"), (status = 401, description = "It is not")))]
async fn verify(services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let token = fields.text("token", 4096, Missing::Required);
    fields.finish()?;
    service::verify(&services, &token).await.map_err(|error| match error {
        AccountError::BadToken => AccountError::BadRefreshToken,
        other => other,
    })?;
    Ok(HttpResponse::Ok().json(json!({})))
}

/// One's own account.
#[utoipa::path(get, path = "/auth/user/", tag = "auth", operation_id = "read_auth_user", responses((status = 200, body = UserDetails), (status = 401, description = "Not logged in")))]
async fn read_user(principal: Principal) -> web::Json<UserDetails> {
    web::Json(principal.user.into())
}

/// Replace the names of one's own account.
#[utoipa::path(put, path = "/auth/user/", tag = "auth", operation_id = "replace_auth_user", responses((status = 200, body = UserDetails)))]
async fn replace_user(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<UserDetails>> {
    save_user(principal, &services, body, false).await
}

/// Change the names of one's own account.
#[utoipa::path(patch, path = "/auth/user/", tag = "auth", operation_id = "update_auth_user", responses((status = 200, body = UserDetails)))]
async fn update_user(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<UserDetails>> {
    save_user(principal, &services, body, true).await
}

async fn save_user(principal: Principal, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<UserDetails>> {
    principal.refuse_keys()?;
    let user = principal.user;
    let mut fields = body.reader();
    let username = fields.text("username", 150, Missing::keep_or_require(partial.then(|| user.username.clone())));
    let first_name = fields.text_or_blank("first_name", 150, Missing::Use(user.first_name));
    let last_name = fields.text_or_blank("last_name", 150, Missing::Use(user.last_name));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    match store::rename(&mut connection, user.id, &username, &first_name, &last_name).await {
        Err(error) if is_duplicate(&error) => Err(AccountError::NameTaken.into()),
        other => Ok(web::Json(other?.into())),
    }
}

/// Change one's own password; every session opened before ends.
#[utoipa::path(post, path = "/users/change_password/", tag = "users", operation_id = "create_change_password",
    responses((status = 200, description = "Changed"), (status = 400, description = "Wrong old password or weak new one")))]
async fn change_password(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let principal = principal::of_request(&request)?;
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let old = fields.secret("old_password");
    let new = fields.secret("new_password");
    fields.finish()?;
    if service::change_password(&services, &principal.user, old, new).await? {
        Ok(HttpResponse::Ok().json(json!({ "detail": "Password changed. Log in again." })))
    } else {
        Err(ApiError::field("old_password", "That is not your current password."))
    }
}
