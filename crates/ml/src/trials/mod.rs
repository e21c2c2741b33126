//! Running a trial: fit on the training part of a split, stop early where the algorithm learns in epochs, evaluate on the rest.

mod outcome;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::algorithms::{self, Control, Recommender, TrainInput, USER_FEATURE_PARAMETERS};
use crate::cold_start::{ColdBaseline, WarmSide};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::evaluate::{ByNovelty, Evaluation, evaluate};
use crate::metrics::Metric;
use crate::new_users::judge_profiles;
use crate::registry;
use crate::search_space::SearchSpace;
use crate::sparse::Csr;
use crate::splits::{NewUsers, Split};
use crate::tuning::{Sampler, Study, Suggestion, TrialState};
use crate::weights::Weights;
pub use outcome::{BesideNewItems, Quality, TrialOutcome};

/// The most epochs a trial may take, unless the algorithm takes more by default.
const MOST_EPOCHS: u32 = 128;
/// Least number of evaluations on the held-out part in a trial of full length.
const LOOKS: u32 = 25;
/// Evaluations without notable improvement before a trial ends.
const PATIENCE: u32 = 5;
/// The minimum relative increase of a notable score: a tenth of the users' interval at its widest. Some learners continue to
/// improve slowly for a hundred epochs, in which several other trials can be run.
const NOTABLE: f64 = 0.002;
/// The parameter that early stopping learns.
const EPOCHS: &str = "train_epochs";
const POPULARITY: &str = "TopPopRecommender";

/// Creates a study of the named algorithms over their default search spaces.
pub fn study<N: AsRef<str>>(names: &[N], sampler: Sampler, seed: u64) -> MlResult<Study> {
    Study::new(spaces(names)?, sampler, seed)
}

/// Creates a study as [`study`] does that also searches the weights, around their current values.
pub fn study_with_weights<N: AsRef<str>>(
    names: &[N],
    sampler: Sampler,
    seed: u64,
    weights: &Weights,
    days_covered: Option<f64>,
) -> MlResult<Study> {
    let mut spaces = spaces(names)?;
    spaces.iter_mut().for_each(|(_, space)| weights.search(space, days_covered));
    Study::new(spaces, sampler, seed)
}

fn spaces<N: AsRef<str>>(names: &[N]) -> MlResult<Vec<(String, SearchSpace)>> {
    let space = |name: &N| registry::find_matrix(name.as_ref()).map(|info| (info.name.to_owned(), info.search_space()));
    names.iter().map(space).collect()
}

/// Returns the score of recommending the most popular items.
pub fn popularity_baseline(split: &Split, metric: Metric, cutoff: usize, context: &Context) -> MlResult<f64> {
    let model = registry::fit(POPULARITY, &Map::new(), &split.train, context)?;
    Ok(evaluate(&*model, &split.train, &split.held_out, cutoff, context)?.get(metric))
}

/// Returns the score of a suggestion with its parameters unchanged, including the number of epochs. On a split without features of
/// users it learns from none: what is judged there are known users.
pub fn judge(suggestion: &Suggestion, split: &Split, metric: Metric, cutoff: usize, context: &Context) -> MlResult<f64> {
    let mut trial = Trial::new(suggestion, split, metric, cutoff, context)?;
    if split.new_users().is_none() {
        USER_FEATURE_PARAMETERS.iter().for_each(|name| drop(trial.params.remove(*name)));
    }
    let model = registry::fit(trial.algorithm, &trial.params, trial.input(), context)?;
    Ok(trial.judge(&*model)?.evaluation.get(metric))
}

