//! Facts about an algorithm that are known before it is fitted.

use serde_json::{Map, Value};

use super::params::{ParameterSpec, Params};
use super::recommender::{Factors, Recommender};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::SearchSpace;
use crate::sparse::Csr;
use crate::tensors::TensorReader;

/// An earlier model of the same algorithm to start from.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its parameters.
    pub parameters: &'a Map<String, Value>,
    /// Its learnt factors.
    pub factors: Factors<'a>,
    /// For each user of the training matrix, the row of that user in those factors, if there is one.
    pub users: &'a [Option<u32>],
    /// For each item of the training matrix, the row of that item in those factors, if there is one.
    pub items: &'a [Option<u32>],
}

/// The decision after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Continue.
    Continue,
    /// Training is finished; the current model is the result.
    Stop,
    /// Not worth finishing; the current model is the result.
    Prune,
}

/// A hook that is called after each epoch, counted from 1, with the current model.
pub type EpochHook<'a> = dyn FnMut(u32, &dyn Recommender) -> MlResult<Control> + 'a;

/// What a model learns from.
#[derive(Debug, Clone, Copy)]
pub struct TrainInput<'a> {
    /// Users by items.
    pub interactions: &'a Csr,
    /// Items by encoded features ([`crate::features::Encoder`]), for algorithms that learn from them.
    pub items: Option<&'a Csr>,
    /// Users by encoded features, likewise.
    pub users: Option<&'a Csr>,
}

impl<'a> From<&'a Csr> for TrainInput<'a> {
    fn from(interactions: &'a Csr) -> Self {
        TrainInput { interactions, items: None, users: None }
    }
}

impl<'a> TrainInput<'a> {
    /// Returns the features of the items, or an error that says that `learner` needs them.
    pub(super) fn item_features(&self, learner: &str) -> MlResult<&'a Csr> {
        let missing = || MlError::BadInput(format!("{learner} learns from the features of items; give an item file"));
        let features = self.items.ok_or_else(missing)?;
        if features.n_rows != self.interactions.n_cols {
            return Err(MlError::BadInput("features and items differ in number".into()));
        }
        Ok(features)
    }

    /// Returns the features of the users, or an error that says that `learner` needs them.
    pub(super) fn user_features(&self, learner: &str) -> MlResult<&'a Csr> {
        let missing = || MlError::BadInput(format!("{learner} learns from the features of users; give a user file"));
        let features = self.users.ok_or_else(missing)?;
        if features.n_rows != self.interactions.n_rows {
            return Err(MlError::BadInput("features and users differ in number".into()));
        }
        Ok(features)
    }

    /// Returns the same with the encoded features of the users.
    pub fn with_users(self, users: Option<&'a Csr>) -> Self {
        TrainInput { users, ..self }
    }
}

/// The parameters that make an algorithm learn from the features of items when they are positive; off by default.
const FEATURE_PARAMETERS: [&str; 3] = ["lambda_item_feature", "feature_weight", "item_feature_rate"];

/// The parameters that make an algorithm learn from the features of users when they are positive; off by default.
pub(crate) const USER_FEATURE_PARAMETERS: [&str; 2] = ["lambda_user_feature", "user_feature_rate"];

/// The size of a training matrix, from which memory is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainShape {
    /// Rows.
    pub n_users: usize,
    /// Columns.
    pub n_items: usize,
    /// Entries.
    pub nnz: usize,
}

impl TrainShape {
    /// Returns the size of a matrix.
    pub fn of(train: &Csr) -> Self {
        TrainShape { n_users: train.n_rows, n_items: train.n_cols, nnz: train.nnz() }
    }
}

pub(crate) type Model = Box<dyn Recommender>;

/// An entry of the registry: one algorithm.
pub struct AlgorithmInfo {
    /// Class name, as on the wire.
    pub name: &'static str,
    /// Short form, also accepted.
    pub short: &'static str,
    /// One line that helps a user choose.
    pub summary: &'static str,
    pub(crate) parameters: fn() -> Vec<ParameterSpec>,
    /// What it learns from, and how.
    pub kind: Kind,
}

