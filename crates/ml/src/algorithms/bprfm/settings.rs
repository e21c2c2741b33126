//! How the factors are learnt. A model keeps this, so that it can fold in new users.

use serde::{Deserialize, Serialize};

use super::super::Params;
use crate::error::MlResult;

/// The loss to minimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Loss {
    /// −log σ(margin), for any other item.
    Bpr,
    /// Rank-weighted hinge, for an item that scores too high.
    Warp,
}

/// The parameters of learning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub k: usize,
    pub item_alpha: f32,
    pub user_alpha: f32,
    pub loss: Loss,
    pub learning_rate: f32,
    pub seed: u64,
    /// Probability with which a step leaves out own rows, where there are features.
    #[serde(default)]
    pub feature_dropout: f32,
}

impl Settings {
    pub fn read(params: &Params<'_>) -> MlResult<Self> {
        Ok(Settings {
            k: params.size("n_components")?,
            item_alpha: params.float("item_alpha")? as f32,
            user_alpha: params.float("user_alpha")? as f32,
            loss: if params.word("loss")? == "warp" { Loss::Warp } else { Loss::Bpr },
            learning_rate: params.float("learning_rate")? as f32,
            seed: params.size("random_seed")? as u64,
            feature_dropout: params.float("feature_dropout")? as f32,
        })
    }

    /// Returns whether the numbers are valid for calculation; for settings that come from a file.
    pub fn sane(&self) -> bool {
        let numbers = [self.item_alpha, self.user_alpha, self.learning_rate];
        (1..=4096).contains(&self.k) && numbers.iter().all(|v| v.is_finite() && *v >= 0.0)
    }
}
