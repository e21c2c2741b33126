//! `/auth/`: log-in, log-out, tokens and sign-up.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::{LONGEST_NAME, NewAccount, UserDetails, origin_of};
use crate::features::accounts::error::AccountError;
use crate::features::accounts::known_networks::KnownNetworks;
use crate::features::accounts::model::User;
use crate::features::accounts::service::{self, Session};
use crate::features::accounts::session_limits::SessionLimits;
use crate::platform::http::body::{Kind, Missing, Nullable, Secret, Text, TextOrBlank};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::services::Services;

/// Cookie of the access token.
pub const ACCESS_COOKIE: &str = "jwt-access";
/// Cookie of the refresh token.
const REFRESH_COOKIE: &str = "jwt-refresh";
const LONGEST_TOKEN: usize = 4096;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/login/").route(web::post().to(log_in)))
        .service(web::resource("/auth/logout/").route(web::post().to(log_out)))
        .service(web::resource("/auth/token/refresh/").route(web::post().to(refresh)))
        .service(web::resource("/auth/token/verify/").route(web::post().to(verify)))
        .service(web::resource("/auth/sign_up/").route(web::post().to(sign_up)))
        .service(web::resource("/auth/options/").route(web::get().to(options)));
}

request_fields! {
    /// A username and password.
    struct Credentials {
        username: String => Text(LONGEST_NAME),
        password: String => Secret,
    }
}

type LogInRequest = RequestOf<Credentials>;

/// The answer to a log-in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    access: String,
    /// Always empty: the refresh token is sent in a cookie only.
    refresh: String,
    user: UserDetails,
}

/// Logs in with name and password; the tokens are returned as HttpOnly cookies.
#[utoipa::path(post, path = "/auth/login/", tag = "auth", operation_id = "create_login", request_body = inline(LogInRequest),
    responses((status = 200, body = inline(LoggedIn)), (status = 400, description = "The name or the password is wrong")))]
pub(super) async fn log_in(
    request: HttpRequest,
    services: web::Data<Services>,
    networks: web::Data<KnownNetworks>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    if !fields.has("username") && fields.has("password") {
        return Err(ApiError::non_field("Must include \"username\" and \"password\"."));
    }
    let Credentials { username, password } = Credentials::read(&mut fields, Write::Create);
    fields.finish()?;
    let session = open_session(&request, &services, &networks, &username, password).await?;
    let mut answer = with_cookies(&services, &session);
    Ok(answer.json(LoggedIn::from(session)))
}

/// Checks a name and password that a request was sent with, and opens a session.
pub async fn open_session(
    request: &HttpRequest,
    services: &Services,
    networks: &KnownNetworks,
    username: &str,
    password: String,
) -> ApiResult<Session> {
    Ok(service::log_in(services, networks, username, password, &origin_of(request)).await?)
}

impl From<Session> for LoggedIn {
    fn from(session: Session) -> Self {
        Self { access: session.access, refresh: String::new(), user: session.user.into() }
    }
}

/// Returns an answer that sets the cookies of both tokens.
pub(super) fn with_cookies(services: &Services, session: &Session) -> HttpResponseBuilder {
    let settings = &services.settings;
    let mut answer = HttpResponse::Ok();
    answer.cookie(cookie(services, ACCESS_COOKIE, session.access.clone(), settings.access_token_lifetime)).cookie(cookie(
        services,
        REFRESH_COOKIE,
        session.refresh.clone(),
        settings.refresh_token_lifetime,
    ));
    answer
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

/// Ends this session and clears the cookies of its tokens. Succeeds even if they are invalid.
#[utoipa::path(post, path = "/auth/logout/", tag = "auth", operation_id = "create_logout",
    responses((status = 200, description = "Session ended, cookies cleared")))]
pub(super) async fn log_out(
    request: HttpRequest,
    services: web::Data<Services>,
    limits: web::Data<SessionLimits>,
) -> HttpResponse {
    let cookies = [ACCESS_COOKIE, REFRESH_COOKIE].into_iter().filter_map(|name| request.cookie(name));
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|text| text.strip_prefix("Bearer ")).map(|token| token.trim().to_owned());
    service::sessions::close(&services, &limits, cookies.map(|cookie| cookie.value().to_owned()).chain(bearer)).await;
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

request_fields! {
    /// The refresh token, if it is not in the cookie.
    struct RefreshFields {
        refresh: Option<String> = None => TokenOrNothing,
    }
}

type RefreshRequest = RequestOf<RefreshFields>;

/// A token; any other value counts as missing.
struct TokenOrNothing;

impl Kind for TokenOrNothing {
    type Output = Option<String>;

