//! Searching the index.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::ItemIndex;
use super::bytes::{self, Rounded, round_up};
use crate::ranking::{Candidates, TopK};
use crate::simd::{BYTE_GROUP, BYTE_PANEL, BytePanels, Near};

/// Buffers of a search, kept from one to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A bit for each item that may not be listed; all zero between searches.
    pub(super) refused: Vec<u64>,
    near: Near,
    /// Items that may be in the list, with upper bounds of their scores.
    held: Vec<(f32, u32)>,
    certain: Certain,
    rounded: Vec<i8>,
    picked: Vec<u32>,
    scores: Vec<f32>,
}

/// Lengths beyond which bounds in 32 bits might overflow.
const LONGEST: f64 = 1e30;
/// Greatest score that leaves room for every intermediate step.
const GREATEST: f64 = 1e36;
/// With fewer items for each place of the list, scoring everything is as quick.
const ITEMS_FOR_EACH_PLACE: usize = 8;
/// With more items for each one that may be listed, scoring those few is quicker than searching.
const ITEMS_FOR_EACH_ALLOWED: usize = 8;

impl ItemIndex {
    /// Returns the `k` best items for a user's factors, best first; equal scores go to the smaller number. `items` are the
    /// factors that the index was built from.
    ///
    /// Equals [`crate::ranking::top_k`] for the products of all items with the user's factors. Returns `k` items whenever that
    /// many candidates have a score. Panics when factors are not as long as those of the index.
    pub fn best(
        &self,
        items: &[f32],
        user: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        scratch: &mut Scratch,
    ) -> Vec<(u32, f32)> {
        assert!(user.len() == self.width && items.len() == self.order.len() * self.width, "factors of another model");
        scratch.picked.clear();
        if k == 0 {
            return Vec::new();
        }
        let searches = self.is_worth_searching(user, k, candidates);
        scratch.refuse(self.order.len(), candidates, searches);
        let Scratch { refused, picked, .. } = scratch;
        let may_be_listed = |item: &u32| (*item as usize) < self.order.len() && !has(refused, *item);
        match candidates.allow {
            _ if searches => self.search(user, k, scratch),
            Some(allow) => {
                picked.extend(allow.iter().filter(|item| may_be_listed(item)));
                picked.sort_unstable();
                picked.dedup();
            }
            None => picked.extend((0..self.order.len() as u32).filter(may_be_listed)),
        }
        scratch.admit_all(candidates, searches);
        let Scratch { picked, scores, .. } = scratch;
        scores.resize(picked.len(), 0.0);
        self.kernels.picked_products(items, user, picked, scores);
        let mut best = TopK::new(k);
        picked.iter().zip(scores).for_each(|(&item, score)| best.offer(item, *score));
        best.finish()
    }

    fn is_worth_searching(&self, user: &[f32], k: usize, candidates: &Candidates<'_>) -> bool {
        let n_allowed = candidates.allow.map_or(self.order.len(), <[u32]>::len);
        let longest = f64::from(self.longest);
        // Comparisons with NaN are false.
        let length = bytes::length(user);
        longest <= LONGEST
            && length <= LONGEST
            && longest * length <= GREATEST
            && k.saturating_mul(ITEMS_FOR_EACH_PLACE) < n_allowed
            && n_allowed.saturating_mul(ITEMS_FOR_EACH_ALLOWED) >= self.order.len()
    }

    /// Picks all items that may be among the best `k`.
    fn search(&self, user: &[f32], k: usize, scratch: &mut Scratch) {
        let Scratch { refused, near, held, certain, rounded, picked, .. } = scratch;
        rounded.resize(self.width, 0);
        let panels = self.panels(bytes::length(user), bytes::round(user, rounded), rounded);
        held.clear();
        certain.begin(k);
        let mut next = 0;
        while let Some(panel) = self.kernels.next_near(&panels, next, certain.least, near) {
            let mut rows = near.rows;
            while rows != 0 {
                let row = rows.trailing_zeros() as usize;
                rows &= rows - 1;
                let most = near.products[row] + near.room;
                // Places beyond the last item are padding.
                if let Some(&item) = self.order.get(panel * BYTE_PANEL + row)
                    && most >= certain.least
                    && !has(refused, item)
                {
                    held.push((most, item));
                    certain.add(near.products[row] - near.room);
                }
            }
            next = panel + 1;
        }
        picked.extend(held.iter().filter(|(most, _)| *most >= certain.least).map(|(_, item)| item));
    }

