//! The elastic net of one item.
//!
//! Few of an item's weights are not zero. So coordinate descent runs on a working set of items only, whose part of the Gram
//! matrix is copied into one buffer that fits the cache; then the gradient of all items shows which ones outside the set violate
//! the optimality conditions, and the worst of them join it. When there is no violation, the solution is that of the whole
//! problem.

use super::gram::{Gram, GramRow};
use crate::simd::{Aligned, Kernels, PAD, Penalty, padded};

/// Settings of the search for an item's weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// L1, L2 and sign.
    pub penalty: Penalty,
    /// Most sweeps over one working set.
    pub sweeps: usize,
    /// Largest change of a weight that still counts as none.
    pub tolerance: f32,
    /// Most weights of an item.
    pub top_k: usize,
}

/// Least number of violators that join the working set at once.
const JOIN: usize = 32;
/// Rounds after which the working set is accepted as it is. Reached only if rounding makes items join and leave repeatedly.
const ROUNDS: usize = 100;
/// While items are still missing, the working set is solved to this share of the largest violation only.
const ROUGHLY: f32 = 0.01;

/// Solves items one after the other, keeping its memory.
pub(super) struct ColumnSolver<'a> {
    gram: &'a Gram,
    settings: Settings,
    kernels: Kernels,
    /// Minus the gradient of the smooth part, for all items.
    residual: Aligned,
    /// The working set, rising, and its weights.
    items: Vec<u32>,
    weights: Vec<f32>,
    /// The working set's part of the Gram matrix and of the residual.
    q: Aligned,
    working: Aligned,
    /// Index of each item in the working set.
    place: Vec<u32>,
    violators: Vec<(f32, u32)>,
}

/// Marks an item outside the working set.
const NOWHERE: u32 = u32::MAX;

impl<'a> ColumnSolver<'a> {
    pub fn new(gram: &'a Gram, settings: Settings) -> Self {
        ColumnSolver {
            gram,
            settings,
            kernels: Kernels::detect(),
            residual: Aligned::zeros(padded(gram.n_items())),
            items: Vec::new(),
            weights: Vec::new(),
            q: Aligned::default(),
            working: Aligned::default(),
            place: vec![NOWHERE; gram.n_items()],
            violators: Vec::new(),
        }
    }

    /// Returns the weights of the items that explain this one, by item.
    pub fn solve(&mut self, item: u32) -> Vec<(u32, f32)> {
        self.items.clear();
        self.weights.clear();
        let mut converged = true;
        for _ in 0..ROUNDS {
            self.refresh_residual(item);
            let violation = self.find_violators(item);
            if self.violators.is_empty() && converged {
                break;
            }
            let goal = self.settings.tolerance.max(if self.violators.is_empty() { 0.0 } else { ROUGHLY * violation });
            self.join();
            converged = self.descend(goal) <= self.settings.tolerance;
        }
        self.finish()
    }

    /// Computes the item's row of the Gram matrix minus what the weights explain.
    fn refresh_residual(&mut self, item: u32) {
        self.residual.fill(0.0);
        let weighted = self.items.iter().zip(&self.weights).map(|(&other, &weight)| (other, weight));
        let mut dense: Vec<(&[f32], f32)> = Vec::with_capacity(self.items.len() + 1);
        for (other, weight) in std::iter::once((item, -1.0)).chain(weighted) {
            match self.gram.row(other) {
                GramRow::Dense(row) => dense.push((row, weight)),
                GramRow::Sparse(row) => row.iter().for_each(|&(col, value)| self.residual[col as usize] -= weight * value),
            }
        }
        self.kernels.subtract_rows(&dense, &mut self.residual);
    }

    /// Finds items outside the working set whose weight would change, and returns the largest such change.
    fn find_violators(&mut self, item: u32) -> f32 {
        let Settings { penalty, tolerance, .. } = self.settings;
        self.violators.clear();
        let mut largest = 0f32;
        for (chunk, gradients) in self.residual.chunks(PAD).enumerate() {
            if gradients.iter().fold(true, |none, &gradient| none & (penalty.excess(gradient) == 0.0)) {
                continue;
            }
            for (at, &gradient) in gradients.iter().enumerate() {
                let other = (chunk * PAD + at) as u32;
                let excess = penalty.excess(gradient);
                if excess == 0.0 || other == item || self.place[other as usize] != NOWHERE {
                    continue;
                }
                let curvature = self.gram.diagonal(other) + penalty.l2;
                let step = excess.abs() / curvature;
                if step > tolerance {
                    largest = largest.max(step);
                    // The gain of the step.
                    self.violators.push((step * excess.abs(), other));
                }
            }
        }
        largest
    }

    /// Adds the worst violators to the working set, and drops weights of zero.
    fn join(&mut self) {
        let most = JOIN.max(self.items.len());
        if self.violators.len() > most {
            self.violators.select_nth_unstable_by(most - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.violators.truncate(most);
        }
        let stay = self.items.iter().zip(&self.weights).filter(|(_, weight)| **weight != 0.0);
        let mut set: Vec<(u32, f32)> = stay.map(|(&item, &weight)| (item, weight)).collect();
        set.extend(self.violators.iter().map(|&(_, item)| (item, 0.0)));
        set.sort_unstable_by_key(|&(item, _)| item);
        self.items.iter().for_each(|&item| self.place[item as usize] = NOWHERE);
        (self.items, self.weights) = set.into_iter().unzip();
        self.copy_together();
    }

    /// Copies the working set's part of the Gram matrix and of the residual.
    fn copy_together(&mut self) {
        let width = padded(self.items.len());
        for (at, &item) in self.items.iter().enumerate() {
            self.place[item as usize] = at as u32;
        }
        let working = self.working.room(width);
        working.fill(0.0);
        working.iter_mut().zip(&self.items).for_each(|(to, &item)| *to = self.residual[item as usize]);
        let q = self.q.room(width * self.items.len());
        q.fill(0.0);
        for (&item, to) in self.items.iter().zip(q.chunks_exact_mut(width.max(1))) {
            match self.gram.row(item) {
                GramRow::Dense(row) => to.iter_mut().zip(&self.items).for_each(|(to, &other)| *to = row[other as usize]),
                GramRow::Sparse(row) => {
                    for &(other, value) in row {
                        if let Some(to) = to.get_mut(self.place[other as usize] as usize) {
                            *to = value;
                        }
                    }
                }
            }
        }
    }

    /// Sweeps over the working set until the largest change is small enough; returns that change.
    fn descend(&mut self, goal: f32) -> f32 {
        let (n, width) = (self.items.len(), padded(self.items.len()));
        let (q, working) = (self.q.room(width * n), self.working.room(width));
        let mut change = 0.0;
        for _ in 0..self.settings.sweeps {
            change = self.kernels.sweep(q, self.settings.penalty, &mut self.weights, working);
            if change <= goal {
                break;
            }
        }
        change
    }

    /// Returns the weights; only the largest if there are too many.
    fn finish(&mut self) -> Vec<(u32, f32)> {
        self.items.iter().for_each(|&item| self.place[item as usize] = NOWHERE);
        let all = self.items.iter().zip(&self.weights).filter(|(_, weight)| **weight != 0.0);
        let mut kept: Vec<(u32, f32)> = all.map(|(&item, &weight)| (item, weight)).collect();
        let top_k = self.settings.top_k;
        if (1..kept.len()).contains(&top_k) {
            kept.select_nth_unstable_by(top_k - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            kept.truncate(top_k);
            kept.sort_unstable_by_key(|&(item, _)| item);
        }
        kept
    }
}
