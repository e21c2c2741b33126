//! Fitting a configuration to training data and packing the result: all of a training that needs no database.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::features::feature_sets::CurrentSet;
use crate::ml::algorithms::{AlgorithmInfo, Before, NewItems, Recommender, TrainInput, TrainShape};
use crate::ml::artifact::{Described, ProfiledUsers, TrainedModel as Artifact};
use crate::ml::context::Context;
use crate::ml::error::{MlError, MlResult};
use crate::ml::features::{FeatureSpec, FeatureTable, FieldNote, few_described, guess, look_of};
use crate::ml::ids::Ids;
use crate::ml::interactions::InteractionLog;
use crate::ml::registry;
use crate::ml::sessions::{self, SessionModel, Sessions, VmisKnn};
use crate::ml::sparse::Csr;
use crate::ml::weights::{Weights, weighed_matrix};

/// The seed of an algorithm that has no seed parameter.
pub const SEED: u64 = 42;

/// The version of the engine, stored with each model.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of the artifact's metadata entry with the id of its model.
pub const MODEL_ID: &str = "trained_model_id";

/// The entry of a model's lineage with the id of the model that its training started from.
pub const WARM_START: &str = "warm_start_from";

/// Why a model of sessions cannot be trained, and what to do.
pub const TIMES_NEEDED: &str = "VMISKNNRecommender learns from the order of interactions, and this data has no times. Set the \
     time column of the project and upload the data again";

/// What to fit, and its origin.
#[derive(Debug, Clone)]
pub struct Plan {
    pub model_id: i64,
    pub data_id: i64,
    pub data_sha256: Option<String>,
    /// The uploads from which the data was combined; `None` for an upload.
    pub data_sources: Option<Value>,
    pub algorithm: String,
    pub parameters: Map<String, Value>,
    /// The weights of interactions where the parameters give none.
    pub weights: Weights,
    /// A model to start from, if the algorithm can.
    pub before: Option<EarlierModel>,
    /// What the columns of the item metadata mean; `None` to guess it.
    pub feature_set: Option<CurrentSet>,
}

/// A model of an earlier training.
#[derive(Debug, Clone)]
pub struct EarlierModel {
    pub id: i64,
    pub artifact: Arc<Artifact>,
}

/// What is known about items and users, if anything is.
#[derive(Debug, Clone, Copy)]
pub struct Tables<T> {
    pub items: Option<T>,
    pub users: Option<T>,
}

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self { items: None, users: None }
    }
}

/// A fitted model as the bytes of its file, and its figures.
#[derive(Debug)]
pub struct Packed {
    pub bytes: Vec<u8>,
    /// The number of sessions if it learns from them.
    pub n_users: usize,
    pub n_items: usize,
    /// Distinct pairs of user and item; of sessions, all interactions.
    pub n_interactions: usize,
    pub lineage: Value,
    /// What the user should know about it, in sentences.
    pub notes: Vec<String>,
}

