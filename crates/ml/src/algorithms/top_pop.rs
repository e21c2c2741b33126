//! Most popular items first: the baseline that every other algorithm has to beat.

use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, Params, Recommender, TrainShape, check_block, check_items};
use crate::context::Context;
use crate::error::MlResult;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "TopPopRecommender",
    short: "TopPop",
    summary: "most popular items, the same for every user",
    parameters: Vec::new,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        estimate: |_: &Params<'_>, shape: TrainShape| Ok(shape.n_items as u64 * 12),
        fit,
        load,
        warm_start: None,
    }),
};

/// Total value of each item's interactions.
struct TopPop {
    n_users: usize,
    popularity: Vec<f32>,
}

fn fit(_: &Params<'_>, train: &Csr, _: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let popularity = train.column_sums().into_iter().map(|sum| sum as f32).collect();
    Ok(Box::new(TopPop { n_users: train.n_rows, popularity }))
}

fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
    Ok(Box::new(TopPop { n_users, popularity: input.f32s_shaped("model.popularity", &[n_items])? }))
}

impl Recommender for TopPop {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.popularity.len()
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, None, out)?;
        out.chunks_exact_mut(self.n_items().max(1)).for_each(|row| row.copy_from_slice(&self.popularity));
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        out.copy_from_slice(&self.popularity);
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.f32s("model.popularity", &[self.popularity.len()], &self.popularity);
    }

    fn heap_bytes(&self) -> u64 {
        self.popularity.len() as u64 * 4
    }
}
