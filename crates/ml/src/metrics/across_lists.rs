//! Metrics of all lists together: how many items they reach, and how evenly.

use crate::metrics::Metric;

/// Number of lists with each item, and sums over all lists.
#[derive(Debug, Clone)]
pub struct ListCounts {
    counts: Vec<u64>,
    total: u64,
    /// Sum over all listed items of −log2(share of users that know the item).
    surprise: f64,
}

impl ListCounts {
    /// Creates counts without any list.
    pub fn new(n_items: usize) -> Self {
        ListCounts { counts: vec![0; n_items], total: 0, surprise: 0.0 }
    }

    /// Counts one list; `surprise_of` is the result of [`surprise_of_items`].
    pub fn add(&mut self, list: &[u32], surprise_of: &[f64]) {
        for &item in list {
            self.counts[item as usize] += 1;
            self.surprise += surprise_of[item as usize];
        }
        self.total += list.len() as u64;
    }

    /// Returns the value of a metric; `None` for those of single users, zero when nothing was listed.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let n_items = self.counts.len() as f64;
        let value = match metric {
            Metric::AppearedItem => self.appeared(),
            Metric::CatalogCoverage => self.appeared() / n_items,
            Metric::Entropy => self.entropy(),
            Metric::GiniIndex => self.gini(),
            Metric::Novelty => self.surprise / self.total as f64,
            _ => return None,
        };
        Some(if value.is_finite() { value } else { 0.0 })
    }

    fn appeared(&self) -> f64 {
        self.counts.iter().filter(|&&count| count > 0).count() as f64
    }

    fn entropy(&self) -> f64 {
        let share = |&count: &u64| count as f64 / self.total as f64;
        self.counts.iter().filter(|&&count| count > 0).map(share).map(|p| -p * p.ln()).sum()
    }

    fn gini(&self) -> f64 {
        let mut sorted = self.counts.clone();
        sorted.sort_unstable();
        let n = sorted.len() as f64;
        let weighted = |(rank, &count): (usize, &u64)| (2.0 * rank as f64 - n + 1.0) * count as f64;
        sorted.iter().enumerate().map(weighted).sum::<f64>() / (n * self.total as f64)
    }
}

/// Returns −log2 of the share of users that know each item; an item without users counts as known by one.
pub fn surprise_of_items(counts: &[u32], n_users: usize) -> Vec<f64> {
    let n_users = n_users.max(1) as f64;
    counts.iter().map(|&count| -(f64::from(count.max(1)) / n_users).log2()).collect()
}
