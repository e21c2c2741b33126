//! What a model file holds to recommend items that the model was not trained on.

use super::{Derived, TrainedModel};
use crate::algorithms::{AlgorithmInfo, Base, ColdMap, Extension, NewItems as ByWhat, Recommender, TrainInput};
use crate::context::Context;
use crate::error::MlResult;
use crate::features::{Encoder, FeatureSpec, FeatureTable, FieldNote, LeftOut};
use crate::ids::Ids;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Prefix of the encoder in the file.
const ENCODER: &str = "features";

/// The encoder of item features, what they predict, and the new items of a model.
pub struct ColdStart {
    /// Encodes the features of items as those that the model was trained on.
    encoder: Encoder,
    /// Predicts vectors from features; `None` for models that learn from features alone.
    map: Option<ColdMap>,
    /// The new items.
    new: Option<NewItems>,
}

/// The items of a training with their features.
pub struct Described {
    encoder: Encoder,
    /// Of all items, by rows.
    features: Csr,
}

impl Described {
    /// Encodes the features of the items that a model is trained on. See [`Encoder::fit_and_encode`] for values that cannot be
    /// read, and for `now`.
    pub fn new(
        spec: &FeatureSpec,
        table: &FeatureTable,
        items: &Ids,
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<Self> {
        let rows: Vec<Option<u32>> = items.iter().map(|item| table.ids().find(item)).collect();
        let (encoder, features) = Encoder::fit_and_encode(spec, table, (&rows, &rows), now, ctx)?;
        Ok(Described { encoder, features })
    }

    /// Returns what should be known of how the features were encoded.
    pub fn notes(&self) -> &[FieldNote] {
        self.encoder.notes()
    }

    /// Returns the bytes of the encoded features.
    pub fn bytes(&self) -> u64 {
        self.features.bytes()
    }

    /// Returns what the columns mean.
    pub fn spec(&self) -> &FeatureSpec {
        self.encoder.spec()
    }

    /// Returns what a model learns from.
    pub fn input<'a>(&'a self, interactions: &'a Csr) -> TrainInput<'a> {
        TrainInput { items: Some(&self.features), ..TrainInput::from(interactions) }
    }

    /// Learns from a fitted model what is needed to add items to it; `None` for algorithms that cannot have new ones.
    pub fn learn(
        self,
        info: &AlgorithmInfo,
        model: &dyn Recommender,
        interactions: &Csr,
        ctx: &Context,
    ) -> MlResult<Option<Box<ColdStart>>> {
        let map = match info.new_items() {
            ByWhat::Never => return Ok(None),
            ByWhat::ByFeatures => None,
            ByWhat::ByMap => ColdMap::fit(model, &self.features, interactions, ctx)?,
        };
        Ok(Some(Box::new(ColdStart { encoder: self.encoder, map, new: None })))
    }
}

/// Items that a model was not trained on, encoded.
#[derive(Debug)]
pub struct NewItems {
    ids: Ids,
    /// Their encoded features, by rows.
    features: Csr,
}

/// What a table has of items that a model was not trained on.
#[derive(Debug, Default)]
pub struct NewRows {
    /// Those of which it says something; `None` if there are none.
    pub items: Option<NewItems>,
    /// Rows that were left out because a value of theirs cannot be read.
    pub unreadable: LeftOut,
    /// Number of rows that were left out because nothing in them is known to the model.
    pub n_unknown: usize,
}

/// New items, and what it takes to add them to the model that it was computed for.
pub struct Addition {
    new: NewItems,
    /// The ids of all items.
    all: Ids,
    extension: Extension,
}

impl std::fmt::Debug for Addition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addition").field("new_items", &self.new.ids.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ColdStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdStart").field("new_items", &self.new.as_ref().map(|new| new.ids.len())).finish_non_exhaustive()
    }
}

impl ColdStart {
    /// Returns the number of new items.
    pub fn n_new(&self) -> usize {
        self.new.as_ref().map_or(0, |new| new.ids.len())
    }

    /// Returns the map from features to vectors, if there is one.
    pub(super) fn map(&self) -> Option<&ColdMap> {
        self.map.as_ref()
    }

    /// Adds it to a container.
    pub(super) fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.encoder.save(out, ENCODER);
        if let Some(map) = &self.map {
            map.save(out);
        }
        if let Some(new) = &self.new {
            out.ids("new_items", &new.ids);
            out.csr("new_items.features", &new.features);
        }
    }

    /// Reads back what a container holds for a model, without extending the model; `None` where it holds nothing.
    pub(super) fn load(input: &TensorReader<'_>, model: &dyn Recommender) -> MlResult<Option<Self>> {
        if !input.all_metadata().contains_key(&format!("{ENCODER}.spec")) {
            return Ok(None);
        }
        let encoder = Encoder::load(input, ENCODER)?;
        let map = ColdMap::load(input, model, encoder.n_columns())?;
        let new = if input.has("new_items.offsets") {
            let ids = input.ids("new_items")?;
            let features = input.csr_shaped("new_items.features", ids.len(), encoder.n_columns())?;
            Some(NewItems { ids, features })
        } else {
            None
        };
        Ok(Some(ColdStart { encoder, map, new }))
    }

    /// Returns the bytes held on the heap.
    pub(super) fn heap_bytes(&self) -> u64 {
        let new = self.new.as_ref().map_or(0, |new| new.features.bytes() + new.ids.bytes().len() as u64);
        self.map.as_ref().map_or(0, ColdMap::heap_bytes) + new
    }
}

