//! Metrics of one user's list against what was held out.

use crate::metrics::Metric;

/// 1 / log2(rank + 2) for each rank below the cutoff, and its running sum.
#[derive(Debug, Clone)]
pub struct Discounts {
    at: Vec<f64>,
    ideal: Vec<f64>,
}

impl Discounts {
    /// Creates the discounts up to a cutoff.
    pub fn new(cutoff: usize) -> Self {
        let at: Vec<f64> = (0..cutoff).map(|rank| 1.0 / (rank as f64 + 2.0).log2()).collect();
        let mut sum = 0.0;
        let ideal = at
            .iter()
            .map(|discount| {
                sum += discount;
                sum
            })
            .collect();
        Discounts { at, ideal }
    }

    /// Returns the items of a list, best first, and what each adds to its ndcg more than if it were relevant with the probability
    /// `expected`. `held_out` rises.
    pub fn shares(&self, list: &[u32], held_out: &[u32], expected: f64) -> impl Iterator<Item = (u32, f64)> {
        let ideal = self.ideal.get(held_out.len().min(self.ideal.len()).saturating_sub(1)).copied().unwrap_or(1.0);
        list.iter().zip(&self.at).map(move |(item, discount)| {
            let relevance = f64::from(u8::from(held_out.binary_search(item).is_ok()));
            (*item, discount / ideal * (relevance - expected))
        })
    }
}

/// The accuracy metrics of one user.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UserMetrics {
    /// See [`Metric::Ndcg`].
    pub ndcg: f64,
    /// See [`Metric::Recall`].
    pub recall: f64,
    /// See [`Metric::Hit`].
    pub hit: f64,
    /// See [`Metric::Precision`].
    pub precision: f64,
    /// See [`Metric::Map`].
    pub map: f64,
    /// See [`Metric::Mrr`].
    pub mrr: f64,
}

impl UserMetrics {
    /// Evaluates a list, best first, against held-out items in rising order (at least one).
    ///
    /// `cutoff` is k even when the list is shorter; `listable` says how many items could be listed for the user.
    pub fn of(list: &[u32], held_out: &[u32], cutoff: usize, listable: usize, discounts: &Discounts) -> Self {
        if held_out.is_empty() || cutoff == 0 {
            return UserMetrics::default();
        }
        let mut hits = 0u32;
        let (mut dcg, mut precision_sum, mut mrr) = (0.0, 0.0, 0.0);
        for (rank, item) in list.iter().take(cutoff).enumerate() {
            if held_out.binary_search(item).is_ok() {
                hits += 1;
                dcg += discounts.at[rank];
                precision_sum += f64::from(hits) / (rank + 1) as f64;
                if hits == 1 {
                    mrr = 1.0 / (rank + 1) as f64;
                }
            }
        }
        let n_held_out = held_out.len() as f64;
        UserMetrics {
            ndcg: dcg / discounts.ideal[held_out.len().min(cutoff) - 1],
            recall: f64::from(hits) / n_held_out,
            hit: f64::from(u8::from(hits > 0)),
            precision: f64::from(hits) / cutoff.min(listable).max(1) as f64,
            map: precision_sum / n_held_out,
            mrr,
        }
    }

    /// Returns the value of a metric; `None` for those that are not of one user.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Ndcg => Some(self.ndcg),
            Metric::Recall => Some(self.recall),
            Metric::Hit => Some(self.hit),
            Metric::Precision => Some(self.precision),
            Metric::Map => Some(self.map),
            Metric::Mrr => Some(self.mrr),
            _ => None,
        }
    }
}
