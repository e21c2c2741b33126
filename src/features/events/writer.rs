//! Group commit: events that arrive one by one at the same time are stored with one statement. Each request is answered only
//! after its event has been committed, so that no acknowledged event can be lost. While one group is being committed the next one
//! collects; a single event does not wait.

use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::model::EventFields;
use super::store;
use crate::platform::disk::WatchedReserve;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest number of events in one statement.
const LARGEST_GROUP: usize = 1_000;
/// The largest number of waiting events, some seconds' worth; more are refused instead of kept waiting.
const LONGEST_QUEUE: usize = 20_000;
/// Seconds after which the disk may have room again.
const LATER: u64 = 60;

/// The id and time of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub id: i64,
    pub at: DateTime<Utc>,
}

/// An event and the channel to its request; the answer is `None` if its client has reported it before.
struct Waiting {
    event: EventFields,
    answer: oneshot::Sender<ApiResult<Option<Stored>>>,
}

/// Stores single events. One instance is created at start and given to every HTTP worker as application data.
pub struct EventWriter {
    queue: mpsc::Sender<Waiting>,
    disk: WatchedReserve,
}

impl EventWriter {
    /// Starts a task that writes until this is dropped and all events received until then are stored.
    pub fn start(services: &Services) -> Self {
        let (queue, waiting) = mpsc::channel(LONGEST_QUEUE);
        tokio::spawn(write_groups(services.clone(), waiting));
        let disk = WatchedReserve::new(services.disk(), services.clock.clone(), "events");
        Self { queue, disk }
    }

    /// Fails with 503 while the disk has no room for events.
    pub fn require_room(&self) -> ApiResult<()> {
        if self.disk.has_room() {
            return Ok(());
        }
        let message = "The server has too little disk space left to store events. Send them again in a minute.";
        Err(ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", message).retry_after(LATER))
    }

    /// Stores an event that its reporter may report; `None` if it is not new. Fails with 503 if it cannot be stored now.
    pub async fn store(&self, event: EventFields) -> ApiResult<Option<Stored>> {
        self.require_room()?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { event, answer }).map_err(|error| match error {
            TrySendError::Full(_) => ApiError::unavailable(&"more events arrive than can be stored"),
            TrySendError::Closed(_) => ApiError::unavailable(&"the program is ending"),
        })?;
        answered.await.unwrap_or_else(|_| Err(ApiError::unavailable(&"the program is ending")))
    }
}

async fn write_groups(services: Services, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, LARGEST_GROUP).await > 0 {
        let (events, answers): (Vec<EventFields>, Vec<_>) =
            group.drain(..).map(|waiting| (waiting.event, waiting.answer)).unzip();
        for (stored, answer) in write(&services, events).await.into_iter().zip(answers) {
            // The request may have been aborted.
            let _ = answer.send(stored);
        }
    }
}

/// Stores events and returns the outcome of each. If the group is refused, each is tried separately: one whose slot has just been
/// deleted must not affect the others.
async fn write(services: &Services, events: Vec<EventFields>) -> Vec<ApiResult<Option<Stored>>> {
    let alone = events.len() == 1;
    match write_group(services, events.clone()).await {
        Ok(stored) => stored.into_iter().map(Ok).collect(),
        Err(error) if alone || error.status().as_u16() == 503 => events.iter().map(|_| Err(error.clone())).collect(),
        Err(_) => {
            let mut answers = Vec::with_capacity(events.len());
            for event in events {
                let stored = write_group(services, vec![event]).await;
                answers.push(stored.map(|stored| stored.into_iter().next().flatten()));
            }
            answers
        }
    }
}

async fn write_group(services: &Services, events: Vec<EventFields>) -> ApiResult<Vec<Option<Stored>>> {
    let at = services.clock.now();
    let mut stored = vec![None; events.len()];
    // The events are of many callers; whether each may report its own was checked before.
    let mut connection = services.db.unrestricted_conn().await?;
    for new in store::insert(&mut connection, events, at).await? {
        if let Some(place) = stored.get_mut(new.place()) {
            *place = Some(Stored { id: new.id, at });
        }
    }
    Ok(stored)
}
