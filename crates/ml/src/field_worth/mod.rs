//! What each field of a feature spec is worth: how much worse new items are recommended without it.
//!
//! Items are held out as by the split; the collaborative model is fitted once for each of several divisions (folds), the map from
//! features again without each field in turn, with the penalty that is then best: one that was chosen for all fields would count
//! against the others. Algorithms that learn from features themselves are fitted again without each field.

mod tally;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;
use serde_json::{Map, Value};

pub use tally::Estimate;
use tally::{NewItemsOf, Tally};

use crate::algorithms::{AlgorithmInfo, Base, ColdMap, ColdMapFitter, NewItems, RandomScores, Recommender, TrainInput, extend};
use crate::cold_start::{ColdBaseline, WarmSide};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::evaluate::Evaluation;
use crate::features::{Encoder, FeatureSpec, FeatureTable, FieldKind};
use crate::interactions::InteractionLog;
use crate::registry;
use crate::sparse::Csr;
use crate::splits::{Split, SplitConfig, SplitScheme, split};
use crate::weights::Weights;

/// Interactions, and the items with what their columns mean.
#[derive(Debug, Clone, Copy)]
pub struct WorthData<'a> {
    /// The interactions.
    pub log: &'a InteractionLog,
    /// The items.
    pub table: &'a FeatureTable,
    /// What their columns mean.
    pub spec: &'a FeatureSpec,
    /// The moment in microseconds against which ages are measured; without one, the latest date of the items to learn from.
    pub now_micros: Option<i64>,
}

/// How worth is measured.
#[derive(Debug, Clone)]
pub struct WorthSettings {
    /// Name of the algorithm.
    pub algorithm: String,
    /// Its parameters, and those of the weights of interactions.
    pub params: Map<String, Value>,
    /// How items are held out; each fold adds one to the seed. Must be CI or TI.
    pub split: SplitConfig,
    /// Number of folds; TI has one, because it does not depend on the seed.
    pub n_folds: u32,
    /// Length of the lists.
    pub cutoff: usize,
}

/// The worth of one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldWorth {
    /// Number of the field in the spec.
    pub field: usize,
    /// Name of its column.
    pub column: String,
    /// Its kind.
    pub kind: FieldKind,
    /// Cold ndcg with all fields less that without this one.
    pub worth: Estimate,
    /// Whether the interval contains zero.
    pub is_noise: bool,
}

/// What is known without a model, to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BaselineQuality {
    /// Word of the baseline.
    pub baseline: &'static str,
    /// Cold ndcg.
    pub quality: Estimate,
}

/// The worth of all fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpecWorth {
    /// Length of the lists.
    pub cutoff: usize,
    /// Number of folds.
    pub n_folds: u32,
    /// Number of users with new items in any fold.
    pub n_users: usize,
    /// Cold ndcg with all fields.
    pub whole: Estimate,
    /// The three baselines, the weakest first.
    pub baselines: Vec<BaselineQuality>,
    /// One for each field, in the order of the spec.
    pub fields: Vec<FieldWorth>,
}

/// Measures what each field is worth. Calls `progress` with the steps done and those in total.
///
/// Without its only field a spec knows nothing of new items: its worth is against any order of them.
pub fn field_worth(
    data: &WorthData<'_>,
    settings: &WorthSettings,
    ctx: &Context,
    progress: &mut dyn FnMut(usize, usize),
) -> MlResult<SpecWorth> {
    let info = registry::find_matrix(&settings.algorithm)?;
    if info.new_items() == NewItems::Never {
        return Err(MlError::BadInput(format!("{} cannot recommend new items", info.name)));
    }
    if !settings.split.scheme.holds_out_items() {
        return Err(MlError::BadInput("the worth of fields needs a split that holds out items; choose CI or TI".into()));
    }
    let (weights, params) = Weights::default().overridden(&settings.params)?;
    data.spec.validate()?;
    let n_folds = if settings.split.scheme == SplitScheme::TI { 1 } else { settings.n_folds.max(1) };
    let mut tallies = Tallies::new(data, ctx)?;
    let mut steps = Steps { done: 0, total: n_folds as usize * (1 + tallies.n()), progress };
    let counted = weights.counted(data.log);
    for fold in 0..n_folds {
        let random_seed = settings.split.random_seed.wrapping_add(u64::from(fold));
        let divided = split(&counted, &SplitConfig { random_seed, ..settings.split.clone() })?;
        let divided = if weights.is_neutral() { divided } else { divided.with_evidence(&counted) };
        let (divided, encoder, present) =
            divided.with_present_fields(data.spec, data.table, &data.log.items, data.now_micros, ctx)?;
        let train = divided.weighed_train(&weights);
        let side = WarmSide::new(&divided, &train)?;
        let fitted = fitted_once(info, &params, side.input().interactions, ctx)?;
        steps.next();
        let (algorithm, cutoff) = (info.name, settings.cutoff);
        let fields = Fields { encoder: &encoder, present: &present };
        let fold = Fold { algorithm, params: &params, cutoff, fitted, split: &divided, fields, side: &side, ctx };
        tallies.add(&fold, &mut steps)?;
    }
    tallies.require_values(data.spec)?;
    tallies.worth(data.spec, settings.cutoff, n_folds, ctx)
}

