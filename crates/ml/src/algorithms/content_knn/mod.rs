//! Item neighbours by what items are instead of who interacted with them: the cosine of their encoded features.
//!
//! For every item the `top_k` most similar others are kept; a user's score for it is the sum over those the user knows. Keeping few
//! matters more than how similarity is measured. It needs no interactions to be trained.
//!
//! A new item gets neighbours among the trained items alone, and nothing changes between those. New items are not compared with
//! each other: they may be many more than the trained ones, and users know hardly any of them.

mod nearest;

use std::sync::Arc;

use nearest::{Groups, Index};

use super::item_similarity::SparseSimilarity;
use super::neighbours::{Weighted, top_rows, top_rows_bytes};
use super::{
    AlgorithmInfo, EpochHook, ItemWeights, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, Recommender,
    TrainInput, TrainShape,
};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::Domain;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "ContentKNNRecommender",
    short: "ContentKNN",
    summary: "items with similar features; recommends new items, and needs an item file but no interactions",
    parameters: || vec![ParameterSpec::int("top_k", 1, i64::from(u32::MAX), 100).searched(Domain::int(10, 1000))],
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByFeatures,
        estimate: |params: &Params<'_>, shape: TrainShape| {
            Ok(top_rows_bytes(shape.n_items * TERMS, shape.n_items, shape.n_items, params.size("top_k")?, 8))
        },
        fit,
        load,
        warm_start: None,
    }),
};

/// Features of an item that memory is estimated for.
const TERMS: usize = 32;

struct ContentKnn {
    top_k: usize,
    own: Arc<Own>,
    /// The weights with new items behind its own, if it has any.
    extended: Option<SparseSimilarity>,
}

/// The items that it was trained on.
struct Own {
    /// Their encoded features, by rows.
    features: Csr,
    similarity: SparseSimilarity,
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let features = input.item_features(INFO.name)?;
    Ok(Box::new(ContentKnn::new(params.size("top_k")?, input.interactions.n_rows, features.clone(), ctx)?))
}

fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
    let features = input.csr("model.features")?;
    let bad = |what: &str| MlError::BadArtifact(what.to_owned());
    if features.n_rows != n_items {
        return Err(bad("features and items differ in number"));
    }
    let top_k = input.metadata("model.top_k")?.parse().map_err(|_| bad("top_k is not a number"))?;
    let similarity = SparseSimilarity::new(n_users, input.csr_shaped("model.weights", n_items, n_items)?);
    Ok(Box::new(ContentKnn { top_k, own: Arc::new(Own { features, similarity }), extended: None }))
}

impl ContentKnn {
    /// Finds the neighbours of all items.
    fn new(top_k: usize, n_users: usize, features: Csr, ctx: &Context) -> MlResult<Self> {
        let similarity = SparseSimilarity::new(n_users, weights(&features, top_k, ctx)?);
        Ok(ContentKnn { top_k, own: Arc::new(Own { features, similarity }), extended: None })
    }

    fn similarity(&self) -> &SparseSimilarity {
        self.extended.as_ref().unwrap_or(&self.own.similarity)
    }
}

/// Computes the weights between items; row: the item known, column: the item scored.
fn weights(features: &Csr, top_k: usize, ctx: &Context) -> MlResult<Csr> {
    let n = features.n_rows;
    let left = Weighted::plain(features);
    let lengths: Vec<f64> = left.row_squares().into_iter().map(f64::sqrt).collect();
    let by_feature = features.transpose();
    // An item is its own nearest neighbour, and dropped.
    let keep = top_k.saturating_add(1);
    let cosine = |row: usize, column: usize, dot: f64| dot / (lengths[row] * lengths[column]);
    let nearest = top_rows(&left, &Weighted::plain(&by_feature), keep, ctx, &cosine)?;
    let mut scored = Csr::empty(n, n);
    for row in 0..n {
        let (columns, values) = nearest.row(row);
        let mut others: Vec<(u32, f32)> =
            columns.iter().copied().zip(values.iter().copied()).filter(|(column, _)| *column as usize != row).collect();
        if others.len() > top_k {
            drop_least(&mut others);
        }
        scored.indices.extend(others.iter().map(|(column, _)| *column));
        scored.values.extend(others.iter().map(|(_, value)| *value));
        scored.indptr[row + 1] = scored.indices.len();
    }
    Ok(scored.transpose())
}

