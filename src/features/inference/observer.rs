//! What is done with a project's answers once they have left: they are logged, and where other slots might have answered, or
//! shadow slots look on, those are asked the same. All of it is bounded work in the background; what there is no room for is
//! dropped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::answer::{Options, Strategy};
use super::directory::{Serving, Slot};
use super::listed::ListedItem;
use super::service::Inference;
use crate::features::api_keys::KnownKey;
use crate::features::recommendation_log::{LoggedList, Recorder};
use crate::platform::clock::Clock;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// Requests that wait until other slots have been asked.
const MOST_WAITING: usize = 256;
/// Items of a list that are logged, from its head.
const LOGGED_ITEMS: usize = 100;
/// Characters of a user's id, as of events.
const LONGEST_USER: usize = 256;
/// How long a process that ends may go on writing.
const PATIENCE: Duration = Duration::from_secs(10);
/// At most one warning about shadows in so much time.
const BETWEEN_WARNINGS: TimeDelta = TimeDelta::seconds(60);

/// A request for a list of a project.
pub struct Asked {
    pub caller: Arc<KnownKey>,
    pub serving: Arc<Serving>,
    pub request_id: Uuid,
    pub project: i64,
    pub user: Option<String>,
    pub options: Options,
}

/// A request whose answer is known, and that other slots are to be asked as well.
struct Answered {
    asked: Asked,
    /// As it will be logged.
    list: LoggedList,
}

enum Message {
    Answered(Box<Answered>),
    Finish(oneshot::Sender<()>),
}

/// Sees every answer to a project's request.
pub struct Observer {
    sender: mpsc::Sender<Message>,
    recorder: Recorder,
    clock: Clock,
}

impl Observer {
    /// Asks other slots, one request after the other, as long as there is somebody to ask.
    pub fn start(services: &Services, inference: Weak<Inference>) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(ask_others(inference, receiver));
        Self { sender, recorder: Recorder::start(services), clock: services.clock.clone() }
    }

    /// Takes note of an answer, without waiting for anything.
    pub fn observe(&self, asked: Asked, slot: &Slot, strategy: Strategy, items: &[ListedItem]) {
        let propensity = share(&asked.serving, slot);
        let head = items.iter().take(LOGGED_ITEMS).map(|item| item.item_id.clone()).collect();
        let list = LoggedList { propensity: Some(propensity), ..logged(&asked, slot, Some(strategy), head, self.clock.now()) };
        let is_watched = !asked.serving.shadows.is_empty();
        // Where no other slot could have answered, the propensity of the list is that of each of its items.
        if !is_watched && propensity >= 1.0 {
            self.recorder.record(vec![list]);
            return;
        }
        match self.sender.try_send(Message::Answered(Box::new(Answered { asked, list }))) {
            // Better a list without the propensities of its items than none.
            Err(TrySendError::Full(Message::Answered(answered))) if !is_watched => self.recorder.record(vec![answered.list]),
            Err(_) => self.recorder.count_dropped(),
            Ok(()) => {}
        }
    }

    /// Returns once everything observed so far is logged, or that takes too long.
    pub async fn finish(&self) {
        let finish = async {
            let (done, asked) = oneshot::channel();
            if self.sender.send(Message::Finish(done)).await.is_ok() {
                drop(asked.await);
            }
            self.recorder.finish().await;
        };
        if tokio::time::timeout(PATIENCE, finish).await.is_err() {
            tracing::warn!("the last lists could not be logged in time");
        }
    }
}

async fn ask_others(inference: Weak<Inference>, mut receiver: mpsc::Receiver<Message>) {
    let mut warned: Option<DateTime<Utc>> = None;
    while let Some(message) = receiver.recv().await {
        match message {
            Message::Answered(answered) => {
                let Some(inference) = inference.upgrade() else { return };
                let now = answered.list.timestamp;
                // In a task of its own, so that a fault in a model ends this one request only.
                let completed = tokio::spawn(complete(inference, *answered)).await;
                let fault = completed.unwrap_or_else(|error| Some(error.to_string()));
                if let Some(fault) = fault.filter(|_| warned.is_none_or(|at| now - at >= BETWEEN_WARNINGS)) {
                    warned = Some(now);
                    tracing::warn!(fault, "a shadow slot has no list; there may be more of these");
                }
            }
            // Whoever waited may have gone.
            Message::Finish(done) => {
                done.send(()).ok();
            }
        }
    }
}

