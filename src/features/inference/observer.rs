//! What is done with a project's answers once they have left: they are logged, and where other slots might have answered, or
//! shadow slots look on, those are asked the same. All of it is bounded work in the background; what there is no room for is
//! dropped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use uuid::Uuid;

use super::answer::{Options, Strategy};
use super::answerer::Answerer;
use super::listed::List;
use super::model::{Serving, Slot};
use super::waiting::{Room, Waiting};
use crate::features::api_keys::KnownKey;
use crate::features::recommendation_log::{LoggedList, Recorder};
use crate::platform::clock::Clock;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// Requests that wait until other slots have been asked.
const ROOM: Room = Room { of_all: 1_024, of_project: 256 };
/// Requests, each of another project, for which other slots are asked at the same time.
const WORKERS: usize = 4;
/// Slots that are asked for one request, of those that share the traffic and of shadows.
const MOST_SLOTS: usize = 32;
/// How long asking them may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Time for which requests gather: being woken for each of them costs the requests that are answered meanwhile
/// more than asking the other slots.
const GATHERING: Duration = Duration::from_millis(5);
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

/// Sees every answer to a project's request.
pub struct Observer {
    waiting: Arc<Waiting<Answered>>,
    recorder: Recorder,
    clock: Clock,
}

impl Observer {
    /// Asks other slots, one request of a project after the other, until the observer is dropped.
    pub fn start(services: &Services, answerer: Arc<Answerer>) -> Self {
        let (waiting, recorder) = (Arc::new(Waiting::new(ROOM)), Recorder::start(services));
        for _ in 0..WORKERS {
            tokio::spawn(ask_others(Arc::clone(&answerer), recorder.clone(), Arc::clone(&waiting)));
        }
        Self { waiting, recorder, clock: services.clock.clone() }
    }

    /// Takes note of an answer, without waiting for anything.
    pub fn observe(&self, asked: Asked, slot: &Slot, strategy: Strategy, items: &List) {
        let propensity = asked.serving.share_of(slot);
        let head = head_of(items);
        let list = LoggedList { propensity: Some(propensity), ..logged(&asked, slot, Some(strategy), head, self.clock.now()) };
        let is_watched = !asked.serving.shadows.is_empty();
        // Where no other slot could have answered, the propensity of the list is that of each of its items.
        if !is_watched && propensity >= 1.0 {
            self.recorder.record(vec![list]);
            return;
        }
        match self.waiting.add(asked.project, Answered { asked, list }) {
            // Better a list without the propensities of its items than none.
            Some(left) if left.asked.serving.shadows.is_empty() => self.recorder.record(vec![left.list]),
            Some(_) => self.recorder.count_dropped(),
            None => {}
        }
    }

