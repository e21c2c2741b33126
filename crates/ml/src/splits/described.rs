//! A split whose items are described by their features.

use super::Split;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::features::{Encoder, FeatureSpec, FeatureTable};
use crate::ids::Ids;
use crate::sparse::Csr;

impl Split {
    /// Creates a split from two sides over the same users and items. Items without training interactions are cold.
    pub fn of_sides(train: Csr, held_out: Csr) -> MlResult<Self> {
        if (train.n_rows, train.n_cols) != (held_out.n_rows, held_out.n_cols) {
            return Err(MlError::BadInput("training and held-out matrices differ in size".into()));
        }
        let test_users = (0..held_out.n_rows as u32).filter(|&user| held_out.row_len(user as usize) > 0).collect();
        let split = Split {
            n_warm: train.n_cols,
            train,
            held_out,
            test_users,
            item_order: None,
            numbers: Vec::new(),
            known_until: Vec::new(),
            others_known_until: i64::MAX,
            evidence: None,
            item_features: None,
        };
        Ok(split.with_items_in_order())
    }

    /// Encodes the features of all items, as a model that learns from the training side would: what the encoder learns, it learns
    /// from items with training interactions. `items` are those of the log, `now` is the moment of training in microseconds.
    pub fn with_item_features(
        mut self,
        spec: &FeatureSpec,
        table: &FeatureTable,
        items: &Ids,
        now: i64,
        ctx: &Context,
    ) -> MlResult<Self> {
        let item_of_log = |number: usize| self.item_order.as_ref().map_or(number as u32, |order| order[number]);
        let rows: Vec<Option<u32>> =
            (0..self.train.n_cols).map(|number| table.ids().find(items.get(item_of_log(number)))).collect();
        let encoder = Encoder::fit(spec, table, &rows[..self.n_warm], now, ctx)?;
        self.item_features = Some(encoder.encode(table, &rows, ctx)?);
        Ok(self)
    }

    /// Returns whether some items have no training interactions, because the split holds out items.
    pub fn has_cold_items(&self) -> bool {
        self.n_warm < self.train.n_cols
    }

    /// Returns the encoded features of all items by their numbers here, if they were given.
    pub fn item_features(&self) -> Option<&Csr> {
        self.item_features.as_ref()
    }
}
