//! SQL of task logs.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::model::{Line, Subject, Task, TaskLink, TaskLog, Update};
use crate::features::accounts::Principal;
use crate::features::projects::visible_projects;
use crate::platform::db::QueryError;
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::platform::queue;
use crate::schema::task_logs;

/// The largest number of characters of a line. Hundreds of lines are sent at once to subscribers of a log.
const LONGEST_LINE: usize = 16_384;

/// Returns the beginning of a line that is too long, without NUL, the one character that PostgreSQL's text cannot hold.
fn cut(contents: &str) -> String {
    let mut characters = contents.chars().map(|character| if character == '\0' { '\u{fffd}' } else { character });
    let mut line: String = characters.by_ref().take(LONGEST_LINE).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// Adds a line and notifies the subscribers, both when the transaction commits.
///
/// Transactions that write lines of one log are serialised, so that lines become visible in the order of their ids: a subscriber
/// requests what came after the last id it received.
pub async fn write(connection: &mut AsyncPgConnection, line: Line, contents: &str) -> QueryResult<()> {
    let contents = cut(contents);
    connection
        .transaction(async move |connection| {
            if let Some(id) = line.tuning_job_id.or(line.trained_model_id) {
                take_turn(connection, id).await?;
            }
            insert(connection, line, &contents).await?;
            let Line { tuning_job_id, trained_model_id, .. } = line;
            announce(connection, Update::Log { tuning_job_id, trained_model_id }).await
        })
        .await
}

/// Distinguishes the lock of task logs from other advisory locks.
const LOCK_CLASS: i32 = 0x7461_736b;

async fn take_turn(connection: &mut AsyncPgConnection, subject: i64) -> QueryResult<()> {
    // The lock's key has 32 bits; logs that share a key occasionally wait for each other.
    diesel::sql_query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind::<diesel::sql_types::Integer, _>(LOCK_CLASS)
        .bind::<diesel::sql_types::Integer, _>(subject as i32)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(connection: &mut AsyncPgConnection, line: Line, contents: &str) -> QueryResult<()> {
    diesel::insert_into(task_logs::table)
        .values((
            task_logs::job_id.eq(line.job_id),
            task_logs::tuning_job_id.eq(line.tuning_job_id),
            task_logs::trained_model_id.eq(line.trained_model_id),
            task_logs::contents.eq(contents),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// The notification channel of live updates.
pub const CHANNEL: &str = "recotem_live";

/// Notifies subscribers of a change when the transaction commits.
pub async fn announce(connection: &mut AsyncPgConnection, change: Update) -> QueryResult<()> {
    let payload = serde_json::to_string(&change).map_err(|error| QueryError::SerializationError(error.into()))?;
    let notify = diesel::sql_query("SELECT pg_notify($1, $2)").bind::<Text, _>(CHANNEL).bind::<Text, _>(payload);
    notify.execute(connection).await.map(drop)
}

/// Selects the lines of one log.
fn of(subject: Subject) -> task_logs::BoxedQuery<'static, Pg> {
    match subject {
        Subject::Tuning(id) => task_logs::table.filter(task_logs::tuning_job_id.eq(id)).into_boxed(),
        Subject::Model(id) => task_logs::table.filter(task_logs::trained_model_id.eq(id)).into_boxed(),
    }
}

/// Returns the newest lines of a log, in ascending order.
pub async fn newest(connection: &mut AsyncPgConnection, subject: Subject, limit: i64) -> QueryResult<Vec<TaskLog>> {
    let query = of(subject).order(task_logs::id.desc()).select(TaskLog::as_select());
    let mut lines = query.limit(limit).load(connection).await?;
    lines.reverse();
    Ok(lines)
}

/// Returns the lines of a log after the line `after`, oldest first.
pub async fn following(
    connection: &mut AsyncPgConnection,
    subject: Subject,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<TaskLog>> {
    let query = of(subject).filter(task_logs::id.gt(after)).order(task_logs::id).select(TaskLog::as_select());
    query.limit(limit).load(connection).await
}

/// Returns the id of the newest line of a log; 0 if there is none.
pub async fn last_id(connection: &mut AsyncPgConnection, subject: Subject) -> QueryResult<i64> {
    let query = of(subject).order(task_logs::id.desc()).select(task_logs::id);
    Ok(query.first(connection).await.optional()?.unwrap_or(0))
}

/// The conditions of a list.
#[derive(Debug, Default)]
pub struct LogFilter {
    pub id: Option<i64>,
    pub after: Option<i64>,
    pub tuning_job: Option<i64>,
    pub model: Option<i64>,
}

/// Returns one page of the lines that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &LogFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<TaskLog>)> {
    let visible = narrowing(connection, principal).await?;
    let query = || narrowed(visible.clone(), filter);
    let rows = query().order(task_logs::id.desc()).select(TaskLog::as_select());
    paginate(connection, page, query().count(), rows).await
}

/// Returns the newest line that matches a filter and that the caller may see.
pub async fn first(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &LogFilter,
) -> QueryResult<Option<TaskLog>> {
    let visible = narrowing(connection, principal).await?;
    let query = narrowed(visible, filter).order(task_logs::id.desc());
    query.select(TaskLog::as_select()).first(connection).await.optional()
}

/// Selects the lines of these projects (of all if `None`) that match a filter.
fn narrowed(visible: Option<Vec<i64>>, filter: &LogFilter) -> task_logs::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = task_logs::table.into_boxed();
    if let Some(visible) = visible {
        query = query.filter(task_logs::project_id.eq_any(visible));
    }
    if let Some(id) = filter.id {
        query = query.filter(task_logs::id.eq(id));
    }
    if let Some(after) = filter.after {
        query = query.filter(task_logs::id.gt(after));
    }
    if let Some(job) = filter.tuning_job {
        query = query.filter(task_logs::tuning_job_id.eq(job));
    }
    if let Some(model) = filter.model {
        query = query.filter(task_logs::trained_model_id.eq(model));
    }
    query
}

/// Returns the projects that a caller may see; `None` means all of them.
async fn narrowing(connection: &mut AsyncPgConnection, principal: &Principal) -> QueryResult<Option<Vec<i64>>> {
    if principal.visible_organisations().is_none() && principal.key_project().is_none() {
        return Ok(None);
    }
    visible_projects(principal, None).load(connection).await.map(Some)
}

/// Returns the queue's tasks of each of these groups, newest first.
pub async fn task_links(connection: &mut AsyncPgConnection, groups: Vec<String>) -> QueryResult<HashMap<String, Vec<TaskLink>>> {
    let mut links: HashMap<String, Vec<TaskLink>> = HashMap::new();
    for row in queue::of_groups(connection, &groups).await? {
        let task = Task {
            task_id: row.task_id,
            status: row.state.into(),
            date_created: row.created_at,
            date_done: row.finished_at,
            traceback: row.last_error,
        };
        links.entry(row.group_key.unwrap_or_default()).or_default().push(TaskLink { task });
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_others_stay() {
        assert_eq!(cut("a\0ä"), "a\u{fffd}ä");
        let (fits, long) = ("ä".repeat(LONGEST_LINE), "ä".repeat(LONGEST_LINE + 1));
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&long), format!("{fits}…"));
    }
}