/// Runs one trial. After each evaluation on the held-out part, `prune` decides from the epoch and the best score so far whether
/// to give up.
///
/// A trial that does not fit into the memory budget, takes too long or is given up is [`TrialState::Pruned`] with the reason;
/// an error of the algorithm is [`TrialState::Failed`]. Only [`MlError::Cancelled`], and [`MlError::MemoryInUse`], after which the
/// same trial may be run again, are errors of this function.
pub fn run_trial(
    suggestion: &Suggestion,
    split: &Split,
    metric: Metric,
    cutoff: usize,
    context: &Context,
    prune: &mut dyn FnMut(u32, f64) -> bool,
) -> MlResult<TrialOutcome> {
    let learns_epochs = registry::find_matrix(&suggestion.algorithm).is_ok_and(algorithms::AlgorithmInfo::early_stopping);
    let trial = Trial::new(suggestion, split, metric, cutoff, context);
    let outcome = trial.and_then(|trial| if learns_epochs { with_early_stopping(&trial, prune) } else { trial.at_once() });
    match outcome {
        Err(error @ (MlError::Cancelled | MlError::MemoryInUse { .. })) => Err(error),
        Err(error @ (MlError::TimedOut | MlError::MemoryBudget { .. })) => Ok(TrialOutcome::pruned(error.to_string())),
        Err(error) => Ok(TrialOutcome::failed(error.to_string())),
        Ok(outcome) => Ok(outcome),
    }
}

/// The input of a trial: the algorithm's own parameters, and the weighted interactions.
struct Trial<'a> {
    algorithm: &'a str,
    params: Map<String, Value>,
    /// Parameters of the data, which the outcome stores together with those of the algorithm.
    weights: Map<String, Value>,
    train: Cow<'a, Csr>,
    /// The warm items with their features, where the items of the split are described.
    warm: Option<WarmSide<'a>>,
    split: &'a Split,
    metric: Metric,
    cutoff: usize,
    context: &'a Context,
}

impl<'a> Trial<'a> {
    fn new(suggestion: &'a Suggestion, split: &'a Split, metric: Metric, cutoff: usize, context: &'a Context) -> MlResult<Self> {
        let (weights, params) = Weights::default().overridden(&suggestion.params)?;
        let mut train = split.weighed_train(&weights);
        if let Some(new_users) = split.new_users() {
            train = Cow::Owned(new_users.others(&train));
        }
        let weights = weights.to_params();
        let is_described = split.item_features().is_some() || split.has_cold_items();
        let warm = if is_described { Some(WarmSide::new(split, &train)?) } else { None };
        Ok(Trial { algorithm: &suggestion.algorithm, params, weights, train, warm, split, metric, cutoff, context })
    }

    fn input(&self) -> TrainInput<'_> {
        let input = self.warm.as_ref().map_or_else(|| TrainInput::from(&*self.train), WarmSide::input);
        input.with_users(self.split.new_users().map(NewUsers::features))
    }

    fn judge(&self, model: &dyn Recommender) -> MlResult<Judged> {
        if let Some(new_users) = self.split.new_users() {
            let evaluation = judge_profiles(new_users, model, &self.train, &self.split.train, self.cutoff, self.context)?;
            return Ok(Judged { evaluation, others: None });
        }
        match self.warm.as_ref().filter(|_| self.split.has_cold_items()) {
            Some(warm) => Judged::of_new_items(warm.judge(model, self.cutoff, self.context)?),
            None => {
                let evaluation = evaluate(model, &self.train, &self.split.held_out, self.cutoff, self.context)?;
                Ok(Judged { evaluation, others: None })
            }
        }
    }

    fn complete(&self, params: Map<String, Value>, judged: &Judged, intermediate: Vec<(u32, f64)>) -> TrialOutcome {
        complete(self.weights.clone().into_iter().chain(params).collect(), judged, self.metric, intermediate)
    }

    fn at_once(&self) -> MlResult<TrialOutcome> {
        let model = registry::fit(self.algorithm, &self.params, self.input(), self.context)?;
        Ok(self.complete(self.params.clone(), &self.judge(&*model)?, Vec::new()))
    }
}

/// What the held-out side says about a model.
struct Judged {
    /// Of new items only, where the split holds out items.
    evaluation: Evaluation,
    /// All but the new items alone, where the split holds out items.
    others: Option<ByNovelty>,
}

