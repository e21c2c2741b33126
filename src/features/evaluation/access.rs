//! Access to configs. Members of the config's organisation may use it according to their role, and API keys if it belongs to
//! their project. API keys may read a config without a project that their own project uses, but only users may change it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::{EvaluationConfig, EvaluationFields, SplitConfig, SplitFields};
use super::store::{self, ConfigFilter};
use crate::features::accounts::{Asked, Ownership, Principal, Role, RoleNeeded};
use crate::features::projects::Kind;
use crate::platform::http::{ApiError, ApiResult, Filters};

/// A split or an evaluation config.
pub trait Config: Send + Sized + 'static {
    const KIND: Kind;
    type Fields: Send;

    fn load(connection: &mut AsyncPgConnection, id: i64) -> impl Future<Output = QueryResult<Option<Self>>> + Send;
    fn id(&self) -> i64;
    fn home(&self) -> Ownership;
    /// Returns whether the filters of the config's list match it. They also apply where one config is requested.
    fn admitted(&self, filter: &ConfigFilter) -> bool;
    /// Returns whether these fields would change more than its name.
    fn differs(&self, wanted: &Self::Fields) -> bool;
    /// Returns whether a project uses it.
    fn is_used_by(connection: &mut AsyncPgConnection, id: i64, project: i64) -> impl Future<Output = QueryResult<bool>> + Send;
    /// Returns whether nothing uses it.
    fn is_unused(connection: &mut AsyncPgConnection, id: i64) -> impl Future<Output = QueryResult<bool>> + Send;
    /// Moves it to another organisation unless something uses it.
    fn move_unused(
        connection: &mut AsyncPgConnection,
        id: i64,
        organisation: i64,
    ) -> impl Future<Output = QueryResult<bool>> + Send;
    fn update(
        connection: &mut AsyncPgConnection,
        id: i64,
        fields: Self::Fields,
        at: chrono::DateTime<chrono::Utc>,
    ) -> impl Future<Output = QueryResult<Self>> + Send;
}

macro_rules! config {
    ($row:ident, $fields:ident, $module:ident, $alike:ident) => {
        impl Config for $row {
            const KIND: Kind = Kind::$row;
            type Fields = $fields;

            async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Self>> {
                store::$module::by_id(connection, id).await
            }

            fn id(&self) -> i64 {
                self.id
            }

            fn home(&self) -> Ownership {
                Ownership { organisation_id: self.organisation_id, project_id: self.project_id }
            }

            fn admitted(&self, filter: &ConfigFilter) -> bool {
                filter.admits(self.id, self.fields.name.as_deref())
            }

            fn differs(&self, wanted: &$fields) -> bool {
                !self.fields.$alike(wanted)
            }

            async fn is_used_by(connection: &mut AsyncPgConnection, id: i64, project: i64) -> QueryResult<bool> {
                store::$module::is_used_by(connection, id, project).await
            }

            async fn is_unused(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
                store::$module::is_unused(connection, id).await
            }

            async fn move_unused(connection: &mut AsyncPgConnection, id: i64, organisation: i64) -> QueryResult<bool> {
                store::$module::move_unused(connection, id, organisation).await
            }

            async fn update(
                connection: &mut AsyncPgConnection,
                id: i64,
                fields: $fields,
                at: chrono::DateTime<chrono::Utc>,
            ) -> QueryResult<Self> {
                store::$module::update(connection, id, fields, at).await
            }
        }
    };
}
config!(SplitConfig, SplitFields, split, splits_like);
config!(EvaluationConfig, EvaluationFields, evaluation, measures_like);

/// A config on which the caller may act in the role `R`; the counterpart of `Access` for objects that several projects may use.
pub struct Shared<T, R> {
    pub object: T,
    role: PhantomData<R>,
}

impl<T: Config, R: RoleNeeded> FromRequest for Shared<T, R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let asked = Asked::read(request, payload);
        let filter = Filters::from_query(request.query_string()).and_then(|filters| ConfigFilter::read(&filters));
        Box::pin(async move {
            let Asked { principal, services, id } = asked?;
            let mut connection = services.db.conn().await?;
            let object: T = load_for(&mut connection, &principal, id, R::ROLE).await?;
            if !object.admitted(&filter?) {
                return Err(ApiError::not_found());
            }
            Ok(Self { object, role: PhantomData })
        })
    }
}

/// Loads a config for an action that needs a role. Fails with 404 if it is not visible, with 403 if the role is too low.
pub(super) async fn load_for<T: Config>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: i64,
    needed: Role,
) -> ApiResult<T> {
    let object = T::load(connection, id).await?.ok_or_else(ApiError::not_found)?;
    match principal.role_on(object.home()) {
        Some(role) if role < needed => {
            Err(ApiError::forbidden(format!("This requires the role {needed} or higher; yours is {role}.")))
        }
        Some(_) => Ok(object),
        None if !is_shared_with_key(connection, principal, &object).await? => Err(ApiError::not_found()),
        None if needed > Role::Viewer => {
            let noun = T::KIND.noun();
            Err(ApiError::forbidden(format!(
                "Other projects may use this {noun} too, so an API key cannot change it. Log in instead."
            )))
        }
        None => Ok(object),
    }
}

/// Returns whether a config belongs to the organisation of the caller's key without a project, and the key's project uses it.
async fn is_shared_with_key<T: Config>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    object: &T,
) -> QueryResult<bool> {
    let home = object.home();
    match principal.key_project() {
        Some(project) if home.project_id.is_none() && principal.role_in(home.organisation_id).is_some() => {
            T::is_used_by(connection, object.id(), project).await
        }
        _ => Ok(false),
    }
}
