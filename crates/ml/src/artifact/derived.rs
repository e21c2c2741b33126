//! Data derived from a model when it is first needed, and kept.

use std::sync::OnceLock;

use super::{ColdStart, TrainedModel};
use crate::algorithms::Factors;
use crate::idle::Idle;
use crate::item_index::{self, ItemIndex};
use crate::sparse::Csr;

/// Data derived from a model and its interactions, computed when first needed.
#[derive(Debug, Default)]
pub struct Derived {
    by_item: OnceLock<Csr>,
    index: OnceLock<ItemIndex>,
    popularity: OnceLock<Vec<f32>>,
    idle: Idle<Working>,
}

/// Working memory for lists.
#[derive(Debug, Default)]
pub(super) struct Working {
    pub search: item_index::Scratch,
    /// Of users who are searched for together.
    pub searches: Vec<item_index::Scratch>,
    /// Of many users.
    pub tiles: item_index::Tiles,
    pub scores: Vec<f32>,
}

impl TrainedModel {
    /// Returns `seen` by items.
    pub(super) fn by_item(&self) -> &Csr {
        self.derived.by_item.get_or_init(|| self.seen.transpose())
    }

    /// Returns the items, prepared for searching.
    pub(super) fn index(&self, factors: &Factors<'_>) -> &ItemIndex {
        self.derived.index.get_or_init(|| ItemIndex::new(factors))
    }

    /// Returns the total value of each item's interactions: without weights, its number of users.
    pub(super) fn popularity(&self) -> &[f32] {
        let sum = || self.seen.column_sums().into_iter().map(|sum| sum as f32).collect();
        self.derived.popularity.get_or_init(sum)
    }

    /// Computes in advance what the first list needs.
    pub fn prepare(&self) {
        if let Some(factors) = self.model.factors() {
            self.index(&factors);
        }
    }

    /// Returns the approximate bytes held on the heap, including what [`Self::prepare`] computes.
    pub fn heap_bytes(&self) -> u64 {
        let index = self.model.factors().map_or(0, |factors| self.index(&factors).heap_bytes());
        let cold_start = self.cold_start.as_deref().map_or(0, ColdStart::heap_bytes);
        let profiles = self.profiles.as_deref().map_or(0, |profiles| profiles.heap_bytes(self.cold_start.as_deref()));
        self.seen.bytes() + self.model.heap_bytes() + index + cold_start + profiles
    }

    /// Runs `work` with working memory that no other thread uses meanwhile.
    pub(super) fn with_working<T>(&self, work: impl FnOnce(&mut Working) -> T) -> T {
        self.derived.idle.lend(work)
    }
}