impl Judged {
    fn of_new_items(mut found: ByNovelty) -> MlResult<Self> {
        let missing = || MlError::EmptyInput("no user has held-out interactions with new items".into());
        let evaluation = found.cold.take().ok_or_else(missing)?;
        Ok(Judged { evaluation, others: Some(found) })
    }

    /// Takes the metrics of the others; their intervals need some time, so this is done once for each trial.
    fn beside_new_items(&self, metric: Metric) -> Option<BesideNewItems> {
        let found = self.others.as_ref()?;
        Some(BesideNewItems {
            warm: found.warm.as_ref().map(|warm| Quality::of(warm, metric)),
            mixed: Quality::of(&found.mixed, metric),
            cold_share: found.cold_share,
            cold_share_interval: found.cold_share_interval,
        })
    }
}

/// Runs a baseline of new items as a trial without parameters.
pub fn run_cold_baseline(
    baseline: ColdBaseline,
    split: &Split,
    metric: Metric,
    cutoff: usize,
    context: &Context,
) -> MlResult<TrialOutcome> {
    let warm = WarmSide::new(split, &split.train)?;
    let judged = Judged::of_new_items(warm.judge_baseline(baseline, cutoff, context)?)?;
    Ok(complete(Map::new(), &judged, metric, Vec::new()))
}

fn complete(params: Map<String, Value>, judged: &Judged, metric: Metric, intermediate: Vec<(u32, f64)>) -> TrialOutcome {
    let evaluation = &judged.evaluation;
    TrialOutcome {
        state: TrialState::Complete,
        score: Some(evaluation.get(metric)),
        params,
        metrics: evaluation.metrics.clone(),
        beside_new_items: judged.beside_new_items(metric),
        interval: evaluation.interval(metric),
        per_user: evaluation.per_user.iter().filter_map(|user| user.get(metric)).map(|score| score as f32).collect(),
        intermediate,
        note: None,
    }
}

/// Number of epochs that a trial may learn, and of those between two evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    most_epochs: u32,
    epochs_per_look: u32,
}

impl Schedule {
    /// Returns the schedule of an algorithm. Those that take hundreds of epochs learn less in each, so they are evaluated less
    /// often.
    fn of(algorithm: &str) -> MlResult<Self> {
        let specs = registry::find_matrix(algorithm)?.parameters();
        let default = specs.iter().find(|spec| spec.name == EPOCHS).and_then(|spec| spec.default.as_u64());
        let most_epochs = MOST_EPOCHS.max(default.and_then(|epochs| u32::try_from(epochs).ok()).unwrap_or(0));
        Ok(Schedule { most_epochs, epochs_per_look: most_epochs / LOOKS })
    }

    fn looks_at(self, epoch: u32) -> bool {
        epoch.is_multiple_of(self.epochs_per_look) || epoch == self.most_epochs
    }
}

/// The best evaluation on the held-out part so far.
struct Best {
    epoch: u32,
    judged: Judged,
}

/// The last evaluation that was notably better than the one before it here.
struct Settling {
    epoch: u32,
    score: f64,
}

impl Settling {
    fn look(&mut self, epoch: u32, score: f64) {
        // Small improvements are not notable but add up: the comparison is with the last notable score.
        if score > self.score + NOTABLE * self.score.abs() || self.epoch == 0 {
            *self = Settling { epoch, score };
        }
    }
}

