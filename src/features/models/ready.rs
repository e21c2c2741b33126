//! A model in memory, of either kind.

use crate::ml::artifact::TrainedModel as Artifact;
use crate::ml::error::MlResult;
use crate::ml::ids::Ids;
use crate::ml::sessions::SessionModel;

/// A model that is ready to recommend.
pub enum ReadyModel {
    /// It learnt who has what, and knows those users.
    Matrix(Artifact),
    /// It learnt what follows what, and knows no users.
    Sessions(SessionModel),
}

impl ReadyModel {
    /// Reads a file of either kind.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        if SessionModel::is_in(bytes) {
            return SessionModel::from_bytes(bytes).map(Self::Sessions);
        }
        let artifact = Artifact::from_bytes(bytes)?;
        artifact.prepare();
        Ok(Self::Matrix(artifact))
    }

    /// The items it may recommend.
    pub fn items(&self) -> &Ids {
        match self {
            Self::Matrix(model) => &model.items,
            Self::Sessions(model) => &model.items,
        }
    }

    /// Bytes held on the heap, roughly and without dictionaries.
    pub fn heap_bytes(&self) -> u64 {
        match self {
            Self::Matrix(model) => model.heap_bytes(),
            Self::Sessions(model) => model.heap_bytes(),
        }
    }
}
