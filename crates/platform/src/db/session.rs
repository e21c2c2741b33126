//! The session of a connection: the caller it acts for. PostgreSQL itself knows what a request may see, so that row-level
//! security holds even if a query forgets a filter, and the audit triggers know who changed a row.
//!
//! The session belongs to the task of the request ([`acting_as`]), and [`super::Database::conn`] sets it on each connection: no
//! handler has to do so. Work outside a request acts for the program itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tracing::Instrument;

use super::{QueryError, noticed_if_left};
use crate::compute::Crashed;

/// The caller that the statements of a connection act for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The organisations whose rows are visible; `None` means every row.
    pub organisations: Option<Vec<i64>>,
    /// The one project whose rows are visible.
    pub project: Option<i64>,
    /// The acting user.
    pub user: Option<i64>,
    /// The API key that the user acts with.
    pub api_key: Option<i64>,
    /// The network address of the caller.
    pub address: String,
    /// The id of the request, as in its log lines.
    pub request_id: String,
}

diesel::define_sql_function! {
    /// Returns the present time of the program's clock, for the columns that SQL dates.
    fn program_now() -> diesel::sql_types::Timestamptz;
}

tokio::task_local! {
    static CURRENT: Arc<Session>;
}

/// Runs `work` so that each of its connections acts for `session`.
pub async fn acting_as<T>(session: Session, work: impl Future<Output = T>) -> T {
    CURRENT.scope(Arc::new(session), noticed_if_left(work)).await
}

/// Runs `work` to its end for the caller of the present task, even if that task is dropped meanwhile, as a request is whose
/// client disconnects: for changes of rows and files, of which none may be made without the others. A panic of `work` is the
/// error.
pub async fn finishing<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Crashed> {
    let work = work.in_current_span();
    let task = match current() {
        Some(session) => tokio::spawn(CURRENT.scope(session, work)),
        None => tokio::spawn(work),
    };
    Ok(task.await?)
}

/// Returns the session of the present task, if it is a request's.
pub(super) fn current() -> Option<Arc<Session>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// The role without privileges of its own that requests act in; see the migration of the barriers.
const RESTRICTED_ROLE: &str = "recotem_tenant";

/// Everything is set in one round trip. On a server where the role could not be created, the tables restrict their owner too.
const TELL: &str = "SELECT set_config('role', CASE WHEN $1 <> '' AND EXISTS (SELECT FROM pg_roles WHERE rolname = $1 \
     AND pg_has_role(session_user, oid, 'MEMBER')) THEN $1 ELSE 'none' END, false), \
     set_config('recotem.organisations', $2, false), set_config('recotem.project', $3, false), \
     set_config('recotem.user', $4, false), set_config('recotem.api_key', $5, false), \
     set_config('recotem.address', $6, false), set_config('recotem.request', $7, false), set_config('recotem.now', $8, false), \
     set_config('statement_timeout', $9, false)";

/// Sets the session of a connection; without one, it acts for the program itself, which sees every row. `pinned` is the time that
/// SQL's `program_now()` returns instead of the server's. `longest` limits each statement, unless it is the program's own.
pub(super) async fn tell(
    connection: &mut AsyncPgConnection,
    session: Option<&Session>,
    longest: Option<Duration>,
    pinned: Option<DateTime<Utc>>,
) -> Result<(), QueryError> {
    let number = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    let organisations = match session.and_then(|session| session.organisations.as_ref()) {
        Some(ids) => format!("{{{}}}", ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
        None => "*".to_owned(),
    };
    let longest = session.and(longest).map_or(0, |longest| longest.as_millis());
    diesel::sql_query(TELL)
        .bind::<Text, _>(session.map_or("", |_| RESTRICTED_ROLE))
        .bind::<Text, _>(organisations)
        .bind::<Text, _>(number(session.and_then(|session| session.project)))
        .bind::<Text, _>(number(session.and_then(|session| session.user)))
        .bind::<Text, _>(number(session.and_then(|session| session.api_key)))
        .bind::<Text, _>(session.map_or("", |session| &session.address))
        .bind::<Text, _>(session.map_or("", |session| &session.request_id))
        .bind::<Text, _>(pinned.map(|moment| moment.to_rfc3339()).unwrap_or_default())
        .bind::<Text, _>(longest.to_string())
        .execute(connection)
        .await
        .map(drop)
}

/// Lifts the time limit of statements until the end of the transaction: for changes that no client can split, such as the
/// deletion of a project with all its events.
pub async fn without_statement_timeout(connection: &mut AsyncPgConnection) -> Result<(), QueryError> {
    diesel::sql_query("SET LOCAL statement_timeout = 0").execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_for_its_caller_after_its_request_is_dropped() {
        let caller = Session { user: Some(7), ..Session::default() };
        let (tell_begun, begun) = oneshot::channel();
        let (go_on, may_end) = oneshot::channel::<()>();
        let (tell_ended, ended) = oneshot::channel();
        let work = async move {
            tell_begun.send(()).unwrap();
            may_end.await.unwrap();
            tell_ended.send(current()).unwrap();
        };
        let request = tokio::spawn(acting_as(caller.clone(), finishing(work)));
        begun.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        assert_eq!(ended.await.unwrap().as_deref(), Some(&caller));
    }

    #[tokio::test]
    async fn work_of_the_program_itself_stays_its_own_and_a_panic_is_an_error() {
        assert_eq!(finishing(async { current() }).await.unwrap(), None);
        assert!(finishing::<()>(async { panic!("a bug") }).await.is_err());
    }
}
