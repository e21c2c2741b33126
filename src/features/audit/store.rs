//! SQL of the audit log.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Entry, Selection};
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::schema::{audit_log, projects};

fn selected(selection: &Selection) -> audit_log::BoxedQuery<'_, Pg> {
    let mut query = audit_log::table.into_boxed();
    if let Some(organisations) = &selection.organisations {
        query = query.filter(audit_log::organisation_id.eq_any(organisations));
    }
    if let Some(project) = selection.project {
        query = query.filter(audit_log::project_id.eq(project));
    }
    if let Some(user) = selection.user {
        query = query.filter(audit_log::user_id.eq(user));
    }
    if let Some(resource) = &selection.resource {
        query = query.filter(audit_log::resource.eq(resource));
    }
    if let Some(id) = &selection.resource_id {
        query = query.filter(audit_log::resource_id.eq(id));
    }
    if let Some(action) = selection.action {
        query = query.filter(audit_log::action.eq(action));
    }
    if let Some(since) = selection.since {
        query = query.filter(audit_log::at.ge(since));
    }
    if let Some(until) = selection.until {
        query = query.filter(audit_log::at.lt(until));
    }
    query
}

/// Returns one page of the log, newest first.
pub async fn list(connection: &mut AsyncPgConnection, selection: &Selection, page: &PageRequest) -> ApiResult<(i64, Vec<Entry>)> {
    let rows = selected(selection).order(audit_log::id.desc()).select(Entry::as_select());
    paginate(connection, page, selected(selection).count(), rows).await
}

/// Lists the next lines below an id, newest first.
pub async fn below(connection: &mut AsyncPgConnection, selection: &Selection, id: i64, most: i64) -> QueryResult<Vec<Entry>> {
    selected(selection)
        .filter(audit_log::id.lt(id))
        .order(audit_log::id.desc())
        .select(Entry::as_select())
        .limit(most)
        .load(connection)
        .await
}

/// Returns the organisation of a project that the caller may see.
pub async fn organisation_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<i64>> {
    projects::table.find(project).select(projects::organisation_id).first(connection).await.optional()
}
