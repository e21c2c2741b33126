//! SQL of API keys.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::model::ApiKey;
use crate::features::accounts::{Guarded, Ownership, Principal, User, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::db::{ChangedRow, announce};
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{api_keys, apps, projects, users};

impl Guarded for ApiKey {
    load_of_project!(api_keys);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

/// A key to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    pub project_id: i64,
    pub user_id: i64,
    pub name: String,
    pub key_prefix: String,
    pub key_hash: Vec<u8>,
    pub scopes: Value,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Returns one page of the keys that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<ApiKey>)> {
    page_of_project!(api_keys as ApiKey, by ins_datetime, connection, principal, project, page)
}

/// Returns how many keys of a project are not revoked. Locks the project until the end of the transaction, so that concurrent
/// creations are serialised.
pub async fn lock_and_count_active(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<i64> {
    projects::table.find(project).select(projects::id).for_no_key_update().first::<i64>(connection).await?;
    api_keys::table.filter(api_keys::project_id.eq(project).and(api_keys::is_active)).count().get_result(connection).await
}

/// Stores a key and announces it, so that every process knows it before it is first sent.
pub async fn insert(connection: &mut AsyncPgConnection, key: NewApiKey) -> QueryResult<ApiKey> {
    let insert = diesel::insert_into(api_keys::table).values(key).returning(ApiKey::as_returning());
    let key: ApiKey = insert.get_result(connection).await?;
    let row = ChangedRow { table: "api_keys".to_owned(), id: key.id, project_id: Some(key.project_id), is_moved: false };
    announce(connection, &row).await?;
    Ok(key)
}

/// The app that uses a key: its id and its allowed origins.
pub type AppRow = Option<(i64, Vec<String>)>;

/// Returns the key of a hash, with its creator, the organisation of its project and its app, if key and creator are active.
pub async fn by_hash(connection: &mut AsyncPgConnection, hash: &[u8]) -> QueryResult<Option<(ApiKey, User, i64, AppRow)>> {
    api_keys::table
        .inner_join(users::table)
        .inner_join(projects::table)
        .left_join(apps::table.on(apps::api_key_id.eq(api_keys::id.nullable())))
        .filter(api_keys::key_hash.eq(hash))
        .filter(api_keys::is_active.and(users::is_active))
        .select((ApiKey::as_select(), User::as_select(), projects::organisation_id, (apps::id, apps::allowed_origins).nullable()))
        .first(connection)
        .await
        .optional()
}

/// The keys that changes concern: these keys, and those of these users and projects.
#[derive(Debug, Default)]
pub struct Concerned {
    pub ids: HashSet<i64>,
    pub users: HashSet<i64>,
    pub projects: HashSet<i64>,
}

/// Lists active keys of active creators, all or those that changes concern, with hashes, the organisations of their projects and
/// their apps, the last used or created first.
pub async fn usable(
    connection: &mut AsyncPgConnection,
    concerned: Option<&Concerned>,
    most: i64,
) -> QueryResult<Vec<(ApiKey, Vec<u8>, User, i64, AppRow)>> {
    let mut query = api_keys::table
        .inner_join(users::table)
        .inner_join(projects::table)
        .left_join(apps::table.on(apps::api_key_id.eq(api_keys::id.nullable())))
        .filter(api_keys::is_active.and(users::is_active))
        .into_boxed();
    if let Some(Concerned { ids, users, projects }) = concerned {
        let is_concerned = api_keys::id.eq_any(ids).or(api_keys::user_id.eq_any(users)).or(api_keys::project_id.eq_any(projects));
        query = query.filter(is_concerned);
    }
    query
        .order((api_keys::last_used_at.desc().nulls_last(), api_keys::id.desc()))
        .select((
            ApiKey::as_select(),
            api_keys::key_hash,
            User::as_select(),
            projects::organisation_id,
            (apps::id, apps::allowed_origins).nullable(),
        ))
        .limit(most)
        .load(connection)
        .await
}

/// Records the use of a key, at most once a minute, so that not every read causes a write.
pub async fn note_use(connection: &mut AsyncPgConnection, id: i64, at: DateTime<Utc>) -> QueryResult<()> {
    let stale = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at - chrono::Duration::minutes(1)));
    diesel::update(api_keys::table.filter(api_keys::id.eq(id)).filter(stale))
        .set(api_keys::last_used_at.eq(at))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    name: &str,
    scopes: Value,
    expires_at: Option<DateTime<Utc>>,
) -> QueryResult<ApiKey> {
    diesel::update(api_keys::table.find(id))
        .set((api_keys::name.eq(name), api_keys::scopes.eq(scopes), api_keys::expires_at.eq(expires_at)))
        .returning(ApiKey::as_returning())
        .get_result(connection)
        .await
}

/// Limits the predictions of a key in a minute, below what others may send.
pub async fn set_requests_per_minute(connection: &mut AsyncPgConnection, id: i64, most: i32) -> QueryResult<()> {
    let set = api_keys::requests_per_minute.eq(most);
    diesel::update(api_keys::table.find(id)).set(set).execute(connection).await.map(drop)
}

/// Revokes a key.
pub async fn revoke(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::update(api_keys::table.find(id)).set(api_keys::is_active.eq(false)).execute(connection).await?;
    Ok(())
}

/// Deletes a key.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(api_keys::table.find(id)).execute(connection).await?;
    Ok(())
}