/// Drops the least similar: an item without features was not its own neighbour.
fn drop_least(others: &mut Vec<(u32, f32)>) {
    let least = others.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1).then(b.0.cmp(&a.0)));
    if let Some((at, _)) = least {
        others.remove(at);
    }
}

/// Adds new items behind the trained ones to weights between those: knowing a neighbour of a new item counts for it, and
/// knowing the new item for its neighbours. `neighbours` has a row for each group of new items.
fn with_neighbours(own: &Csr, neighbours: &Csr, groups: &[u32]) -> Csr {
    let n_own = own.n_rows;
    let n = n_own + groups.len();
    let mut ends: Vec<usize> = (0..n_own).map(|row| own.row_len(row)).collect();
    for group in groups {
        neighbours.row_indices(*group as usize).iter().for_each(|item| ends[*item as usize] += 1);
    }
    ends.extend(groups.iter().map(|group| neighbours.row_len(*group as usize)));
    let mut all = Csr::empty(n, n);
    for (row, len) in ends.iter().enumerate() {
        all.indptr[row + 1] = all.indptr[row] + len;
    }
    (all.indices, all.values) = (vec![0; all.indptr[n]], vec![0.0; all.indptr[n]]);
    let mut places = all.indptr[..n_own].to_vec();
    for (row, place) in places.iter_mut().enumerate() {
        let (columns, values) = own.row(row);
        all.indices[*place..][..columns.len()].copy_from_slice(columns);
        all.values[*place..][..values.len()].copy_from_slice(values);
        *place += columns.len();
    }
    for (new, group) in groups.iter().enumerate() {
        let (items, cosines) = neighbours.row(*group as usize);
        for (item, cosine) in items.iter().zip(cosines) {
            let place = &mut places[*item as usize];
            (all.indices[*place], all.values[*place]) = ((n_own + new) as u32, *cosine);
            *place += 1;
        }
        let start = all.indptr[n_own + new];
        all.indices[start..][..items.len()].copy_from_slice(items);
        all.values[start..][..items.len()].copy_from_slice(cosines);
    }
    all
}

impl Recommender for ContentKnn {
    fn n_users(&self) -> usize {
        self.similarity().n_users()
    }

