//! All algorithms, and how one is fitted by its name.

use serde_json::{Map, Value, json};

use crate::algorithms::{
    AlgorithmInfo, Before, Control, EpochHook, MATRIX_ALGORITHMS, MatrixAlgorithm, Model, NewItems, Params, TrainInput,
    TrainShape,
};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sessions;
use crate::sparse::Csr;

/// Returns all algorithms.
pub fn algorithms() -> impl Iterator<Item = &'static AlgorithmInfo> {
    MATRIX_ALGORITHMS.iter().chain([&sessions::INFO])
}

/// Returns the algorithms that learn from a matrix, which are those that a search can try.
pub fn matrix_algorithms() -> impl Iterator<Item = &'static AlgorithmInfo> {
    MATRIX_ALGORITHMS.iter()
}

/// Finds an algorithm by class name, by the name of its 0.x optimizer class, or by short form.
pub fn find(name: &str) -> MlResult<&'static AlgorithmInfo> {
    let short = name.strip_suffix("Recommender").or_else(|| name.strip_suffix("Optimizer")).unwrap_or(name);
    algorithms().find(|info| info.short == short).ok_or_else(|| unknown(name, algorithms()))
}

fn unknown(name: &str, known: impl Iterator<Item = &'static AlgorithmInfo>) -> MlError {
    MlError::UnknownAlgorithm { name: name.to_owned(), known: known.map(|info| info.name.to_owned()).collect() }
}

/// Finds an algorithm that learns from a matrix; all others are unknown here.
pub fn find_matrix(name: &str) -> MlResult<&'static AlgorithmInfo> {
    find(name).ok().filter(|info| !info.learns_from_sessions()).ok_or_else(|| unknown(name, matrix_algorithms()))
}

/// Returns whether a name denotes an algorithm that learns from sessions, in any of the forms that [`find`] accepts.
pub fn learns_from_sessions(name: &str) -> bool {
    find(name).is_ok_and(AlgorithmInfo::learns_from_sessions)
}

/// Returns whether a name denotes an algorithm that is made of the features of items, in any of the forms that [`find`] accepts.
pub fn learns_from_features(name: &str) -> bool {
    find(name).is_ok_and(|info| info.new_items() == NewItems::ByFeatures)
}

/// Returns parameters to start from, beside the defaults, for an algorithm in any of the forms that [`find`] accepts. Those of iALS
/// are irspack's, which expects a search: they give no weight to what users have not interacted with, and lists are arbitrary.
pub fn starting_point(name: &str) -> Map<String, Value> {
    let parameters = match find(name).map(|info| info.short) {
        Ok("IALS") => json!({ "alpha0": 0.1, "reg": 0.01 }),
        _ => Value::Null,
    };
    if let Value::Object(parameters) = parameters { parameters } else { Map::new() }
}

/// Fits an algorithm to a training matrix.
pub fn fit<'a>(algorithm: &str, params: &Map<String, Value>, train: impl Into<TrainInput<'a>>, ctx: &Context) -> MlResult<Model> {
    fit_with_validation(algorithm, params, train, ctx, &mut |_, _| Ok(Control::Continue))
}

/// Fits, and calls `hook` with the model after each epoch of an algorithm that has epochs.
pub fn fit_with_validation<'a>(
    algorithm: &str,
    params: &Map<String, Value>,
    train: impl Into<TrainInput<'a>>,
    ctx: &Context,
    hook: &mut EpochHook<'_>,
) -> MlResult<Model> {
    let info = find(algorithm)?;
    let (matrix, params) = (info.matrix()?, info.checked(params)?);
    let input = train.into();
    if input.interactions.nnz() == 0 && matrix.new_items != NewItems::ByFeatures {
        return Err(MlError::EmptyInput("there are no interactions to learn from".into()));
    }
    prepare(info, matrix, &params, input.interactions, ctx)?;
    (matrix.fit)(&params, &input, ctx, hook)
}

/// Fits from an earlier model in a part of the epochs. Returns `None` without any work if the algorithm does not support it or
/// the two models have different shapes: the caller then uses [`fit`]. The result depends on the earlier model and is as good,
/// but not the same.
pub fn fit_from(
    algorithm: &str,
    params: &Map<String, Value>,
    train: &Csr,
    before: &Before<'_>,
    ctx: &Context,
) -> MlResult<Option<Model>> {
    let info = find(algorithm)?;
    let matrix = info.matrix()?;
    let Some(warm_start) = matrix.warm_start.filter(|_| train.nnz() > 0) else { return Ok(None) };
    let params = info.checked(params)?;
    prepare(info, matrix, &params, train, ctx)?;
    warm_start(&params, train, before, ctx)
}

/// Refuses a fit that needs more memory than is available, or that was interrupted before it began.
fn prepare(info: &AlgorithmInfo, matrix: &MatrixAlgorithm, params: &Params<'_>, train: &Csr, ctx: &Context) -> MlResult<()> {
    ctx.require_memory(&format!("fitting {}", info.name), (matrix.estimate)(params, TrainShape::of(train))?)?;
    ctx.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_start_from_parameters_that_they_have() {
        for info in matrix_algorithms() {
            info.check(&starting_point(info.name)).unwrap();
        }
        assert_eq!(starting_point("IALS")["alpha0"], json!(0.1));
    }
}
