//! Authorisation of subscribers, checked when a socket opens and at each heartbeat.

use actix_ws::CloseCode;

use crate::features::accounts::{Principal, Role, SessionLimits, authenticate_counted, authenticate_session};
use crate::features::models::TrainedModel;
use crate::features::task_logs::Subject;
use crate::features::tuning::TuningJob;
use crate::platform::db;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Why a client may not subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client is not logged in, or no longer.
    NotAuthenticated,
    /// The object does not exist or is not visible to the caller.
    NoAccess,
    /// It cannot be checked at present.
    Unknown,
    /// The session has opened live updates too often; seconds to wait.
    TooOften(u64),
}

impl Refusal {
    /// Returns the code with which an open socket is closed.
    pub fn code(self) -> CloseCode {
        match self {
            Self::NotAuthenticated => CloseCode::Other(4401),
            Self::NoAccess => CloseCode::Other(4403),
            Self::Unknown | Self::TooOften(_) => CloseCode::Again,
        }
    }

    /// Returns the response that refuses a handshake.
    pub fn answer(self) -> ApiError {
        match self {
            Self::NotAuthenticated => ApiError::not_authenticated(),
            Self::NoAccess => ApiError::not_found(),
            Self::Unknown => ApiError::unavailable(&"live updates cannot be opened"),
            Self::TooOften(seconds) => ApiError::throttled(seconds),
        }
    }

    fn of(error: &ApiError) -> Self {
        match error.status().as_u16() {
            401 => Self::NotAuthenticated,
            403 | 404 => Self::NoAccess,
            429 => Self::TooOften(error.retry_after_seconds().unwrap_or(1)),
            _ => Self::Unknown,
        }
    }
}

/// Returns the caller of a valid access token.
pub async fn caller(services: &Services, limits: &SessionLimits, token: &str) -> Result<Principal, Refusal> {
    authenticate_counted(services, limits, token).await.map_err(|error| Refusal::of(&error.into()))
}

/// Returns the caller of a session that has not ended, whether or not its first access token has expired.
pub async fn holder(services: &Services, session: i64) -> Result<Principal, Refusal> {
    authenticate_session(services, session).await.map_err(|error| Refusal::of(&error.into()))
}

/// Fails unless the caller may see the object at present. The query runs in the caller's database session.
pub async fn allow(services: &Services, caller: &Principal, subject: Subject) -> Result<(), Refusal> {
    let looked = db::acting_as(caller.session(), look(services, caller, subject)).await;
    looked.map_err(|error| Refusal::of(&error))
}

async fn look(services: &Services, caller: &Principal, subject: Subject) -> ApiResult<()> {
    let mut connection = services.db.conn().await?;
    match subject {
        Subject::Tuning(id) => caller.load::<TuningJob>(&mut connection, id, Role::Viewer).await.map(drop),
        Subject::Model(id) => caller.load::<TrainedModel>(&mut connection, id, Role::Viewer).await.map(drop),
    }
}
