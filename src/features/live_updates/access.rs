//! Who watches, and whether they may: asked when a socket opens and at each of its heartbeats.

use actix_ws::CloseCode;

use crate::features::accounts::{Principal, Role, authenticate_session, authenticate_token};
use crate::features::models::TrainedModel;
use crate::features::task_logs::Subject;
use crate::features::tuning::TuningJob;
use crate::platform::db;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Why somebody may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is logged in, or no longer.
    NotAuthenticated,
    /// No such thing, or not the caller's.
    NoAccess,
    /// It cannot be told at present.
    Unknown,
}

impl Refusal {
    /// What a socket that is open is closed with.
    pub fn code(self) -> CloseCode {
        match self {
            Self::NotAuthenticated => CloseCode::Other(4401),
            Self::NoAccess => CloseCode::Other(4403),
            Self::Unknown => CloseCode::Again,
        }
    }

    /// Returns the answer that refuses a handshake.
    pub fn answer(self) -> ApiError {
        match self {
            Self::NotAuthenticated => ApiError::not_authenticated(),
            Self::NoAccess => ApiError::not_found(),
            Self::Unknown => ApiError::unavailable(&"live updates cannot be opened"),
        }
    }

    fn of(error: &ApiError) -> Self {
        match error.status().as_u16() {
            401 => Self::NotAuthenticated,
            403 | 404 => Self::NoAccess,
            _ => Self::Unknown,
        }
    }
}

/// The caller behind an access token that is still good.
pub async fn caller(services: &Services, token: &str) -> Result<Principal, Refusal> {
    authenticate_token(services, token).await.map_err(|error| Refusal::of(&error.into()))
}

/// Returns the caller whose session goes on, whether or not the token that it began with has expired.
pub async fn holder(services: &Services, session: i64) -> Result<Principal, Refusal> {
    authenticate_session(services, session).await.map_err(|error| Refusal::of(&error.into()))
}

/// Whether the caller may see the thing at present. The database is told on whose behalf it is asked.
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
