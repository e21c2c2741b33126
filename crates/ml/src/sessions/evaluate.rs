//! Evaluates a session model by predicting the last item of sessions that it was not trained on.

use rayon::prelude::*;

use super::recommend::rank;
use super::sequences::Sessions;
use super::vmis_knn::{Scorer, VmisKnn};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::evaluate::bootstrap_mean;
use crate::lists::Admitted;
use crate::metrics::Metric;

/// How well the last item of each session was predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEvaluation {
    /// Length of the lists.
    pub cutoff: usize,
    /// Evaluated sessions: those with at least two distinct items.
    pub n_sessions: usize,
    /// Share of sessions whose last item was in the list (HR@cutoff).
    pub hit_rate: f64,
    /// 95 % interval of the hit rate over sessions.
    pub hit_rate_interval: (f64, f64),
    /// Mean of one over the last item's rank, zero where it was not in the list (MRR@cutoff).
    pub mrr: f64,
    /// 95 % interval of the reciprocal rank over sessions.
    pub mrr_interval: (f64, f64),
    /// Mean of one over log2 of one more than the last item's rank, zero where it was not in the list (NDCG@cutoff).
    pub ndcg: f64,
    /// Mean of one over the length of the list where the last item was in it: that is the cutoff, or the number of items that
    /// are not in the session where these are fewer.
    pub precision: f64,
    /// Hit rate of recommending the most popular items.
    pub baseline_hit_rate: f64,
    /// Reciprocal rank of recommending the most popular items.
    pub baseline_mrr: f64,
}

impl SessionEvaluation {
    /// Returns a metric of single users with a session in the place of a user, whose last item is all that is held out; `None`
    /// for metrics over all lists.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Ndcg => Some(self.ndcg),
            Metric::Recall | Metric::Hit => Some(self.hit_rate),
            Metric::Precision => Some(self.precision),
            Metric::Map | Metric::Mrr => Some(self.mrr),
            _ => None,
        }
    }
}

/// Sessions that a thread takes at a time.
const SESSIONS_AT_A_TIME: usize = 64;

/// Evaluates how well the model predicts the last new item of each session from the items before it.
///
/// An item that occurs again counts at its first place: from then on it is known and not listed again. Items that the model does
/// not know cannot be predicted and count as missed.
pub fn evaluate(model: &VmisKnn, held_out: &Sessions, cutoff: usize, ctx: &Context) -> MlResult<SessionEvaluation> {
    if held_out.n_items() != model.n_items() || cutoff == 0 {
        return Err(MlError::BadInput("the sessions do not fit the model, or the cutoff is zero".into()));
    }
    let popularity = popularity_ranks(model);
    let cases: Vec<(&[u32], u32)> = (0..held_out.len()).filter_map(|at| last_new(held_out.get(at))).collect();
    if cases.is_empty() {
        return Err(MlError::EmptyInput("no held-out session has two distinct items; nothing can be evaluated".into()));
    }
    let judge = |scorer: &mut Scorer<'_>, cases: &[(&[u32], u32)]| -> MlResult<Vec<(usize, usize)>> {
        ctx.check()?;
        let ranks = |(session, target): &(&[u32], u32)| {
            let list = rank(scorer, session, cutoff, &Admitted::but(session.to_vec()))?;
            let found = list.iter().position(|(item, _)| item == target).unwrap_or(cutoff);
            Ok((found, popularity_rank(&popularity, session, *target)))
        };
        cases.iter().map(ranks).collect()
    };
    let judged: MlResult<Vec<_>> =
        ctx.install(|| cases.par_chunks(SESSIONS_AT_A_TIME).map_init(|| Scorer::new(model), judge).collect());
    let (ranks, baseline): (Vec<usize>, Vec<usize>) = judged?.into_iter().flatten().unzip();
    let hits = |ranks: &[usize]| ranks.iter().map(|&rank| f64::from(u8::from(rank < cutoff))).collect::<Vec<f64>>();
    let reciprocal = |ranks: &[usize]| {
        ranks.iter().map(|&rank| if rank < cutoff { 1.0 / (rank + 1) as f64 } else { 0.0 }).collect::<Vec<f64>>()
    };
    let precision = |(rank, (session, _)): (&usize, &(&[u32], u32))| {
        let listable = cutoff.min(model.n_items() - distinct(session)).max(1);
        if *rank < cutoff { 1.0 / listable as f64 } else { 0.0 }
    };
    let gain = |&rank: &usize| if rank < cutoff { 1.0 / ((rank + 2) as f64).log2() } else { 0.0 };
    Ok(SessionEvaluation {
        cutoff,
        ndcg: mean(&ranks.iter().map(gain).collect::<Vec<f64>>()),
        precision: mean(&ranks.iter().zip(&cases).map(precision).collect::<Vec<f64>>()),
        n_sessions: cases.len(),
        hit_rate: mean(&hits(&ranks)),
        hit_rate_interval: bootstrap_mean(&hits(&ranks), ctx.seed),
        mrr: mean(&reciprocal(&ranks)),
        mrr_interval: bootstrap_mean(&reciprocal(&ranks), ctx.seed),
        baseline_hit_rate: mean(&hits(&baseline)),
        baseline_mrr: mean(&reciprocal(&baseline)),
    })
}

/// Returns the last item that had not occurred before, and the items before it; `None` when there is none.
fn last_new(session: &[u32]) -> Option<(&[u32], u32)> {
    let at = (1..session.len()).rev().find(|&at| !session[..at].contains(&session[at]))?;
    Some((&session[..at], session[at]))
}

/// Counts the distinct items of a session.
fn distinct(session: &[u32]) -> usize {
    let mut items = session.to_vec();
    items.sort_unstable();
    items.dedup();
    items.len()
}

/// Returns the rank of each item by popularity.
fn popularity_ranks(model: &VmisKnn) -> Vec<usize> {
    let mut ranks = vec![0; model.n_items()];
    model.by_popularity().iter().enumerate().for_each(|(rank, &item)| ranks[item as usize] = rank);
    ranks
}

/// Returns the rank of the target in the list of the most popular items without those of the session.
fn popularity_rank(ranks: &[usize], session: &[u32], target: u32) -> usize {
    let rank = ranks[target as usize];
    let mut before: Vec<u32> = session.iter().copied().filter(|&item| ranks[item as usize] < rank).collect();
    before.sort_unstable();
    before.dedup();
    rank - before.len()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_new_item_is_asked_for() {
        assert_eq!(last_new(&[1, 2, 3]), Some((&[1, 2][..], 3)));
        assert_eq!(last_new(&[1, 2, 1, 2]), Some((&[1][..], 2)));
        assert_eq!(last_new(&[4, 4]), None);
        assert_eq!(last_new(&[]), None);
        assert_eq!(popularity_rank(&[2, 0, 3, 1], &[1, 1, 2], 0), 1);
    }
}
