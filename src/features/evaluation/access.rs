//! Who may use a config: the members of its organisation in their role there, and of API keys those of the project it is of. A
//! config that all projects of its organisation may use is shown to the keys of those that do, but changed by people only.

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
    /// Whether the filters of its list let it through: they count where one object is asked for, too.
    fn admitted(&self, filter: &ConfigFilter) -> bool;
    /// Whether with these fields it would say something else than now, but for its name.
    fn differs(&self, wanted: &Self::Fields) -> bool;
    /// Whether a project goes by it.
    fn is_used_by(connection: &mut AsyncPgConnection, id: i64, project: i64) -> impl Future<Output = QueryResult<bool>> + Send;
    /// Whether nothing goes by it.
    fn is_unused(connection: &mut AsyncPgConnection, id: i64) -> impl Future<Output = QueryResult<bool>> + Send;
    /// Gives it to another organisation, unless something uses it.
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
                filter.admits(self.id, self.name.as_deref())
            }

            fn differs(&self, wanted: &$fields) -> bool {
                !self.fields().$alike(wanted)
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

/// A config the caller may act on in the role `R`; the counterpart of `Access` for what several projects may share.
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

/// Loads a config for an action that needs a role: 404 when the caller must not see it, 403 when the role is too low.
pub(super) async fn load_for<T: Config>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: i64,
    needed: Role,
) -> ApiResult<T> {
    let object = T::load(connection, id).await?.ok_or_else(ApiError::not_found)?;
    match principal.role_on(object.home()) {
        Some(role) if role < needed => {
            Err(ApiError::forbidden(format!("Your role here is {role}; this takes at least {needed}.")))
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

/// Returns whether a config belongs to the organisation of the caller's key, and the key's project goes by it.
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
