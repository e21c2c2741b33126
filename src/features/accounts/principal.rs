//! The caller of a request: a user, and the API key they came with if they did.

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
}

/// Who is calling. The authentication step of `app` puts it into each request; a handler takes it as an argument.
#[derive(Debug, Clone)]
pub struct Principal {
    pub user: User,
    /// Role by organisation.
    pub memberships: HashMap<i64, Role>,
    /// Set when the caller came with an API key.
    pub key: Option<KeyGrant>,
    /// Set when the caller logged in.
    pub session_id: Option<i64>,
}

/// What the authentication step found; a handler that needs no caller never looks.
#[derive(Clone)]
pub struct Authentication(pub ApiResult<Option<Principal>>);

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_request(request).and_then(|principal| principal.allow_scope(request.method()).map(|()| principal)))
    }
}

/// The caller of a request, whatever the scope of its key.
pub fn of_request(request: &HttpRequest) -> ApiResult<Principal> {
    let found = request.extensions().get::<Authentication>().map(|found| found.0.clone());
    found.unwrap_or(Ok(None))?.ok_or_else(ApiError::not_authenticated)
}

impl Principal {
    /// The role in an organisation: staff act as owners of everything. A key has none outside of its project's organisation,
    /// also where staff made it.
    pub fn role_in(&self, organisation_id: i64) -> Option<Role> {
        if self.key.as_ref().is_some_and(|key| key.organisation_id != organisation_id) {
            return None;
        }
        if self.user.is_staff { Some(Role::Owner) } else { self.memberships.get(&organisation_id).copied() }
    }

    /// The organisations whose rows the caller may see; none means all of them.
    pub fn visible_organisations(&self) -> Option<Vec<i64>> {
        match &self.key {
            Some(key) => Some(self.role_in(key.organisation_id).map(|_| key.organisation_id).into_iter().collect()),
            None if self.user.is_staff => None,
            None => Some(self.memberships.keys().copied().collect()),
        }
    }

    /// The one project an API key is bound to.
    pub fn key_project(&self) -> Option<i64> {
        self.key.as_ref().map(|key| key.project_id)
    }

    /// What the database is told about the caller.
    pub fn session(&self) -> Session {
        Session {
            organisations: self.visible_organisations(),
            project: self.key_project(),
            user: Some(self.user.id),
            api_key: self.key.as_ref().map(|key| key.id),
            ..Session::default()
        }
    }

    /// 403 unless the caller came without a key.
    pub fn refuse_keys(&self) -> ApiResult<()> {
        match self.key {
            Some(_) => Err(ApiError::forbidden("API keys cannot do this. Log in instead.")),
            None => Ok(()),
        }
    }

    /// 403 unless the caller is a person of the staff.
    pub fn require_staff(&self) -> ApiResult<()> {
        self.refuse_keys()?;
        if self.user.is_staff { Ok(()) } else { Err(ApiError::forbidden("Only staff may do this.")) }
    }

    /// 403 when the caller came with a key that lacks a scope.
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