struct Steps<'a> {
    done: usize,
    total: usize,
    progress: &'a mut dyn FnMut(usize, usize),
}

impl Steps<'_> {
    fn next(&mut self) {
        self.done += 1;
        (self.progress)(self.done, self.total);
    }
}

/// What the folds add up to.
struct Tallies {
    whole: Tally,
    /// By field: what is left without it.
    without: Vec<Tally>,
    /// By field: whether any fold had a value to learn from.
    present: Vec<bool>,
    /// In the order of [`ColdBaseline::ALL`].
    baselines: [Tally; 3],
}

impl Tallies {
    fn new(data: &WorthData<'_>, ctx: &Context) -> MlResult<Self> {
        let (n_fields, n_users, n_items) = (data.spec.fields.len(), data.log.n_users(), data.log.n_items());
        let of_tally = n_users * (size_of::<f64>() + size_of::<u32>()) + n_items * (size_of::<f64>() + size_of::<bool>());
        let bytes = (n_fields + 4) * of_tally;
        ctx.require_memory("measuring the worth of fields", bytes as u64)?;
        Ok(Tallies {
            whole: Tally::new(n_users, n_items),
            without: (0..n_fields).map(|_| Tally::new(n_users, n_items)).collect(),
            present: vec![false; n_fields],
            baselines: ColdBaseline::ALL.map(|_| Tally::new(n_users, n_items)),
        })
    }

    /// Returns the number of evaluations in a fold.
    fn n(&self) -> usize {
        1 + self.without.len() + self.baselines.len()
    }

    fn add(&mut self, fold: &Fold<'_>, steps: &mut Steps<'_>) -> MlResult<()> {
        let features = fold.side.features();
        let Split { n_warm, train, .. } = fold.split;
        let held_out = fold.split.held_out.columns(*n_warm..train.n_cols);
        let in_log: Vec<u32> = (*n_warm..train.n_cols).map(|number| fold.split.item_of_log(number as u32)).collect();
        let whole = fold.with_features(features)?;
        let precision: Vec<f64> = whole.per_user.iter().map(|user| user.precision).collect();
        let new = NewItemsOf { held_out: &held_out, in_log: &in_log, precision: &precision, cutoff: fold.cutoff };
        self.whole.add(&whole, &new);
        steps.next();
        for (field, tally) in self.without.iter_mut().enumerate() {
            fold.ctx.check()?;
            match fold.fields.columns(field) {
                Some(columns) => {
                    tally.add(&fold.with_features(&features.with_empty_columns(columns))?, &new);
                    self.present[field] = true;
                }
                // What says nothing of the items to learn from is worth nothing here.
                None => tally.add(&whole, &new),
            }
            steps.next();
        }
        for (baseline, tally) in ColdBaseline::ALL.into_iter().zip(&mut self.baselines) {
            fold.ctx.check()?;
            tally.add(&fold.side.judge_baseline_for_cold(baseline, fold.cutoff, fold.ctx)?, &new);
            steps.next();
        }
        Ok(())
    }

    /// Refuses a field that said nothing in any fold.
    fn require_values(&self, spec: &FeatureSpec) -> MlResult<()> {
        let empty = spec.fields.iter().zip(&self.present).find(|(_, present)| !**present);
        let refusal = |column: &str| {
            MlError::BadInput(format!(
                "column {column:?} is empty in all rows of the training, or says nothing of them; leave it out"
            ))
        };
        empty.map_or(Ok(()), |(field, _)| Err(refusal(&field.column)))
    }

