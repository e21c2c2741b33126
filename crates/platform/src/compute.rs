//! Heavy work: on threads where it delays no request, and on how many.

use super::config::Settings;

/// A worker thread that ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Crashed(String);

impl From<tokio::task::JoinError> for Crashed {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(error.to_string())
    }
}

/// Runs work on a thread that may block; a panic there is this error, not the end of the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Crashed> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Returns the threads that each of `at_once` simultaneous jobs may use: the configured number, or its share of the cores.
pub fn threads(settings: &Settings, at_once: usize) -> usize {
    match settings.threads_per_job {
        0 => (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / at_once.max(1)).max(1),
        set => set,
    }
}
