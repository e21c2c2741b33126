//! Authorisation as part of a handler's signature: `Access<Project, Editor>` loads the object named by the path's `id`
//! and refuses callers without that role. An object of another organisation answers 404, never 403.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::Role;
use super::principal::Principal;
use crate::platform::http::{ApiError, ApiResult, Filters};
use crate::platform::services::Services;

/// The organisation and project that an object belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    pub organisation_id: i64,
    /// `None` for objects that belong to no project.
    pub project_id: Option<i64>,
}

/// An object that belongs to an organisation and can be loaded by id.
pub trait Guarded: Sized + 'static {
    /// Loads the object and where it belongs. Returns `None` if there is no such row.
    fn load(connection: &mut AsyncPgConnection, id: i64) -> impl Future<Output = QueryResult<Option<(Self, Ownership)>>>;

    /// Returns whether the filters of the object's list match it. They also apply where one object is requested.
    fn matches(&self, ownership: Ownership, filters: &Filters) -> ApiResult<bool> {
        let _ = (ownership, filters);
        Ok(true)
    }
}

/// The role that a handler requires, as a type.
pub trait RoleNeeded: 'static {
    const ROLE: Role;
}

macro_rules! role {
    ($name:ident) => {
        /// Requires at least the role of the same name.
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl RoleNeeded for $name {
            const ROLE: Role = Role::$name;
        }
    };
}
role!(Viewer);
role!(Editor);
role!(Admin);
role!(Owner);

/// An object on which the caller may act in the role `R`.
pub struct Access<T, R> {
    pub object: T,
    pub principal: Principal,
    role: PhantomData<R>,
}

/// The caller and the id that a request names: the first step of every extractor that loads an object by the path's `id`.
pub struct Asked {
    pub principal: Principal,
    pub services: web::Data<Services>,
    pub id: i64,
}

impl Asked {
    /// Reads the caller and the id. Fails with 401 without a caller and with 404 if the id is not a whole number.
    pub fn read(request: &HttpRequest, payload: &mut Payload) -> ApiResult<Self> {
        let principal = Principal::from_request(request, payload).into_inner()?;
        let services = request.app_data::<web::Data<Services>>().cloned();
        let services = services.ok_or_else(|| ApiError::internal(&"the services are not part of the application"))?;
        let id = request.match_info().get("id").and_then(|text| text.parse().ok()).ok_or_else(ApiError::not_found)?;
        Ok(Self { principal, services, id })
    }
}

impl<T: Guarded, R: RoleNeeded> FromRequest for Access<T, R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let asked = Asked::read(request, payload);
        let filters = Filters::from_query(request.query_string());
        Box::pin(async move {
            let Asked { principal, services, id } = asked?;
            let mut connection = services.db.conn().await?;
            let object = principal.load_asked(&mut connection, id, R::ROLE, filters).await?;
            Ok(Self { object, principal, role: PhantomData })
        })
    }
}

impl Principal {
    /// Loads an object by id for an action that needs `role`. Fails with 404 if it is not visible, with 403 if the role is too
    /// low.
    pub async fn load<T: Guarded>(&self, connection: &mut AsyncPgConnection, id: i64, role: Role) -> ApiResult<T> {
        Ok(load_for(connection, self, id, role).await?.0)
    }

    /// Loads the object that a path names, as [`Self::load`] does. Fails with 404 if the query's filters exclude it.
    pub async fn load_asked<T: Guarded>(
        &self,
        connection: &mut AsyncPgConnection,
        id: i64,
        role: Role,
        filters: ApiResult<Filters>,
    ) -> ApiResult<T> {
        let (object, ownership): (T, _) = load_for(connection, self, id, role).await?;
        if object.matches(ownership, &filters?)? { Ok(object) } else { Err(ApiError::not_found()) }
    }

    /// Loads the object whose id a body names, as [`Self::load`] does. A 404 becomes a 400 on that field.
    pub async fn load_referred<T: Guarded>(
        &self,
        connection: &mut AsyncPgConnection,
        field: &str,
        id: i64,
        role: Role,
    ) -> ApiResult<T> {
        self.load(connection, id, role).await.map_err(|error| match error.status().as_u16() {
            404 => ApiError::field(field, format!("Invalid pk \"{id}\" - object does not exist.")),
            _ => error,
        })
    }

    /// Returns the caller's role there, or `None` if it is not visible to the caller. A key reaches nothing outside its project.
    pub fn role_on(&self, ownership: Ownership) -> Option<Role> {
        let of_key = self.key_project().is_none_or(|mine| ownership.project_id == Some(mine));
        if of_key { self.role_in(ownership.organisation_id) } else { None }
    }
}

async fn load_for<T: Guarded>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: i64,
    needed: Role,
) -> ApiResult<(T, Ownership)> {
    let (object, ownership) = T::load(connection, id).await?.ok_or_else(ApiError::not_found)?;
    match principal.role_on(ownership) {
        None => Err(ApiError::not_found()),
        Some(role) if role < needed => {
            Err(ApiError::forbidden(format!("This requires the role {needed} or higher; yours is {role}.")))
        }
        Some(_) => Ok((object, ownership)),
    }
}
