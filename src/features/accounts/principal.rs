//! The caller of a request: a user, and the API key that was used, if any.

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::model::{Role, User};
use crate::platform::db::Session;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::wire_enum;

wire_enum! {
    /// What an API key may be used for.
    pub enum Scope {
        Read = "read",
        Write = "write",
        Predict = "predict",
    }
}

/// What an API key grants.
#[derive(Debug, Clone)]
pub struct KeyGrant {
    pub id: i64,
    pub prefix: String,
    pub project_id: i64,
    /// The organisation of that project.
    pub organisation_id: i64,
    pub scopes: Vec<Scope>,
    /// Predictions in a minute, where it may send fewer than others.
    pub requests_per_minute: Option<usize>,
}

/// The caller. The authentication step of `app` puts it into each request; a handler takes it as an argument.
#[derive(Debug, Clone)]
pub struct Principal {
    pub user: User,
    /// The user's role in each organisation, by its id.
    pub memberships: HashMap<i64, Role>,
    /// Set if the caller used an API key.
    pub key: Option<KeyGrant>,
    /// Set if the caller logged in.
    pub session_id: Option<i64>,
}

/// The result of the authentication step; a handler that needs no caller never reads it.
#[derive(Clone)]
pub struct Authentication(pub ApiResult<Option<Principal>>);

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_request(request).and_then(|principal| principal.allow_scope(request.method()).map(|()| principal)))
    }
}

/// Returns the caller of a request, regardless of the scopes of its key.
pub fn of_request(request: &HttpRequest) -> ApiResult<Principal> {
    let found = request.extensions().get::<Authentication>().map(|found| found.0.clone());
    found.unwrap_or(Ok(None))?.ok_or_else(ApiError::not_authenticated)
}

impl Principal {
    /// Returns the role in an organisation: staff act as owners of all. A key has none outside its project's organisation, even
    /// if a member of staff created it.
    pub fn role_in(&self, organisation_id: i64) -> Option<Role> {
        if self.key.as_ref().is_some_and(|key| key.organisation_id != organisation_id) {
            return None;
        }
        if self.user.is_staff { Some(Role::Owner) } else { self.memberships.get(&organisation_id).copied() }
    }

    /// Returns the organisations whose rows the caller may see; `None` means all of them.
    pub fn visible_organisations(&self) -> Option<Vec<i64>> {
        match &self.key {
            Some(key) => Some(self.role_in(key.organisation_id).map(|_| key.organisation_id).into_iter().collect()),
            None if self.user.is_staff => None,
            None => Some(self.memberships.keys().copied().collect()),
        }
    }

    /// Returns the project that the caller's API key is bound to, if the caller used one.
    pub fn key_project(&self) -> Option<i64> {
        self.key.as_ref().map(|key| key.project_id)
    }

    /// Returns the database session of the caller.
    pub fn session(&self) -> Session {
        Session {
            organisations: self.visible_organisations(),
            project: self.key_project(),
            user: Some(self.user.id),
            api_key: self.key.as_ref().map(|key| key.id),
            ..Session::default()
        }
    }

    /// Fails with 403 if the caller used an API key.
    pub fn refuse_keys(&self) -> ApiResult<()> {
        match self.key {
            Some(_) => Err(ApiError::forbidden("API keys cannot do this. Log in instead.")),
            None => Ok(()),
        }
    }

    /// Fails with 403 unless the caller is a member of staff who logged in.
    pub fn require_staff(&self) -> ApiResult<()> {
        self.refuse_keys()?;
        if self.user.is_staff { Ok(()) } else { Err(ApiError::forbidden("Only staff may do this.")) }
    }

    /// Fails with 403 if the caller used a key that lacks a scope.
    pub fn require_scope(&self, scope: Scope) -> ApiResult<()> {
        match &self.key {
            Some(key) if !key.scopes.contains(&scope) => {
                Err(ApiError::forbidden(format!("API key does not have '{scope}' scope")))
            }
            _ => Ok(()),
        }
    }

    fn allow_scope(&self, method: &actix_web::http::Method) -> ApiResult<()> {
        self.require_scope(if method.is_safe() { Scope::Read } else { Scope::Write })
    }
}
