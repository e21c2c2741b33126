//! The places of models in memory, and which of them is given up for another.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::Found;
use super::source::{Source, Wanted};
use crate::features::accounts::Tenant;
use crate::features::models::ready::ReadyModel;

/// A model that is being loaded, for all that wait for it.
pub type Attempt = Arc<tokio::sync::OnceCell<Found>>;

/// The models of a cache.
#[derive(Default)]
pub struct Shelf {
    pub places: HashMap<i64, Place>,
    /// Models that are being loaded: requests for one meanwhile share the result, a model or an error.
    pub attempts: HashMap<i64, Attempt>,
    pub uses: u64,
}

/// A model in memory.
pub struct Place {
    pub tenant: Tenant,
    pub source: Source,
    /// What was last tried in its place, so that a bad artifact is read once and not for every request.
    pub tried: Option<Source>,
    /// Whether its new items have to be added yet.
    pub is_pending: bool,
    pub model: Arc<ReadyModel>,
    pub bytes: u64,
    pub last_use: u64,
}

/// What is wanted instead of a model in memory.
pub enum Outdated {
    /// Another artifact.
    Artifact,
    /// The same one with other new items.
    Items,
}

impl Place {
    /// Returns whether the model is not what is wanted, and that was not tried in its place.
    pub fn lacks(&self, wanted: &Wanted<'_>) -> bool {
        let takes_new_items = self.model.takes_new_items();
        let is_it = |source: &Source| source.is(wanted, takes_new_items);
        !is_it(&self.source) && !self.tried.as_ref().is_some_and(is_it)
    }

    /// Returns what should now be read in its place; only one caller is told so.
    pub fn claim_reading(&mut self, wanted: &Wanted<'_>) -> Option<Outdated> {
        if !self.lacks(wanted) {
            return None;
        }
        self.tried = Some(Source::of(wanted));
        Some(if self.source.signature == wanted.signature { Outdated::Items } else { Outdated::Artifact })
    }
}

impl Shelf {
    pub fn held(&self) -> u64 {
        self.places.values().map(|place| place.bytes).sum()
    }

    /// Evicts models until the rest fits: always the least recently used one of the tenant whose models use the most memory, so
    /// that one tenant does not evict the models of others, with however many projects. If the newest model alone exceeds the
    /// budget, models of other tenants keep half of it.
    pub fn shrink(&mut self, budget: u64, newest: i64) {
        while self.held() > budget
            && let Some(victim) = self.victim(budget, newest)
        {
            self.places.remove(&victim);
        }
    }

    fn victim(&self, budget: u64, newest: i64) -> Option<i64> {
        let newest_of = self.places.get(&newest)?;
        let mut held: HashMap<Tenant, u64> = HashMap::new();
        for place in self.places.values() {
            *held.entry(place.tenant).or_default() += place.bytes;
        }
        let of_others = self.held() - held[&newest_of.tenant];
        let spares_others = newest_of.bytes > budget && of_others <= budget / 2;
        let may_go = |place: &Place| place.tenant == newest_of.tenant || !spares_others;
        let candidates = self.places.iter().filter(|(id, place)| **id != newest && may_go(place));
        candidates.max_by_key(|(_, place)| (held[&place.tenant], Reverse(place.last_use))).map(|(id, _)| *id)
    }
}
