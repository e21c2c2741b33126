//! Quality for items that a model was trained on, for items that are new to it, and for all of them in one list.
//!
//! The three are shown together: a model may rank new items well among themselves and yet never list one beside the others, or
//! list many of them at the cost of the others.

use std::ops::Range;

use super::{Evaluation, RESAMPLES, Ties, bootstrap, evaluate_with, users_at_once};
use crate::algorithms::{Factors, Recommender};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::TensorWriter;

/// The quality of a model for cold and for warm items.
#[derive(Debug, Clone)]
pub struct ByNovelty {
    /// Only cold items are ranked, for the users with held-out ones; `None` without any.
    pub cold: Option<Evaluation>,
    /// Only warm items are ranked, for the users with held-out ones; `None` without any.
    pub warm: Option<Evaluation>,
    /// All items are ranked.
    pub mixed: Evaluation,
    /// Share of the places in the mixed lists that hold cold items.
    pub cold_share: f64,
    /// 95 % interval of that share over users.
    pub cold_share_interval: (f64, f64),
}

/// Evaluates a model whose first `n_warm` items were trained on, and whose other items are cold: without training interactions.
pub fn evaluate_by_novelty(
    model: &dyn Recommender,
    train: &Csr,
    held_out: &Csr,
    n_warm: usize,
    cutoff: usize,
    ctx: &Context,
) -> MlResult<ByNovelty> {
    require_cold_last(model, train, n_warm)?;
    let mixed = evaluate_with(model, (train, held_out), cutoff, ties(model, n_warm), ctx)?;
    let part = |range: Range<usize>| evaluate_range((model, ties(model, n_warm)), range, train, held_out, cutoff, ctx);
    let (cold, warm) = (part(n_warm..model.n_items())?, part(0..n_warm)?);
    let (cold_share, cold_share_interval) = cold_share(mixed.lists(), n_warm, ctx.seed);
    Ok(ByNovelty { cold, warm, mixed, cold_share, cold_share_interval })
}

/// Evaluates a model as [`evaluate_by_novelty`] does, for cold items only; `None` without held-out ones.
pub fn evaluate_cold(
    model: &dyn Recommender,
    train: &Csr,
    held_out: &Csr,
    n_warm: usize,
    cutoff: usize,
    ctx: &Context,
) -> MlResult<Option<Evaluation>> {
    require_cold_last(model, train, n_warm)?;
    evaluate_range((model, ties(model, n_warm)), n_warm..model.n_items(), train, held_out, cutoff, ctx)
}

/// Returns the order of equal scores: where there are cold items, many scores are equal, and none of them is to profit.
fn ties(model: &dyn Recommender, n_warm: usize) -> Ties {
    if n_warm < model.n_items() { Ties::Drawn } else { Ties::ByNumber }
}

fn require_cold_last(model: &dyn Recommender, train: &Csr, n_warm: usize) -> MlResult<()> {
    if n_warm > model.n_items() || train.indices.iter().any(|&item| item as usize >= n_warm) {
        return Err(MlError::BadInput("cold items must be the last ones, and have no training interactions".into()));
    }
    Ok(())
}

/// Ranks only a range of the items, for the users with held-out ones; `None` without any.
fn evaluate_range(
    (model, ties): (&dyn Recommender, Ties),
    range: Range<usize>,
    train: &Csr,
    held_out: &Csr,
    cutoff: usize,
    ctx: &Context,
) -> MlResult<Option<Evaluation>> {
    let held_out = held_out.columns(range.clone());
    if held_out.nnz() == 0 {
        return Ok(None);
    }
    let seen = train.columns(range.clone());
    evaluate_with(&ItemRange { model, range, all_seen: train }, (&seen, &held_out), cutoff, ties, ctx).map(Some)
}

/// Returns the share of places that hold cold items, with its interval over users.
fn cold_share(lists: &[Vec<u32>], n_warm: usize, seed: u64) -> (f64, (f64, f64)) {
    let n_cold = |list: &Vec<u32>| list.iter().filter(|item| **item as usize >= n_warm).count();
    let counts: Vec<(usize, usize)> = lists.iter().map(|list| (n_cold(list), list.len())).collect();
    let share = |users: &[u32]| {
        let add = |(cold, places), &user: &u32| {
            let (more_cold, more_places) = counts[user as usize];
            (cold + more_cold, places + more_places)
        };
        let (cold, places) = users.iter().fold((0, 0), add);
        cold as f64 / places.max(1) as f64
    };
    let intervals = bootstrap::intervals(counts.len(), RESAMPLES, seed, |drawn| vec![share(drawn)]);
    let everyone: Vec<u32> = (0..counts.len() as u32).collect();
    (share(&everyone), intervals.first().copied().unwrap_or_default())
}

