//! One listening connection per process, whatever the number of sockets.

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::platform::db::{Database, Notification};

/// The channel slices notify on.
const CHANNEL: &str = "recotem_live";
/// Messages a slow socket may fall behind before it is told to look at the tables instead.
const BACKLOG: usize = 1_024;

/// Something changed; the tables say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A tuning job or one of its trials.
    Tuning(i64),
    /// A line was added to the log of a tuning job.
    Log(i64),
    /// Anything may have changed: the listener was away.
    Anything,
}

#[derive(Deserialize)]
struct Payload {
    kind: String,
    tuning_job_id: Option<i64>,
}

impl Change {
    fn read(payload: &str) -> Option<Self> {
        let payload: Payload = serde_json::from_str(payload).ok()?;
        match (payload.kind.as_str(), payload.tuning_job_id) {
            ("tuning", Some(id)) => Some(Self::Tuning(id)),
            ("log", Some(id)) => Some(Self::Log(id)),
            _ => None,
        }
    }
}

/// Hands each change to every socket that is open.
#[derive(Clone)]
pub struct Hub {
    sender: broadcast::Sender<Change>,
    stop: CancellationToken,
}

impl Hub {
    /// Starts listening; ends when `stop` is cancelled.
    pub fn start(db: &Database, stop: CancellationToken) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let mut notifications = db.listen(&[CHANNEL]);
        let (publish, token) = (sender.clone(), stop.clone());
        tokio::spawn(async move {
            while let Some(notification) = tokio::select! {
                () = token.cancelled() => None,
                next = notifications.next() => next,
            } {
                let change = match &notification {
                    Notification::Connected => Some(Change::Anything),
                    Notification::Message { payload, .. } => Change::read(payload),
                };
                // Without an open socket there is nobody to tell, which is no error.
                let _ = change.map(|change| publish.send(change));
            }
        });
        Self { sender, stop }
    }

    /// What changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Cancelled when the server goes down.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_payloads_are_changes() {
        assert_eq!(Change::read(r#"{"kind":"tuning","tuning_job_id":3}"#), Some(Change::Tuning(3)));
        assert_eq!(Change::read(r#"{"kind":"log","tuning_job_id":3,"log_id":9}"#), Some(Change::Log(3)));
        for other in ["", "x", r#"{"kind":"model","trained_model_id":3}"#, r#"{"kind":"log","tuning_job_id":null}"#] {
            assert_eq!(Change::read(other), None, "{other}");
        }
    }
}