    fn n_items(&self) -> usize {
        self.similarity().n_items()
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        self.similarity().score_users(users, seen, out)
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        self.similarity().score_history(items, out)
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.similarity().similar_items(item, out)
    }

    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        self.similarity().contributions(history, items)
    }

    fn item_weights(&self) -> Option<ItemWeights<'_>> {
        self.similarity().item_weights()
    }

    /// Finds the neighbours of the new items among the trained ones.
    fn with_new_items(&self, features: &Csr, ctx: &Context) -> MlResult<Option<Model>> {
        let Own { features: own, similarity } = &*self.own;
        if features.n_cols != own.n_cols {
            return Err(MlError::BadInput(format!("{} features, the trained items have {}", features.n_cols, own.n_cols)));
        }
        let groups = Groups::of(features, ctx)?;
        let n_neighbours = features.n_rows * self.top_k.min(own.n_rows);
        // Of a weight, index and value: in both directions, beside those of the trained items.
        let weights = similarity.heap_bytes() + (2 * n_neighbours + own.n_rows + features.n_rows) as u64 * 8;
        let search = Index::bytes(own, groups.firsts.len(), self.top_k, ctx.threads);
        ctx.require_memory("the neighbours of new items", weights + search)?;
        let found = Index::new(own).nearest(&groups, self.top_k, ctx)?;
        let Some(ItemWeights::Sparse(between)) = similarity.item_weights() else { return Ok(None) };
        let weights = with_neighbours(between, &found.neighbours, &groups.of_items);
        let extended = Some(SparseSimilarity::new(self.n_users(), weights));
        Ok(Some(Box::new(ContentKnn { top_k: self.top_k, own: Arc::clone(&self.own), extended })))
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.own.similarity.save(out);
        out.csr("model.features", &self.own.features);
        out.metadata("model.top_k", &self.top_k.to_string());
    }

    fn heap_bytes(&self) -> u64 {
        let extended = self.extended.as_ref().map_or(0, SparseSimilarity::heap_bytes);
        self.own.features.bytes() + self.own.similarity.heap_bytes() + extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five items on a quarter circle, by rising angle.
    fn features(angles: &[f32]) -> Csr {
        let n = angles.len();
        let (rows, columns): (Vec<u32>, Vec<u32>) = (0..n as u32).flat_map(|row| [(row, 0), (row, 1)]).unzip();
        let mut features = Csr::from_pairs(n, 2, &rows, &columns).unwrap();
        features.values = angles.iter().flat_map(|angle| [angle.cos() * 3.0, angle.sin() * 3.0]).collect();
        features
    }

    fn fitted(angles: &[f32], top_k: usize) -> ContentKnn {
        ContentKnn::new(top_k, 1, features(angles), &Context::new(0, 2)).unwrap()
    }

    #[test]
    fn every_item_is_scored_by_its_nearest_neighbours() {
        let model = fitted(&[0.1, 0.2, 0.4, 0.8, 1.5], 2);
        let mut scores = vec![0f32; 5];
        model.similar_items(0, &mut scores).unwrap();
        // The last two are nearer to others than to the first.
        let wanted = [0.0, 0.1f32.cos(), 0.3f32.cos(), 0.0, 0.0];
        assert!(scores.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{scores:?}");
    }

    #[test]
    fn new_items_get_neighbours_and_take_none_away() {
        let angles = [0.1, 0.2, 0.4, 0.8, 1.5];
        let model = fitted(&angles, 2);
        let extended = model.with_new_items(&features(&[0.15, 0.16]), &Context::new(0, 1)).unwrap().unwrap();
        assert_eq!(extended.n_items(), 7);
        let (mut own, mut all) = (vec![0f32; 5], vec![0f32; 7]);
        for item in 0..5u32 {
            model.similar_items(item, &mut own).unwrap();
            extended.similar_items(item, &mut all).unwrap();
            assert_eq!(own, all[..5], "{item}");
        }
        extended.similar_items(5, &mut all).unwrap();
        // The nearest two of the trained ones, both 0.05 away, and no new one.
        assert!((all[0] - 0.05f32.cos()).abs() < 1e-6 && (all[1] - 0.05f32.cos()).abs() < 1e-6, "{all:?}");
        assert_eq!(all[2..], [0.0; 5]);
        extended.similar_items(1, &mut all).unwrap();
        assert!((all[5] - 0.05f32.cos()).abs() < 1e-6 && (all[6] - 0.04f32.cos()).abs() < 1e-6, "{all:?}");
    }

    #[test]
    fn adding_items_ends_when_it_is_told_to_or_lacks_memory() {
        use crate::context::{Interrupt, Lack};
        let model = fitted(&[0.1, 0.2, 0.4], 2);
        let new = features(&[0.15]);
        let late = Context::new(0, 1).with_interrupt(Arc::new(|| Some(Interrupt::TimeOut)));
        assert_eq!(model.with_new_items(&new, &late).err(), Some(MlError::TimedOut));
        let poor = Context::new(0, 1).with_memory_source(Arc::new(|_| Err(Lack { available: 0, is_passing: false })));
        assert!(matches!(model.with_new_items(&new, &poor), Err(MlError::MemoryBudget { .. })));
    }
}