/// A model of which only a range of items is listed, numbered from 0.
struct ItemRange<'a> {
    model: &'a dyn Recommender,
    range: Range<usize>,
    /// What the users have of all items.
    all_seen: &'a Csr,
}

impl ItemRange<'_> {
    fn in_model(&self, items: &[u32]) -> Vec<u32> {
        items.iter().map(|item| item + self.range.start as u32).collect()
    }

    /// Copies the range of the scores that the model gives to all items.
    fn scored_by(&self, score: impl FnOnce(&mut [f32]) -> MlResult<()>, out: &mut [f32]) -> MlResult<()> {
        let mut all = vec![0f32; self.model.n_items()];
        score(&mut all)?;
        out.copy_from_slice(&all[self.range.clone()]);
        Ok(())
    }
}

impl Recommender for ItemRange<'_> {
    fn n_users(&self) -> usize {
        self.model.n_users()
    }

    fn n_items(&self) -> usize {
        self.range.len()
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        let (n_items, at_once) = (self.model.n_items(), users_at_once(self.model));
        let mut all = vec![0f32; at_once.min(users.len()) * n_items];
        let rows = out.chunks_mut((at_once * self.range.len()).max(1));
        for (users, out) in users.chunks(at_once).zip(rows) {
            let all = &mut all[..users.len() * n_items];
            self.model.score_users(users, self.all_seen, all)?;
            for (to, from) in out.chunks_exact_mut(self.range.len().max(1)).zip(all.chunks_exact(n_items.max(1))) {
                to.copy_from_slice(&from[self.range.clone()]);
            }
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        self.scored_by(|all| self.model.score_history(&self.in_model(items), all), out)
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.scored_by(|all| self.model.similar_items(item + self.range.start as u32, all), out)
    }

    fn factors(&self) -> Option<Factors<'_>> {
        let factors = self.model.factors()?;
        let items = &factors.items[self.range.start * factors.width..self.range.end * factors.width];
        Some(Factors { items, ..factors })
    }

    fn user_vector(&self, items: &[u32]) -> MlResult<Option<Vec<f32>>> {
        self.model.user_vector(&self.in_model(items))
    }

    fn scores_one_by_one(&self) -> bool {
        self.model.scores_one_by_one()
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.model.save(out);
    }

    fn heap_bytes(&self) -> u64 {
        self.model.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::algorithms::FixedScores;
    use crate::metrics::Metric;
    use crate::registry;

    /// Factors of one number each, ranked as factors or by whole rows.
    struct Products {
        users: Vec<f32>,
        items: Vec<f32>,
        as_factors: bool,
    }

    impl Recommender for Products {
        fn n_users(&self) -> usize {
            self.users.len()
        }
        fn n_items(&self) -> usize {
            self.items.len()
        }
        fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
            assert_eq!((seen.n_rows, seen.n_cols), (self.users.len(), self.items.len()));
            for (&user, out) in users.iter().zip(out.chunks_exact_mut(self.items.len())) {
                out.iter_mut().zip(&self.items).for_each(|(score, item)| *score = self.users[user as usize] * item);
            }
            Ok(())
        }
        fn score_history(&self, _: &[u32], _: &mut [f32]) -> MlResult<()> {
            unreachable!()
        }
        fn similar_items(&self, _: u32, _: &mut [f32]) -> MlResult<()> {
            unreachable!()
        }
        fn factors(&self) -> Option<Factors<'_>> {
            self.as_factors.then_some(Factors { users: &self.users, items: &self.items, width: 1 })
        }
        fn save<'a>(&'a self, _: &mut TensorWriter<'a>) {}
        fn heap_bytes(&self) -> u64 {
            0
        }
    }

    /// Three warm items, of which each user has one, and two cold ones.
    fn train() -> Csr {
        Csr::from_pairs(3, 5, &[0, 1, 2], &[0, 2, 1]).unwrap()
    }

    fn held_out() -> Csr {
        Csr::from_pairs(3, 5, &[0, 0, 1, 2], &[2, 4, 4, 0]).unwrap()
    }

    fn assert_close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-12, "{found} instead of {wanted}");
    }

    /// The gain of a hit at the second place; the gain at the first is 1.
    fn second() -> f64 {
        1.0 / 3f64.log2()
    }

    #[test]
    fn cold_and_warm_items_are_ranked_alone_and_together() {
        for as_factors in [false, true] {
            let model = Products { users: vec![1.0, -1.0, 1.0], items: vec![3.0, 1.0, 2.0, 1.5, 0.5], as_factors };
            let found = evaluate_by_novelty(&model, &train(), &held_out(), 3, 2, &Context::new(5, 2)).unwrap();
            let (cold, warm) = (found.cold.unwrap(), found.warm.unwrap());

            assert_eq!((cold.users.as_slice(), cold.lists()), (&[0, 1][..], &[vec![0, 1], vec![1, 0]][..]));
            assert_close(cold.get(Metric::Ndcg), (second() + 1.0) / 2.0);
            assert_close(cold.get(Metric::Mrr), 0.75);
            assert_close(cold.get(Metric::CatalogCoverage), 1.0);

            assert_eq!((warm.users.as_slice(), warm.lists()), (&[0, 2][..], &[vec![2, 1], vec![0, 2]][..]));
            assert_close(warm.get(Metric::Ndcg), 1.0);
            assert_close(warm.get(Metric::Precision), 0.5);

            assert_eq!(found.mixed.lists(), [vec![2, 3], vec![4, 1], vec![0, 2]]);
            assert_close(found.mixed.get(Metric::Ndcg), (1.0 / (1.0 + second()) + 1.0 + 1.0) / 3.0);
            assert_close(found.mixed.get(Metric::Recall), 2.5 / 3.0);

            assert_close(found.cold_share, 1.0 / 3.0);
            let (low, high) = found.cold_share_interval;
            assert!((0.0..1.0 / 3.0).contains(&low) && high > 1.0 / 3.0 && high <= 0.5, "{low} to {high}");
        }
    }

    #[test]
    fn popularity_never_lists_cold_items_beside_warm_ones() {
        let model = FixedScores::new(3, vec![5.0, 3.0, 4.0, 0.2, 0.1]);
        let found = evaluate_by_novelty(&model, &train(), &held_out(), 3, 2, &Context::new(5, 2)).unwrap();
        assert_eq!(found.mixed.lists(), [vec![2, 1], vec![0, 1], vec![0, 2]]);
        assert_eq!((found.cold_share, found.cold_share_interval), (0.0, (0.0, 0.0)));
        assert_close(found.mixed.get(Metric::Ndcg), (1.0 / (1.0 + second()) + 0.0 + 1.0) / 3.0);
        assert_close(found.cold.unwrap().get(Metric::Ndcg), second());
        assert_close(found.warm.unwrap().get(Metric::Hit), 1.0);
    }

    #[test]
    fn a_part_without_held_out_interactions_is_left_out() {
        let (model, ctx) = (FixedScores::new(3, vec![0.0; 5]), Context::new(0, 1));
        let only = |item: u32| Csr::from_pairs(3, 5, &[0], &[item]).unwrap();
        let parts = |held_out: &Csr, n_warm| {
            let found = evaluate_by_novelty(&model, &train(), held_out, n_warm, 2, &ctx).unwrap();
            (found.cold.is_some(), found.warm.is_some())
        };
        assert_eq!(
            (parts(&only(4), 3), parts(&only(1), 3), parts(&held_out(), 5)),
            ((true, false), (false, true), (false, true))
        );
        for n_warm in [2, 6] {
            assert!(evaluate_by_novelty(&model, &train(), &held_out(), n_warm, 2, &ctx).is_err(), "{n_warm} warm items");
        }
    }

    #[test]
    fn each_part_is_in_the_order_of_the_whole() {
        let (n_users, n_warm, n_items) = (12, 9, 13);
        let pairs = |has: fn(u32, u32) -> bool, items: Range<u32>| {
            let all = (0..n_users as u32).flat_map(|user| items.clone().map(move |item| (user, item)));
            let (rows, columns): (Vec<u32>, Vec<u32>) = all.filter(|&(user, item)| has(user, item)).unzip();
            Csr::from_pairs(n_users, n_items, &rows, &columns).unwrap()
        };
        let train = pairs(|user, item| (user * 7 + item * 5) % 3 == 0, 0..n_warm as u32);
        let held_out = pairs(|user, item| (user * 7 + item * 5) % 3 == 1, 0..n_items as u32);
        let ctx = Context::new(3, 2);
        for algorithm in ["CosineKNN", "CosineUserKNN", "IALS"] {
            let model = registry::fit(algorithm, &Map::new(), &train, &ctx).unwrap();
            let found = evaluate_by_novelty(&*model, &train, &held_out, n_warm, n_items, &ctx).unwrap();
            for (part, range) in [(found.cold.unwrap(), n_warm..n_items), (found.warm.unwrap(), 0..n_warm)] {
                for (user, list) in part.users.iter().zip(part.lists()) {
                    let at = found.mixed.users.binary_search(user).unwrap();
                    let whole = found.mixed.lists()[at].iter().filter(|item| range.contains(&(**item as usize)));
                    // Equal scores are in an order of their own in each part.
                    let mut scores = vec![0f32; n_items];
                    model.score_users(&[*user], &train, &mut scores).unwrap();
                    let of_list: Vec<f32> = list.iter().map(|item| scores[*item as usize + range.start]).collect();
                    let wanted: Vec<f32> = whole.map(|item| scores[*item as usize]).collect();
                    assert_eq!(of_list, wanted, "{algorithm}, user {user}, items from {}", range.start);
                }
            }
        }
    }
}
