//! The requests to one endpoint that are being sent.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use url::Url;
use uuid::Uuid;

use super::super::model::Waiting;
use super::super::signature::SigningKey;
use super::attempt::{self, Outcome};
use crate::platform::services::Services;

/// Messages that an endpoint is sent at the same time.
pub const AT_ONCE: usize = 4;

/// What is needed to send messages to an endpoint.
pub struct Sender {
    pub url: Url,
    pub keys: Vec<SigningKey>,
}

/// Requests that are not answered yet.
#[derive(Default)]
pub struct Sending<'s> {
    requests: FuturesUnordered<BoxFuture<'s, (Waiting, Outcome)>>,
    ids: HashSet<Uuid>,
}

impl<'s> Sending<'s> {
    /// Begins to send a message.
    pub fn start(&mut self, services: &'s Services, sender: Arc<Sender>, message: Waiting) {
        self.ids.insert(message.id);
        let request = async move {
            let outcome = attempt::send(&services.outbound, &sender.url, &sender.keys, &message, services.clock.now()).await;
            (message, outcome)
        };
        self.requests.push(request.boxed());
    }

    /// Waits for the next message that ends: for ever if none is being sent.
    pub async fn next(&mut self) -> (Waiting, Outcome) {
        let Some(ended) = self.requests.next().await else { return std::future::pending().await };
        self.ids.remove(&ended.0.id);
        ended
    }

    /// Returns the messages.
    pub fn ids(&self) -> Vec<Uuid> {
        self.ids.iter().copied().collect()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }
}