    /// Returns what to search, with bounds in units of the scale of the user's bytes.
    ///
    /// For factors `u` and `x` that bytes approximate up to `δu` and `δx`, the products of the factors and of their
    /// approximations differ by at most ‖u‖ ‖δx‖ + ‖δu‖ (‖x‖ + ‖δx‖). Rounding adds no more than `slack` times the product of the
    /// lengths: a sum of `width` products in 16 lanes, and a few steps in comparing.
    fn panels<'a>(&'a self, length: f64, user: Rounded, rounded: &'a [i8]) -> BytePanels<'a> {
        let slack = (self.width / 16 + 32) as f64 * f64::from(f32::EPSILON);
        let scale = f64::from(user.scale);
        let length = length + user.off;
        BytePanels {
            bytes: bytemuck::cast_slice(&self.bytes),
            scales: &self.scales,
            lengths: &self.lengths,
            blurs: &self.blurs,
            vector: bytemuck::cast_slice::<i8, [i8; BYTE_GROUP]>(rounded),
            vector_sum: rounded.iter().map(|&byte| i32::from(byte)).sum(),
            per_blur: round_up(length * (1.0 + slack) / scale),
            per_length: round_up((user.off + slack * length) / scale),
            // Products too small for a float are lost, each less than the smallest.
            always: round_up(4.0 * f64::from(f32::MIN_POSITIVE) * (1.0 + 1.0 / scale)),
        }
    }
}

fn has(bits: &[u64], item: u32) -> bool {
    bits[item as usize / 64] >> (item % 64) & 1 == 1
}

impl Scratch {
    /// Marks the items that must not be listed. `searches` says that items are visited in the order of the index, including those
    /// that are not allowed.
    fn refuse(&mut self, n_items: usize, candidates: &Candidates<'_>, searches: bool) {
        self.refused.resize(n_items.div_ceil(64), 0);
        if let Some(allow) = candidates.allow.filter(|_| searches) {
            self.refused.fill(u64::MAX);
            for &item in allow.iter().filter(|item| (**item as usize) < n_items) {
                self.refused[item as usize / 64] &= !(1 << (item % 64));
            }
        }
        for &item in candidates.deny.iter().chain(candidates.seen).filter(|item| (**item as usize) < n_items) {
            self.refused[item as usize / 64] |= 1 << (item % 64);
        }
    }

    /// Undoes what `refuse` did, faster than clearing everything.
    fn admit_all(&mut self, candidates: &Candidates<'_>, searches: bool) {
        if candidates.allow.is_some() && searches {
            return self.refused.fill(0);
        }
        for &item in candidates.deny.iter().chain(candidates.seen) {
            if let Some(bits) = self.refused.get_mut(item as usize / 64) {
                *bits = 0;
            }
        }
    }
}

/// The k greatest lower bounds of scores.
#[derive(Debug, Default)]
struct Certain {
    k: usize,
    scores: BinaryHeap<Reverse<Score>>,
    /// The score that an item needs at least to be among the k best.
    least: f32,
}

#[derive(Debug, PartialEq)]
struct Score(f32);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Certain {
    fn begin(&mut self, k: usize) {
        self.k = k;
        self.scores.clear();
        self.least = f32::NEG_INFINITY;
    }

    /// Records that there is an item whose score is at least this.
    fn add(&mut self, score: f32) {
        if self.scores.len() < self.k {
            self.scores.push(Reverse(Score(score)));
        } else if score > self.least
            && let Some(mut least) = self.scores.peek_mut()
        {
            least.0.0 = score;
        }
        if self.scores.len() == self.k
            && let Some(least) = self.scores.peek()
        {
            self.least = least.0.0;
        }
    }
}
