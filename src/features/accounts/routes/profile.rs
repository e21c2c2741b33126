//! `/auth/user/`: the caller's account.

use actix_web::web;

use super::{LONGEST_NAME, UserDetails, Username};
use crate::features::accounts::model::User;
use crate::features::accounts::principal::Principal;
use crate::features::accounts::{service, store};
use crate::platform::http::body::{Kept, TextOrBlank};
use crate::platform::http::{ApiResult, Body, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/auth/user/").route(web::get().to(read)).route(web::put().to(replace)).route(web::patch().to(update)),
    );
}

request_fields! {
    /// The fields that callers may change of their own account.
    struct ProfileFields {
        username: String => Username,
        first_name: String = String::new() => Kept(TextOrBlank(LONGEST_NAME)),
        last_name: String = String::new() => Kept(TextOrBlank(LONGEST_NAME)),
    }
}

type ProfileRequest = RequestOf<ProfileFields>;

/// Returns the caller's account. To an API key, only the id and name of its user are returned; the other fields are empty.
#[utoipa::path(get, path = "/auth/user/", tag = "auth", operation_id = "read_auth_user", responses((status = 200, body = UserDetails)))]
pub(super) async fn read(principal: Principal) -> web::Json<UserDetails> {
    web::Json(if principal.key.is_some() { UserDetails::for_key(principal.user) } else { principal.user.into() })
}

/// Replaces the names in the caller's account.
#[utoipa::path(put, path = "/auth/user/", tag = "auth", operation_id = "replace_auth_user", request_body = inline(ProfileRequest),
    responses((status = 200, body = UserDetails), (status = 400, description = "A field is invalid")))]
pub(super) async fn replace(
    principal: Principal,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<UserDetails>> {
    save(principal, &services, body, false).await
}

/// Changes some of the names in the caller's account.
#[utoipa::path(patch, path = "/auth/user/", tag = "auth", operation_id = "update_auth_user", request_body = inline(ProfileRequest),
    responses((status = 200, body = UserDetails), (status = 400, description = "A field is invalid")))]
pub(super) async fn update(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<UserDetails>> {
    save(principal, &services, body, true).await
}

async fn save(principal: Principal, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<UserDetails>> {
    principal.refuse_keys()?;
    let User { id, username, first_name, last_name, .. } = principal.user;
    let current = ProfileFields { username, first_name, last_name };
    let mut fields = body.reader();
    let ProfileFields { username, first_name, last_name } = ProfileFields::read(&mut fields, Write::over(&current, partial));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let saved = store::rename(&mut connection, id, &username, &first_name, &last_name).await;
    Ok(web::Json(saved.map_err(service::name_taken)?.into()))
}
