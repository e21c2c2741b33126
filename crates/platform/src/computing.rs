//! Limits on computed answers: how many at once, how many of one party, and how long each may take. More are refused, so that a
//! caller with large requests takes neither the processors nor the threads from other requests.

use std::time::Duration;

use actix_web::http::StatusCode;
use tokio_util::sync::CancellationToken;

pub use super::places::Place;

use super::http::{ApiError, ApiResult};
use super::places::Places;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer may take to compute.
const LONGEST: Duration = Duration::from_secs(30);
/// Seconds after which a request that got no turn should be sent again.
const COME_BACK: u64 = 2;

/// All places were taken for the longest time that a request waits.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("The server is computing too many answers at once. Try again in a few seconds.")]
pub struct Busy;

/// The places for answers in progress.
pub struct Computing {
    places: Places,
    /// How long a request waits for its turn.
    patience: Duration,
}

impl Computing {
    /// Creates two places for each core, of which one party may take half.
    pub fn of_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_places(cores * 2, PATIENCE)
    }

    fn with_places(places: usize, patience: Duration) -> Self {
        Self { places: Places::new(places), patience }
    }

    /// Runs the work for a party on a separate thread. The work has to check the token regularly, which is cancelled when the
    /// caller leaves or the time is over. Fails if no place is free within two seconds.
    pub async fn run<T: Send + 'static>(
        &self,
        party: Option<i64>,
        work: impl FnOnce(&CancellationToken) -> T + Send + 'static,
    ) -> ApiResult<T> {
        let turn = self.admit(party).await?;
        let stop = CancellationToken::new();
        let _stops_when_dropped = stop.clone().drop_guard();
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&stop)
        });
        let done = tokio::time::timeout(LONGEST, task).await.map_err(|_| too_long())?;
        done.map_err(|error| ApiError::internal(&error))
    }

    /// Waits for a place for work whose result is kept even if its caller has left, and which is therefore neither stopped nor
    /// timed. A caller that holds a place must not wait for another one.
    pub async fn admit(&self, party: Option<i64>) -> Result<Place, Busy> {
        tokio::time::timeout(self.patience, self.places.turn(party)).await.map_err(|_| Busy)
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        Self::coded(StatusCode::SERVICE_UNAVAILABLE, "busy", busy.to_string()).retry_after(COME_BACK)
    }
}

/// Returns the error of an answer that was abandoned because it took too long to compute.
pub fn too_long() -> ApiError {
    let message = format!(
        "The answer took longer than {} seconds to compute. Request fewer users, a smaller cutoff, less diversity \
         or a shorter filter, or send smaller files.",
        LONGEST.as_secs()
    );
    ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "too_long", message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Long enough for work that has a place, and too short for any other.
    const MOMENT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_party_takes_half_of_the_places_and_another_goes_on() {
        let computing = Arc::new(Computing::with_places(2, MOMENT));
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (begun, told) = tokio::sync::oneshot::channel();
        let held = Arc::clone(&computing);
        let work = move |_: &CancellationToken| {
            begun.send(()).ok();
            wait.recv().ok()
        };
        let first = tokio::spawn(async move { held.run(Some(1), work).await.map(drop) });
        told.await.unwrap();
        assert!(computing.run(Some(1), |_| 0).await.is_err(), "the same party has to wait");
        assert_eq!(computing.run(Some(2), |_| 7).await.ok(), Some(7));
        drop(release);
        first.await.unwrap().unwrap();
        assert_eq!(computing.run(Some(1), |_| 8).await.ok(), Some(8));
    }

    #[tokio::test]
    async fn the_work_of_a_caller_who_leaves_is_told_to_stop() {
        let computing = Computing::with_places(2, MOMENT);
        let (stopped, told) = std::sync::mpsc::channel();
        let work = move |stop: &CancellationToken| {
            while !stop.is_cancelled() {
                std::thread::yield_now();
            }
            stopped.send(()).ok();
        };
        let mut running = Box::pin(computing.run(None, work));
        tokio::select! {
            biased;
            _ = &mut running => panic!("it only ends when it is told to"),
            () = tokio::task::yield_now() => {}
        }
        drop(running);
        told.recv_timeout(Duration::from_secs(10)).expect("the work stops");
    }
}
