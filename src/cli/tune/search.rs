//! Running the trials of a study with several workers in one process.

use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::ProgressBar;

use super::super::offline::Stopwatch;
use super::BASELINE;
use crate::ml::cold_start::ColdBaseline;
use crate::ml::context::{Context, Interrupt};
use crate::ml::error::MlResult;
use crate::ml::metrics::Metric;
use crate::ml::splits::Split;
use crate::ml::trials::{TrialOutcome, run_cold_baseline, run_trial};
use crate::ml::tuning::{Study, Suggestion, TrialRecord, TrialState};
use crate::ml::weights::Weights;

/// The limits of a search, and its target.
pub struct Limits {
    pub metric: Metric,
    pub cutoff: usize,
    pub n_trials: u32,
    pub timeout: Option<f64>,
    pub trial_timeout: Option<f64>,
    pub memory_per_worker: Option<u64>,
    pub seed: u64,
    pub workers: u32,
    pub threads_per_worker: usize,
}

/// A trial that has ended.
pub struct Finished {
    pub number: u32,
    pub algorithm: String,
    pub outcome: TrialOutcome,
    pub seconds: f64,
}

#[derive(Default)]
struct Progress {
    next: u32,
    history: Vec<TrialRecord>,
    finished: Vec<Finished>,
}

impl Progress {
    /// Drops the per-user scores of trials that are so far behind that they cannot be tied with the best of the search.
    fn forget_hopeless(&mut self) {
        let interval = |trial: &Finished| trial.outcome.interval.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let lower = |trial: &Finished| trial.outcome.score.map_or(f64::NEG_INFINITY, |_| interval(trial).0);
        let bar = self.finished.iter().map(lower).fold(f64::NEG_INFINITY, f64::max);
        let hopeless = self.finished.iter_mut().filter(|trial| interval(trial).1 < bar);
        hopeless.for_each(|trial| trial.outcome.per_user = Vec::new());
    }
}

/// A study and everything its workers share.
pub struct Search<'a> {
    split: &'a Split,
    study: Study,
    /// Weights of trials that do not search them.
    weights: Weights,
    limits: Limits,
    bar: ProgressBar,
    clock: Arc<Stopwatch>,
    progress: Mutex<Progress>,
}

impl<'a> Search<'a> {
    pub fn new(split: &'a Split, study: Study, weights: Weights, limits: Limits, bar: ProgressBar) -> Self {
        Search { split, study, weights, limits, bar, clock: Arc::new(Stopwatch::start()), progress: Mutex::default() }
    }

    /// Runs all trials, or those that fit into the time limit.
    pub fn run(&self) -> MlResult<()> {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.limits.workers).map(|_| scope.spawn(|| self.work())).collect();
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Evaluates what every trial has to beat: the most popular items, or for new items what their features say without a model.
    pub fn run_baselines(&self) -> MlResult<Vec<Finished>> {
        let Limits { metric, cutoff, .. } = self.limits;
        let finished = |name: &str, run: &dyn Fn() -> MlResult<TrialOutcome>| {
            let clock = Stopwatch::start();
            Ok(Finished { number: 0, algorithm: name.to_owned(), outcome: run()?, seconds: clock.seconds() })
        };
        if self.split.has_cold_items() {
            let run = |baseline: ColdBaseline| {
                finished(baseline.as_str(), &|| run_cold_baseline(baseline, self.split, metric, cutoff, &self.context()))
            };
            return ColdBaseline::ALL.into_iter().map(run).collect();
        }
        let popular = Suggestion { algorithm: BASELINE.to_owned(), params: serde_json::Map::new() };
        let run = || run_trial(&popular, self.split, metric, cutoff, &self.context(), &mut |_, _| false);
        Ok(vec![finished(BASELINE, &run)?])
    }

    /// Returns the trials, in the order of their numbers.
    pub fn into_trials(self) -> Vec<Finished> {
        let mut finished = self.progress.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).finished;
        finished.sort_by_key(|trial| trial.number);
        finished
    }

    fn work(&self) -> MlResult<()> {
        while let Some((number, suggestion)) = self.claim()? {
            let clock = Stopwatch::start();
            let mut give_up = |step, score| {
                let mut progress = self.lock();
                let prune = self.study.should_prune(&progress.history, &suggestion.algorithm, step, score);
                progress.history[number as usize].intermediate.push((step, score));
                prune
            };
            let Limits { metric, cutoff, .. } = self.limits;
            let outcome = run_trial(&suggestion, self.split, metric, cutoff, &self.context(), &mut give_up)?;
            self.record(Finished { number, algorithm: suggestion.algorithm, outcome, seconds: clock.seconds() });
        }
        Ok(())
    }

    fn claim(&self) -> MlResult<Option<(u32, Suggestion)>> {
        let mut progress = self.lock();
        let out_of_time = self.limits.timeout.is_some_and(|limit| self.clock.seconds() >= limit);
        if progress.next >= self.limits.n_trials || out_of_time || self.study.is_exhausted(&progress.history) {
            return Ok(None);
        }
        let number = progress.next;
        progress.next += 1;
        let mut suggestion = self.study.ask(&progress.history, number)?;
        self.weights.complete(&mut suggestion.params);
        progress.history.push(TrialRecord {
            number,
            algorithm: suggestion.algorithm.clone(),
            params: suggestion.params.clone(),
            state: TrialState::Running,
            score: None,
            intermediate: Vec::new(),
        });
        Ok(Some((number, suggestion)))
    }

    fn record(&self, trial: Finished) {
        let mut progress = self.lock();
        let record = &mut progress.history[trial.number as usize];
        record.state = trial.outcome.state;
        record.score = trial.outcome.score;
        progress.finished.push(trial);
        progress.forget_hopeless();
        let scores = progress.finished.iter().filter_map(|trial| trial.outcome.score);
        let best = scores.fold(f64::NEG_INFINITY, f64::max);
        self.bar.set_message(format!("best {}@{} {best:.4}", self.limits.metric, self.limits.cutoff));
        self.bar.inc(1);
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Creates the context of a trial that begins now.
    fn context(&self) -> Context {
        let (search, trial) = (Arc::clone(&self.clock), Stopwatch::start());
        let (timeout, trial_timeout) = (self.limits.timeout, self.limits.trial_timeout);
        let over = move || {
            let late = timeout.is_some_and(|limit| search.seconds() >= limit);
            (late || trial_timeout.is_some_and(|limit| trial.seconds() >= limit)).then_some(Interrupt::TimeOut)
        };
        let context = Context::new(self.limits.seed, self.limits.threads_per_worker).with_interrupt(Arc::new(over));
        match self.limits.memory_per_worker {
            Some(bytes) => context.with_memory_budget(bytes),
            None => context,
        }
    }
}