/// Fits and packs a model. The same plan and data give the same bytes. Fails before the start if there is not enough memory.
///
/// Items of the log are described by their rows of a table, if there is one: the model can then recommend others like them. So are
/// users: it can then recommend to others like them.
pub fn fit(plan: &Plan, log: &InteractionLog, tables: Tables<&FeatureTable>, context: &Context) -> MlResult<Packed> {
    if registry::learns_from_sessions(&plan.algorithm) {
        return fit_sessions(plan, log, context);
    }
    let info = registry::find(&plan.algorithm)?;
    let (weights, own) = plan.weights.overridden(&plan.parameters)?;
    let seen = weighed_matrix(log, &weights);
    let shape = TrainShape::of(&seen);
    let estimate = info.estimate_memory_bytes(&own, shape)?;
    context.require_memory(&format!("training {}", info.name), estimate)?;
    let (described, of_items) = describe(info, log, tables.items, plan, context)?;
    let (profiled, of_users) = profile(info, log, tables.users, context)?;
    let context = &context.beside(described.as_ref().map_or(0, Described::bytes));
    context.require_memory(&format!("training {}", info.name), estimate)?;
    let warm = match &plan.before {
        Some(before) => fit_from(plan, info.name, &own, log, &seen, before, context)?,
        None => None,
    };
    let warm_start_from = plan.before.as_ref().filter(|_| warm.is_some()).map(|before| before.id);
    let model = match warm {
        Some(model) => model,
        None => {
            let input = described.as_ref().map_or_else(|| TrainInput::from(&seen), |described| described.input(&seen));
            let input = input.with_users(profiled.as_ref().map(ProfiledUsers::features));
            registry::fit(info.name, &own, input, context)?
        }
    };
    let features = described.as_ref().map(|described| json!(described.spec()));
    let beside_model = context.beside(model.heap_bytes() + seen.bytes());
    let learn = |described: Described| described.learn(info, &*model, &seen, &beside_model);
    let cold_start = described.map(learn).transpose()?.flatten();
    let learn = |profiled: ProfiledUsers| profiled.learn(&*model, &seen, cold_start.as_deref(), &beside_model);
    let profiles = profiled.map(learn).transpose()?.flatten();
    context.check()?;
    let mut lineage = lineage(plan, log, info.name, &weights, estimate);
    if let Some(features) = features {
        lineage["item_features"] = features;
        if let Some(set) = &plan.feature_set {
            lineage["feature_set"] = set.lineage();
        }
    }
    if let Some(profiles) = &profiles {
        lineage["user_features"] = json!(profiles.spec());
    }
    if let Some(id) = warm_start_from {
        lineage[WARM_START] = id.into();
    }
    let artifact = Artifact {
        algorithm: info.name.to_owned(),
        parameters: plan.parameters.clone(),
        users: log.users.clone(),
        items: log.items.clone(),
        seen,
        model,
        cold_start,
        profiles,
        metadata: metadata(plan),
        derived: Default::default(),
    };
    let notes: Vec<String> = of_items.into_iter().chain(of_users).collect();
    if !notes.is_empty() {
        lineage["warnings"] = json!(notes);
    }
    Ok(Packed { notes, ..packed(artifact.to_bytes(), shape, lineage) })
}

/// Encodes the features of the items, and returns what should be known of it. Only algorithms made of features need them: for others,
/// metadata that cannot be used is left out, which is told too.
fn describe(
    info: &AlgorithmInfo,
    log: &InteractionLog,
    table: Option<&FeatureTable>,
    plan: &Plan,
    context: &Context,
) -> MlResult<(Option<Described>, Vec<String>)> {
    let Some(table) = table.filter(|_| info.new_items() != NewItems::Never) else { return Ok((None, Vec::new())) };
    let now = log.training_moment();
    let set = plan.feature_set.as_ref().map(|set| &set.spec);
    let spec = meaning(set, table, &log.items, "items");
    match spec.and_then(|spec| Described::new(&spec, table, &log.items, now, context)) {
        Ok(described) => {
            let notes = notes_of(table, &log.items, described.notes());
            Ok((Some(described), notes.into_iter().map(|note| format!("Item metadata: {note}.")).collect()))
        }
        Err(MlError::BadInput(reason)) if info.new_items() == NewItems::ByMap => {
            Ok((None, vec![format!("The model does not use the item metadata: {reason}.")]))
        }
        Err(error) => Err(error),
    }
}

/// Encodes the features of the users as [`describe`] does those of items. Hardly any model needs them.
fn profile(
    info: &AlgorithmInfo,
    log: &InteractionLog,
    table: Option<&FeatureTable>,
    context: &Context,
) -> MlResult<(Option<ProfiledUsers>, Vec<String>)> {
    let Some(table) = table.filter(|_| info.new_items() != NewItems::Never) else { return Ok((None, Vec::new())) };
    let now = log.training_moment();
    let spec = meaning(None, table, &log.users, "users");
    match spec.and_then(|spec| ProfiledUsers::new(&spec, table, &log.users, now, context)) {
        Ok(profiled) => {
            let notes = notes_of(table, &log.users, profiled.notes());
            Ok((Some(profiled), notes.into_iter().map(|note| format!("User metadata: {note}.")).collect()))
        }
        Err(MlError::BadInput(reason)) => Ok((None, vec![format!("The model does not use the user metadata: {reason}.")])),
        Err(error) => Err(error),
    }
}

