//! A model in memory, of either kind.

use crate::ml::artifact::{Addition, NewItems, NewRows, TrainedModel as Artifact};
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::features::FeatureTable;
use crate::ml::ids::Ids;
use crate::ml::sessions::SessionModel;

/// A model that is ready to recommend.
pub enum ReadyModel {
    /// A model of interactions, which knows the users it was trained on.
    Matrix(Artifact),
    /// A model of sessions, which knows no users.
    Sessions(SessionModel),
}

impl ReadyModel {
    /// Reads an artifact of either kind.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        if SessionModel::is_in(bytes) {
            return SessionModel::from_bytes(bytes).map(Self::Sessions);
        }
        Artifact::from_bytes(bytes).map(Self::Matrix)
    }

    /// Computes in advance what the first list needs.
    pub fn prepare(&self) {
        if let Self::Matrix(model) = self {
            model.prepare();
        }
    }

    /// Returns the items that it may recommend.
    pub fn items(&self) -> &Ids {
        match self {
            Self::Matrix(model) => &model.items,
            Self::Sessions(model) => &model.items,
        }
    }

    /// Returns the number of items that it was trained on; those it was not are numbered behind them.
    pub fn n_trained_items(&self) -> usize {
        match self {
            Self::Matrix(model) => model.n_trained_items(),
            Self::Sessions(model) => model.items.len(),
        }
    }

    /// Returns whether it can recommend items that it was not trained on.
    pub fn takes_new_items(&self) -> bool {
        matches!(self, Self::Matrix(model) if model.cold_start.is_some())
    }

    /// Encodes the items of a table that it was not trained on.
    pub fn new_rows_of(&self, table: &FeatureTable, context: &Context) -> MlResult<NewRows> {
        match self {
            Self::Matrix(model) => model.new_rows_of(table, context),
            Self::Sessions(_) => Ok(NewRows::default()),
        }
    }

    /// Computes what it takes to add items that it was not trained on; `None` for a model that cannot have any.
    pub fn addition_of(&self, new: NewItems, context: &Context) -> MlResult<Option<Addition>> {
        match self {
            Self::Matrix(model) => model.addition_of(new, context).map(Some),
            Self::Sessions(_) => Ok(None),
        }
    }

    /// Returns the model with the items that the addition was computed for.
    pub fn with_addition(self, addition: Addition) -> MlResult<Self> {
        match self {
            Self::Matrix(model) => model.with_addition(addition).map(Self::Matrix),
            Self::Sessions(_) => Ok(self),
        }
    }

    /// Returns roughly the bytes held on the heap, without dictionaries.
    pub fn heap_bytes(&self) -> u64 {
        match self {
            Self::Matrix(model) => model.heap_bytes(),
            Self::Sessions(model) => model.heap_bytes(),
        }
    }
}
