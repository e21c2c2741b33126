//! A session model with its dictionary: one safetensors file.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::popularity::Popularity;
use super::sequences::Sessions;
use super::vmis_knn::{Buffers, VmisKnn};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::idle::Idle;
use crate::ids::Ids;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

const FORMAT: &str = "recotem-session-model-v1";
/// Prefix of the caller's metadata in the file.
const EXTRA: &str = "meta.";

/// Everything needed to recommend from a session. It knows no users: recommendations depend on the session alone.
pub struct SessionModel {
    /// The parameters, as they were given.
    pub parameters: Map<String, Value>,
    /// Items of the model.
    pub items: Ids,
    /// The fitted model.
    pub model: VmisKnn,
    /// Entries that the caller keeps with the model, by name.
    pub metadata: BTreeMap<String, String>,
    pub(super) popularity: Popularity,
    pub(super) idle: Idle<Buffers>,
}

impl SessionModel {
    /// Learns from sessions whose items are numbered by `items`.
    pub fn fit(parameters: Map<String, Value>, items: Ids, sessions: &Sessions, ctx: &Context) -> MlResult<Self> {
        if items.len() != sessions.n_items() {
            return Err(MlError::BadInput("items and sessions do not belong together".into()));
        }
        let model = VmisKnn::fit(&parameters, sessions, ctx)?;
        let popularity = Popularity::of_counts(model.counts());
        Ok(SessionModel { parameters, items, model, metadata: BTreeMap::new(), popularity, idle: Idle::default() })
    }

    /// Replaces the popularity of each item by the total weight of its interactions, which `weighed` gives by session and item.
    pub fn with_popularity_of(mut self, weighed: &Csr) -> MlResult<Self> {
        if weighed.n_cols != self.items.len() {
            return Err(MlError::BadInput("items and weights do not belong together".into()));
        }
        self.popularity = Popularity::of_weights(weighed.column_sums().into_iter().map(|sum| sum as f32).collect());
        Ok(self)
    }

    /// Returns the file as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = TensorWriter::default();
        out.metadata("format", FORMAT);
        out.metadata("algorithm", super::NAME);
        out.metadata("parameters", &Value::Object(self.parameters.clone()).to_string());
        for (key, value) in &self.metadata {
            out.metadata(&format!("{EXTRA}{key}"), value);
        }
        out.ids("items", &self.items);
        self.model.save(&mut out);
        self.popularity.save(&mut out);
        out.finish()
    }

    /// Reads a file. For any input bytes it returns a consistent model or an error.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        let input = TensorReader::open(bytes)?;
        input.require_metadata("format", FORMAT)?;
        input.require_metadata("algorithm", super::NAME)?;
        let Ok(Value::Object(parameters)) = serde_json::from_str(input.metadata("parameters")?) else {
            return Err(MlError::BadArtifact("parameters are not a JSON object".into()));
        };
        let extra = |(key, value): (&String, &String)| Some((key.strip_prefix(EXTRA)?.to_owned(), value.clone()));
        let metadata = input.all_metadata().iter().filter_map(extra).collect();
        let items = input.ids("items")?;
        let model = VmisKnn::load(&parameters, &input, items.len())?;
        let popularity = Popularity::load(&input, model.counts())?;
        Ok(SessionModel { parameters, items, model, metadata, popularity, idle: Idle::default() })
    }

    /// Returns whether bytes have the format of such a file, without checking their consistency.
    pub fn is_in(bytes: &[u8]) -> bool {
        TensorReader::open(bytes).is_ok_and(|input| input.require_metadata("format", FORMAT).is_ok())
    }
}