    fn worth(&self, spec: &FeatureSpec, cutoff: usize, n_folds: u32, ctx: &Context) -> MlResult<SpecWorth> {
        let whole = self.whole.means();
        let mut fields = Vec::with_capacity(spec.fields.len());
        for (number, (field, without)) in spec.fields.iter().zip(&self.without).enumerate() {
            ctx.check()?;
            let worth = Estimate::of_loss(&self.whole, without, n_folds, ctx.seed);
            let (column, kind, is_noise) = (field.column.clone(), field.kind, worth.is_noise());
            fields.push(FieldWorth { field: number, column, kind, worth, is_noise });
        }
        let baseline = |(baseline, tally): (ColdBaseline, &Tally)| BaselineQuality {
            baseline: baseline.as_str(),
            quality: Estimate::of(&tally.means(), ctx.seed),
        };
        let baselines = ColdBaseline::ALL.into_iter().zip(&self.baselines).map(baseline).collect();
        Ok(SpecWorth { cutoff, n_folds, n_users: whole.len(), whole: Estimate::of(&whole, ctx.seed), baselines, fields })
    }
}

/// A model that knows nothing of features, and what its maps from any features have in common.
type Fitted = (Box<dyn Recommender>, ColdMapFitter);

/// Fits a model once for all sets of features; `None` if it learns from features itself.
fn fitted_once(info: &AlgorithmInfo, params: &Map<String, Value>, interactions: &Csr, ctx: &Context) -> MlResult<Option<Fitted>> {
    if info.learns_from_features(params) {
        return Ok(None);
    }
    let model = registry::fit(info.name, params, interactions, ctx)?;
    let fitter = ColdMapFitter::new(&*model, interactions, ctx)?;
    Ok(fitter.map(|fitter| (model, fitter)))
}

/// The fields that have values in a fold.
struct Fields<'a> {
    /// Of those alone.
    encoder: &'a Encoder,
    /// Their numbers in the spec.
    present: &'a [usize],
}

impl Fields<'_> {
    /// Returns the columns of a field of the spec, if it has any.
    fn columns(&self, field: usize) -> Option<Range<usize>> {
        self.present.binary_search(&field).ok().map(|at| self.encoder.field_columns(at)).filter(|columns| !columns.is_empty())
    }
}

/// One division of the data.
struct Fold<'a> {
    algorithm: &'static str,
    params: &'a Map<String, Value>,
    cutoff: usize,
    split: &'a Split,
    fields: Fields<'a>,
    side: &'a WarmSide<'a>,
    fitted: Option<Fitted>,
    ctx: &'a Context,
}

impl Fold<'_> {
    /// Evaluates what is learnt from these features of all items.
    fn with_features(&self, features: &Csr) -> MlResult<Evaluation> {
        let (cutoff, ctx) = (self.cutoff, self.ctx);
        if features.nnz() == 0 {
            // All new items are alike then: their order must not be that of their ids, which may say something.
            let any_order = RandomScores::new(self.split.train.n_rows, features.n_rows, ctx.seed);
            return self.side.evaluate_cold(&any_order, cutoff, ctx);
        }
        let n_warm = self.split.n_warm;
        let (warm, cold) = (features.rows(0..n_warm), features.rows(n_warm..features.n_rows));
        let extended = match &self.fitted {
            Some((model, fitter)) => extend(Base::Borrowed(&**model), Some(&fitter.fit(&warm, None, ctx)?), &cold, ctx)?,
            None => {
                let input = TrainInput { items: Some(&warm), ..self.side.input() };
                let model = registry::fit(self.algorithm, self.params, input, ctx)?;
                if let Some(extended) = model.with_new_items(&cold, ctx)? {
                    return self.side.evaluate_cold(&*extended, cutoff, ctx);
                }
                let map = ColdMap::fit(&*model, &warm, input.interactions, ctx)?;
                extend(Base::Owned(model), map.as_ref(), &cold, ctx)?
            }
        };
        self.side.evaluate_cold(&*extended, cutoff, ctx)
    }
}