    /// Returns once everything observed so far is logged, or that takes too long.
    pub async fn finish(&self) {
        let finish = async {
            self.waiting.finished().await;
            self.recorder.finish().await;
        };
        if tokio::time::timeout(PATIENCE, finish).await.is_err() {
            tracing::warn!("the last lists could not be logged in time");
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

async fn ask_others(answerer: Arc<Answerer>, recorder: Recorder, waiting: Arc<Waiting<Answered>>) {
    let mut warned: Option<DateTime<Utc>> = None;
    while let Some((project, answered)) = waiting.next(GATHERING).await {
        let now = answered.list.timestamp;
        // A fault in a model ends this one request only.
        let completed = AssertUnwindSafe(complete(&answerer, &recorder, answered)).catch_unwind().await;
        waiting.done(project);
        let fault = completed.unwrap_or_else(|_| Some("a model panicked".to_owned()));
        if let Some(fault) = fault.filter(|_| warned.is_none_or(|at| now - at >= BETWEEN_WARNINGS)) {
            warned = Some(now);
            tracing::warn!(fault, "a shadow slot has no list; there may be more of these");
        }
    }
}

/// Logs an answer with what other slots would have answered to the same: the shadows for their lists, those that share the traffic
/// for the propensities of the items. Returns what went wrong with a shadow.
async fn complete(answerer: &Answerer, recorder: &Recorder, answered: Answered) -> Option<String> {
    let Answered { asked, mut list } = answered;
    let serving = Arc::clone(&asked.serving);
    let others: Vec<&Slot> =
        serving.slots.iter().filter(|slot| slot.id != list.deployment_slot_id && slot.weight > 0.0).collect();
    let at = list.timestamp;
    let (mut shadows, mut fault) = (Vec::new(), None);
    let asking = async {
        // Not with fewer slots: a propensity that leaves one out is wrong.
        if others.len() <= MOST_SLOTS {
            match propensities(answerer, &asked, &list, &others).await {
                Ok(propensities) => list.item_propensities = Some(propensities),
                Err(error) => tracing::debug!(%error, "what another slot would have answered is not known"),
            }
        }
        for slot in chosen(&serving.shadows, MOST_SLOTS, asked.request_id) {
            match list_of(answerer, &asked, slot).await {
                Ok((strategy, items)) => {
                    shadows.push(LoggedList { is_shadow: true, ..logged(&asked, slot, strategy, items, at) })
                }
                Err(error) => fault = Some(format!("slot {}: {error}", slot.id)),
            }
        }
    };
    if tokio::time::timeout(LONGEST, asking).await.is_err() {
        fault = Some(format!("the other slots took longer than {} seconds", LONGEST.as_secs()));
    }
    shadows.insert(0, list);
    recorder.record(shadows);
    fault
}

/// Returns at most so many of the slots, which others for each request, so that each is asked its share of them.
fn chosen(slots: &[Slot], most: usize, request: Uuid) -> impl Iterator<Item = &Slot> {
    let first = request.as_u64_pair().1 as usize % slots.len().max(1);
    slots.iter().cycle().skip(first).take(slots.len().min(most))
}

/// With which probability each item would have been shown in its place, whichever slot had answered.
async fn propensities(answerer: &Answerer, asked: &Asked, list: &LoggedList, others: &[&Slot]) -> ApiResult<Vec<f64>> {
    let mut propensities = vec![list.propensity.unwrap_or(1.0); list.items.len()];
    for slot in others {
        let (_, items) = list_of(answerer, asked, slot).await?;
        for ((propensity, item), other) in propensities.iter_mut().zip(&list.items).zip(&items) {
            if item == other {
                *propensity += asked.serving.share_of(slot);
            }
        }
    }
    // Rounding may lead a hair above.
    propensities.iter_mut().for_each(|propensity| *propensity = propensity.min(1.0));
    Ok(propensities)
}

/// What a slot answers to a request; nothing where its model does not know the user and that is to be said.
async fn list_of(answerer: &Answerer, asked: &Asked, slot: &Slot) -> ApiResult<(Option<Strategy>, Vec<String>)> {
    let model = answerer.directory.model(&asked.caller.principal, slot.trained_model_id).await?;
    let mut options = asked.options.clone();
    (options.personal.explain, options.list.with_metadata) = (false, false);
    let (strategy, items) = answerer.for_one(&model, asked.user.as_deref(), options, &asked.serving).await?;
    Ok((strategy, head_of(&items)))
}

fn head_of(list: &List) -> Vec<String> {
    list.ids().take(LOGGED_ITEMS).map(str::to_owned).collect()
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
        plain_cutoff: asked.options.is_plain().then(|| i32::try_from(asked.options.list.cutoff).ok()).flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_shadows_is_asked_its_share_of_the_requests() {
        let slots: Vec<Slot> = (0..10).map(|id| Slot { id, name: String::new(), trained_model_id: 1, weight: 1.0 }).collect();
        let mut asked = [0; 10];
        for request in 0..1_000 {
            let slots: Vec<i64> = chosen(&slots, 4, Uuid::from_u128(request)).map(|slot| slot.id).collect();
            assert_eq!(slots.len(), 4);
            slots.into_iter().for_each(|slot| asked[slot as usize] += 1);
        }
        assert_eq!(asked, [400; 10]);
        assert_eq!(chosen(&slots[..3], 4, Uuid::from_u128(7)).count(), 3);
        assert_eq!(chosen(&[], 4, Uuid::from_u128(7)).count(), 0);
    }
}
