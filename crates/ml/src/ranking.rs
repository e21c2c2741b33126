//! From scores to a list: the best k, ties by item number, filters applied before the cut.

use crate::simd::Kernels;

/// The items that may appear in a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidates<'a> {
    /// If given, only these items (in any order).
    pub allow: Option<&'a [u32]>,
    /// Items never listed (in any order).
    pub deny: &'a [u32],
    /// Items never listed because the user has already interacted with them.
    pub seen: &'a [u32],
}

/// Returns the `k` best items by score among the candidates, best first; equal scores go to the smaller number.
///
/// Items whose score is NaN or negative infinity are never listed. Numbers outside of `scores` are ignored.
pub fn top_k(scores: &[f32], k: usize, candidates: &Candidates<'_>) -> Vec<(u32, f32)> {
    let mut refused = [candidates.deny, candidates.seen].concat();
    refused.sort_unstable();
    let mut selector = TopK::new(k);
    match candidates.allow {
        None => selector.feed_except(0, scores, &refused),
        Some(allow) => {
            let mut allowed = allow.to_vec();
            allowed.sort_unstable();
            allowed.dedup();
            for item in allowed.into_iter().filter(|item| refused.binary_search(item).is_err()) {
                if let Some(&score) = scores.get(item as usize) {
                    selector.offer(item, score);
                }
            }
        }
    }
    selector.finish()
}

/// Most places that a selector makes room for before there are candidates.
const ROOM: usize = 64;

