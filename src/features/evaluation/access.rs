//! Who may use a config: its maker, staff, and whoever shares an organisation with its maker, in the role they have there.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::{EvaluationConfig, SplitConfig};
use super::store::{self, ConfigFilter};
use crate::features::accounts::{Asked, Principal, Role, RoleNeeded};
use crate::platform::http::{ApiError, ApiResult, Filters};

/// A row that belongs to the person who made it.
pub trait Personal: Sized + 'static {
    fn load(connection: &mut AsyncPgConnection, id: i64) -> impl Future<Output = QueryResult<Option<Self>>>;
    fn made_by(&self) -> Option<i64>;
    /// Whether the filters of its list let it through: they count where one object is asked for, too.
    fn admitted(&self, filter: &ConfigFilter) -> bool;
}

impl Personal for SplitConfig {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Self>> {
        store::split_by_id(connection, id).await
    }

    fn made_by(&self) -> Option<i64> {
        self.created_by
    }

    fn admitted(&self, filter: &ConfigFilter) -> bool {
        filter.admits(self.id, self.name.as_deref())
    }
}

impl Personal for EvaluationConfig {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Self>> {
        store::evaluation_by_id(connection, id).await
    }

    fn made_by(&self) -> Option<i64> {
        self.created_by
    }

    fn admitted(&self, filter: &ConfigFilter) -> bool {
        filter.admits(self.id, self.name.as_deref())
    }
}

/// A config the caller may act on in the role `R`; the counterpart of `Access` for rows outside of projects.
pub struct Shared<T, R> {
    pub object: T,
    role: PhantomData<R>,
}

impl<T: Personal, R: RoleNeeded> FromRequest for Shared<T, R> {
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

async fn load_for<T: Personal>(connection: &mut AsyncPgConnection, principal: &Principal, id: i64, needed: Role) -> ApiResult<T> {
    let object = T::load(connection, id).await?.ok_or_else(ApiError::not_found)?;
    match role_towards(connection, principal, object.made_by()).await? {
        None => Err(ApiError::not_found()),
        Some(role) if role < needed => {
            Err(ApiError::forbidden(format!("Your role here is {}; this takes at least {}.", role.wire(), needed.wire())))
        }
        Some(_) => Ok(object),
    }
}

/// The highest role the caller has in an organisation the maker belongs to.
async fn role_towards(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    maker: Option<i64>,
) -> QueryResult<Option<Role>> {
    if principal.user.is_staff || maker == Some(principal.user.id) {
        return Ok(Some(Role::Owner));
    }
    let Some(maker) = maker else { return Ok(None) };
    let organisations = store::organisations_of(connection, maker).await?;
    Ok(organisations.into_iter().filter_map(|organisation| principal.role_in(organisation)).max())
}

/// The split config a body refers to: whatever is wrong with the id is a 400 on that field.
pub async fn split_for(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    field: &str,
    id: i64,
) -> ApiResult<SplitConfig> {
    referred(connection, principal, field, id).await
}

/// The evaluation config a body refers to: whatever is wrong with the id is a 400 on that field.
pub async fn evaluation_for(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    field: &str,
    id: i64,
) -> ApiResult<EvaluationConfig> {
    referred(connection, principal, field, id).await
}

async fn referred<T: Personal>(connection: &mut AsyncPgConnection, principal: &Principal, field: &str, id: i64) -> ApiResult<T> {
    load_for(connection, principal, id, Role::Viewer).await.map_err(|error| match error.status().as_u16() {
        404 => ApiError::field(field, format!("Invalid pk \"{id}\" - object does not exist.")),
        _ => error,
    })
}
