//! Listens to the database for a worker.

use std::pin::pin;

use futures_util::StreamExt;
use tokio::sync::Notify;

use super::running::Running;
use super::{CHANNEL_CANCEL, CHANNEL_READY};
use crate::db::{Database, Notification};

/// Wakes the worker when there may be jobs to claim, and tells running jobs that they are cancelled. Polling and heartbeats find
/// what is lost while disconnected. Never returns.
pub(super) async fn listen(db: &Database, wake: &Notify, running: &Running) {
    let mut heard = pin!(db.listen(&[CHANNEL_READY, CHANNEL_CANCEL]));
    while let Some(notification) = heard.next().await {
        match notification {
            Notification::Message { channel, payload } if channel == CHANNEL_CANCEL => {
                if let Some(entry) = payload.parse().ok().and_then(|id| running.get(id)) {
                    entry.request_cancel();
                }
            }
            _ => wake.notify_one(),
        }
    }
}
