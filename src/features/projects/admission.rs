//! Background jobs of a project: their turn, and how many may wait.

use actix_web::http::StatusCode;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::Project;
use super::shares::{Full, Usage};
use super::store::{self, of_data};
use crate::features::accounts::{self, Guarded, Tenant};
use crate::platform::http::ApiError;
use crate::platform::queue::{self, Turn};

impl Project {
    /// Returns whose share of the server the project uses.
    pub async fn tenant(&self, connection: &mut AsyncPgConnection) -> QueryResult<Tenant> {
        accounts::tenant_of(connection, self.organisation_id).await
    }

    /// Returns the turn of the project's jobs. The founders of organisations take turns, within each the organisations of theirs,
    /// and within these the projects: a user who creates more organisations gets no more turns. An organisation that staff created
    /// has a turn of its own.
    pub async fn turn(&self, connection: &mut AsyncPgConnection) -> QueryResult<Turn> {
        let tenant = self.tenant(connection).await?.to_string();
        let organisation = Tenant::Organisation(self.organisation_id).to_string();
        Ok(Turn { tenant, organisation, lane: format!("project:{}", self.id) })
    }
}

/// Returns whose share of the server a project uses.
pub async fn tenant_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Tenant> {
    let (project, _) = <Project as Guarded>::load(connection, project).await?.ok_or(diesel::NotFound)?;
    project.tenant(connection).await
}

/// Returns whose share of the server the project of an upload uses.
pub async fn tenant_of_data(connection: &mut AsyncPgConnection, data_id: i64) -> QueryResult<Tenant> {
    of_data(connection, data_id).await?.tenant(connection).await
}

/// Returns the turn of a project's jobs.
pub async fn turn_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Turn> {
    let found = <Project as Guarded>::load(connection, project).await?;
    match found {
        Some((project, _)) => project.turn(connection).await,
        None => Ok(Turn::default()),
    }
}

/// An organisation has as many jobs waiting as it may, or all of its founder have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} jobs of {} wait for a worker, and {} may. Try again when some are done, or cancel some.",
    _0.used,
    _0.party.organisations(),
    _0.allowed
)]
pub struct TooManyWaitingJobs(Full);

impl From<TooManyWaitingJobs> for ApiError {
    fn from(refusal: TooManyWaitingJobs) -> Self {
        Self::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting_jobs", refusal.to_string())
    }
}

/// Fails if the organisation of a project has more jobs waiting than `most`, or those of the same founder more than twice as many,
/// of which the present transaction enqueued the last `added`; 0 sets no limit. Only one transaction at a time can do this for the
/// same founder, so each sees the jobs of those before it. To be called after all else that the transaction may have to wait for,
/// but before `refuse_excess`: every transaction takes the two locks in this order.
pub async fn admit_jobs(
    connection: &mut AsyncPgConnection,
    project: i64,
    added: i64,
    most: u32,
) -> QueryResult<Result<(), TooManyWaitingJobs>> {
    if most == 0 {
        return Ok(Ok(()));
    }
    let turn = turn_of(connection, project).await?;
    store::lock_waiting_jobs(connection, &turn.tenant).await?;
    let waiting = queue::count_waiting(connection, &turn).await?;
    let (of_organisation, of_founder) = (waiting.of_organisation.unsigned_abs(), waiting.of_tenant.unsigned_abs());
    let before = Usage { of_organisation, of_founder }.without(added.unsigned_abs());
    Ok(before.admit(added.unsigned_abs(), most.into()).map_err(TooManyWaitingJobs))
}