/// Returns what should be known of a table that a training learns from.
fn notes_of(table: &FeatureTable, trained_on: &Ids, notes: &[FieldNote]) -> Vec<String> {
    let n_described = trained_on.iter().filter(|id| table.ids().find(id).is_some()).count();
    let few = few_described(n_described, table.ids(), trained_on);
    few.into_iter().chain(notes.iter().map(|note| note.text.clone())).collect()
}

/// Returns what the columns of a table seem to mean. Fails if they tell nothing about the items, or users, of the training data.
fn meaning(set: Option<&FeatureSpec>, table: &FeatureTable, trained_on: &Ids, of: &str) -> MlResult<FeatureSpec> {
    let spec = set.cloned().unwrap_or_else(|| FeatureSpec::from_guesses(&guess(table)));
    match trained_on.iter().any(|id| table.ids().find(id).is_some()) {
        true if !spec.fields.is_empty() => Ok(spec),
        true => Err(MlError::BadInput(format!("no column of the metadata says what {of} have in common"))),
        false => {
            let (n, look) = (table.n_rows(), look_of(table.ids(), trained_on));
            Err(MlError::BadInput(format!("none of the {n} {of} of the metadata is in the training data; {look}")))
        }
    }
}

/// Fits a model of sessions, with each user as a session. Interactions of weight 0 are left out; otherwise only the order
/// matters, and weights only determine the most popular items.
fn fit_sessions(plan: &Plan, log: &InteractionLog, context: &Context) -> MlResult<Packed> {
    if log.times.is_none() {
        return Err(MlError::BadInput(TIMES_NEEDED.to_owned()));
    }
    let history = Sessions::from_log(&plan.weights.counted(log))?;
    let estimate = VmisKnn::estimate_memory_bytes(&history);
    let mut model = SessionModel::fit(plan.parameters.clone(), log.items.clone(), &history, context)?;
    if !plan.weights.is_neutral() {
        model = model.with_popularity_of(&weighed_matrix(log, &plan.weights))?;
    }
    context.check()?;
    model.metadata = metadata(plan);
    let shape = TrainShape { n_users: history.len(), n_items: history.n_items(), nnz: history.n_interactions() };
    let lineage = lineage(plan, log, sessions::NAME, &plan.weights, estimate);
    Ok(packed(model.to_bytes(), shape, lineage))
}

/// Returns what is needed to train the same model again, apart from its size.
fn lineage(plan: &Plan, log: &InteractionLog, algorithm: &str, weights: &Weights, estimate: u64) -> Value {
    json!({
        "data_id": plan.data_id,
        "data_sha256": plan.data_sha256,
        "data_sources": plan.data_sources,
        "n_rows": log.n_rows(),
        "algorithm": algorithm,
        "parameters": plan.parameters,
        "weights": weights.to_params(),
        "seed": SEED,
        "engine_version": ENGINE_VERSION,
        "memory_estimate_bytes": estimate,
    })
}

fn packed(bytes: Vec<u8>, shape: TrainShape, mut lineage: Value) -> Packed {
    let TrainShape { n_users, n_items, nnz: n_interactions } = shape;
    for (name, number) in [("n_interactions", n_interactions), ("n_users", n_users), ("n_items", n_items)] {
        lineage[name] = number.into();
    }
    Packed { bytes, n_users, n_items, n_interactions, lineage, notes: Vec::new() }
}

/// Fits from an earlier model, if that has the same algorithm and shape.
fn fit_from(
    plan: &Plan,
    algorithm: &str,
    own: &Map<String, Value>,
    log: &InteractionLog,
    seen: &Csr,
    before: &EarlierModel,
    context: &Context,
) -> MlResult<Option<Box<dyn Recommender>>> {
    let artifact = &before.artifact;
    let Some(factors) = artifact.model.factors().filter(|_| artifact.algorithm == algorithm) else { return Ok(None) };
    let (_, parameters) = plan.weights.overridden(&artifact.parameters)?;
    let places = |ids: &Ids, known: &Ids| (0..ids.len() as u32).map(|id| known.find(ids.get(id))).collect::<Vec<_>>();
    let (users, items) = (places(&log.users, &artifact.users), places(&log.items, &artifact.items));
    let before = Before { parameters: &parameters, factors, users: &users, items: &items };
    registry::fit_from(algorithm, own, seen, &before, context)
}

