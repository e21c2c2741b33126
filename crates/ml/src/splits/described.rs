//! A split whose items are described by their features.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{NewUsers, Split, UserFeatures};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::features::{Encoder, FeatureSpec, FeatureTable, FieldNote};
use crate::ids::Ids;
use crate::sparse::Csr;

impl Split {
    /// Creates a split from two sides over the same users and items. Items without training interactions are cold; if there are
    /// any, the order of the items is drawn, as in splits that hold out items.
    pub fn of_sides(train: Csr, held_out: Csr, seed: u64) -> MlResult<Self> {
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
            item_notes: Vec::new(),
            new_users: None,
        };
        match split.train.column_counts().contains(&0) {
            true => Ok(split.with_cold_items_last(&mut ChaCha8Rng::seed_from_u64(seed))),
            false => Ok(split),
        }
    }

    /// Encodes the features of all items, as a model that learns from the training side would: what the encoder learns, it learns
    /// from items with training interactions. `items` are those of the log, `now` is the moment in microseconds against which ages
    /// are measured; without one, it is the latest date of those items. A value that cannot be read is missing, see
    /// [`Split::item_notes`].
    pub fn with_item_features(
        self,
        spec: &FeatureSpec,
        table: &FeatureTable,
        items: &Ids,
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<Self> {
        Ok(self.with_encoded_items(spec, table, items, now, ctx)?.0)
    }

    /// Encodes the features as [`Split::with_item_features`] does, of those fields that have a value in any item with training
    /// interactions. Returns the encoder of these, and their numbers in the spec, as well.
    pub fn with_present_fields(
        mut self,
        spec: &FeatureSpec,
        table: &FeatureTable,
        items: &Ids,
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<(Self, Encoder, Vec<usize>)> {
        let rows = self.rows_of(table, items);
        let (encoder, present) = Encoder::fit_present(spec, table, &rows[..self.n_warm], now, ctx)?;
        self.item_features = Some(encoder.encode_what_can_be_read(table, &rows, ctx)?);
        Ok((self, encoder, present))
    }

    /// Encodes the features as [`Split::with_item_features`] does, and returns the encoder as well.
    pub fn with_encoded_items(
        mut self,
        spec: &FeatureSpec,
        table: &FeatureTable,
        items: &Ids,
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<(Self, Encoder)> {
        let rows = self.rows_of(table, items);
        let (encoder, encoded) = Encoder::fit_and_encode(spec, table, (&rows[..self.n_warm], &rows), now, ctx)?;
        self.item_features = Some(encoded);
        self.item_notes = encoder.notes().to_vec();
        Ok((self, encoder))
    }

    /// Returns what should be known of how the features of items were encoded.
    pub fn item_notes(&self) -> &[FieldNote] {
        &self.item_notes
    }

    /// Returns the row of each item in a table.
    fn rows_of(&self, table: &FeatureTable, items: &Ids) -> Vec<Option<u32>> {
        (0..self.train.n_cols as u32).map(|number| table.ids().find(items.get(self.item_of_log(number)))).collect()
    }

    /// Chooses users that models are not trained on, and are judged by: this share of those who are tested, see
    /// [`NewUsers::choose`].
    pub fn with_new_users(mut self, share: f64, known: UserFeatures<'_>, ctx: &Context) -> MlResult<Self> {
        self.new_users = Some(NewUsers::choose(&self, share, known, ctx)?);
        Ok(self)
    }

    /// Returns the users that models are not trained on, if they were chosen.
    pub fn new_users(&self) -> Option<&NewUsers> {
        self.new_users.as_ref()
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
