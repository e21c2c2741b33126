//! New passwords: changed by their owner, or set through a link.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{LONGEST_EMAIL, NewPassword, check_password, origin_of};
use crate::features::accounts::model::User;
use crate::features::accounts::principal::{self, Principal};
use crate::features::accounts::service;
use crate::platform::http::body::{Flag, Secret, Text};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/password/change/").route(web::post().to(change)))
        .service(web::resource("/auth/password/reset/").route(web::post().to(ask_for_reset)))
        .service(web::resource("/auth/password/reset/confirm/").route(web::post().to(confirm_reset)))
        .service(web::resource("/users/change_password/").route(web::post().to(change_with_old)));
}

request_fields! {
    /// The current password.
    struct OldPassword {
        old_password: String => Secret,
        /// Whether to keep the caller's API keys; by default they are revoked with the sessions.
        keep_api_keys: bool = false => Flag,
    }
}

request_fields! {
    /// A new password, sent twice to detect typing errors.
    struct NewPasswordTwice {
        new_password1: String => Secret,
        new_password2: String => Secret,
    }
}

impl NewPasswordTwice {
    /// Reads the new password and checks it, against the names of the user if known.
    fn read_checked(fields: &mut FieldReader, user: Option<&User>) -> String {
        let Self { new_password1: first, new_password2: second } = Self::read(fields, Write::Create);
        let faults = |text: &str| user.map(|user| service::password_faults(user, text)).unwrap_or_default();
        check_password(fields, "new_password2", &second, faults);
        if !first.is_empty() && !second.is_empty() && first != second {
            fields.fault("new_password2", "The two password fields didn't match.");
        }
        second
    }
}

fn person(request: &HttpRequest) -> ApiResult<Principal> {
    let principal = principal::of_request(request)?;
    principal.refuse_keys()?;
    Ok(principal)
}

type ChangeRequest = RequestOf<(OldPassword, NewPasswordTwice)>;

/// Changes the caller's password; ends all sessions and API keys of the caller.
#[utoipa::path(post, path = "/auth/password/change/", tag = "auth", operation_id = "create_password_change",
    request_body = inline(ChangeRequest),
    responses((status = 200, description = "Changed"), (status = 400, description = "The old password is wrong, or the new one is weak")))]
pub(super) async fn change(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let user = person(&request)?.user;
    let mut fields = body.reader();
    let old = OldPassword::read(&mut fields, Write::Create);
    let new = NewPasswordTwice::read_checked(&mut fields, Some(&user));
    save(&request, &services, user, fields, old, new).await
}

type ChangeWithOldRequest = RequestOf<(OldPassword, NewPassword)>;

/// Changes the caller's password; ends all sessions and API keys of the caller.
#[utoipa::path(post, path = "/users/change_password/", tag = "users", operation_id = "create_change_password",
    request_body = inline(ChangeWithOldRequest),
    responses((status = 200, description = "Changed"), (status = 400, description = "The old password is wrong, or the new one is weak")))]
pub(super) async fn change_with_old(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let user = person(&request)?.user;
    let mut fields = body.reader();
    let old = OldPassword::read(&mut fields, Write::Create);
    let NewPassword { new_password: new } = NewPassword::read(&mut fields, Write::Create);
    check_password(&mut fields, "new_password", &new, |text| service::password_faults(&user, text));
    save(&request, &services, user, fields, old, new).await
}

async fn save(
    request: &HttpRequest,
    services: &Services,
    user: User,
    mut fields: FieldReader,
    OldPassword { old_password: old, keep_api_keys }: OldPassword,
    new: String,
) -> ApiResult<HttpResponse> {
    if !old.is_empty() && !service::is_password_of(services, &user, old, &origin_of(request)).await? {
        fields.fault("old_password", "That is not your current password.");
    }
    fields.finish()?;
    service::set_password(services, user.id, &user, new, keep_api_keys).await?;
    Ok(HttpResponse::Ok().json(json!({ "detail": "Password changed. Log in again." })))
}

request_fields! {
    /// The address of the account whose password was forgotten.
    struct Forgotten {
        email: String => Text(LONGEST_EMAIL),
    }
}

type ResetRequest = RequestOf<Forgotten>;

/// Mails a link for a new password. The answer does not reveal whether the account exists.
#[utoipa::path(post, path = "/auth/password/reset/", tag = "auth", operation_id = "create_password_reset",
    request_body = inline(ResetRequest),
    responses((status = 200, description = "If the account exists, a link was sent"), (status = 400, description = "The address is missing")))]
pub(super) async fn ask_for_reset(services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let Forgotten { email } = Forgotten::read(&mut fields, Write::Create);
    fields.finish()?;
    service::resets::mail_links(&services, email);
    let detail = if services.settings.sends_mail() {
        "If there is an account with this address, a link has been sent to it."
    } else {
        "This server sends no mail. Ask an administrator for a link."
    };
    Ok(HttpResponse::Ok().json(json!({ "detail": detail })))
}

request_fields! {
    /// The parts of a link for a new password.
    struct LinkParts {
        uid: String => Text(64),
        token: String => Text(256),
    }
}

type ConfirmRequest = RequestOf<(LinkParts, NewPasswordTwice)>;

/// Sets a new password with a link. The link works once; all sessions and API keys of the user end.
#[utoipa::path(post, path = "/auth/password/reset/confirm/", tag = "auth", operation_id = "create_password_reset_confirm",
    request_body = inline(ConfirmRequest),
    responses((status = 200, description = "Changed"), (status = 400, description = "The link was used or has expired, or the password is weak")))]
pub(super) async fn confirm_reset(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let LinkParts { uid, token } = LinkParts::read(&mut fields, Write::Create);
    let user = service::resets::user_of(&services, &uid, &token).await?;
    let new = NewPasswordTwice::read_checked(&mut fields, user.as_ref());
    if user.is_none() && !uid.is_empty() && !token.is_empty() {
        fields.fault("token", BAD_LINK);
    }
    fields.finish()?;
    let bad_link = || ApiError::field("token", BAD_LINK);
    let user = user.ok_or_else(bad_link)?;
    if !service::resets::set_password(&services, &user, &token, new, &origin_of(&request).address).await? {
        return Err(bad_link());
    }
    Ok(HttpResponse::Ok().json(json!({ "detail": "Password has been reset with the new password." })))
}

const BAD_LINK: &str = "This link is not valid. It may have expired or been used already.";
