//! The penalty of a map, chosen by how well it ranks for what it has not seen.
//!
//! One in five trained items is held out. For users with some of them, the map learnt from the other items ranks those held out;
//! the user is known by the other items only. What predicts vectors with the least square error ranks worse: it shrinks them
//! too much. Of penalties that rank alike the weakest is taken: the map is learnt from more items in the end. How long the vectors
//! should be to be listed beside others is a second question; see [`super::exposure`].
//!
//! For maps of users, one in five users is held out, and the map learnt from the others ranks all items for them. The best penalty
//! is taken, the strongest of those that rank the same: a shrunk user gets a list closer to that of all users.

use rayon::prelude::*;

use super::exposure::{Learnt, scale_of};
use super::linear_map::Lesson;
use super::ridge::Ridge;
use super::target::{Target, predict_one};
use crate::algorithms::random_scores::mix;
use crate::algorithms::recommender::Recommender;
use crate::context::Context;
use crate::error::MlResult;
use crate::metrics::{Discounts, Metric, UserMetrics};
use crate::ranking::{Candidates, top_k};
use crate::simd::Kernels;
use crate::sparse::Csr;

/// Penalties that are compared, from the strongest: each solution starts from that before.
const PENALTIES: [f32; 8] = [300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1];
/// One in this number of items or users is held out.
const HELD_OUT: u64 = 5;
/// Most items, or users to learn from, that penalties are compared on.
const MOST: usize = 20_000;
/// Most users whose lists are compared.
const MOST_LISTS: usize = 1_000;
/// The share of the best quality from which on a penalty ranks alike.
const ALIKE: f64 = 0.995;
/// Penalties in a row that rank worse than the best, after which no weaker one is tried: those take longest.
const WORSE_IN_ROW: usize = 2;
/// Length of the lists.
const CUTOFF: usize = 20;

/// A user who is judged: their vector, their relevant items among those held out, and what the model lists beside these.
type Judged = (Vec<f32>, Vec<u32>, Learnt);

/// What a map predicts.
#[derive(Clone, Copy)]
enum Predicted {
    Items,
    Users,
}

/// How items are best predicted.
pub(super) struct ForItems {
    /// The weakest penalty with which a map ranks items held out as well as with the best.
    pub penalty: f32,
    /// What the scored part of predicted vectors is to be multiplied by.
    pub scale: f32,
}

/// The items or users held out, and those that they are ranked for or rank. The same for any features.
pub(super) struct Comparison {
    predicted: Predicted,
    /// The weight of each item or user, zero for those held out or left out.
    kept: Vec<f32>,
    held_out: Vec<usize>,
    /// Vectors that are not predicted, by rows: of users, or of items.
    others: Vec<f32>,
    /// By user: the places of their items among those ranked.
    relevant: Vec<Vec<u32>>,
    /// The list of each user who ranks items held out by what the model learnt about these.
    learnt: Vec<Learnt>,
}

/// Chooses the penalty and the scale of a map that predicts the vectors of items from these features: among all penalties, or
/// those next to the one that was best for a model much like this.
pub(super) fn for_items(
    comparison: &Comparison,
    target: &Target,
    features: &Csr,
    near: Option<f32>,
    ctx: &Context,
) -> MlResult<ForItems> {
    let scored: Vec<f32> =
        target.vectors.chunks_exact(target.width).flat_map(|row| &row[target.scored.clone()]).copied().collect();
    let lesson = Lesson { features, vectors: &scored, width: target.scored.len(), weights: &comparison.kept };
    let weakest = comparison.best(lesson, penalties_near(near), ctx)?.pop();
    Ok(weakest.map_or(ForItems { penalty: PENALTIES[0], scale: 1.0 }, |tried| ForItems {
        penalty: tried.penalty,
        scale: scale_of(&comparison.learnt, &tried.best_scores),
    }))
}

/// Returns the penalty with which a map ranks items best for users held out, and the mean ndcg of their lists. `items` are vectors
/// whose products with those of users are scores.
pub(in crate::algorithms) fn penalty_for_users(
    lesson: Lesson<'_>,
    items: &[f32],
    interactions: &Csr,
    ctx: &Context,
) -> MlResult<(f32, f64)> {
    let comparison = Comparison::of_users(lesson, items, interactions);
    let alike = comparison.best(Lesson { weights: &comparison.kept, ..lesson }, &PENALTIES, ctx)?;
    let better = |best: (f32, f64), other: Tried| if other.quality > best.1 { (other.penalty, other.quality) } else { best };
    Ok(alike.into_iter().fold((PENALTIES[0], 0.0), better))
}

