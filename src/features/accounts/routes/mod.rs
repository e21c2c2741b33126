//! The URLs of accounts: one file for each group of them.

mod invitations;
mod login;
mod members;
mod organisations;
mod passwords;
mod profile;
mod sessions;
mod users;

use actix_web::{HttpRequest, web};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{OpenApi, ToSchema};

pub use login::{ACCESS_COOKIE, create_account, open_session, refuse_uninvited};

use super::model::User;
use super::service::Origin;
use crate::platform::http::body::{Kind, Missing, Secret, Text, TextOrBlank};
use crate::platform::http::{ApiError, ApiResult, FieldReader, Write, client_address, origin};
use crate::platform::mail;
use crate::platform::request_fields;
use crate::platform::services::Services;

const LONGEST_NAME: usize = 150;
const LONGEST_EMAIL: usize = 254;
/// Browsers send about half of this.
const LONGEST_USER_AGENT: usize = 256;

#[derive(OpenApi)]
#[openapi(paths(
    login::log_in,
    login::log_out,
    login::refresh,
    login::verify,
    login::sign_up,
    login::options,
    profile::read,
    profile::replace,
    profile::update,
    sessions::list,
    sessions::delete,
    passwords::change,
    passwords::change_with_old,
    passwords::ask_for_reset,
    passwords::confirm_reset,
    users::list,
    users::create,
    users::read,
    users::update,
    users::deactivate,
    users::activate,
    users::reset_password,
    users::password_reset_link,
    organisations::list,
    organisations::create,
    organisations::read,
    organisations::update,
    organisations::delete,
    members::list,
    members::update,
    members::delete,
    invitations::list,
    invitations::create,
    invitations::delete,
    invitations::look_up,
    invitations::accept
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(login::routes)
        .configure(profile::routes)
        .configure(sessions::routes)
        .configure(passwords::routes)
        .configure(users::routes)
        .configure(organisations::routes)
        .configure(members::routes)
        .configure(invitations::routes);
}

/// The logged-in user in answers.
#[derive(Debug, Default, Serialize, ToSchema)]
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

impl UserDetails {
    /// Returns the details for an API key: id and name of its user. The others are about the person, and of no use to the program
    /// that uses the key.
    fn for_key(user: User) -> Self {
        Self { pk: user.id, username: user.username, ..Self::default() }
    }
}

/// Returns the origin of a request.
fn origin_of(request: &HttpRequest) -> Origin {
    let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Origin { address: client_address(request), user_agent: agent.chars().take(LONGEST_USER_AGENT).collect() }
}

/// Returns the public URL of this server: the configured one, or else the one that the caller used. Mails need the configured
/// one.
fn base_url(request: &HttpRequest, services: &Services) -> String {
    services.settings.public_url.as_ref().map_or_else(|| origin(request), |url| url.trim_end_matches('/').to_owned())
}

/// Returns an id in the path under a name other than `id`; 404 if it is not a number.
fn path_id(request: &HttpRequest, name: &str) -> ApiResult<i64> {
    request.match_info().get(name).and_then(|text| text.parse().ok()).ok_or_else(ApiError::not_found)
}

/// A username: letters, digits and a few symbols.
struct Username;

impl Kind for Username {
    type Output = String;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<String>) -> String {
        let name = fields.read(field, Text(LONGEST_NAME), missing);
        if !name.chars().all(|character| character.is_alphanumeric() || "@.+-_".contains(character)) {
            fields.fault(field, "Use only letters, digits and @ . + - _");
        }
        name
    }

    fn schema(&self) -> RefOr<Schema> {
        Text(LONGEST_NAME).schema()
    }
}

/// An e-mail address, or an empty text.
struct Email;

impl Kind for Email {
    type Output = String;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<String>) -> String {
        let email = fields.read(field, TextOrBlank(LONGEST_EMAIL), missing);
        if !email.is_empty() && !mail::is_address(&email) {
            fields.fault(field, "Enter a valid email address.");
        }
        email
    }

    fn schema(&self) -> RefOr<Schema> {
        TextOrBlank(LONGEST_EMAIL).schema()
    }
}

request_fields! {
    /// The fields of a new user.
    struct NewAccount {
        username: String => Username,
        email: String = String::new() => Email,
        password: String => Secret,
    }
}

impl NewAccount {
    /// Reads the fields of a new account, and checks its password.
    fn read_checked(fields: &mut FieldReader) -> Self {
        let account = Self::read(fields, Write::Create);
        let faults = |text: &str| super::passwords::faults(text, &[&account.username, &account.email]);
        check_password(fields, "password", &account.password, faults);
        account
    }
}

request_fields! {
    /// A new password.
    struct NewPassword {
        new_password: String => Secret,
    }
}

/// Checks a new password, unless its field already has a fault.
fn check_password(fields: &mut FieldReader, field: &str, password: &str, faults: impl FnOnce(&str) -> Vec<String>) {
    if !password.is_empty() {
        faults(password).into_iter().for_each(|fault| fields.fault(field, fault));
    }
}
