//! SQL of sources.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{DataSource, SourceFields};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{data_sources, projects};

impl Guarded for DataSource {
    load_of_project!(data_sources);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

/// Returns one page of the sources that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<DataSource>)> {
    page_of_project!(data_sources as DataSource, by ins_datetime, connection, principal, project, page)
}

/// Returns how many sources a project has. Locks the project until the end of the transaction, so that concurrent creations are
/// serialised.
pub async fn lock_and_count(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<i64> {
    projects::table.find(project).select(projects::id).for_no_key_update().first::<i64>(connection).await?;
    data_sources::table.filter(data_sources::project_id.eq(project)).count().get_result(connection).await
}

/// Returns the names of some sources, by their ids.
pub async fn names(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<HashMap<i64, String>> {
    let query = data_sources::table.filter(data_sources::id.eq_any(ids)).select((data_sources::id, data_sources::name));
    Ok(query.load(connection).await?.into_iter().collect())
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: i64,
    fields: SourceFields,
    next_run_at: Option<DateTime<Utc>>,
) -> QueryResult<DataSource> {
    diesel::insert_into(data_sources::table)
        .values((
            fields,
            data_sources::project_id.eq(project),
            data_sources::created_by.eq(maker),
            data_sources::next_run_at.eq(next_run_at),
        ))
        .returning(DataSource::as_returning())
        .get_result(connection)
        .await
}

/// Changes the fields of a source, and its position if one is given.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: SourceFields,
    (next_run_at, position): (Option<DateTime<Utc>>, Option<Option<i64>>),
    at: DateTime<Utc>,
) -> QueryResult<DataSource> {
    let position = position.map(|position| data_sources::position.eq(position));
    diesel::update(data_sources::table.find(id))
        .set((fields, position, data_sources::next_run_at.eq(next_run_at), data_sources::updated_at.eq(at)))
        .returning(DataSource::as_returning())
        .get_result(connection)
        .await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<DataSource>> {
    data_sources::table.find(id).select(DataSource::as_select()).first(connection).await.optional()
}

/// Returns a source and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<DataSource>> {
    data_sources::table.find(id).select(DataSource::as_select()).for_no_key_update().first(connection).await.optional()
}

/// Returns the sources that are due, at most `most` of them, and locks them until the end of the transaction.
pub async fn lock_due(connection: &mut AsyncPgConnection, now: DateTime<Utc>, most: i64) -> QueryResult<Vec<DataSource>> {
    data_sources::table
        .filter(data_sources::is_enabled.and(data_sources::next_run_at.le(now)))
        .order(data_sources::next_run_at)
        .select(DataSource::as_select())
        .limit(most)
        .for_no_key_update()
        .skip_locked()
        .load(connection)
        .await
}

pub async fn set_next_run(connection: &mut AsyncPgConnection, id: i64, at: Option<DateTime<Utc>>) -> QueryResult<()> {
    diesel::update(data_sources::table.find(id)).set(data_sources::next_run_at.eq(at)).execute(connection).await.map(drop)
}

/// Sets where the next window begins.
pub async fn set_position(connection: &mut AsyncPgConnection, id: i64, position: Option<i64>) -> QueryResult<()> {
    diesel::update(data_sources::table.find(id)).set(data_sources::position.eq(position)).execute(connection).await.map(drop)
}

pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(data_sources::table.find(id)).execute(connection).await.map(drop)
}