/// Excludes items by setting their scores to negative infinity.
pub fn mask(scores: &mut [f32], items: &[u32]) {
    for &item in items {
        if let Some(score) = scores.get_mut(item as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Selects the best k of a row that arrives in parts, keeping its buffers from row to row.
#[derive(Debug, Clone)]
pub struct TopK {
    k: usize,
    kernels: Kernels,
    /// Candidates so far, up to `2 k + 1`, by their places in the order of ties; cut back to k when full.
    held: Vec<(f32, u32)>,
    /// The first item in the order of ties, and the number of items; zeros where that is the order of the numbers.
    turn: (u32, u32),
    /// The score that a new candidate must exceed.
    threshold: f32,
}

/// Orders by higher score, then smaller number.
fn better_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

impl TopK {
    /// Creates a selector of the best `k`.
    pub fn new(k: usize) -> Self {
        let held = Vec::with_capacity(k.saturating_mul(2).saturating_add(1).min(ROOM));
        TopK { k, kernels: Kernels::detect(), held, turn: (0, 0), threshold: f32::NEG_INFINITY }
    }

    /// Lets equal scores go to the first of `n_items` items from this one on, and after the last one from number 0 on. Must be called
    /// before the first candidate of a row, which [`TopK::feed_all`] or [`TopK::offer`] adds then.
    pub fn turn_to(&mut self, first: u32, n_items: usize) {
        self.turn = if first == 0 { (0, 0) } else { (first, n_items as u32) };
    }

    /// Returns the place of an item in the order of ties.
    fn place(&self, item: u32) -> u32 {
        let (first, n) = self.turn;
        if item >= first { item - first } else { item + (n - first) }
    }

    /// Returns the item at a place in the order of ties.
    fn item(&self, place: u32) -> u32 {
        let (first, n) = self.turn;
        if place >= n - first { place - (n - first) } else { place + first }
    }

    /// Considers the scores of all items.
    pub fn feed_all(&mut self, scores: &[f32]) {
        let (before, from) = scores.split_at((self.turn.0 as usize).min(scores.len()));
        self.feed(0, from);
        self.feed(from.len(), before);
    }

    /// Considers the scores of the items from number `first` on. Parts must come in rising order. NaN and negative infinity are
    /// left out.
    pub fn feed(&mut self, first: usize, scores: &[f32]) {
        self.feed_except(first, scores, &[]);
    }

    /// Considers scores as [`TopK::feed`] does, skipping some items, whose numbers rise. Only few scores reach the threshold, so
    /// this costs less than masking scores.
    pub fn feed_except(&mut self, first: usize, scores: &[f32], mut refused: &[u32]) {
        if self.k == 0 {
            return;
        }
        let limit = self.k.saturating_mul(2);
        // Scanning in order of number, a later item with the threshold's score can never displace
        // one that is held, so only a greater one enters: that keeps the tie rule.
        let mut at = 0;
        while self.threshold < f32::INFINITY
            && let Some(next) = self.kernels.first_at_least(&scores[at..], self.threshold.next_up())
        {
            at += next;
            let item = (first + at) as u32;
            while let Some((_, rest)) = refused.split_first().filter(|(refused, _)| **refused < item) {
                refused = rest;
            }
            if refused.first() != Some(&item) {
                // `+ 0.0` turns a negative zero into zero, so that the two tie.
                self.held.push((scores[at] + 0.0, item));
            }
            at += 1;
            if self.held.len() > limit {
                self.shrink();
            }
        }
    }

    /// Considers one item; items may come in any order. NaN and negative infinity are left out.
    pub fn offer(&mut self, item: u32, score: f32) {
        // An item with the threshold's score may have a smaller number than one that is held.
        if self.k > 0 && score >= self.threshold && score > f32::NEG_INFINITY {
            self.held.push((score + 0.0, self.place(item)));
            if self.held.len() > self.k.saturating_mul(2) {
                self.shrink();
            }
        }
    }

    /// Returns the least score that can enter the list now.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Cuts back to the best k.
    fn shrink(&mut self) {
        let (_, kth, _) = self.held.select_nth_unstable_by(self.k - 1, better_first);
        self.threshold = kth.0;
        self.held.truncate(self.k);
    }

    /// Returns the best items of the row with their scores, best first, and resets the selector for another row.
    pub fn finish(&mut self) -> Vec<(u32, f32)> {
        if self.held.len() > self.k {
            self.shrink();
        }
        self.held.sort_unstable_by(better_first);
        self.threshold = f32::NEG_INFINITY;
        let mut held = std::mem::take(&mut self.held);
        let list = held.drain(..).map(|(score, place)| (self.item(place), score)).collect();
        self.held = held;
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_before_the_cut() {
        let scores = [0.5, 3.0, 1.0, 3.0, f32::NAN, 2.0];
        let all = top_k(&scores, 10, &Candidates::default());
        assert_eq!(all, [(1, 3.0), (3, 3.0), (5, 2.0), (2, 1.0), (0, 0.5)]);
        let some = Candidates { allow: Some(&[5, 0, 1, 99]), deny: &[1], seen: &[] };
        assert_eq!(top_k(&scores, 2, &some), [(5, 2.0), (0, 0.5)]);
        assert!(top_k(&scores, 0, &Candidates::default()).is_empty());
        assert!(top_k(&[], 3, &Candidates::default()).is_empty());
    }

    #[test]
    fn ties_go_round_from_the_item_that_was_turned_to() {
        let scores = [1.0, 2.0, 1.0, 1.0, 2.0, f32::NAN, 1.0];
        for first in 0..7u32 {
            let mut wanted: Vec<u32> = [4, 1, 0, 2, 3, 6].to_vec();
            wanted.sort_by_key(|item| (scores[*item as usize] < 2.0, (item + 7 - first) % 7));
            for k in 1..8 {
                let mut selector = TopK::new(k);
                selector.turn_to(first, 7);
                selector.feed_all(&scores);
                let list: Vec<u32> = selector.finish().into_iter().map(|(item, _)| item).collect();
                assert_eq!(list, wanted[..k.min(6)], "from {first}, best {k}");
                [6, 0, 5, 1, 3, 2, 4].into_iter().for_each(|item: u32| selector.offer(item, scores[item as usize]));
                let offered: Vec<u32> = selector.finish().into_iter().map(|(item, _)| item).collect();
                assert_eq!(offered, list);
            }
        }
    }

    #[test]
    fn many_ties_keep_the_smallest_numbers() {
        let first: Vec<(u32, f32)> = (0..20).map(|item| (item, 0.0)).collect();
        let mut selector = TopK::new(20);
        selector.feed(0, &[0.0; 1000]);
        assert_eq!(selector.finish(), first);
        selector.feed(0, &[-0.0; 500]);
        selector.feed(500, &[0.0; 500]);
        assert_eq!(selector.finish(), first);
    }
}
