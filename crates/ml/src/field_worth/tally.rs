//! Means over users of the quality of lists of new items, over several folds.

use serde::Serialize;

use crate::evaluate::{Evaluation, bootstrap_mean, mean};
use crate::metrics::{Discounts, Metric};
use crate::normal::REACH_OF_95_PERCENT;
use crate::sparse::Csr;

/// A mean over users with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Of a level: percentile bootstrap over users, as of an evaluation. Of a difference: over users and items.
    pub interval: (f64, f64),
}

impl Estimate {
    /// Computes the mean of a value for each user.
    pub(super) fn of(values: &[f64], seed: u64) -> Self {
        Estimate { mean: mean(values), interval: bootstrap_mean(values, seed) }
    }

    /// Computes the mean of what users lose between two tallies of the same folds.
    ///
    /// All users' lists are made of the same new items: with a column that says nothing, some of these rank higher by chance, for
    /// all users alike. So the interval is that of other users and of other items together (Owen 2007, "The pigeonhole
    /// bootstrap"): the reach over users, by bootstrap, and the reach over items, as of a sum of independent parts, are added as
    /// standard deviations are. An item that rises takes the place of another one, so its part counts only by how much more relevant
    /// it is than the list: with that the parts have the same sum, and are nearly independent.
    pub(super) fn of_loss(all: &Tally, without: &Tally, n_folds: u32, seed: u64) -> Self {
        let lost: Vec<f64> = all.means().iter().zip(without.means()).map(|(all, without)| all - without).collect();
        let over_users = Self::of(&lost, seed);
        let parts = all.items.iter().zip(&without.items).zip(&all.was_new).filter(|(_, was_new)| **was_new);
        let parts: Vec<f64> = parts.map(|((all, without), _)| (all - without) / f64::from(n_folds)).collect();
        let (n, middle) = (parts.len() as f64, mean(&parts));
        let squares: f64 = parts.iter().map(|part| (part - middle).powi(2)).sum();
        let over_items = REACH_OF_95_PERCENT * (squares * n / (n - 1.0).max(1.0)).sqrt();
        let (mean, (low, high)) = (over_users.mean, over_users.interval);
        let interval = (mean - (mean - low).hypot(over_items), mean + (high - mean).hypot(over_items));
        Estimate { mean, interval }
    }

    /// Returns whether the interval contains zero.
    pub fn is_noise(&self) -> bool {
        self.interval.0 <= 0.0 && self.interval.1 >= 0.0
    }
}

/// The ndcg of each user, over the folds in which the user has new items, and of what each item adds to the mean of all users.
pub(super) struct Tally {
    sums: Vec<f64>,
    folds: Vec<u32>,
    /// By item of the log, summed over folds: what it adds more than a list of its precision would.
    items: Vec<f64>,
    /// Whether an item was new in any fold.
    was_new: Vec<bool>,
}

/// The new items of a fold.
pub(super) struct NewItemsOf<'a> {
    /// Their held-out interactions.
    pub held_out: &'a Csr,
    /// Their numbers in the log.
    pub in_log: &'a [u32],
    /// Of each user, the share of relevant items in the list by all fields.
    pub precision: &'a [f64],
    /// Length of the lists.
    pub cutoff: usize,
}

impl Tally {
    /// Creates the tally before the first fold.
    pub fn new(n_users: usize, n_items: usize) -> Self {
        Tally { sums: vec![0.0; n_users], folds: vec![0; n_users], items: vec![0.0; n_items], was_new: vec![false; n_items] }
    }

    /// Adds the evaluation of a fold.
    pub fn add(&mut self, evaluation: &Evaluation, new: &NewItemsOf<'_>) {
        for (&user, quality) in evaluation.users.iter().zip(&evaluation.per_user) {
            self.sums[user as usize] += quality.get(Metric::Ndcg).unwrap_or(0.0);
            self.folds[user as usize] += 1;
        }
        let discounts = Discounts::new(new.cutoff.min(new.in_log.len()));
        for ((&user, list), &precision) in evaluation.users.iter().zip(evaluation.lists()).zip(new.precision) {
            for (item, share) in discounts.shares(list, new.held_out.row_indices(user as usize), precision) {
                self.items[new.in_log[item as usize] as usize] += share / evaluation.users.len() as f64;
            }
        }
        new.in_log.iter().for_each(|&item| self.was_new[item as usize] = true);
    }

    /// Returns the mean of each user who has any; the users are the same for all that is evaluated in the same folds.
    pub fn means(&self) -> Vec<f64> {
        let users = self.sums.iter().zip(&self.folds).filter(|(_, folds)| **folds > 0);
        users.map(|(sum, folds)| sum / f64::from(*folds)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns tallies of four users and three items in one fold, in which users lose what an item adds.
    fn tallies(lost: [f64; 4], of_items: [f64; 3]) -> (Tally, Tally) {
        let tally = |sums: [f64; 4], items: [f64; 3]| Tally {
            sums: sums.to_vec(),
            folds: vec![1; 4],
            items: items.to_vec(),
            was_new: vec![true; 3],
        };
        (tally(lost, of_items), tally([0.0; 4], [0.0; 3]))
    }

    #[test]
    fn what_depends_on_few_items_is_less_certain() {
        let lost = [0.2; 4];
        let (all, without) = tallies(lost, [0.2 / 3.0; 3]);
        let even = Estimate::of_loss(&all, &without, 1, 0);
        assert!((even.mean - 0.2).abs() < 1e-12 && even.interval.0 > 0.199 && even.interval.1 < 0.201, "{even:?}");
        let (all, without) = tallies(lost, [0.2, 0.0, 0.0]);
        let uneven = Estimate::of_loss(&all, &without, 1, 0);
        // The deviations of the parts are 2/15, 1/15 and 1/15: the variance of their sum is 3/2 · 0.04 · 2/3 = 0.04.
        let reach = REACH_OF_95_PERCENT * 0.2;
        assert!((uneven.interval.0 - (0.2 - reach)).abs() < 1e-9 && (uneven.interval.1 - (0.2 + reach)).abs() < 1e-9);
        assert!(uneven.is_noise() && !even.is_noise());
    }
}
