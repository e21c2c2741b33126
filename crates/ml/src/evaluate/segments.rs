//! Quality for parts of the users and of the catalogue: an average hides which users a model serves well.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Evaluation;
use crate::error::{MlError, MlResult};
use crate::metrics::{Discounts, Metric, UserMetrics};
use crate::sparse::Csr;

/// Share of the training interactions that the head of the catalogue makes up, in percent.
const HEAD_PERCENT: u64 = 80;
/// Segments of users, by rising number of interactions.
const ACTIVITY: [&str; 3] = ["light", "medium", "heavy"];

/// Metrics of single users, averaged over segments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segments {
    /// `light`, `medium` and `heavy`: the evaluated users by their number of training interactions (equal numbers by user
    /// number), divided into three parts whose sizes differ by at most one.
    pub activity: Vec<Segment>,
    /// `head` and `tail`. The head is the fewest items, most popular first (equally popular ones by item number), that make up at
    /// least 80 % of the training interactions; the tail is all others, including those without interactions.
    ///
    /// The lists stay as they are, but only held-out items of the segment count: as hits, as what recall and map divide by, and
    /// in the ideal of ndcg. Averages are over users with at least one such item.
    pub popularity: Vec<Segment>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Its name.
    pub name: &'static str,
    /// Number of users, or items, in it.
    pub size: usize,
    /// Fewest and most training interactions of those users or items; zeros when there are none.
    pub interactions: (u32, u32),
    /// Number of users that `metrics` are averaged over.
    pub n_users: usize,
    /// All of [`Metric::PER_USER`]; zeros when there is no user.
    pub metrics: BTreeMap<Metric, f64>,
}

impl Segment {
    fn new(name: &'static str, members: impl Iterator<Item = u32>, judged: &[UserMetrics]) -> Self {
        let (mut size, mut least, mut most) = (0, u32::MAX, 0);
        for interactions in members {
            (size, least, most) = (size + 1, least.min(interactions), most.max(interactions));
        }
        let mean = |metric: Metric| {
            let sum: f64 = judged.iter().filter_map(|user| user.get(metric)).sum();
            (metric, sum / judged.len().max(1) as f64)
        };
        let metrics = Metric::PER_USER.into_iter().map(mean).collect();
        Segment { name, size, interactions: (least.min(most), most), n_users: judged.len(), metrics }
    }
}

impl Evaluation {
    /// Computes the quality for users by activity and for items by popularity.
    ///
    /// `train` and `held_out` must be those of the evaluation; matrices of another size are refused.
    pub fn segments(&self, train: &Csr, held_out: &Csr) -> MlResult<Segments> {
        let n_items = self.surprise.len();
        let last = self.users.last().map_or(0, |&user| user as usize);
        if train.n_cols != n_items || held_out.n_cols != n_items || train.n_rows <= last || held_out.n_rows <= last {
            return Err(MlError::BadInput("the matrices are not those of the evaluation".into()));
        }
        Ok(Segments { activity: self.by_activity(train), popularity: self.by_popularity(train, held_out) })
    }

    fn by_activity(&self, train: &Csr) -> Vec<Segment> {
        let interactions = |at: usize| train.row_len(self.users[at] as usize) as u32;
        let n = self.users.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&at| interactions(at));
        let part = |(third, name): (usize, &'static str)| {
            let members = &order[n * third / 3..n * (third + 1) / 3];
            let judged: Vec<UserMetrics> = members.iter().map(|&at| self.per_user[at]).collect();
            Segment::new(name, members.iter().map(|&at| interactions(at)), &judged)
        };
        ACTIVITY.into_iter().enumerate().map(part).collect()
    }

    fn by_popularity(&self, train: &Csr, held_out: &Csr) -> Vec<Segment> {
        let counts = train.column_counts();
        let in_head = head(&counts);
        let cutoff = self.cutoff.min(counts.len());
        let discounts = Discounts::new(cutoff);
        let part = |(name, wanted): (&'static str, bool)| {
            let belongs = |item: &u32| in_head[*item as usize] == wanted;
            let judge = |(&user, list): (&u32, &Vec<u32>)| {
                let held_out: Vec<u32> = held_out.row_indices(user as usize).iter().copied().filter(belongs).collect();
                let listable = counts.len() - train.row_len(user as usize);
                (!held_out.is_empty()).then(|| UserMetrics::of(list, &held_out, cutoff, listable, &discounts))
            };
            let judged: Vec<UserMetrics> = self.users.iter().zip(&self.lists).filter_map(judge).collect();
            let members = counts.iter().zip(&in_head).filter(|(_, head)| **head == wanted).map(|(&count, _)| count);
            Segment::new(name, members, &judged)
        };
        [("head", true), ("tail", false)].into_iter().map(part).collect()
    }
}

/// Returns whether each item belongs to the head.
fn head(counts: &[u32]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&item| std::cmp::Reverse(counts[item]));
    let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let mut in_head = vec![false; counts.len()];
    let mut covered = 0;
    for item in order {
        if covered * 100 >= total * HEAD_PERCENT {
            break;
        }
        in_head[item] = true;
        covered += u64::from(counts[item]);
    }
    in_head
}