/// Returns a penalty with those next to it; all of them without one.
fn penalties_near(penalty: Option<f32>) -> &'static [f32] {
    let at = penalty.and_then(|penalty| PENALTIES.iter().position(|&other| other == penalty));
    at.map_or(&PENALTIES, |at| &PENALTIES[at.saturating_sub(1)..(at + 2).min(PENALTIES.len())])
}

/// Divides items or users into those kept, by their weights, and those held out.
fn hold_out(weights: &[f32]) -> (Vec<f32>, Vec<usize>) {
    let usable: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0.0).collect();
    let step = usable.len().div_ceil(MOST).max(1);
    let mut kept = vec![0f32; weights.len()];
    let mut held_out = Vec::new();
    for (at, &row) in usable.iter().step_by(step).enumerate() {
        // Scattered, so that those held out do not follow the order of ids.
        if mix(at as u64).is_multiple_of(HELD_OUT) {
            held_out.push(row);
        } else {
            kept[row] = weights[row];
        }
    }
    (kept, held_out)
}

impl Comparison {
    /// Holds out some of the items with a weight.
    pub fn of_items(
        model: &dyn Recommender,
        target: &Target,
        weights: &[f32],
        interactions: &Csr,
        ctx: &Context,
    ) -> MlResult<Self> {
        let (kept, held_out) = hold_out(weights);
        let mut place: Vec<Option<u32>> = vec![None; weights.len()];
        held_out.iter().enumerate().for_each(|(at, &item)| place[item] = Some(at as u32));
        let mut comparison = Comparison {
            predicted: Predicted::Items,
            kept,
            held_out,
            others: Vec::new(),
            relevant: Vec::new(),
            learnt: Vec::new(),
        };
        let has_some = |&user: &usize| interactions.row_indices(user).iter().any(|&item| place[item as usize].is_some());
        let users: Vec<usize> = (0..interactions.n_rows).filter(has_some).collect();
        let step = users.len().div_ceil(MOST_LISTS).max(1);
        let chosen: Vec<usize> = users.into_iter().step_by(step).collect();
        let known = |&user: &usize| -> MlResult<Option<Judged>> {
            ctx.check()?;
            let (relevant, history): (Vec<u32>, Vec<u32>) =
                interactions.row_indices(user).iter().partition(|&&item| place[item as usize].is_some());
            let Some(vector) = target.user(model, &history)? else { return Ok(None) };
            let learnt = comparison.learnt_list(model, &history, interactions.row_indices(user))?;
            let relevant = relevant.iter().filter_map(|&item| place[item as usize]).collect();
            Ok(Some((vector, relevant, learnt)))
        };
        let known: Vec<_> = ctx.install(|| chosen.par_iter().map(known).collect::<MlResult<_>>())?;
        for (vector, relevant, learnt) in known.into_iter().flatten() {
            comparison.others.extend(vector);
            comparison.relevant.push(relevant);
            comparison.learnt.push(learnt);
        }
        Ok(comparison)
    }

    /// Returns the list of a user with this history by what the model learnt, of items held out too, but of none of all `seen`:
    /// with some of those held out the model has met the user, which it never has with new items.
    fn learnt_list(&self, model: &dyn Recommender, history: &[u32], seen: &[u32]) -> MlResult<Learnt> {
        let mut scores = vec![0f32; model.n_items()];
        model.score_history(history, &mut scores)?;
        seen.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
        let list = top_k(&scores, CUTOFF, &Candidates::default());
        let places = list.iter().filter(|(item, _)| self.held_out.binary_search(&(*item as usize)).is_ok()).count();
        self.held_out.iter().for_each(|&item| scores[item] = f32::NEG_INFINITY);
        let others = top_k(&scores, CUTOFF, &Candidates::default()).into_iter().map(|(_, score)| score).collect();
        Ok(Learnt { others, places })
    }

