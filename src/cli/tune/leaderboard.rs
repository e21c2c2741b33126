//! The results of a search, best first.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::search::Finished;
use crate::ml::metrics::Metric;
use crate::ml::splits::SplitConfig;
use crate::ml::tuning::TrialState;

/// Trials shown to people; JSON has all of them.
const SHOWN: usize = 15;

pub struct Report {
    pub metric: Metric,
    pub cutoff: u32,
    pub split: SplitConfig,
    pub n_users: usize,
    pub n_items: usize,
    pub n_interactions: usize,
    pub n_judged_users: usize,
    pub read_seconds: f64,
    pub seconds: f64,
    /// The strongest last.
    pub baselines: Vec<Finished>,
    pub trials: Vec<Finished>,
}

impl Report {
    /// Returns the complete trials, best first; equal scores by number.
    fn ranked(&self) -> Vec<&Finished> {
        let mut ranked: Vec<&Finished> = self.trials.iter().filter(|trial| trial.outcome.score.is_some()).collect();
        ranked.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.number.cmp(&b.number)));
        ranked
    }

    fn best(&self) -> Option<&Finished> {
        self.ranked().first().copied()
    }

    /// Returns whether the users' scores cannot distinguish a trial from the best; `None` if the metric is not one of users.
    fn is_tied(&self, trial: &Finished) -> Option<bool> {
        let best = self.best()?;
        if best.outcome.per_user.is_empty() {
            return None;
        }
        // The search dropped the users' scores of trials that are clearly behind.
        Some(best.outcome.compare(&trial.outcome).is_some_and(|comparison| comparison.tied))
    }

    fn compared(&self, trial: &Finished) -> Value {
        let mut entry = entry(trial);
        entry["tied_with_best"] = json!(self.is_tied(trial));
        entry
    }

    pub fn to_json(&self) -> Value {
        let ranked = self.ranked();
        let board: Vec<Value> = ranked
            .iter()
            .enumerate()
            .map(|(place, trial)| {
                let mut entry = self.compared(trial);
                entry["rank"] = json!(place + 1);
                entry
            })
            .collect();
        let others: Vec<Value> = self.trials.iter().filter(|trial| trial.outcome.score.is_none()).map(entry).collect();
        json!({
            "metric": self.metric.as_str(),
            "cutoff": self.cutoff,
            "split": self.split,
            "n_users": self.n_users,
            "n_items": self.n_items,
            "n_interactions": self.n_interactions,
            "n_judged_users": self.n_judged_users,
            "read_seconds": self.read_seconds,
            "seconds": self.seconds,
            "n_trials": self.trials.len(),
            "best": board.first(),
            "baseline": self.baselines.last().map(|baseline| self.compared(baseline)),
            "baselines": self.baselines.iter().map(|baseline| self.compared(baseline)).collect::<Value>(),
            "leaderboard": board,
            "unfinished": others,
        })
    }

    pub fn print(&self) -> anyhow::Result<()> {
        println!(
            "{} users, {} items, {} interactions, evaluated on {} users; {} trials in {:.1} s\n",
            self.n_users,
            self.n_items,
            self.n_interactions,
            self.n_judged_users,
            self.trials.len(),
            self.seconds
        );
        println!(
            "{:>4}   {:<10} {:<21} {:>7}  algorithm and parameters",
            "rank",
            format!("{}@{}", self.metric, self.cutoff),
            "95 % interval",
            "s"
        );
        let ranked = self.ranked();
        for (place, trial) in ranked.iter().take(SHOWN).enumerate() {
            self.print_row(&(place + 1).to_string(), trial);
        }
        if ranked.len() > SHOWN {
            println!("      … and {} more", ranked.len() - SHOWN);
        }
        self.baselines.iter().for_each(|baseline| self.print_row("base", baseline));
        println!("      = tied with the best: by the scores of the same users, chance alone could explain the difference");
        for trial in self.trials.iter().filter(|trial| trial.outcome.score.is_none()) {
            let note = trial.outcome.note.as_deref().unwrap_or_default();
            println!("   –  {}: {} (trial {}: {note})", state(trial.outcome.state), trial.algorithm, trial.number);
        }
        Ok(())
    }

    fn print_row(&self, place: &str, trial: &Finished) {
        let interval = trial.outcome.interval.map(|(low, high)| format!("{low:.5} to {high:.5}")).unwrap_or_default();
        let params = Value::Object(trial.outcome.params.clone());
        let shown = trial.outcome.score.map_or("–".to_owned(), |score| format!("{score:.5}"));
        let tied = if self.is_tied(trial) == Some(true) { '=' } else { ' ' };
        println!("{place:>4} {tied} {shown:<10} {interval:<21} {:>7.2}  {} {params}", trial.seconds, trial.algorithm);
    }
}

fn score(trial: &Finished) -> f64 {
    trial.outcome.score.unwrap_or(f64::NEG_INFINITY)
}

fn state(state: TrialState) -> &'static str {
    match state {
        TrialState::Running => "running",
        TrialState::Complete => "complete",
        TrialState::Pruned => "pruned",
        TrialState::Failed => "failed",
    }
}

fn entry(trial: &Finished) -> Value {
    let outcome = &trial.outcome;
    json!({
        "number": trial.number,
        "algorithm": trial.algorithm,
        "parameters": outcome.params,
        "state": state(outcome.state),
        "score": outcome.score,
        "interval": outcome.interval.map(|(low, high)| [low, high]),
        "metrics": metrics_json(&outcome.metrics),
        "beside_new_items": outcome.beside_new_items.as_ref().map(|beside| json!({
            "warm": beside.warm.as_ref().map(|warm| metrics_json(&warm.metrics)),
            "mixed": metrics_json(&beside.mixed.metrics),
            "cold_share": beside.cold_share,
        })),
        "seconds": trial.seconds,
        "note": outcome.note,
    })
}

fn metrics_json(metrics: &BTreeMap<Metric, f64>) -> Value {
    metrics.iter().map(|(metric, value)| (metric.as_str().to_owned(), json!(value))).collect::<Map<_, _>>().into()
}
