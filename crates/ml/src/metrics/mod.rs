//! How good lists are: accuracy for each user, and coverage of all lists.

mod across_lists;
mod per_user;

pub use across_lists::{ListCounts, surprise_of_items};
pub use per_user::{Discounts, UserMetrics};

use serde::{Deserialize, Serialize};

/// A measure of quality at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Binary gain, log2 discount, ideal over min(k, held-out).
    Ndcg,
    /// Hits over held-out items.
    Recall,
    /// Whether there is any hit.
    Hit,
    /// Hits over k, or over the items that can be listed at all where these are fewer: a user who knows most of a small catalogue
    /// does not score less for lists that cannot be longer.
    Precision,
    /// Sum of the precision at each hit over held-out items.
    Map,
    /// One over the rank of the first hit.
    Mrr,
    /// Share of all items that appear in any list.
    CatalogCoverage,
    /// Number of items that appear in any list.
    AppearedItem,
    /// Entropy, in nats, of the distribution of items over all lists.
    Entropy,
    /// Gini index of that distribution: 0 when all items are listed equally often, towards 1 when only one is.
    GiniIndex,
    /// Mean of −log2 of the share of users that know the listed item.
    Novelty,
}

impl Metric {
    /// All metrics, in the order of reports.
    pub const ALL: [Metric; 11] = [
        Metric::Ndcg,
        Metric::Recall,
        Metric::Hit,
        Metric::Precision,
        Metric::Map,
        Metric::Mrr,
        Metric::CatalogCoverage,
        Metric::AppearedItem,
        Metric::Entropy,
        Metric::GiniIndex,
        Metric::Novelty,
    ];

    /// The metrics that are averages of a value for each user.
    pub const PER_USER: [Metric; 6] = [Metric::Ndcg, Metric::Recall, Metric::Hit, Metric::Precision, Metric::Map, Metric::Mrr];

    /// Returns the name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Ndcg => "ndcg",
            Metric::Recall => "recall",
            Metric::Hit => "hit",
            Metric::Precision => "precision",
            Metric::Map => "map",
            Metric::Mrr => "mrr",
            Metric::CatalogCoverage => "catalog_coverage",
            Metric::AppearedItem => "appeared_item",
            Metric::Entropy => "entropy",
            Metric::GiniIndex => "gini_index",
            Metric::Novelty => "novelty",
        }
    }

    /// Returns whether the metric is an average over users.
    pub fn is_per_user(self) -> bool {
        Metric::PER_USER.contains(&self)
    }

    /// Returns whether a greater value is better; true of all except the Gini index.
    pub fn higher_is_better(self) -> bool {
        self != Metric::GiniIndex
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Metric::ALL.into_iter().find(|metric| metric.as_str() == text).ok_or_else(|| {
            let known = Metric::ALL.map(Metric::as_str).join(", ");
            format!("there is no metric {text:?}; known ones are {known}")
        })
    }
}
