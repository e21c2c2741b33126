//! One listening connection per process and one read per change, for any number of sockets.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::feed::{Feed, Kind, Topic};
use super::warden::Warden;
use crate::features::task_logs::{CHANNEL, Subject, Update};
use crate::platform::db::{Database, Notification};
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// How long to wait before reading again after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Returns the topic that a notification says has changed.
fn topic_of(payload: &str) -> Option<Topic> {
    let (subject, kind) = match serde_json::from_str::<Update>(payload).ok()? {
        Update::Tuning { tuning_job_id } => (Subject::Tuning(tuning_job_id), Kind::Status),
        Update::Model { trained_model_id } => (Subject::Model(trained_model_id), Kind::Status),
        Update::Log { tuning_job_id: Some(id), .. } => (Subject::Tuning(id), Kind::Logs),
        Update::Log { tuning_job_id: None, trained_model_id } => (Subject::Model(trained_model_id?), Kind::Logs),
    };
    Some(Topic { subject, kind })
}

/// The watched objects of a process, kept up to date.
#[derive(Clone)]
pub struct Hub {
    watched: Arc<Watched>,
    pub(super) warden: Arc<Warden>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Watched {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    feeds: HashMap<Topic, Weak<Feed>>,
    /// Watched topics that have changed since they were read.
    stale: BTreeSet<Topic>,
}

impl Hub {
    /// Starts to listen for changes, until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let watched = Arc::new(Watched::default());
        let warden = Arc::new(Warden::default());
        spawn_until(&stop, listen(services.db.clone(), watched.clone()));
        spawn_until(&stop, refresh(services.db.clone(), watched.clone()));
        spawn_until(&stop, warden.clone().run(services.clone()));
        Self { watched, warden, stop }
    }

    /// Returns the feed of a topic, which is kept up to date while it is held.
    pub async fn watch(&self, db: &Database, topic: Topic) -> ApiResult<Arc<Feed>> {
        let feed = self.watched.feed(topic);
        feed.begin(db).await?;
        Ok(feed)
    }

    /// Returns the token that is cancelled when the server shuts down.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

fn spawn_until(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move { stop.run_until_cancelled(work).await });
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn feed(&self, topic: Topic) -> Arc<Feed> {
        let mut state = self.state();
        if let Some(feed) = state.feeds.get(&topic).and_then(Weak::upgrade) {
            return feed;
        }
        // Feeds without sockets are removed from time to time.
        if state.feeds.len().is_power_of_two() {
            state.feeds.retain(|_, feed| feed.strong_count() > 0);
        }
        let feed = Arc::new(Feed::new(topic));
        state.feeds.insert(topic, Arc::downgrade(&feed));
        feed
    }

    /// Marks a topic as changed if a socket watches it.
    fn mark(&self, topic: Topic) {
        let mut state = self.state();
        if state.feeds.contains_key(&topic) && state.stale.insert(topic) {
            self.changed.notify_one();
        }
    }

    /// Marks every watched topic as changed.
    fn mark_all(&self) {
        let mut state = self.state();
        let all: Vec<Topic> = state.feeds.keys().copied().collect();
        state.stale.extend(all);
        self.changed.notify_one();
    }

    /// Returns the next feed to read; removes those without sockets.
    fn next_stale(&self) -> Option<Arc<Feed>> {
        let mut state = self.state();
        while let Some(topic) = state.stale.pop_first() {
            match state.feeds.get(&topic).and_then(Weak::upgrade) {
                Some(feed) => return Some(feed),
                None => drop(state.feeds.remove(&topic)),
            }
        }
        None
    }
}

async fn listen(db: Database, watched: Arc<Watched>) {
    let mut notifications = db.listen(&[CHANNEL]);
    while let Some(notification) = notifications.next().await {
        match notification {
            Notification::Connected => watched.mark_all(),
            Notification::Message { payload, .. } => topic_of(&payload).into_iter().for_each(|topic| watched.mark(topic)),
        }
    }
}

/// Reads changed feeds one after the other: changes that arrive faster than they can be read are read together.
async fn refresh(db: Database, watched: Arc<Watched>) {
    loop {
        let Some(feed) = watched.next_stale() else {
            watched.changed.notified().await;
            continue;
        };
        if let Err(error) = feed.refresh(&db).await {
            tracing::warn!(%error, "what sockets watch could not be read; it will be tried again");
            watched.mark(feed.topic);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_payloads_are_changes() {
        let about = |subject, kind| Some(Topic { subject, kind });
        assert_eq!(topic_of(r#"{"kind":"tuning","tuning_job_id":3}"#), about(Subject::Tuning(3), Kind::Status));
        assert_eq!(topic_of(r#"{"kind":"model","trained_model_id":3}"#), about(Subject::Model(3), Kind::Status));
        let log = r#"{"kind":"log","tuning_job_id":null,"trained_model_id":4,"log_id":9}"#;
        assert_eq!(topic_of(log), about(Subject::Model(4), Kind::Logs));
        for other in ["", "x", r#"{"kind":"data","trained_model_id":3}"#, r#"{"kind":"log","tuning_job_id":null}"#] {
            assert_eq!(topic_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_is_watched_is_read_and_once_for_many_changes() {
        let watched = Watched::default();
        let topic = |id| Topic { subject: Subject::Tuning(id), kind: Kind::Status };
        let (one, two) = (watched.feed(topic(1)), watched.feed(topic(2)));
        assert!(Arc::ptr_eq(&one, &watched.feed(topic(1))), "the sockets of one job share");
        for _ in 0..1_000 {
            watched.mark(topic(1));
            watched.mark(topic(3));
        }
        watched.mark(topic(2));
        drop(two);
        assert!(Arc::ptr_eq(&one, &watched.next_stale().unwrap()));
        assert!(watched.next_stale().is_none());
        assert!(!watched.state().feeds.contains_key(&topic(2)), "nobody watches it any more");
    }
}
