//! SQL of feature sets.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::model::{CurrentSet, FeatureSet, NewVersion, Target};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::db::QueryError;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{feature_sets, projects};

impl Guarded for FeatureSet {
    load_of_project!(feature_sets);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        let is_same = filters.flag("is_current").is_none_or(|wanted| wanted == self.is_current);
        Ok(filters.id_is("id", self.id)?
            && filters.id_is("project", self.project_id)?
            && filters.text_is("name", Some(&self.name))
            && is_same)
    }
}

/// Returns one page of the versions that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    (name, is_current): (Option<String>, Option<bool>),
    page: &PageRequest,
) -> ApiResult<(i64, Vec<FeatureSet>)> {
    let name = name.as_deref();
    page_of_project!(feature_sets as FeatureSet, by id, connection, principal, project, page, {
        name => feature_sets::name.eq(name),
        is_current => feature_sets::is_current.eq(is_current),
    })
}

/// Returns the set that trainings and searches of a project use; `None` if they guess.
pub async fn current(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<CurrentSet>> {
    let is_current = feature_sets::target.eq(Target::Items).and(feature_sets::is_current);
    let found: Option<FeatureSet> = feature_sets::table
        .filter(feature_sets::project_id.eq(project).and(is_current))
        .select(FeatureSet::as_select())
        .first(connection)
        .await
        .optional()?;
    let Some(set) = found else { return Ok(None) };
    let spec = set.to_engine().map_err(|error| QueryError::DeserializationError(error.into()))?;
    Ok(Some(CurrentSet { id: set.id, name: set.name, version: set.version, spec }))
}

/// Stores the next version of a set.
pub async fn insert(connection: &mut AsyncPgConnection, version: NewVersion) -> QueryResult<FeatureSet> {
    connection
        .transaction(async move |connection| {
            lock_project(connection, version.project_id).await?;
            if version.is_current {
                clear_current(connection, version.project_id, version.target).await?;
            }
            let of_set = feature_sets::project_id.eq(version.project_id).and(feature_sets::target.eq(version.target));
            let of_name = feature_sets::table.filter(of_set).filter(feature_sets::name.eq(version.name.clone()));
            let newest: Option<i32> = of_name.select(diesel::dsl::max(feature_sets::version)).first(connection).await?;
            diesel::insert_into(feature_sets::table)
                .values((version, feature_sets::version.eq(newest.unwrap_or(0) + 1)))
                .returning(FeatureSet::as_returning())
                .get_result(connection)
                .await
        })
        .await
}

/// Makes a version the current one, or no longer.
pub async fn set_current(connection: &mut AsyncPgConnection, set: &FeatureSet, is_current: bool) -> QueryResult<FeatureSet> {
    let (id, project, target) = (set.id, set.project_id, set.target);
    connection
        .transaction(async move |connection| {
            lock_project(connection, project).await?;
            if is_current {
                clear_current(connection, project, target).await?;
            }
            diesel::update(feature_sets::table.find(id))
                .set(feature_sets::is_current.eq(is_current))
                .returning(FeatureSet::as_returning())
                .get_result(connection)
                .await
        })
        .await
}

/// Makes transactions that number versions or choose the current one wait for each other.
async fn lock_project(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<i64> {
    projects::table.find(project).select(projects::id).for_no_key_update().first(connection).await
}

async fn clear_current(connection: &mut AsyncPgConnection, project: i64, target: Target) -> QueryResult<usize> {
    let of_project = feature_sets::project_id.eq(project).and(feature_sets::target.eq(target));
    diesel::update(feature_sets::table.filter(of_project).filter(feature_sets::is_current))
        .set(feature_sets::is_current.eq(false))
        .execute(connection)
        .await
}
