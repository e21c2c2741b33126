//! SQL of runs.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Changes, NewRun, Run};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::{page_of_project, visible_projects};
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{projects, studio_runs};

impl Guarded for Run {
    load_of_project!(studio_runs);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

/// Returns one page of the runs that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Run>)> {
    page_of_project!(studio_runs as Run, by id, connection, principal, project, page)
}

/// Returns the newest runs that a caller may see.
pub async fn newest(connection: &mut AsyncPgConnection, principal: &Principal, most: i64) -> QueryResult<Vec<Run>> {
    studio_runs::table
        .filter(studio_runs::project_id.eq_any(visible_projects(principal, None)))
        .order(studio_runs::id.desc())
        .limit(most)
        .select(Run::as_select())
        .load(connection)
        .await
}

/// Returns the run that created a project; `None` if none did.
pub async fn of_project(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<Run>> {
    let runs = studio_runs::table.filter(studio_runs::project_id.eq(project));
    runs.order(studio_runs::id.desc()).select(Run::as_select()).first(connection).await.optional()
}

/// Returns the names of projects, as pairs of id and name.
pub async fn project_names(connection: &mut AsyncPgConnection, ids: Vec<i64>) -> QueryResult<Vec<(i64, String)>> {
    projects::table.filter(projects::id.eq_any(ids)).select((projects::id, projects::name)).load(connection).await
}

pub async fn insert(connection: &mut AsyncPgConnection, run: NewRun) -> QueryResult<Run> {
    diesel::insert_into(studio_runs::table).values(run).returning(Run::as_returning()).get_result(connection).await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Run>> {
    studio_runs::table.find(id).select(Run::as_select()).first(connection).await.optional()
}

/// Returns a run and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Run>> {
    studio_runs::table.find(id).select(Run::as_select()).for_no_key_update().first(connection).await.optional()
}

/// Records what a step changes.
pub async fn change(connection: &mut AsyncPgConnection, id: i64, changes: Changes) -> QueryResult<Run> {
    diesel::update(studio_runs::table.find(id)).set(changes).returning(Run::as_returning()).get_result(connection).await
}

/// Records the key for trying the endpoint.
pub async fn set_demo_key(connection: &mut AsyncPgConnection, id: i64, key: i64) -> QueryResult<()> {
    diesel::update(studio_runs::table.find(id)).set(studio_runs::demo_key_id.eq(key)).execute(connection).await.map(drop)
}
