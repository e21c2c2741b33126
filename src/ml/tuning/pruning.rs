//! Median pruning: a trial that is worse at some step than half of its predecessors were is not finished.

use super::{TrialRecord, TrialState};

/// Finished trials of the algorithm before any is pruned.
const STARTUP: usize = 4;

/// Whether a running trial of `algorithm` with `score` at `step` is not worth finishing.
pub fn should_prune(history: &[TrialRecord], algorithm: &str, step: u32, score: f64) -> bool {
    let finished = history.iter().filter(|trial| trial.algorithm == algorithm && trial.state == TrialState::Complete);
    // The best it had been by then: a trial is not blamed for a dip.
    let best_by_then =
        |trial: &TrialRecord| trial.intermediate.iter().filter(|(at, _)| *at <= step).map(|(_, score)| *score).reduce(f64::max);
    let mut others: Vec<f64> = finished.filter_map(best_by_then).collect();
    if others.len() < STARTUP {
        return false;
    }
    others.sort_by(f64::total_cmp);
    score < others[(others.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn finished(number: u32, scores: [f64; 2]) -> TrialRecord {
        TrialRecord {
            number,
            algorithm: "A".into(),
            params: Map::new(),
            state: TrialState::Complete,
            score: Some(scores[1]),
            intermediate: vec![(5, scores[0]), (10, scores[1])],
        }
    }

    #[test]
    fn only_what_is_below_the_median_is_pruned_and_not_before_there_is_one() {
        let history: Vec<TrialRecord> = (0..5).map(|n| finished(n, [f64::from(n), f64::from(n) + 1.0])).collect();
        assert!(should_prune(&history, "A", 5, 1.9));
        assert!(!should_prune(&history, "A", 5, 2.0));
        assert!(!should_prune(&history, "B", 5, -1.0));
        assert!(!should_prune(&history[..3], "A", 5, -1.0));
        assert!(!should_prune(&history, "A", 4, -1.0));
    }
}
