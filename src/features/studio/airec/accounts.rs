//! Signing up and logging in.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::features::accounts::{self, KnownNetworks, Session};
use crate::platform::http::body::{Secret, Text};
use crate::platform::http::{ApiError, ApiResult, Body, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

const LONGEST_NAME: usize = 150;

request_fields! {
    /// A new account, whose user name is its e-mail address.
    struct SignUpFields {
        name: String => Text(LONGEST_NAME),
        email: String => Text(LONGEST_NAME),
        password: String => Secret,
    }
}

request_fields! {
    /// An e-mail address, or a user name, and a password.
    struct LogInFields {
        email: String => Text(LONGEST_NAME),
        password: String => Secret,
    }
}

/// The answer to a sign-up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecSignedUp)]
pub struct SignedUp {
    message: String,
    success: bool,
}

/// The answer to a log-in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecLoggedIn)]
pub struct LoggedIn {
    success: bool,
    message: String,
    /// The access token, to be sent as `Authorization: Bearer …`.
    #[serde(rename = "jwtToken")]
    jwt_token: String,
    /// The same token.
    token: String,
    name: String,
    email: String,
}

type SignUpRequest = RequestOf<SignUpFields>;
type LogInRequest = RequestOf<LogInFields>;

/// Creates an account, where the installation allows sign-up.
#[utoipa::path(post, path = "/airec/signup", tag = "airec", operation_id = "create_airec_signup", request_body = inline(SignUpRequest),
    responses((status = 200, body = inline(SignedUp)), (status = 400, description = "A field is invalid"),
        (status = 403, description = "Accounts are created by invitation only")))]
pub async fn sign_up(
    request: HttpRequest,
    services: web::Data<Services>,
    networks: web::Data<KnownNetworks>,
    body: Body,
) -> ApiResult<web::Json<SignedUp>> {
    accounts::refuse_uninvited(&services)?;
    let mut fields = body.reader();
    let SignUpFields { name: _, email, password } = SignUpFields::read(&mut fields, Write::Create);
    fields.finish()?;
    let account = [("username", &email), ("email", &email), ("password", &password)];
    let account: Map<String, Value> =
        account.map(|(field, text)| (field.to_owned(), Value::from(text.as_str()))).into_iter().collect();
    accounts::create_account(&request, &services, &networks, Body::of(account)).await.map_err(by_email)?;
    Ok(web::Json(SignedUp { message: "The account has been created. Log in now.".to_owned(), success: true }))
}

/// Returns a refusal that names the field as the caller sent it.
fn by_email(error: ApiError) -> ApiError {
    let Some(mut faults) = error.by_field() else { return error };
    let Some(of_name) = faults.remove("username") else { return error };
    faults.entry("email".to_owned()).or_insert(of_name);
    ApiError::fields(faults)
}

/// Logs in, and returns an access token.
#[utoipa::path(post, path = "/airec/login", tag = "airec", operation_id = "create_airec_login", request_body = inline(LogInRequest),
    responses((status = 200, body = inline(LoggedIn)), (status = 400, description = "The name or the password is wrong")))]
pub async fn log_in(
    request: HttpRequest,
    services: web::Data<Services>,
    networks: web::Data<KnownNetworks>,
    body: Body,
) -> ApiResult<web::Json<LoggedIn>> {
    let mut fields = body.reader();
    let LogInFields { email, password } = LogInFields::read(&mut fields, Write::Create);
    fields.finish()?;
    let Session { user, access, .. } = accounts::open_session(&request, &services, &networks, &email, password).await?;
    let name = if user.first_name.is_empty() { user.username.clone() } else { user.first_name };
    let email = if user.email.is_empty() { user.username } else { user.email };
    let message = "Logged in.".to_owned();
    Ok(web::Json(LoggedIn { success: true, message, jwt_token: access.clone(), token: access, name, email }))
}
