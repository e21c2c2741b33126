//! SQL of notifications.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{NewNotification, Notification};
use crate::features::accounts::Principal;
use crate::features::projects::visible_projects;
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::schema::{notification_reads, notifications, projects};

/// Returns one page of the notifications of the projects that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Notification>)> {
    let query = || notifications::table.filter(notifications::project_id.eq_any(visible_projects(principal, project)));
    let newest_first = query().order(notifications::id.desc()).select(Notification::as_select());
    paginate(connection, page, query().count(), newest_first).await
}

/// Returns how many of these notifications came after one.
pub async fn count_after(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    id: i64,
) -> QueryResult<i64> {
    notifications::table
        .filter(notifications::project_id.eq_any(visible_projects(principal, project)).and(notifications::id.gt(id)))
        .count()
        .get_result(connection)
        .await
}

/// Returns the last notification that a user has read; 0 before the first.
pub async fn read_until(connection: &mut AsyncPgConnection, user: i64) -> QueryResult<i64> {
    let query = notification_reads::table.find(user).select(notification_reads::read_until);
    Ok(query.first(connection).await.optional()?.unwrap_or(0))
}

/// Notes that a user has read the notifications up to one; those that were read stay so.
pub async fn mark_read(connection: &mut AsyncPgConnection, user: i64, until: i64) -> QueryResult<()> {
    let sql = "INSERT INTO notification_reads AS kept (user_id, read_until)
        VALUES ($1, least($2, (SELECT coalesce(max(id), 0) FROM notifications)))
        ON CONFLICT (user_id) DO UPDATE SET read_until = greatest(kept.read_until, excluded.read_until)";
    diesel::sql_query(sql).bind::<BigInt, _>(user).bind::<BigInt, _>(until).execute(connection).await.map(drop)
}

/// Returns the names of projects by their ids.
pub async fn names_of(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<HashMap<i64, String>> {
    let query = projects::table.filter(projects::id.eq_any(ids)).select((projects::id, projects::name));
    Ok(query.load::<(i64, String)>(connection).await?.into_iter().collect())
}

/// Stores a notification, unless its project is gone. Returns whether it is there.
pub async fn insert(connection: &mut AsyncPgConnection, notification: NewNotification) -> QueryResult<bool> {
    let project = projects::table.find(notification.project_id).select(projects::id).for_key_share();
    if project.first::<i64>(connection).await.optional()?.is_none() {
        return Ok(false);
    }
    diesel::insert_into(notifications::table).values(notification).execute(connection).await?;
    Ok(true)
}

/// Removes the notifications from before a moment.
pub async fn delete_before(connection: &mut AsyncPgConnection, moment: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(notifications::table.filter(notifications::occurred_at.lt(moment))).execute(connection).await
}