/// Logs an answer with what every other slot would have answered to the same: the shadows for their lists, those that share the
/// traffic for the propensities of the items. Gives what went wrong with a shadow.
async fn complete(inference: Arc<Inference>, answered: Answered) -> Option<String> {
    let Answered { asked, mut list } = answered;
    list.item_propensities = match propensities(&inference, &asked, &list).await {
        Ok(propensities) => Some(propensities),
        Err(error) => {
            tracing::debug!(%error, "what another slot would have answered is not known");
            None
        }
    };
    let at = list.timestamp;
    let (mut lists, mut fault) = (vec![list], None);
    for slot in &asked.serving.shadows {
        match list_of(&inference, &asked, slot).await {
            Ok((strategy, items)) => lists.push(LoggedList { is_shadow: true, ..logged(&asked, slot, strategy, items, at) }),
            Err(error) => fault = Some(format!("slot {}: {error}", slot.id)),
        }
    }
    inference.observer.recorder.record(lists);
    fault
}

/// With which probability each item would have been shown in its place, whichever slot had answered.
async fn propensities(inference: &Inference, asked: &Asked, list: &LoggedList) -> ApiResult<Vec<f64>> {
    let mut propensities = vec![list.propensity.unwrap_or(1.0); list.items.len()];
    let others = asked.serving.slots.iter().filter(|slot| slot.id != list.deployment_slot_id && slot.weight > 0.0);
    for slot in others {
        let (_, items) = list_of(inference, asked, slot).await?;
        for ((propensity, item), other) in propensities.iter_mut().zip(&list.items).zip(&items) {
            if item == other {
                *propensity += share(&asked.serving, slot);
            }
        }
    }
    // Rounding may lead a hair above.
    propensities.iter_mut().for_each(|propensity| *propensity = propensity.min(1.0));
    Ok(propensities)
}

/// What a slot answers to a request; nothing where its model does not know the user and that is to be said.
async fn list_of(inference: &Inference, asked: &Asked, slot: &Slot) -> ApiResult<(Option<Strategy>, Vec<String>)> {
    let model = inference.directory.model(&asked.caller.principal, slot.trained_model_id).await?;
    let options = Options { explain: false, with_metadata: false, ..asked.options.clone() };
    let answer = inference.for_one(&model, asked.user.clone(), options, &asked.serving).await?;
    let Some((strategy, items)) = answer else { return Ok((None, Vec::new())) };
    Ok((Some(strategy), items.into_iter().take(LOGGED_ITEMS).map(|item| item.item_id).collect()))
}

/// The probability that a request goes to a slot.
fn share(serving: &Serving, slot: &Slot) -> f64 {
    slot.weight / serving.slots.iter().map(|slot| slot.weight).sum::<f64>()
}

fn logged(asked: &Asked, slot: &Slot, strategy: Option<Strategy>, items: Vec<String>, timestamp: DateTime<Utc>) -> LoggedList {
    LoggedList {
        request_id: asked.request_id,
        project_id: asked.project,
        deployment_slot_id: slot.id,
        trained_model_id: slot.trained_model_id,
        is_shadow: false,
        // No event can name a longer one.
        user_id: asked.user.clone().filter(|user| user.chars().count() <= LONGEST_USER),
        items,
        strategy: strategy.map(Strategy::wire),
        propensity: None,
        item_propensities: None,
        timestamp,
        plain_cutoff: asked.options.is_plain().then(|| i32::try_from(asked.options.cutoff).ok()).flatten(),
    }
}
