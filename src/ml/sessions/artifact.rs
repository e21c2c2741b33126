//! A session model with its dictionary: one safetensors file, and what it answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::sequences::Sessions;
use super::vmis_knn::{Scorer, VmisKnn};
use crate::ml::artifact::{Recommendations, Wanted};
use crate::ml::context::Context;
use crate::ml::diversity;
use crate::ml::error::{MlError, MlResult};
use crate::ml::ids::Ids;
use crate::ml::tensors::{TensorReader, TensorWriter};

const FORMAT: &str = "recotem-session-model-v1";
/// Prefix of the caller's metadata in the file.
const EXTRA: &str = "meta.";

/// Everything needed to recommend from a session. It knows no users: what it answers depends on the session alone.
pub struct SessionModel {
    /// The parameters, as they were given.
    pub parameters: Map<String, Value>,
    /// Items of the model.
    pub items: Ids,
    /// The fitted model.
    pub model: VmisKnn,
    /// Anything the caller wants to keep with it.
    pub metadata: BTreeMap<String, String>,
}

impl SessionModel {
    /// Learns from sessions whose items are numbered by `items`.
    pub fn fit(parameters: Map<String, Value>, items: Ids, sessions: &Sessions, ctx: &Context) -> MlResult<Self> {
        if items.len() != sessions.n_items() {
            return Err(MlError::BadInput("items and sessions do not belong together".into()));
        }
        let model = VmisKnn::fit(&parameters, sessions, ctx)?;
        Ok(SessionModel { parameters, items, model, metadata: BTreeMap::new() })
    }

    /// The file.
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
        out.finish()
    }

    /// Reads a file. Whatever the bytes are, the answer is a model that holds together or an error.
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
        Ok(SessionModel { parameters, items, model, metadata })
    }

    /// Items to show next, for a session given first item to last; `None` when the model knows none of its items.
    ///
    /// Where neighbours hold fewer items than wanted, the most popular others follow with a score of zero.
    pub fn recommend(&self, session: &[String], wanted: &Wanted<'_>) -> Option<Recommendations> {
        let session: Vec<u32> = session.iter().filter_map(|id| self.items.find(id)).collect();
        if session.is_empty() {
            return None;
        }
        let admitted = wanted.admitted(&self.items, &session);
        let ranked = |n| rank(&mut Scorer::new(&self.model), &session, n, |item| admitted.has(item)).ok();
        let list = if wanted.diversity > 0.0 {
            let candidates = ranked(diversity::candidates_for(wanted.cutoff))?;
            diversity::spread(&candidates, wanted.cutoff, wanted.diversity, self.model.by_item())
        } else {
            ranked(wanted.cutoff)?
        };
        Some(list.into_iter().map(|(item, score)| (self.items.get(item).to_owned(), score)).collect())
    }
}

/// The `n` best items that are admitted, best first: by score, equal ones by number; then the most popular of the rest.
pub(super) fn rank(
    scorer: &mut Scorer<'_>,
    session: &[u32],
    n: usize,
    admitted: impl Fn(u32) -> bool,
) -> MlResult<Vec<(u32, f32)>> {
    let model = scorer.model();
    let mut list: Vec<(u32, f32)> = scorer.score(session)?.iter().copied().filter(|(item, _)| admitted(*item)).collect();
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if list.len() > n {
        list.select_nth_unstable_by(n, better);
        list.truncate(n);
    }
    list.sort_unstable_by(better);
    if list.len() < n {
        let mut held: Vec<u32> = list.iter().map(|(item, _)| *item).collect();
        held.sort_unstable();
        let others = model.by_popularity().iter().filter(|item| held.binary_search(item).is_err() && admitted(**item));
        list.extend(others.take(n - list.len()).map(|&item| (item, 0.0)));
    }
    Ok(list)
}