fn with_early_stopping(trial: &Trial<'_>, prune: &mut dyn FnMut(u32, f64) -> bool) -> MlResult<TrialOutcome> {
    let (metric, schedule) = (trial.metric, Schedule::of(trial.algorithm)?);
    let mut params = trial.params.clone();
    params.insert(EPOCHS.to_owned(), schedule.most_epochs.into());
    let mut best: Option<Best> = None;
    let mut looks: Vec<(u32, f64)> = Vec::new();
    let mut pruned = false;
    let mut settling = Settling { epoch: 0, score: f64::NEG_INFINITY };
    let mut look = |epoch: u32, model: &dyn Recommender| -> MlResult<Control> {
        if !schedule.looks_at(epoch) {
            return Ok(Control::Continue);
        }
        let judged = trial.judge(model)?;
        let score = judged.evaluation.get(metric);
        looks.push((epoch, score));
        if best.as_ref().is_none_or(|best| score > best.judged.evaluation.get(metric)) {
            best = Some(Best { epoch, judged });
        }
        let best_score = best.as_ref().map_or(score, |best| best.judged.evaluation.get(metric));
        pruned = prune(epoch, best_score);
        settling.look(epoch, score);
        Ok(match () {
            () if pruned => Control::Prune,
            () if epoch - settling.epoch >= PATIENCE * schedule.epochs_per_look => Control::Stop,
            () => Control::Continue,
        })
    };
    let fitted = registry::fit_with_validation(trial.algorithm, &params, trial.input(), trial.context, &mut look);
    let out_of_time = matches!(fitted, Err(MlError::TimedOut)) && best.is_some();
    if !out_of_time {
        fitted?;
    }
    let Some(best) = best else { return Err(MlError::TimedOut) };
    if pruned {
        let last = looks.last().map_or(0, |(epoch, _)| *epoch);
        let note = format!("given up after {last} epochs: too far behind the trials before it");
        return Ok(TrialOutcome { intermediate: looks, ..TrialOutcome::pruned(note) });
    }
    params.insert(EPOCHS.to_owned(), best.epoch.into());
    let outcome = trial.complete(params, &best.judged, looks);
    let note = out_of_time.then(|| "stopped at its time limit; the best epoch until then counts".to_owned());
    Ok(TrialOutcome { note, ..outcome })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::Lack;
    use crate::interactions::InteractionLogBuilder;
    use crate::splits::{SplitConfig, split};

    #[test]
    fn creeping_on_is_not_improving_but_adds_up() {
        let mut settling = Settling { epoch: 0, score: f64::NEG_INFINITY };
        let mut epochs = |scores: &[f64]| -> Vec<u32> {
            let look = |(at, &score)| {
                settling.look(at as u32 + 1, score);
                settling.epoch
            };
            scores.iter().enumerate().map(look).collect()
        };
        assert_eq!(epochs(&[0.1, 0.2, 0.1999, 0.2003, 0.2005, 0.2001, 0.3]), [1, 2, 2, 2, 5, 5, 7]);
    }

    #[test]
    fn a_trial_waits_for_memory_that_others_have_and_is_pruned_only_for_lack_of_its_own() {
        let suggestion = Suggestion { algorithm: POPULARITY.to_owned(), params: Map::new() };
        let mut builder = InteractionLogBuilder::new(false);
        (0..20).for_each(|row| builder.push(if row < 10 { "a" } else { "b" }, &(row % 10).to_string(), None));
        let split = split(&builder.finish(), &SplitConfig::default()).unwrap();
        let run = |is_passing| {
            let source = move |_: u64| -> Result<(), Lack> { Err(Lack { available: 0, is_passing }) };
            let context = Context::new(0, 1).with_memory_source(Arc::new(source));
            run_trial(&suggestion, &split, Metric::Ndcg, 1, &context, &mut |_, _| false)
        };
        assert!(matches!(run(true), Err(MlError::MemoryInUse { .. })));
        assert_eq!(run(false).unwrap().state, TrialState::Pruned);
    }

    #[test]
    fn slow_learners_are_looked_at_less_often() {
        let schedule = |name: &str| Schedule::of(name).unwrap();
        assert_eq!(schedule("IALS"), Schedule { most_epochs: 128, epochs_per_look: 5 });
        assert_eq!(schedule("BPRFM"), Schedule { most_epochs: 128, epochs_per_look: 5 });
        assert_eq!(schedule("MultVAE"), Schedule { most_epochs: 300, epochs_per_look: 12 });
        assert!(schedule("IALS").looks_at(128) && !schedule("IALS").looks_at(127));
    }
}
