//! A model in memory, of either kind.

use crate::ml::artifact::TrainedModel as Artifact;
use crate::ml::error::MlResult;
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
        let artifact = Artifact::from_bytes(bytes)?;
        artifact.prepare();
        Ok(Self::Matrix(artifact))
    }

    /// Returns the items that it may recommend.
    pub fn items(&self) -> &Ids {
        match self {
            Self::Matrix(model) => &model.items,
            Self::Sessions(model) => &model.items,
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
