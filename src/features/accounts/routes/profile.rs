//! `/auth/user/`: one's own account.

use actix_web::web;
use utoipa::ToSchema;

use super::{LONGEST_NAME, UserDetails, read_username};
use crate::features::accounts::principal::Principal;
use crate::features::accounts::{service, store};
use crate::platform::http::{ApiResult, Body, Missing};
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/auth/user/").route(web::get().to(read)).route(web::put().to(replace)).route(web::patch().to(update)),
    );
}

/// What one may change of one's own account.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct ProfileRequest {
    username: String,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// One's own account. An API key is told the id and the name of the user it acts for; the other fields are empty.
#[utoipa::path(get, path = "/auth/user/", tag = "auth", operation_id = "read_auth_user", responses((status = 200, body = UserDetails)))]
pub(super) async fn read(principal: Principal) -> web::Json<UserDetails> {
    web::Json(if principal.key.is_some() { UserDetails::for_key(principal.user) } else { principal.user.into() })
}

/// Replace the names of one's own account.
#[utoipa::path(put, path = "/auth/user/", tag = "auth", operation_id = "replace_auth_user", request_body = inline(ProfileRequest),
    responses((status = 200, body = UserDetails), (status = 400, description = "A field is wrong")))]
pub(super) async fn replace(
    principal: Principal,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<UserDetails>> {
    save(principal, &services, body, false).await
}

/// Change the names of one's own account.
#[utoipa::path(patch, path = "/auth/user/", tag = "auth", operation_id = "update_auth_user", request_body = inline(ProfileRequest),
    responses((status = 200, body = UserDetails), (status = 400, description = "A field is wrong")))]
pub(super) async fn update(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<UserDetails>> {
    save(principal, &services, body, true).await
}

async fn save(principal: Principal, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<UserDetails>> {
    principal.refuse_keys()?;
    let user = principal.user;
    let mut fields = body.reader();
    let username = read_username(&mut fields, Missing::keep_or_require(partial.then(|| user.username.clone())));
    let first_name = fields.text_or_blank("first_name", LONGEST_NAME, Missing::Use(user.first_name));
    let last_name = fields.text_or_blank("last_name", LONGEST_NAME, Missing::Use(user.last_name));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let saved = store::rename(&mut connection, user.id, &username, &first_name, &last_name).await;
    Ok(web::Json(saved.map_err(service::name_taken)?.into()))
}