/// Returns the encoder of item features that a model file holds, without reading the model; `None` if there is none.
pub fn item_encoder(bytes: &[u8]) -> MlResult<Option<Encoder>> {
    let input = TensorReader::open(bytes)?;
    let has_one = input.all_metadata().contains_key(&format!("{ENCODER}.spec"));
    has_one.then(|| Encoder::load(&input, ENCODER)).transpose()
}

impl TrainedModel {
    /// Returns the number of items that the model was trained on; the new ones are numbered behind them.
    pub fn n_trained_items(&self) -> usize {
        self.items.len() - self.cold_start.as_deref().map_or(0, ColdStart::n_new)
    }

    /// Encodes the items of a table that the model was not trained on, as [`Self::new_rows_of`] does.
    pub fn new_items_of(&self, table: &FeatureTable, ctx: &Context) -> MlResult<Option<NewItems>> {
        Ok(self.new_rows_of(table, ctx)?.items)
    }

    /// Encodes the items of a table that the model was not trained on; none when the model cannot have new items. A row with a value
    /// that cannot be read is left out, and so is one that says nothing known. Fails when the table has none of the columns that the
    /// model knows.
    pub fn new_rows_of(&self, table: &FeatureTable, ctx: &Context) -> MlResult<NewRows> {
        let Some(cold_start) = &self.cold_start else { return Ok(NewRows::default()) };
        let n_trained = self.n_trained_items() as u32;
        let is_new = |row: &u32| self.items.find(table.ids().get(*row)).is_none_or(|item| item >= n_trained);
        let rows: Vec<Option<u32>> = (0..table.n_rows() as u32).filter(is_new).map(Some).collect();
        if rows.is_empty() {
            return Ok(NewRows::default());
        }
        let (encoded, unreadable) = cold_start.encoder.encode_readable_rows(table, &rows, ctx)?;
        let known = rows.iter().flatten().enumerate().filter(|(at, _)| encoded.row_len(*at) > 0);
        let ids = Ids::from_sorted(known.map(|(_, &row)| table.ids().get(row)))?;
        let n_unknown = rows.len() - ids.len() - unreadable.n;
        let items = (!ids.is_empty()).then(|| NewItems { ids, features: encoded.without_empty_rows() });
        Ok(NewRows { items, unreadable, n_unknown })
    }

    /// Computes what it takes to add new items to the model, which is not changed. It must not have any new items yet. Asks for the
    /// memory of the extended model first.
    pub fn addition_of(&self, new: NewItems, ctx: &Context) -> MlResult<Addition> {
        let of_ids = |ids: &Ids| ids.bytes().len() as u64 + size_of_val(ids.offsets()) as u64;
        let held = of_ids(&self.items) + 2 * of_ids(&new.ids) + new.features.bytes();
        let map = self.cold_start.as_deref().and_then(ColdStart::map);
        let extension = Extension::of(&*self.model, map, &new.features, &ctx.beside(held))?;
        Ok(Addition { all: self.items.followed_by(&new.ids)?, extension, new })
    }

    /// Returns the model with new items behind its own.
    pub fn with_addition(mut self, Addition { new, all, extension }: Addition) -> MlResult<Self> {
        let map = self.cold_start.as_deref().and_then(ColdStart::map);
        self.model = extension.add_to(Base::Owned(self.model), map)?;
        if let Some(profiles) = &mut self.profiles {
            profiles.map.extend(&*self.model, map, &new.features)?;
        }
        self.items = all;
        self.seen.n_cols = self.items.len();
        self.derived = Derived::default();
        if let Some(cold_start) = &mut self.cold_start {
            cold_start.new = Some(new);
        }
        Ok(self)
    }

    /// Returns the model with these items behind its own. It must not have any new items yet.
    pub fn with_new_items(self, new: NewItems, ctx: &Context) -> MlResult<Self> {
        let addition = self.addition_of(new, ctx)?;
        self.with_addition(addition)
    }

    /// Extends the model by the new items that its file holds.
    pub(super) fn extended(mut self, ctx: &Context) -> MlResult<Self> {
        match self.cold_start.as_mut().and_then(|cold_start| cold_start.new.take()) {
            Some(new) => self.with_new_items(new, ctx),
            None => Ok(self),
        }
    }
}
