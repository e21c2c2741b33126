//! The penalty of a map, chosen by how well it ranks items that it has not seen.
//!
//! One in five trained items is held out. For users with some of them, the map learnt from the other items ranks those held out;
//! the user is known by the other items only. What predicts vectors with the least square error ranks worse: it shrinks them
//! too much. Of penalties that rank alike the weakest is taken: the map is learnt from more items in the end, and a shrunk item
//! cannot be listed beside others.

use rayon::prelude::*;

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
/// One in this number of items is held out.
const HELD_OUT: u64 = 5;
/// Most items that penalties are compared on.
const MOST_ITEMS: usize = 20_000;
/// Most users whose lists are compared.
const MOST_USERS: usize = 1_000;
/// The share of the best quality from which on a penalty ranks alike.
const ALIKE: f64 = 0.995;
/// Length of the lists.
const CUTOFF: usize = 20;

/// The items held out, and the users who rank them.
struct Comparison {
    /// By item: its weight, zero for those held out or left out.
    kept: Vec<f32>,
    held_out: Vec<usize>,
    /// Vectors of the users, by rows as long as a scored item's.
    users: Vec<f32>,
    /// The items of each that are held out, by their places in `held_out`.
    relevant: Vec<Vec<u32>>,
}

/// Returns the weakest penalty with which a map ranks items held out as well as with the best.
pub(super) fn best_penalty(
    model: &dyn Recommender,
    target: &Target,
    features: &Csr,
    weights: &[f32],
    interactions: &Csr,
    ctx: &Context,
) -> MlResult<f32> {
    let comparison = Comparison::new(model, target, weights, interactions, ctx)?;
    let ridge = Ridge::new(features, &comparison.kept).for_comparison();
    let width = target.scored.len();
    let scored: Vec<f32> =
        target.vectors.chunks_exact(target.width).flat_map(|row| &row[target.scored.clone()]).copied().collect();
    let mut map = vec![0f32; ridge.n_coefficients() * width];
    let mut qualities = Vec::with_capacity(PENALTIES.len());
    for penalty in PENALTIES {
        map = ridge.solve(&scored, width, penalty, &map, ctx)?;
        qualities.push((penalty, ctx.install(|| comparison.quality(&map, width, features))));
    }
    let best = qualities.iter().map(|(_, quality)| *quality).fold(0.0, f64::max);
    let weakest = qualities.into_iter().rev().find(|(_, quality)| *quality >= ALIKE * best);
    Ok(weakest.map_or(PENALTIES[0], |(penalty, _)| penalty))
}

impl Comparison {
    fn new(model: &dyn Recommender, target: &Target, weights: &[f32], interactions: &Csr, ctx: &Context) -> MlResult<Self> {
        let usable: Vec<usize> = (0..weights.len()).filter(|&item| weights[item] > 0.0).collect();
        let step = usable.len().div_ceil(MOST_ITEMS).max(1);
        let mut kept = vec![0f32; weights.len()];
        let mut place: Vec<Option<u32>> = vec![None; weights.len()];
        let mut held_out = Vec::new();
        for (at, &item) in usable.iter().step_by(step).enumerate() {
            // Scattered, so that items held out do not follow the order of ids.
            if mix(at as u64).is_multiple_of(HELD_OUT) {
                place[item] = Some(held_out.len() as u32);
                held_out.push(item);
            } else {
                kept[item] = weights[item];
            }
        }
        let mut comparison = Comparison { kept, held_out, users: Vec::new(), relevant: Vec::new() };
        let has_some = |&user: &usize| interactions.row_indices(user).iter().any(|&item| place[item as usize].is_some());
        let users: Vec<usize> = (0..interactions.n_rows).filter(has_some).collect();
        let step = users.len().div_ceil(MOST_USERS).max(1);
        let chosen: Vec<usize> = users.into_iter().step_by(step).collect();
        let known = |&user: &usize| -> MlResult<Option<(Vec<f32>, Vec<u32>)>> {
            ctx.check()?;
            let (relevant, history): (Vec<u32>, Vec<u32>) =
                interactions.row_indices(user).iter().partition(|&&item| place[item as usize].is_some());
            let relevant = relevant.iter().filter_map(|&item| place[item as usize]).collect();
            Ok(target.user(model, &history)?.map(|vector| (vector, relevant)))
        };
        let known: Vec<_> = ctx.install(|| chosen.par_iter().map(known).collect::<MlResult<_>>())?;
        for (vector, relevant) in known.into_iter().flatten() {
            comparison.users.extend(vector);
            comparison.relevant.push(relevant);
        }
        Ok(comparison)
    }

    /// Computes the mean ndcg of the users' lists of items held out, by a map to vectors of `width`.
    fn quality(&self, map: &[f32], width: usize, features: &Csr) -> f64 {
        let mut vectors = vec![0f32; self.held_out.len() * width];
        let items = vectors.par_chunks_mut(width).zip(&self.held_out);
        items.for_each(|(vector, &item)| predict_one(map, features.row(item), vector));
        let discounts = Discounts::new(CUTOFF);
        let of_user = |scores: &mut Vec<f32>, (user, relevant): (&[f32], &Vec<u32>)| {
            Kernels::detect().products(&vectors, user, scores);
            let best = top_k(scores, CUTOFF, &Candidates::default());
            let list: Vec<u32> = best.into_iter().map(|(item, _)| item).collect();
            UserMetrics::of(&list, relevant, CUTOFF, scores.len(), &discounts).get(Metric::Ndcg).unwrap_or(0.0)
        };
        let users = self.users.par_chunks_exact(width).zip(&self.relevant);
        // Summed in the order of the users, so that it is the same on any number of threads.
        let each: Vec<f64> = users.map_init(|| vec![0f32; self.held_out.len()], of_user).collect();
        each.iter().sum::<f64>() / each.len().max(1) as f64
    }
}
