//! Searching the index.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use super::ItemIndex;
use super::bytes::{self, Rounded, round_up};
use crate::ranking::{Candidates, TopK};
use crate::simd::{BYTE_GROUP, BYTE_PANEL, ByteGroup, BytePanels, Near};

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
    groups: Vec<ByteGroup>,
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

/// Bytes of items that a search of several users goes through for all of them before it continues: half of what the nearest
/// cache of a core holds.
const BYTES_AT_ONCE: usize = 16 << 10;

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
        if k == 0 {
            return Vec::new();
        }
        let searches = self.begin(user, k, candidates, scratch);
        if searches {
            let mut searcher = self.searcher(user, scratch);
            searcher.go_through(0..self.lengths.len());
            searcher.pick();
        }
        self.finish(items, user, k, candidates, scratch, searches)
    }

    /// Returns the `k` best items for the factors of several users with candidates of their own, each list as [`Self::best`]
    /// returns it. They go through the items together, so that these are read from memory once. Each needs buffers of its own;
    /// panics when there are fewer.
    pub fn best_of_each(
        &self,
        items: &[f32],
        users: &[(&[f32], Candidates<'_>)],
        k: usize,
        scratches: &mut [Scratch],
    ) -> Vec<Vec<(u32, f32)>> {
        let fits = |(user, _): &(&[f32], Candidates<'_>)| user.len() == self.width;
        assert!(users.iter().all(fits) && items.len() == self.order.len() * self.width, "factors of another model");
        if k == 0 {
            return vec![Vec::new(); users.len()];
        }
        let scratches = &mut scratches[..users.len()];
        let begun = users.iter().zip(&mut *scratches);
        let searches: Vec<bool> = begun.map(|((user, candidates), scratch)| self.begin(user, k, candidates, scratch)).collect();
        let searching = users.iter().zip(&mut *scratches).zip(&searches).filter(|(_, searches)| **searches);
        self.search_together(searching.map(|(((user, _), scratch), _)| self.searcher(user, scratch)).collect());
        let searched = users.iter().zip(scratches).zip(searches);
        let list = |(((user, candidates), scratch), searches): ((&(&[f32], Candidates<'_>), &mut Scratch), bool)| {
            self.finish(items, user, k, candidates, scratch, searches)
        };
        searched.map(list).collect()
    }

    pub(super) fn is_worth_searching(&self, user: &[f32], k: usize, candidates: &Candidates<'_>) -> bool {
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

    /// Prepares the buffers of a user. Returns whether to search: if not, all items that may be listed are picked already.
    fn begin(&self, user: &[f32], k: usize, candidates: &Candidates<'_>, scratch: &mut Scratch) -> bool {
        let searches = self.is_worth_searching(user, k, candidates);
        scratch.refuse(self.order.len(), candidates, searches);
        let Scratch { refused, held, certain, picked, .. } = scratch;
        picked.clear();
        held.clear();
        certain.begin(k);
        let may_be_listed = |item: &u32| (*item as usize) < self.order.len() && !has(refused, *item);
        match candidates.allow {
            _ if searches => {}
            Some(allow) => {
                picked.extend(allow.iter().filter(|item| may_be_listed(item)));
                picked.sort_unstable();
                picked.dedup();
            }
            None => picked.extend((0..self.order.len() as u32).filter(may_be_listed)),
        }
        searches
    }

    /// Goes through the items for several users, a part of them at a time.
    fn search_together(&self, mut searchers: Vec<Searcher<'_>>) {
        let n_panels = self.lengths.len();
        let at_once = (BYTES_AT_ONCE / (self.width * BYTE_PANEL).max(1)).max(1);
        let mut from = 0;
        while from < n_panels && searchers.iter().any(|searcher| searcher.continues(from)) {
            let to = n_panels.min(from + at_once);
            searchers.iter_mut().for_each(|searcher| searcher.go_through(from..to));
            from = to;
        }
        searchers.into_iter().for_each(Searcher::pick);
    }

    fn searcher<'a>(&'a self, user: &[f32], scratch: &'a mut Scratch) -> Searcher<'a> {
        let Scratch { refused, near, held, certain, rounded, groups, picked, .. } = scratch;
        rounded.resize(self.width, 0);
        let of_user = bytes::round(user, rounded);
        groups.clear();
        groups.extend(bytemuck::cast_slice::<i8, [i8; BYTE_GROUP]>(rounded).iter().copied().map(ByteGroup::new));
        let panels = self.panels(bytes::length(user), of_user, rounded, groups);
        Searcher { index: self, panels, refused, near, held, certain, picked }
    }

    /// Scores the picked items exactly, and returns the best.
    fn finish(
        &self,
        items: &[f32],
        user: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        scratch: &mut Scratch,
        searches: bool,
    ) -> Vec<(u32, f32)> {
        scratch.admit_all(candidates, searches);
        let Scratch { picked, scores, .. } = scratch;
        scores.resize(picked.len(), 0.0);
        self.kernels.picked_products(items, user, picked, scores);
        let mut best = TopK::new(k);
        picked.iter().zip(scores).for_each(|(&item, score)| best.offer(item, *score));
        best.finish()
    }

    /// Returns what to search, with bounds in units of the scale of the user's bytes.
    ///
    /// For factors `u` and `x` that bytes approximate up to `δu` and `δx`, the products of the factors and of their
    /// approximations differ by at most ‖u‖ ‖δx‖ + ‖δu‖ (‖x‖ + ‖δx‖). Rounding adds no more than `slack` times the product of the
    /// lengths: a sum of `width` products in 16 lanes, and a few steps in comparing.
    pub(super) fn panels<'a>(&'a self, length: f64, user: Rounded, rounded: &[i8], groups: &'a [ByteGroup]) -> BytePanels<'a> {
        let slack = (self.width / 16 + 32) as f64 * f64::from(f32::EPSILON);
        let scale = f64::from(user.scale);
        let length = length + user.off;
        BytePanels {
            bytes: bytemuck::cast_slice(&self.bytes),
            scales: &self.scales,
            lengths: &self.lengths,
            blurs: &self.blurs,
            vector: groups,
            vector_sum: rounded.iter().map(|&byte| i32::from(byte)).sum(),
            vector_below_zero: rounded.iter().map(|&byte| i32::from(byte.min(0))).sum(),
            per_blur: round_up(length * (1.0 + slack) / scale),
            per_length: round_up((user.off + slack * length) / scale),
            // Products too small for a float are lost, each less than the smallest.
            always: round_up(4.0 * f64::from(f32::MIN_POSITIVE) * (1.0 + 1.0 / scale)),
        }
    }
}

/// The search of one user.
struct Searcher<'a> {
    index: &'a ItemIndex,
    panels: BytePanels<'a>,
    refused: &'a [u64],
    near: &'a mut Near,
    held: &'a mut Vec<(f32, u32)>,
    certain: &'a mut Certain,
    picked: &'a mut Vec<u32>,
}

impl Searcher<'_> {
    /// Returns whether an item from a panel on may be in the list; lengths do not rise.
    fn continues(&self, panel: usize) -> bool {
        let BytePanels { per_blur, always, lengths, .. } = self.panels;
        per_blur * lengths[panel] + always >= self.certain.least
    }

    /// Holds the items of some panels that may be in the list.
    fn go_through(&mut self, panels: Range<usize>) {
        let part = part_of(&self.panels, &panels);
        let mut next = 0;
        while let Some(panel) = self.index.kernels.next_near(&part, next, self.certain.least, self.near) {
            let mut rows = self.near.rows;
            while rows != 0 {
                let row = rows.trailing_zeros() as usize;
                rows &= rows - 1;
                let most = self.near.products[row] + self.near.room;
                // Places beyond the last item are padding.
                if let Some(&item) = self.index.order.get((panels.start + panel) * BYTE_PANEL + row)
                    && most >= self.certain.least
                    && !has(self.refused, item)
                {
                    self.held.push((most, item));
                    self.certain.add(self.near.products[row] - self.near.room);
                }
            }
            next = panel + 1;
        }
    }

    /// Picks what may be in the list after all.
    fn pick(self) {
        let least = self.certain.least;
        self.picked.extend(self.held.iter().filter(|(most, _)| *most >= least).map(|(_, item)| item));
    }
}

/// Returns some of the panels.
fn part_of<'a>(panels: &BytePanels<'a>, part: &Range<usize>) -> BytePanels<'a> {
    let bytes = panels.vector.len() * BYTE_GROUP * BYTE_PANEL;
    BytePanels {
        bytes: &panels.bytes[part.start * bytes..part.end * bytes],
        scales: &panels.scales[part.start * BYTE_PANEL..part.end * BYTE_PANEL],
        lengths: &panels.lengths[part.clone()],
        blurs: &panels.blurs[part.clone()],
        ..*panels
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

    /// Reverts `refuse`, faster than clearing everything.
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
