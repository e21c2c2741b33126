//! Processes a project's answers after they have been sent: they are logged, and if other slots might have answered, or there are
//! shadow slots, those get the same request. All of this is bounded work in the background; what exceeds the bounds is dropped.

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
use crate::features::accounts::Tenant;
use crate::features::api_keys::KnownKey;
use crate::features::recommendation_log::{LoggedList, Recorder};
use crate::platform::clock::Clock;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// Requests that may wait for the answers of other slots.
const ROOM: Room = Room { of_all: 1_024, of_party: 256 };
/// Requests, each of a different tenant, whose other slots are asked at the same time.
const WORKERS: usize = 4;
/// The largest number of slots asked for one request, separately for traffic slots and shadows.
const MOST_SLOTS: usize = 32;
/// The time limit for asking them.
const LONGEST: Duration = Duration::from_secs(10);
/// Time for which requests are collected: waking for each of them would slow the requests being answered more than asking the
/// other slots does.
const GATHERING: Duration = Duration::from_millis(5);
/// The number of items of a list that are logged, from the top.
const LOGGED_ITEMS: usize = 100;
/// The largest number of characters of a user's id, as for events.
pub const LONGEST_USER: usize = 256;
/// How long a process that shuts down may keep writing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The minimum time between two warnings about shadows.
const BETWEEN_WARNINGS: TimeDelta = TimeDelta::seconds(60);

/// A request for a list of a project.
pub struct Asked {
    pub caller: Arc<KnownKey>,
    pub serving: Arc<Serving>,
    pub request_id: Uuid,
    pub project: i64,
    /// Whose share of the work in the background the request uses.
    pub tenant: Tenant,
    pub user: Option<String>,
    pub options: Options,
}

/// An answered request whose other slots must be asked.
struct Answered {
    asked: Asked,
    /// The log entry so far.
    list: LoggedList,
    /// The probability with which its slot shows each item in its place.
    chances: Vec<f64>,
}

/// Observes every answer to a project's requests.
pub struct Observer {
    waiting: Arc<Waiting<Answered>>,
    recorder: Recorder,
    clock: Clock,
}

impl Observer {
    /// Starts the tasks that ask other slots, one request per tenant at a time, until the observer is dropped.
    pub fn start(services: &Services, answerer: Arc<Answerer>) -> Self {
        let (waiting, recorder) = (Arc::new(Waiting::new(ROOM)), Recorder::start(services));
        for _ in 0..WORKERS {
            tokio::spawn(ask_others(Arc::clone(&answerer), recorder.clone(), Arc::clone(&waiting)));
        }
        Self { waiting, recorder, clock: services.clock.clone() }
    }

    /// Records an answer without blocking.
    pub fn observe(&self, asked: Asked, slot: &Slot, strategy: Strategy, items: &List) {
        let propensity = asked.serving.share_of(slot);
        let head = head_of(items);
        let chances = match items.is_drawn() {
            true => head.iter().enumerate().map(|(place, item)| items.chance(place, item)).collect(),
            false => vec![1.0; head.len()],
        };
        // If no other slot could have answered, the propensity of the list is that of each item, unless new items could take places.
        let item_propensities = (propensity >= 1.0 && items.is_drawn()).then(|| chances.clone());
        let list = LoggedList {
            propensity: Some(propensity),
            item_propensities,
            ..logged(&asked, slot, Some(strategy), head, self.clock.now())
        };
        let is_watched = !asked.serving.shadows.is_empty();
        if !is_watched && propensity >= 1.0 {
            self.recorder.record(vec![list]);
            return;
        }
        match self.waiting.add(asked.tenant.party(), Answered { asked, list, chances }) {
            // A list without the propensities of its items is better than none.
            Some(left) if left.asked.serving.shadows.is_empty() => self.recorder.record(vec![left.list]),
            Some(_) => self.recorder.count_dropped(),
            None => {}
        }
    }

