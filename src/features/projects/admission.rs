//! Background jobs of a project: whose turn they take, and how many may wait.

use actix_web::http::StatusCode;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::Project;
use crate::features::accounts::Guarded;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, Turn};
use crate::platform::services::Services;

impl Project {
    /// Organisations take turns, and within one its projects.
    pub fn turn(&self) -> Turn {
        Turn { tenant: format!("organisation:{}", self.organisation_id), lane: format!("project:{}", self.id) }
    }
}

/// Returns the turn of a project's jobs.
pub async fn turn_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Turn> {
    let found = <Project as Guarded>::load(connection, project).await?;
    Ok(found.map(|(project, _)| project.turn()).unwrap_or_default())
}

/// Refuses a request that would queue `more` jobs where the organisation has as many waiting as it may.
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
        "{waiting} jobs of this organisation wait for a worker, and {most} may. Try again when some are done, or cancel some."
    );
    Err(ApiError::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting_jobs", message))
}