    fn of_users(lesson: Lesson<'_>, items: &[f32], interactions: &Csr) -> Self {
        let (kept, held_out) = hold_out(lesson.weights);
        let step = held_out.len().div_ceil(MOST_LISTS).max(1);
        let held_out: Vec<usize> = held_out.into_iter().step_by(step).collect();
        // Of many items some are ranked: the rest would take time and tell no more.
        let step = interactions.n_cols.div_ceil(MOST).max(1);
        let others = items.chunks_exact(lesson.width).step_by(step).flatten().copied().collect();
        let place = |&item: &u32| (item as usize).is_multiple_of(step).then_some(item / step as u32);
        let relevant = |&user: &usize| interactions.row_indices(user).iter().filter_map(place).collect();
        let relevant = held_out.iter().map(relevant).collect();
        Comparison { predicted: Predicted::Users, kept, held_out, others, relevant, learnt: Vec::new() }
    }

    /// Returns the penalties that rank as well as the best of these, from the strongest.
    fn best(&self, lesson: Lesson<'_>, penalties: &[f32], ctx: &Context) -> MlResult<Vec<Tried>> {
        let Lesson { features, vectors, width, weights } = lesson;
        let ridge = Ridge::new(features, weights).for_comparison();
        let mut map = vec![0f32; ridge.n_coefficients() * width];
        let (mut all, mut best, mut worse) = (Vec::<Tried>::with_capacity(penalties.len()), 0.0f64, 0);
        for &penalty in penalties {
            map = ridge.solve(vectors, width, penalty, &map, ctx)?;
            let tried = ctx.install(|| self.try_map(penalty, &map, width, features));
            best = best.max(tried.quality);
            worse = if tried.quality < ALIKE * best { worse + 1 } else { 0 };
            all.push(tried);
            if worse == WORSE_IN_ROW {
                break;
            }
        }
        all.retain(|tried| tried.quality >= ALIKE * best);
        Ok(all)
    }

    /// Returns what vectors predicted by a map of the model's own are to be multiplied by.
    pub fn scale_of_map(&self, map: &[f32], width: usize, features: &Csr) -> f32 {
        scale_of(&self.learnt, &self.try_map(0.0, map, width, features).best_scores)
    }

    /// Ranks by a map to vectors of `width`.
    fn try_map(&self, penalty: f32, map: &[f32], width: usize, features: &Csr) -> Tried {
        let mut vectors = vec![0f32; self.held_out.len() * width];
        let rows = vectors.par_chunks_mut(width).zip(&self.held_out);
        rows.for_each(|(vector, &row)| predict_one(map, features.row(row), vector));
        let (items, users) = match self.predicted {
            Predicted::Items => (&vectors, &self.others),
            Predicted::Users => (&self.others, &vectors),
        };
        let n_items = items.len() / width;
        let discounts = Discounts::new(CUTOFF);
        let of_user = |scores: &mut Vec<f32>, (user, relevant): (&[f32], &Vec<u32>)| {
            Kernels::detect().products(items, user, scores);
            let list: Vec<u32> = top_k(scores, CUTOFF, &Candidates::default()).into_iter().map(|(item, _)| item).collect();
            let metrics = UserMetrics::of(&list, relevant, CUTOFF, scores.len(), &discounts);
            relevant.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
            let unseen = top_k(scores, CUTOFF, &Candidates::default()).into_iter().map(|(_, score)| score).collect();
            (metrics.get(Metric::Ndcg).unwrap_or(0.0), unseen)
        };
        let users = users.par_chunks_exact(width).zip(&self.relevant);
        // Summed in the order of the users, so that it is the same on any number of threads.
        let (each, best_scores): (Vec<f64>, Vec<Vec<f32>>) = users.map_init(|| vec![0f32; n_items], of_user).unzip();
        Tried { penalty, quality: each.iter().sum::<f64>() / each.len().max(1) as f64, best_scores }
    }
}

/// What a penalty leads to.
struct Tried {
    penalty: f32,
    /// The mean ndcg of the users' lists.
    quality: f64,
    /// The best scores of each user for items that are not relevant, best first.
    best_scores: Vec<Vec<f32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_next_to_one_are_compared_and_all_without_one() {
        assert_eq!(penalties_near(None), PENALTIES);
        assert_eq!(penalties_near(Some(300.0)), [300.0, 100.0]);
        assert_eq!(penalties_near(Some(3.0)), [10.0, 3.0, 1.0]);
        assert_eq!(penalties_near(Some(0.1)), [0.3, 0.1]);
        assert_eq!(penalties_near(Some(0.0)), PENALTIES, "a model that learnt its map itself has none of these");
    }
}