    /// Waits until everything observed so far is logged, up to a time limit.
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
    while let Some((party, answered)) = waiting.next(GATHERING).await {
        let now = answered.list.timestamp;
        // A panic in a model affects only this request.
        let completed = AssertUnwindSafe(complete(&answerer, &recorder, answered)).catch_unwind().await;
        waiting.done(party);
        let fault = completed.unwrap_or_else(|_| Some("a model panicked".to_owned()));
        if let Some(fault) = fault.filter(|_| warned.is_none_or(|at| now - at >= BETWEEN_WARNINGS)) {
            warned = Some(now);
            tracing::warn!(fault, "a shadow slot has no list; there may be more of these");
        }
    }
}

/// Logs an answer with the answers of other slots to the same request: those of shadows as lists, those of traffic slots as the
/// propensities of the items. Returns the error of a shadow, if one failed.
async fn complete(answerer: &Answerer, recorder: &Recorder, answered: Answered) -> Option<String> {
    let Answered { asked, mut list, chances } = answered;
    let serving = Arc::clone(&asked.serving);
    let others: Vec<&Slot> =
        serving.slots.iter().filter(|slot| slot.id != list.deployment_slot_id && slot.weight > 0.0).collect();
    let at = list.timestamp;
    let (mut shadows, mut fault) = (Vec::new(), None);
    let asking = async {
        // Not with fewer slots: a propensity that leaves one out is wrong.
        if others.len() <= MOST_SLOTS {
            match propensities(answerer, &asked, &list, &chances, &others).await {
                Ok(propensities) => list.item_propensities = Some(propensities),
                Err(error) => tracing::debug!(%error, "what another slot would have answered is not known"),
            }
        }
        for slot in chosen(&serving.shadows, MOST_SLOTS, asked.request_id) {
            // What a shadow would list is compared, not what chance would put there.
            let options = Options { new_items: None, ..asked.options.clone() };
            match list_of(answerer, &asked, slot, options).await {
                Ok((strategy, items)) => {
                    shadows.push(LoggedList { is_shadow: true, ..logged(&asked, slot, strategy, head_of(&items), at) })
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

/// Returns at most `most` of the slots; the choice varies with the request, so that each slot gets its share.
fn chosen(slots: &[Slot], most: usize, request: Uuid) -> impl Iterator<Item = &Slot> {
    let first = request.as_u64_pair().1 as usize % slots.len().max(1);
    slots.iter().cycle().skip(first).take(slots.len().min(most))
}

/// Returns the probability that each item is shown in its place, over all slots; `chances` are those of the slot that answered.
async fn propensities(
    answerer: &Answerer,
    asked: &Asked,
    list: &LoggedList,
    chances: &[f64],
    others: &[&Slot],
) -> ApiResult<Vec<f64>> {
    let share = list.propensity.unwrap_or(1.0);
    let mut propensities: Vec<f64> = chances.iter().map(|chance| chance * share).collect();
    for slot in others {
        let (_, other) = list_of(answerer, asked, slot, asked.options.clone()).await?;
        let share = asked.serving.share_of(slot);
        for (place, (propensity, item)) in propensities.iter_mut().zip(&list.items).enumerate() {
            *propensity += other.chance(place, item) * share;
        }
    }
    // Rounding may exceed 1 slightly.
    propensities.iter_mut().for_each(|propensity| *propensity = propensity.min(1.0));
    Ok(propensities)
}

/// Returns the list of a slot for a request; empty if its model does not know the user and the project is set to answer 404.
async fn list_of(answerer: &Answerer, asked: &Asked, slot: &Slot, mut options: Options) -> ApiResult<(Option<Strategy>, List)> {
    let model = answerer.directory.model(&asked.caller.principal, slot.trained_model_id).await?;
    (options.personal.explain, options.list.with_metadata) = (false, false);
    answerer.for_one(&model, asked.user.as_deref(), options, &asked.serving).await
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
        // No event can contain a longer id.
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
