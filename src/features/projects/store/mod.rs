//! SQL of projects, and of the objects that are deleted with them.

pub mod dependents;
pub mod event_types;
pub mod files;
pub mod pages;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::accounts::{Guarded, Ownership, Principal, Tenant};
use crate::features::projects::model::{Project, ProjectFields};
use crate::platform::db::is_duplicate;
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::schema::{model_configurations, organisations, projects, trained_models, training_data, tuning_jobs};

impl Guarded for Project {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(Self, Ownership)>> {
        let project = projects::table.find(id).select(Self::as_select()).first(connection).await.optional()?;
        Ok(project.map(|project| {
            let ownership = Ownership { organisation_id: project.organisation_id, project_id: Some(project.id) };
            (project, ownership)
        }))
    }

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)? && filters.text_is("name", Some(&self.fields.name)))
    }
}

/// Returns the ids of the projects that a caller may see, or of one of them.
pub fn visible_projects(principal: &Principal, project: Option<i64>) -> projects::BoxedQuery<'static, Pg, BigInt> {
    let mut query = projects::table.select(projects::id).into_boxed();
    if let Some(organisations) = principal.visible_organisations() {
        query = query.filter(projects::organisation_id.eq_any(organisations));
    }
    for project in [principal.key_project(), project].into_iter().flatten() {
        query = query.filter(projects::id.eq(project));
    }
    query
}

/// Waits until no other transaction counts the waiting jobs of this tenant, and keeps others waiting until the present one ends.
pub async fn lock_waiting_jobs(connection: &mut AsyncPgConnection, tenant: &str) -> QueryResult<()> {
    let query = diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('waiting_jobs:' || $1, 0))");
    query.bind::<Text, _>(tenant).execute(connection).await.map(drop)
}

/// Returns the project that an upload belongs to.
pub async fn of_data(connection: &mut AsyncPgConnection, data_id: i64) -> QueryResult<Project> {
    let query = projects::table.inner_join(training_data::table).filter(training_data::id.eq(data_id));
    query.select(Project::as_select()).first(connection).await
}

/// Returns the organisation of a project; `None` if there is no such project.
pub async fn organisation_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<i64>> {
    projects::table.find(project).select(projects::organisation_id).first(connection).await.optional()
}

/// Returns whose share of the server each of these projects uses.
pub async fn tenants_of(connection: &mut AsyncPgConnection, projects: &HashSet<i64>) -> QueryResult<HashMap<i64, Tenant>> {
    let rows: Vec<(i64, i64, Option<i64>)> = projects::table
        .inner_join(organisations::table)
        .filter(projects::id.eq_any(projects))
        .select((projects::id, organisations::id, organisations::founder_id))
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|(project, organisation, founder)| (project, Tenant::of(organisation, founder))).collect())
}

/// Assigns every project without an owner to a user. Returns how many, and the names of those left unassigned because the user
/// has another project of that name.
pub async fn assign_orphans(
    connection: &mut AsyncPgConnection,
    owner: i64,
    organisation: i64,
) -> QueryResult<(usize, Vec<String>)> {
    let orphans: Vec<(i64, String)> = projects::table
        .filter(projects::owner_id.is_null())
        .order(projects::id)
        .select((projects::id, projects::name))
        .load(connection)
        .await?;
    let (mut assigned, mut kept) = (0, Vec::new());
    for (id, name) in orphans {
        let set = (projects::owner_id.eq(owner), projects::organisation_id.eq(organisation));
        match diesel::update(projects::table.find(id)).set(set).execute(connection).await {
            Ok(count) => assigned += count,
            Err(error) if is_duplicate(&error) => kept.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok((assigned, kept))
}

/// Returns how many projects without an owner [`assign_orphans`] would assign to `owner`, and the names of those it would not.
pub async fn assignable_orphans(connection: &mut AsyncPgConnection, owner: i64) -> QueryResult<(usize, Vec<String>)> {
    let orphans: Vec<String> =
        projects::table.filter(projects::owner_id.is_null()).order(projects::id).select(projects::name).load(connection).await?;
    let taken: Vec<String> = projects::table.filter(projects::owner_id.eq(owner)).select(projects::name).load(connection).await?;
    let mut taken: HashSet<String> = taken.into_iter().collect();
    let (assignable, kept): (Vec<String>, Vec<String>) = orphans.into_iter().partition(|name| taken.insert(name.clone()));
    Ok((assignable.len(), kept))
}

/// Returns one page of the projects that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: Option<i64>,
    name: Option<String>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Project>)> {
    let query = || {
        let mut query = projects::table.into_boxed();
        if let Some(organisations) = principal.visible_organisations() {
            query = query.filter(projects::organisation_id.eq_any(organisations));
        }
        if let Some(project) = principal.key_project() {
            query = query.filter(projects::id.eq(project));
        }
        if let Some(id) = id {
            query = query.filter(projects::id.eq(id));
        }
        if let Some(name) = name.clone() {
            query = query.filter(projects::name.eq(name));
        }
        query
    };
    let rows = query().order((projects::ins_datetime.desc(), projects::id.desc())).select(Project::as_select());
    paginate(connection, page, query().count(), rows).await
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    organisation_id: i64,
    owner_id: i64,
    fields: ProjectFields,
) -> QueryResult<Project> {
    diesel::insert_into(projects::table)
        .values((fields, projects::organisation_id.eq(organisation_id), projects::owner_id.eq(owner_id)))
        .returning(Project::as_returning())
        .get_result(connection)
        .await
}

pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: ProjectFields,
    at: DateTime<Utc>,
) -> QueryResult<Project> {
    diesel::update(projects::table.find(id))
        .set((fields, projects::updated_at.eq(at)))
        .returning(Project::as_returning())
        .get_result(connection)
        .await
}

/// Returns the number of uploads with a file, of configurations found by tuning, and of models with a file.
pub async fn counts(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<(i64, i64, i64)> {
    let data = training_data::table
        .filter(training_data::project_id.eq(id).and(training_data::storage_key.is_not_null()))
        .filter(training_data::sources.is_null())
        .count()
        .get_result(connection)
        .await?;
    let jobs = tuning_jobs::table
        .inner_join(training_data::table)
        .filter(training_data::project_id.eq(id).and(tuning_jobs::best_config_id.is_not_null()))
        .count()
        .get_result(connection)
        .await?;
    let models = trained_models::table
        .inner_join(model_configurations::table)
        .filter(model_configurations::project_id.eq(id).and(trained_models::storage_key.is_not_null()))
        .count()
        .get_result(connection)
        .await?;
    Ok((data, jobs, models))
}

/// Deletes data that was combined for a run before a time, and that no model, search, schedule or active run refers to.
pub async fn forget_unused_combinations(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    let sql = "DELETE FROM training_data d WHERE d.sources IS NOT NULL AND d.ins_datetime < $1
        AND NOT EXISTS (SELECT FROM trained_models m WHERE m.data_id = d.id)
        AND NOT EXISTS (SELECT FROM tuning_jobs j WHERE j.data_id = d.id)
        AND NOT EXISTS (SELECT FROM retraining_schedules s WHERE s.training_data_id = d.id)
        AND NOT EXISTS (SELECT FROM retraining_runs r WHERE r.training_data_id = d.id AND r.status IN ('PENDING', 'RUNNING'))";
    diesel::sql_query(sql).bind::<diesel::sql_types::Timestamptz, _>(before).execute(connection).await
}
