//! Background jobs of a project: their turn, and how many may wait.

use actix_web::http::StatusCode;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::Project;
use crate::features::accounts::{Guarded, founder_of};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, Turn};
use crate::platform::services::Services;

impl Project {
    /// Returns the turn of the project's jobs. The founders of organisations take turns, and within each the projects of theirs: a
    /// user who creates more organisations gets no more turns. An organisation that staff created has a turn of its own.
    pub async fn turn(&self, connection: &mut AsyncPgConnection) -> QueryResult<Turn> {
        let tenant = match founder_of(connection, self.organisation_id).await? {
            Some(founder) => format!("founder:{founder}"),
            None => format!("organisation:{}", self.organisation_id),
        };
        Ok(Turn { tenant, lane: format!("project:{}", self.id) })
    }
}

/// Returns the turn of a project's jobs.
pub async fn turn_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Turn> {
    let found = <Project as Guarded>::load(connection, project).await?;
    match found {
        Some((project, _)) => project.turn(connection).await,
        None => Ok(Turn::default()),
    }
}

/// Refuses a request that would queue `more` jobs if the organisation, together with those of the same founder, already has the
/// maximum waiting.
pub async fn admit_jobs(services: &Services, connection: &mut AsyncPgConnection, project: i64, more: i64) -> ApiResult<()> {
    let most = services.settings.max_waiting_jobs_per_organisation;
    if most == 0 {
        return Ok(());
    }
    let turn = turn_of(connection, project).await?;
    let waiting = queue::count_waiting(connection, &turn.tenant).await?;
    if waiting + more <= i64::from(most) {
        return Ok(());
    }
    let message = format!(
        "{waiting} jobs of this organisation and others with the same founder wait for a worker, and {most} may. Try again when some \
         are done, or cancel some."
    );
    Err(ApiError::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting_jobs", message))
}
