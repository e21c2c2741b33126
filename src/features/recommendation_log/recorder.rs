//! Writes the log in the background. Requests pass their lists on without waiting; while one batch is written, the next one is
//! collected, so that the size of batches follows the traffic. If lists arrive faster than they can be written, they are dropped
//! and counted in a warning. While the disk is nearly full nothing is logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};

use super::model::LoggedList;
use super::store;
use crate::platform::disk::WatchedReserve;
use crate::platform::services::Services;

/// The largest number of requests whose lists wait to be written.
const MOST_WAITING: usize = 4_096;
/// The largest number of requests whose lists are written at once.
const BATCH: usize = 256;
/// Time for which lists are collected after a batch, unless many wait: a transaction costs about as much processor and disk time
/// for one list as for many.
const GATHERING: Duration = Duration::from_millis(25);
/// The minimum time between warnings.
const BETWEEN_WARNINGS: TimeDelta = TimeDelta::seconds(10);

enum Message {
    Lists(Vec<LoggedList>),
    Finish(oneshot::Sender<()>),
}

/// Accepts lists for the log. Cheap to clone; clones share one queue.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts a task that writes until the last clone is dropped.
    pub fn start(services: &Services) -> Self {
        let (recorder, receiver) = Self::with_room(MOST_WAITING);
        tokio::spawn(write_all(services.clone(), receiver, Arc::clone(&recorder.dropped)));
        recorder
    }

    fn with_room(room: usize) -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self { sender, dropped: Arc::default() }, receiver)
    }

    /// Queues the lists of one request, or drops them if too many wait.
    pub fn record(&self, lists: Vec<LoggedList>) {
        if self.sender.try_send(Message::Lists(lists)).is_err() {
            self.count_dropped();
        }
    }

    /// Counts a request whose lists were dropped by the caller.
    pub fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until everything queued so far has been written.
    pub async fn finish(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Message::Finish(done)).await.is_ok() {
            drop(written.await);
        }
    }
}

async fn write_all(services: Services, mut receiver: mpsc::Receiver<Message>, dropped: Arc<AtomicU64>) {
    let (mut messages, mut losses) = (Vec::with_capacity(BATCH), Losses::default());
    let disk = WatchedReserve::new(services.disk(), services.clock.clone(), "lists of the recommendation log");
    loop {
        let taken = receiver.recv_many(&mut messages, BATCH).await;
        if taken == 0 {
            return;
        }
        let (mut lists, mut waiting) = (Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Lists(more) => lists.extend(more.into_iter().filter(is_storable)),
                Message::Finish(done) => waiting.push(done),
            }
        }
        if !disk.has_room() {
            lists.clear();
        }
        let count = lists.len() as u64;
        if let Err(error) = write(&services, lists).await {
            losses.add(count, &error);
        }
        losses.warn(&dropped, services.clock.now());
        for done in waiting {
            // The waiting caller may be gone.
            done.send(()).ok();
        }
        if taken < BATCH {
            tokio::time::sleep(GATHERING).await;
        }
    }
}

/// Lists that were lost, counted so that an unavailable database is reported at intervals and not for each list.
#[derive(Default)]
struct Losses {
    warned_at: Option<DateTime<Utc>>,
    failed: u64,
    last_error: String,
}

impl Losses {
    fn add(&mut self, lists: u64, error: &anyhow::Error) {
        self.failed += lists;
        self.last_error = error.to_string();
    }

    fn warn(&mut self, dropped: &AtomicU64, now: DateTime<Utc>) {
        if self.warned_at.is_some_and(|at| now - at < BETWEEN_WARNINGS) {
            return;
        }
        let requests = dropped.swap(0, Ordering::Relaxed);
        if requests > 0 {
            tracing::warn!(
                requests,
                "requests came faster than they could be logged, so these are not in the recommendation log"
            );
        }
        let lists = std::mem::take(&mut self.failed);
        if lists > 0 {
            tracing::warn!(lists, error = self.last_error, "lists could not be written to the recommendation log");
        }
        if requests > 0 || lists > 0 {
            self.warned_at = Some(now);
        }
    }
}

/// Returns whether PostgreSQL can store the texts of a list, which must not contain U+0000.
fn is_storable(list: &LoggedList) -> bool {
    !list.items.iter().chain(&list.user_id).any(|text| text.contains('\0'))
}

async fn write(services: &Services, lists: Vec<LoggedList>) -> anyhow::Result<()> {
    if !lists.is_empty() {
        let mut connection = services.db.conn().await?;
        store::insert(&mut connection, lists).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_answer_waits_for_a_full_queue_and_what_is_dropped_is_counted() {
        let (recorder, mut receiver) = Recorder::with_room(2);
        for _ in 0..5 {
            recorder.record(Vec::new());
        }
        assert_eq!(recorder.dropped.load(Ordering::Relaxed), 3);
        let mut taken = Vec::new();
        assert_eq!(receiver.recv_many(&mut taken, BATCH).await, 2);
    }

    #[test]
    fn a_warning_counts_all_that_was_lost_since_the_last_one() {
        let (dropped, mut losses, start) = (AtomicU64::new(7), Losses::default(), DateTime::UNIX_EPOCH);
        losses.warn(&dropped, start);
        assert_eq!((dropped.load(Ordering::Relaxed), losses.warned_at), (0, Some(start)));
        dropped.store(2, Ordering::Relaxed);
        losses.add(3, &anyhow::anyhow!("the database is away"));
        losses.warn(&dropped, start + TimeDelta::seconds(5));
        assert_eq!((dropped.load(Ordering::Relaxed), losses.failed), (2, 3));
        losses.warn(&dropped, start + BETWEEN_WARNINGS);
        assert_eq!((dropped.load(Ordering::Relaxed), losses.failed), (0, 0));
    }
}
