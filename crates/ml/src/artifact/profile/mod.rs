//! What a model file holds to recommend to users by their features.

use super::recommend::For;
use super::{ColdStart, TrainedModel};
use crate::algorithms::{Recommender, UserMap};
use crate::context::Context;
use crate::error::MlResult;
use crate::features::{Encoder, FeatureSpec, FeatureTable, FieldNote};
use crate::ids::Ids;
use crate::lists::{Recommendations, Wanted, codes};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Prefix of the encoder in the file.
const ENCODER: &str = "user_features";

/// The encoder of user features, and the map from them to what the model would have learnt about a user.
pub struct Profiles {
    encoder: Encoder,
    pub(super) map: UserMap,
}

/// The users of a training with their features.
pub struct ProfiledUsers {
    encoder: Encoder,
    /// Of all users, by rows.
    features: Csr,
}

impl ProfiledUsers {
    /// Encodes the features of the users that a model is trained on; those without a row have none. See
    /// [`Encoder::fit_and_encode`] for values that cannot be read, and for `now`.
    pub fn new(
        spec: &FeatureSpec,
        table: &FeatureTable,
        users: &Ids,
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<Self> {
        let rows: Vec<Option<u32>> = users.iter().map(|user| table.ids().find(user)).collect();
        let (encoder, features) = Encoder::fit_and_encode(spec, table, (&rows, &rows), now, ctx)?;
        Ok(ProfiledUsers { encoder, features })
    }

    /// Returns what the columns mean.
    pub fn spec(&self) -> &FeatureSpec {
        self.encoder.spec()
    }

    /// Returns what should be known of how the features were encoded.
    pub fn notes(&self) -> &[FieldNote] {
        self.encoder.notes()
    }

    /// Returns the encoded features of the users, by rows.
    pub fn features(&self) -> &Csr {
        &self.features
    }

    /// Learns from a fitted model what is needed to recommend by profile; `None` for models without vectors of users.
    /// `cold_start` is that of the same model, if it has one.
    pub fn learn(
        self,
        model: &dyn Recommender,
        interactions: &Csr,
        cold_start: Option<&ColdStart>,
        ctx: &Context,
    ) -> MlResult<Option<Box<Profiles>>> {
        let map = UserMap::fit(model, &self.features, interactions, cold_start.and_then(ColdStart::map), ctx)?;
        Ok(map.map(|map| Box::new(Profiles { encoder: self.encoder, map })))
    }
}

impl std::fmt::Debug for Profiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profiles").field("n_features", &self.encoder.n_columns()).finish_non_exhaustive()
    }
}

impl Profiles {
    /// Returns what the columns mean.
    pub fn spec(&self) -> &FeatureSpec {
        self.encoder.spec()
    }

    /// Adds it to a container.
    pub(super) fn save<'a>(&'a self, out: &mut TensorWriter<'a>, cold_start: Option<&ColdStart>) {
        self.encoder.save(out, ENCODER);
        self.map.save(out, cold_start.and_then(ColdStart::map));
    }

    /// Reads back what a container holds for a model that is not extended yet; `None` where it holds nothing.
    pub(super) fn load(
        input: &TensorReader<'_>,
        model: &dyn Recommender,
        cold_start: Option<&ColdStart>,
    ) -> MlResult<Option<Self>> {
        if !input.all_metadata().contains_key(&format!("{ENCODER}.spec")) {
            return Ok(None);
        }
        let encoder = Encoder::load(input, ENCODER)?;
        let map = UserMap::load(input, model, cold_start.and_then(ColdStart::map), encoder.n_columns())?;
        Ok(Some(Profiles { encoder, map }))
    }

    /// Returns the bytes held on the heap.
    pub(super) fn heap_bytes(&self, cold_start: Option<&ColdStart>) -> u64 {
        self.map.heap_bytes(cold_start.and_then(ColdStart::map))
    }
}

impl TrainedModel {
    /// Returns whether the model can recommend to users by their features.
    pub fn takes_profiles(&self) -> bool {
        self.profiles.is_some()
    }

    /// Recommends items to a new user by the features in the first row of a table, and by a history, which may be empty; `None`
    /// when the model does not take profiles.
    ///
    /// Columns that the model does not know are ignored, and values that cannot be read count as missing; see
    /// [`Self::ignored_columns`].
    pub fn recommend_profile_as(
        &self,
        profile: &FeatureTable,
        history: &[String],
        wanted: &Wanted<'_>,
    ) -> MlResult<Option<Recommendations>> {
        Ok(self.rank_for_profile(profile, history, wanted)?.map(|list| self.with_ids(list)))
    }

    /// Returns the numbers of the items that [`Self::recommend_profile_as`] lists, with their scores.
    pub fn rank_for_profile(
        &self,
        profile: &FeatureTable,
        history: &[String],
        wanted: &Wanted<'_>,
    ) -> MlResult<Option<Vec<(u32, f32)>>> {
        let Some(Profiles { encoder, map }) = self.profiles.as_deref() else { return Ok(None) };
        let vector = map.vector(&encoder.encode_readable(profile).0)?;
        let history = codes(&self.items, history);
        let by_profile = For::Profile { map, vector: &vector, history: &history };
        Ok(self.with_working(|working| self.list(by_profile, &wanted.in_numbers(&self.items), working)))
    }

    /// Returns the columns of a profile that say nothing to the model: it does not know them, cannot read the value, or was
    /// trained without users of this value. All columns, for a model that does not take profiles.
    pub fn ignored_columns<'p>(&self, profile: &'p FeatureTable) -> Vec<&'p str> {
        let is_known = self.profiles.as_deref().map(|profiles| (&profiles.encoder, profiles.encoder.encode_readable(profile).1));
        let ignored = |column: &&'p String| {
            is_known.as_ref().is_none_or(|(encoder, is_known)| {
                !encoder.readers_of(column).into_iter().zip(is_known).any(|(reads, known)| reads && *known)
            })
        };
        profile.columns().iter().filter(ignored).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
