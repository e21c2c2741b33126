//! Maps from features to factors that a model learnt together with the factors.

use super::padding::{compact, pad};
use crate::error::{MlError, MlResult};
use crate::tensors::{TensorReader, TensorWriter};

/// A row of factors for each feature and one for the constant, padded, of the sides whose features the model learnt from.
#[derive(Debug, Default)]
pub(super) struct FeatureMaps {
    pub users: Option<Vec<f32>>,
    pub items: Option<Vec<f32>>,
}

/// Tensors of the maps.
const USERS: &str = "model.user_feature_map";
const ITEMS: &str = "model.item_feature_map";

impl FeatureMaps {
    /// Adds the maps to a container: the first `k` numbers of rows of `width`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, k: usize, width: usize) {
        for (name, map) in [(USERS, &self.users), (ITEMS, &self.items)] {
            let Some(map) = map else { continue };
            out.f32s(name, &[map.len() / width, k], compact(map, k, width));
        }
    }

    /// Reads the maps back.
    pub fn load(input: &TensorReader<'_>, k: usize, width: usize) -> MlResult<Self> {
        let map = |name: &str| -> MlResult<Option<Vec<f32>>> {
            if !input.has(name) {
                return Ok(None);
            }
            let (shape, map) = input.f32s(name)?;
            if shape.len() != 2 || shape[0] == 0 || shape[1] != k {
                return Err(MlError::BadArtifact(format!("tensor {name:?} has shape {shape:?}, not features × {k}")));
            }
            Ok(Some(pad(&map, k, width)))
        };
        Ok(FeatureMaps { users: map(USERS)?, items: map(ITEMS)? })
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        [&self.users, &self.items].into_iter().flatten().map(|map| map.len() as u64 * 4).sum()
    }
}
