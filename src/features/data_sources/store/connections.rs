//! SQL of connections.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::super::model::{ConnectionFields, DataConnection, NewConnection, SealedSecret};
use crate::features::accounts::{Guarded, Ownership};
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::schema::{data_connections, data_sources, destinations, organisations};

impl Guarded for DataConnection {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(Self, Ownership)>> {
        Ok(find(connection, id).await?.map(|row| {
            let organisation_id = row.organisation_id;
            (row, Ownership { organisation_id, project_id: None })
        }))
    }

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("organisation", self.organisation_id)
    }
}

/// Returns one page of the connections of organisations (all of them without a list), newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    organisations: Option<&[i64]>,
    of: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<DataConnection>)> {
    let query = || {
        let mut query = data_connections::table.into_boxed();
        if let Some(organisations) = organisations {
            query = query.filter(data_connections::organisation_id.eq_any(organisations));
        }
        if let Some(of) = of {
            query = query.filter(data_connections::organisation_id.eq(of));
        }
        query
    };
    let rows =
        query().order((data_connections::ins_datetime.desc(), data_connections::id.desc())).select(DataConnection::as_select());
    paginate(connection, page, query().count(), rows).await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<DataConnection>> {
    data_connections::table.find(id).select(DataConnection::as_select()).first(connection).await.optional()
}

#[derive(QueryableByName)]
struct NextId {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns the id of a future row. Its secret is sealed for it before it is stored.
pub async fn next_id(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    let sql = "SELECT nextval(pg_get_serial_sequence('data_connections', 'id')) AS id";
    Ok(diesel::sql_query(sql).get_result::<NextId>(connection).await?.id)
}

/// Returns how many connections an organisation has. Locks it until the end of the transaction, so that concurrent creations are
/// serialised.
pub async fn lock_and_count(connection: &mut AsyncPgConnection, organisation: i64) -> QueryResult<i64> {
    organisations::table.find(organisation).select(organisations::id).for_no_key_update().first::<i64>(connection).await?;
    data_connections::table.filter(data_connections::organisation_id.eq(organisation)).count().get_result(connection).await
}

pub async fn insert(connection: &mut AsyncPgConnection, new: NewConnection) -> QueryResult<DataConnection> {
    diesel::insert_into(data_connections::table)
        .values(new)
        .returning(DataConnection::as_returning())
        .get_result(connection)
        .await
}

/// Changes a connection, and its secret if one is given: sealed, or none. What a test found of the former one is forgotten.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: ConnectionFields,
    secret: Option<Option<Vec<u8>>>,
    at: DateTime<Utc>,
) -> QueryResult<DataConnection> {
    let secret = secret.map(|sealed| {
        let changed_at = sealed.is_some().then_some(at);
        (data_connections::secret_sealed.eq(sealed), data_connections::secret_changed_at.eq(changed_at))
    });
    let untested = (data_connections::last_test.eq(None::<Value>), data_connections::last_test_at.eq(None::<DateTime<Utc>>));
    diesel::update(data_connections::table.find(id))
        .set((fields, secret, untested, data_connections::updated_at.eq(at)))
        .returning(DataConnection::as_returning())
        .get_result(connection)
        .await
}

/// Records what a test found.
pub async fn set_test(connection: &mut AsyncPgConnection, id: i64, steps: Value, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(data_connections::table.find(id))
        .set((data_connections::last_test.eq(steps), data_connections::last_test_at.eq(at)))
        .execute(connection)
        .await
        .map(drop)
}

/// Deletes a connection. Fails while a source uses it, because of the foreign key.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(data_connections::table.find(id)).execute(connection).await.map(drop)
}

/// Returns how many sources use each connection.
pub async fn counts(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = data_sources::table
        .filter(data_sources::connection_id.eq_any(ids))
        .group_by(data_sources::connection_id)
        .select((data_sources::connection_id, diesel::dsl::count_star()))
        .load(connection)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Lists the id and name of every destination that uses a connection.
pub async fn destinations_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Vec<(i64, String)>> {
    destinations::table
        .filter(destinations::connection_id.eq(id))
        .order(destinations::id)
        .select((destinations::id, destinations::name))
        .load(connection)
        .await
}

/// Lists the id and name of every source that uses a connection.
pub async fn sources_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Vec<(i64, String)>> {
    data_sources::table
        .filter(data_sources::connection_id.eq(id))
        .order(data_sources::id)
        .select((data_sources::id, data_sources::name))
        .load(connection)
        .await
}

/// Returns the sealed secret of a connection.
pub async fn sealed(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Vec<u8>>> {
    data_connections::table.find(id).select(data_connections::secret_sealed).first(connection).await
}

/// Returns the sealed secrets of all connections that have one.
pub async fn all_sealed(connection: &mut AsyncPgConnection) -> QueryResult<Vec<SealedSecret>> {
    data_connections::table
        .filter(data_connections::secret_sealed.is_not_null())
        .order(data_connections::id)
        .select(SealedSecret::as_select())
        .load(connection)
        .await
}

/// Replaces the sealed secret of a connection by another, unless it was replaced meanwhile.
pub async fn replace_sealed(connection: &mut AsyncPgConnection, old: &SealedSecret, sealed: Vec<u8>) -> QueryResult<usize> {
    let unchanged = data_connections::table.find(old.id).filter(data_connections::secret_sealed.eq(old.secret_sealed.clone()));
    diesel::update(unchanged).set(data_connections::secret_sealed.eq(Some(sealed))).execute(connection).await
}
