//! Most popular items first: the baseline that every other algorithm has to beat.

use super::{AlgorithmInfo, EpochHook, FixedScores, Kind, MatrixAlgorithm, Model, NewItems, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::MlResult;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "TopPopRecommender",
    short: "TopPop",
    summary: "most popular items, the same for every user",
    parameters: Vec::new,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::Never,
        estimate: |_: &Params<'_>, shape: TrainShape| Ok(shape.n_items as u64 * 12),
        fit,
        load: FixedScores::load,
        warm_start: None,
    }),
};

fn fit(_: &Params<'_>, input: &TrainInput<'_>, _: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let popularity = train.column_sums().into_iter().map(|sum| sum as f32).collect();
    Ok(Box::new(FixedScores::new(train.n_rows, popularity)))
}