    fn read(&self, fields: &mut FieldReader, field: &str, _: Missing<Option<String>>) -> Option<String> {
        match fields.take(field) {
            Some(Value::String(token)) if !token.is_empty() => Some(token),
            _ => None,
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        Nullable(TextOrBlank(LONGEST_TOKEN)).schema()
    }
}

/// Issues new tokens for the refresh token in the cookie or the body. The refresh token is replaced by a new one in the cookie.
#[utoipa::path(post, path = "/auth/token/refresh/", tag = "auth", operation_id = "create_token_refresh",
    request_body = inline(RefreshRequest),
    responses((status = 200, body = inline(Refreshed)), (status = 401, description = "The token is invalid or has expired")))]
pub(super) async fn refresh(
    request: HttpRequest,
    services: web::Data<Services>,
    limits: web::Data<SessionLimits>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let RefreshFields { refresh: sent } = RefreshFields::read(&mut body.reader(), Write::Create);
    let token = sent.or_else(|| request.cookie(REFRESH_COOKIE).map(|cookie| cookie.value().to_owned()));
    let token = token.filter(|text| !text.is_empty()).ok_or(AccountError::BadRefreshToken)?;
    let session = service::sessions::renew(&services, &limits, &token, &origin_of(&request)).await.map_err(of_any_kind)?;
    let answer = Refreshed { access: session.access.clone(), access_expiration: timestamp::text(&session.access_until) };
    Ok(with_cookies(&services, &session).json(answer))
}

request_fields! {
    /// The token to verify.
    struct TokenFields {
        token: String => Text(LONGEST_TOKEN),
    }
}

type TokenRequest = RequestOf<TokenFields>;

/// Verifies that a token is still valid.
#[utoipa::path(post, path = "/auth/token/verify/", tag = "auth", operation_id = "create_token_verify",
    request_body = inline(TokenRequest),
    responses((status = 200, description = "The token is valid"), (status = 400, description = "The token is missing"), (status = 401, description = "The token is invalid")))]
pub(super) async fn verify(services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let TokenFields { token } = TokenFields::read(&mut fields, Write::Create);
    fields.finish()?;
    service::sessions::verify(&services, &token).await.map_err(of_any_kind)?;
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Returns a shorter refusal for tokens sent in the body than for tokens that authenticate the caller.
fn of_any_kind(error: AccountError) -> AccountError {
    match error {
        AccountError::BadToken => AccountError::BadRefreshToken,
        other => other,
    }
}

type SignUpRequest = RequestOf<NewAccount>;

/// Creates an account, where the installation allows sign-up, and logs in.
#[utoipa::path(post, path = "/auth/sign_up/", tag = "auth", operation_id = "create_sign_up", request_body = inline(SignUpRequest),
    responses((status = 200, body = inline(LoggedIn)), (status = 400, description = "A field is invalid"),
        (status = 403, description = "Accounts are created by invitation only")))]
pub(super) async fn sign_up(
    request: HttpRequest,
    services: web::Data<Services>,
    networks: web::Data<KnownNetworks>,
    body: Body,
) -> ApiResult<HttpResponse> {
    refuse_uninvited(&services)?;
    let user = create_account(&request, &services, &networks, body).await?;
    let session = service::sessions::open(&services, user, &origin_of(&request)).await?;
    let mut answer = with_cookies(&services, &session);
    Ok(answer.json(LoggedIn::from(session)))
}

/// Fails with 403 unless the installation allows sign-up.
pub fn refuse_uninvited(services: &Services) -> ApiResult<()> {
    match services.settings.self_sign_up {
        true => Ok(()),
        false => Err(ApiError::forbidden("Accounts are made by invitation here. Ask an administrator for one.")),
    }
}

/// Creates an account from the fields of a body.
pub async fn create_account(request: &HttpRequest, services: &Services, networks: &KnownNetworks, body: Body) -> ApiResult<User> {
    let mut fields = body.reader();
    let NewAccount { username, email, password } = NewAccount::read_checked(&mut fields);
    fields.finish()?;
    Ok(service::invitations::sign_up(services, networks, &username, &email, password, &origin_of(request)).await?)
}

/// The options of a client without an account.
#[derive(Debug, Serialize, ToSchema)]
struct AuthOptions {
    /// Whether a client may create an account.
    sign_up: bool,
    /// Whether links for a new password are mailed.
    mail: bool,
}

/// Returns the options of a client without an account.
#[utoipa::path(get, path = "/auth/options/", tag = "auth", operation_id = "read_auth_options",
    responses((status = 200, body = inline(AuthOptions))))]
pub(super) async fn options(services: web::Data<Services>) -> HttpResponse {
    let settings = &services.settings;
    HttpResponse::Ok().json(AuthOptions { sign_up: settings.self_sign_up, mail: settings.sends_mail() })
}