fn metadata(plan: &Plan) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([
        (MODEL_ID.to_owned(), plan.model_id.to_string()),
        ("data_id".to_owned(), plan.data_id.to_string()),
        ("engine_version".to_owned(), ENGINE_VERSION.to_owned()),
    ]);
    if let Some(sha256) = &plan.data_sha256 {
        metadata.insert("data_sha256".to_owned(), sha256.clone());
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::interactions::InteractionLogBuilder;

    fn plan(parameters: Value) -> Plan {
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let weights = Weights::default();
        Plan {
            model_id: 3,
            data_id: 4,
            data_sha256: Some("ab".into()),
            data_sources: None,
            algorithm: "TopPop".into(),
            parameters,
            weights,
            before: None,
            feature_set: None,
        }
    }

    fn log() -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(false);
        for (user, item) in [("007", "a/b c"), ("007", "a/b c"), ("8", "Sigur Rós")] {
            builder.push(user, item, None);
        }
        builder.finish()
    }

    #[test]
    fn the_same_plan_gives_the_same_file_with_its_lineage() {
        let first = fit(&plan(json!({})), &log(), Tables::default(), &Context::new(SEED, 1)).unwrap();
        let second = fit(&plan(json!({})), &log(), Tables::default(), &Context::new(SEED, 2)).unwrap();
        assert_eq!(first.bytes, second.bytes);
        assert_eq!(first.lineage["n_rows"], 3);
        assert_eq!((first.n_interactions, first.n_users, first.n_items), (2, 2, 2));
        assert_eq!(first.lineage["algorithm"], "TopPopRecommender");
        let opened = Artifact::from_bytes(&first.bytes).unwrap();
        assert_eq!(opened.metadata["data_sha256"], "ab");
    }

    #[test]
    fn users_stand_for_sessions_and_what_counts_for_nothing_is_left_out() {
        let mut builder = InteractionLogBuilder::new(true).with_events();
        for (at, (user, item, event)) in
            [("v1", "a", "view"), ("v1", "ad", "shown"), ("v1", "b", "view"), ("v2", "a", "view")].into_iter().enumerate()
        {
            builder.push_event(user, item, Some(at as i64), event);
        }
        let events = [("shown".to_owned(), 0.0), ("view".to_owned(), 2.0)].into();
        let weights = Weights::new(events, Some(3.0)).unwrap();
        let plan = Plan { algorithm: sessions::NAME.to_owned(), weights, ..plan(json!({ "top_k": 5 })) };
        let packed = fit(&plan, &builder.finish(), Tables::default(), &Context::new(SEED, 1)).unwrap();
        assert_eq!((packed.n_users, packed.n_items, packed.n_interactions), (2, 3, 3));
        assert_eq!((&packed.lineage["n_users"], &packed.lineage["n_rows"]), (&json!(2), &json!(4)));
        let model = SessionModel::from_bytes(&packed.bytes).unwrap();
        assert_eq!((model.metadata["data_sha256"].as_str(), &model.parameters["top_k"]), ("ab", &json!(5)));
        let next = model.recommend(&["a".to_owned()], &crate::ml::artifact::Wanted::best(1)).unwrap();
        assert_eq!(next[0].0, "b");
        let untimed = fit(&plan, &log(), Tables::default(), &Context::new(SEED, 1)).unwrap_err().to_string();
        assert!(untimed.contains("time column"), "{untimed}");
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_in_words() {
        let unknown = fit(&plan(json!({ "depth": 1 })), &log(), Tables::default(), &Context::new(SEED, 1)).unwrap_err();
        assert!(matches!(unknown, MlError::UnknownParameter { .. }));
        let empty = InteractionLogBuilder::new(false).finish();
        assert!(matches!(fit(&plan(json!({})), &empty, Tables::default(), &Context::new(SEED, 1)), Err(MlError::EmptyInput(_))));
    }
}
