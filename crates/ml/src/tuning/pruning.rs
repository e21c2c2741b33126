//! Giving up trials that fall behind while they run. Scores are compared at equal steps and within one algorithm only.

use super::{TrialRecord, TrialState};

/// Finished trials of the algorithm before the median is trusted.
const STARTUP: usize = 4;
/// One of this many trials that have reached a rung continues; the next rung is this many times as far.
const REDUCTION: u32 = 3;

/// Which running trials are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pruner {
    /// Those that are worse at some step than half of the finished ones were by then.
    #[default]
    Median,
    /// Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar 2018, "A system for
    /// massively parallel hyperparameter tuning"): a trial continues beyond its 1st, 3rd, 9th, 27th … evaluation only when it is
    /// in the best third of all that have reached it so far. No trial waits: the first always continues.
    Halving,
    /// No trial is given up.
    None,
}

impl Pruner {
    /// Returns whether a running trial of `algorithm`, whose best score up to `step` is `score`, is not worth finishing.
    pub(super) fn gives_up(self, history: &[TrialRecord], algorithm: &str, step: u32, score: f64) -> bool {
        let own = || history.iter().filter(|trial| trial.algorithm == algorithm && trial.state != TrialState::Failed);
        match self {
            Pruner::Median => is_below_median(own().filter(|trial| trial.state == TrialState::Complete), step, score),
            Pruner::Halving => is_rung(own(), step) && !is_in_best_part(own(), step, score),
            Pruner::None => false,
        }
    }
}

/// Returns the best score of a trial up to that step, so that a later dip does not count against it.
fn best_by(trial: &TrialRecord, step: u32) -> Option<f64> {
    trial.intermediate.iter().filter(|(at, _)| *at <= step).map(|(_, score)| *score).reduce(f64::max)
}

fn is_below_median<'a>(finished: impl Iterator<Item = &'a TrialRecord>, step: u32, score: f64) -> bool {
    let mut others: Vec<f64> = finished.filter_map(|trial| best_by(trial, step)).collect();
    if others.len() < STARTUP {
        return false;
    }
    others.sort_by(f64::total_cmp);
    score < others[(others.len() - 1) / 2]
}

/// Returns whether the step is the first evaluation, the third, the ninth and so on; evaluations are equally far apart.
fn is_rung<'a>(trials: impl Iterator<Item = &'a TrialRecord>, step: u32) -> bool {
    let first_looks = trials.filter_map(|trial| trial.intermediate.iter().map(|(at, _)| *at).min());
    let distance = first_looks.fold(step, u32::min).max(1);
    let mut look = step / distance;
    while look > 1 && look.is_multiple_of(REDUCTION) {
        look /= REDUCTION;
    }
    step.is_multiple_of(distance) && look == 1
}

/// Returns whether less than a third of the trials that have reached the step, including this one, are better.
fn is_in_best_part<'a>(trials: impl Iterator<Item = &'a TrialRecord>, step: u32, score: f64) -> bool {
    // One that was complete before would not have become better.
    let has_come =
        |trial: &&TrialRecord| trial.state == TrialState::Complete || trial.intermediate.iter().any(|(at, _)| *at >= step);
    let others: Vec<f64> = trials.filter(has_come).filter_map(|trial| best_by(trial, step)).collect();
    let places = ((others.len() + 1) / REDUCTION as usize).max(1);
    others.iter().filter(|other| **other > score).count() < places
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn trial(state: TrialState, intermediate: &[(u32, f64)]) -> TrialRecord {
        let last = intermediate.last().map(|(_, score)| *score);
        let score = last.filter(|_| state == TrialState::Complete);
        let intermediate = intermediate.to_vec();
        TrialRecord { number: 0, algorithm: "A".into(), params: Map::new(), state, score, intermediate }
    }

    fn finished(scores: [f64; 2]) -> TrialRecord {
        trial(TrialState::Complete, &[(5, scores[0]), (10, scores[1])])
    }

    #[test]
    fn only_what_is_below_the_median_is_pruned_and_not_before_there_is_one() {
        let history: Vec<TrialRecord> = (0..5).map(|n| finished([f64::from(n), f64::from(n) + 1.0])).collect();
        let gives_up = |history: &[TrialRecord], name: &str, step, score| Pruner::Median.gives_up(history, name, step, score);
        assert!(gives_up(&history, "A", 5, 1.9));
        assert!(!gives_up(&history, "A", 5, 2.0));
        assert!(!gives_up(&history, "B", 5, -1.0));
        assert!(!gives_up(&history[..3], "A", 5, -1.0));
        assert!(!gives_up(&history, "A", 4, -1.0));
        assert!(!Pruner::None.gives_up(&history, "A", 5, -1.0));
    }

    #[test]
    fn halving_decides_at_rungs_only() {
        let history = [finished([0.5, 0.6])];
        let rungs: Vec<u32> = (1..30).map(|look| look * 5).filter(|step| is_rung(history.iter(), *step)).collect();
        assert_eq!(rungs, [5, 15, 45, 135]);
        assert!(Pruner::Halving.gives_up(&history, "A", 5, 0.4));
        assert!(!Pruner::Halving.gives_up(&history, "A", 10, 0.4));
        assert!(!Pruner::Halving.gives_up(&history, "A", 5, 0.5));
    }

    /// Runs nine learners at once, evaluation by evaluation; the higher its number, the better a learner.
    #[test]
    fn halving_keeps_the_best_and_spends_little_on_the_others() {
        let n = 9;
        for shift in 0..n {
            let mut history: Vec<TrialRecord> = (0..n).map(|_| trial(TrialState::Running, &[])).collect();
            for look in 1..=27 {
                for index in (0..n).map(|index| (index * 4 + shift) % n) {
                    if history[index].state != TrialState::Running {
                        continue;
                    }
                    let score = 1.0 - 1.0 / f64::from(look) + index as f64 / 100.0;
                    if Pruner::Halving.gives_up(&history, "A", look * 5, score) {
                        history[index].state = TrialState::Pruned;
                    }
                    history[index].intermediate.push((look * 5, score));
                }
            }
            let running = |trial: &TrialRecord| trial.state == TrialState::Running;
            assert!(running(&history[n - 1]));
            assert!(history.iter().filter(|trial| running(trial)).count() <= 3);
            let looks: usize = history.iter().map(|trial| trial.intermediate.len()).sum();
            assert!(looks < 27 * n / 2, "{looks}");
        }
    }
}