/// The data that an algorithm learns from.
#[derive(Debug)]
pub enum Kind {
    /// A matrix of users and items: who interacted with what.
    Matrix(MatrixAlgorithm),
    /// Sessions in the order of time: which item follows which. Fitted and queried through [`crate::sessions`].
    Sessions,
}

/// Fits from an earlier model; `Ok(None)` where that model has another shape.
type WarmStart = fn(&Params<'_>, &Csr, &Before<'_>, &Context) -> MlResult<Option<Model>>;

/// How an algorithm recommends items that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewItems {
    /// It cannot.
    Never,
    /// By a map from their features to what it would have learnt, see [`super::ColdMap`].
    ByMap,
    /// It learns from features alone, and needs no interactions.
    ByFeatures,
}

/// How an algorithm of matrices is fitted.
pub struct MatrixAlgorithm {
    pub(crate) early_stopping: bool,
    pub(crate) new_items: NewItems,
    pub(crate) estimate: fn(&Params<'_>, TrainShape) -> MlResult<u64>,
    pub(crate) fit: fn(&Params<'_>, &TrainInput<'_>, &Context, &mut EpochHook<'_>) -> MlResult<Model>,
    pub(crate) load: fn(&TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model>,
    pub(crate) warm_start: Option<WarmStart>,
}

impl std::fmt::Debug for AlgorithmInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlgorithmInfo").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MatrixAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MatrixAlgorithm").field("early_stopping", &self.early_stopping).finish_non_exhaustive()
    }
}

impl AlgorithmInfo {
    /// Returns every parameter with its type, default and range.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        (self.parameters)()
    }

    /// Returns what a search tries by default.
    pub fn search_space(&self) -> SearchSpace {
        let searched = |spec: ParameterSpec| spec.search.map(|domain| (spec.name, domain));
        self.parameters().into_iter().filter_map(searched).collect()
    }

    /// Returns whether the algorithm learns in epochs, so that it can be stopped early or pruned.
    pub fn early_stopping(&self) -> bool {
        matches!(&self.kind, Kind::Matrix(matrix) if matrix.early_stopping)
    }

    /// Returns how it recommends items that it was not trained on.
    pub fn new_items(&self) -> NewItems {
        match &self.kind {
            Kind::Matrix(matrix) => matrix.new_items,
            Kind::Sessions => NewItems::Never,
        }
    }

    /// Returns whether with these parameters it learns from the features of items, so that it learns otherwise from other features.
    pub fn learns_from_features(&self, params: &Map<String, Value>) -> bool {
        let is_positive = |name: &&str| params.get(*name).and_then(Value::as_f64).is_some_and(|value| value > 0.0);
        self.new_items() == NewItems::ByFeatures || FEATURE_PARAMETERS.iter().any(is_positive)
    }

    /// Returns whether it learns from sessions instead of a matrix.
    pub fn learns_from_sessions(&self) -> bool {
        matches!(self.kind, Kind::Sessions)
    }

    /// Refuses unknown parameters and values outside their domain, naming them.
    pub fn check(&self, params: &Map<String, Value>) -> MlResult<()> {
        self.checked(params).map(|_| ())
    }

    /// Estimates the peak memory of fitting, in bytes, beyond the training matrix.
    pub fn estimate_memory_bytes(&self, params: &Map<String, Value>, shape: TrainShape) -> MlResult<u64> {
        (self.matrix()?.estimate)(&self.checked(params)?, shape)
    }

    /// Rebuilds a fitted model from a container, and trusts nothing in it.
    pub fn load(&self, input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        (self.matrix()?.load)(input, n_users, n_items)
    }

    /// Returns the parameters with their defaults, once they are known and within their domains.
    pub(crate) fn checked<'a>(&self, params: &'a Map<String, Value>) -> MlResult<Params<'a>> {
        Params::check(self.name, self.parameters(), params)
    }

    /// Returns how it is fitted to a matrix, or refuses an algorithm that learns from sessions.
    pub(crate) fn matrix(&self) -> MlResult<&MatrixAlgorithm> {
        match &self.kind {
            Kind::Matrix(matrix) => Ok(matrix),
            Kind::Sessions => Err(MlError::BadInput(format!("{} learns from sessions, not from a matrix", self.name))),
        }
    }
}
