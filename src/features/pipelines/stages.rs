//! What the parts of a pipeline run amount to.

use chrono::{DateTime, TimeDelta, Utc};

use super::model::{Gate, Parts, Stage, StageName, StageState};
use crate::features::data_sources::{RunState, SourceRun, StageName as SourceStage};
use crate::features::destinations::{Delivery, DeliveryState};
use crate::features::retraining::{Run, RunStatus};

/// Returns the stages that have begun or follow, in order.
pub fn of(parts: &Parts) -> Vec<Stage> {
    let mut stages = pulled(&parts.sources);
    if let Some(run) = &parts.retraining {
        stages.extend(trained(run, parts));
    }
    stages.extend(delivered(&parts.deliveries));
    stages
}

/// Returns the state of a pipeline run: what needs a user's attention first, then what is under way, then how it ended.
pub fn state(stages: &[Stage]) -> StageState {
    const BY_WEIGHT: [StageState; 7] = [
        StageState::Failed,
        StageState::Held,
        StageState::Running,
        StageState::Waiting,
        StageState::Refused,
        StageState::Cancelled,
        StageState::Succeeded,
    ];
    let has = |state: &StageState| stages.iter().any(|stage| stage.state == *state);
    // A source that had nothing new ends its run: whatever else it did is no success.
    match stages.last().map(|stage| stage.state) {
        Some(StageState::Skipped) | None => BY_WEIGHT[..6].iter().copied().find(has).unwrap_or(StageState::Skipped),
        Some(_) => BY_WEIGHT.into_iter().find(has).unwrap_or(StageState::Skipped),
    }
}

/// Returns the state of one run of a source.
pub fn state_of_source(run: &SourceRun) -> StageState {
    match run.state {
        RunState::Queued => StageState::Waiting,
        RunState::Running => StageState::Running,
        RunState::Succeeded => StageState::Succeeded,
        RunState::Held => StageState::Held,
        RunState::Failed => StageState::Failed,
        RunState::Cancelled | RunState::Discarded => StageState::Cancelled,
        RunState::NothingNew => StageState::Skipped,
    }
}

/// Returns the state of one delivery.
pub fn state_of_delivery(delivery: &Delivery) -> StageState {
    match delivery.state {
        DeliveryState::Queued => StageState::Waiting,
        DeliveryState::Running => StageState::Running,
        DeliveryState::Succeeded => StageState::Succeeded,
        DeliveryState::Failed => StageState::Failed,
        DeliveryState::Cancelled => StageState::Cancelled,
    }
}

/// Returns the gate's comparison, if there was one.
pub fn gate_of(run: &Run) -> Option<Gate> {
    let (new_score, deployed_score) = run.new_score.zip(run.deployed_score)?;
    Some(Gate { metric: run.gate_metric.clone()?, new_score, deployed_score })
}

fn pulled(runs: &[SourceRun]) -> Vec<Stage> {
    if runs.is_empty() {
        return Vec::new();
    }
    let mut stages = vec![together(StageName::Pull, runs.iter().map(reading).collect())];
    let prepared: Vec<Stage> = runs.iter().filter_map(preparing).collect();
    if !prepared.is_empty() {
        stages.push(together(StageName::Prepare, prepared));
    }
    stages
}

/// Returns the stage of several sources or deliveries from those of each.
fn together(name: StageName, each: Vec<Stage>) -> Stage {
    let messages: Vec<&str> = each.iter().filter_map(|stage| stage.message.as_deref()).collect();
    let is_over = each.iter().all(|stage| stage.finished_at.is_some());
    Stage {
        name,
        state: state(&each),
        started_at: each.iter().filter_map(|stage| stage.started_at).min(),
        finished_at: each.iter().filter_map(|stage| stage.finished_at).max().filter(|_| is_over),
        rows: each.iter().filter_map(|stage| stage.rows).reduce(|sum, rows| sum + rows),
        message: (!messages.is_empty()).then(|| messages.join(" ")),
    }
}

/// Returns when a stage of a run of a source began and ended.
fn times(run: &SourceRun, names: [SourceStage; 2]) -> Option<(DateTime<Utc>, Option<DateTime<Utc>>)> {
    let stages = run.stages();
    let mut within = stages.iter().filter(|stage| names.contains(&stage.name));
    let first = within.next()?;
    let last = within.next_back().unwrap_or(first);
    let end = |seconds: f64| last.started_at + TimeDelta::milliseconds((seconds * 1_000.0) as i64);
    Some((first.started_at, last.seconds.map(end)))
}

const READING: [SourceStage; 2] = [SourceStage::Counting, SourceStage::Reading];
const PREPARING: [SourceStage; 2] = [SourceStage::Preparing, SourceStage::Checking];

fn reading(run: &SourceRun) -> Stage {
    let is_followed = times(run, PREPARING).is_some();
    let (started_at, finished_at) = times(run, READING).map_or((run.started_at, None), |(start, end)| (Some(start), end));
    let state = if is_followed { StageState::Succeeded } else { state_of_source(run) };
    Stage {
        name: StageName::Pull,
        state,
        started_at,
        finished_at: finished_at.or(run.finished_at),
        rows: Some(run.rows_read),
        message: if is_followed { None } else { message_of(run) },
    }
}

fn preparing(run: &SourceRun) -> Option<Stage> {
    let (start, end) = times(run, PREPARING)?;
    Some(Stage {
        name: StageName::Prepare,
        state: state_of_source(run),
        started_at: Some(start),
        finished_at: end.or(run.finished_at),
        rows: (!run.is_live()).then_some(run.rows_kept),
        message: message_of(run),
    })
}

fn message_of(run: &SourceRun) -> Option<String> {
    match run.state {
        RunState::Held | RunState::Discarded => Some(run.problems().join(" ")).filter(|text| !text.is_empty()),
        _ => run.error.clone(),
    }
}

fn trained(run: &Run, parts: &Parts) -> Vec<Stage> {
    let name = if run.tuning_job_id.is_some() { StageName::Tune } else { StageName::Train };
    let trained_at = parts.model.as_ref().and_then(|model| model.finished_at);
    let is_trained = run.trained_model_id.is_some() && trained_at.is_some();
    let message = Some(run.error_message.clone()).filter(|text| !text.is_empty());
    let mut stages = vec![Stage {
        name,
        state: if is_trained { StageState::Succeeded } else { state_of_retraining(run.status) },
        started_at: run.started_at,
        finished_at: if is_trained { trained_at } else { run.completed_at },
        rows: run.data_rows_at_trigger,
        message: message.clone().filter(|_| !is_trained),
    }];
    if is_trained {
        stages.extend(gated(run, trained_at, message));
    }
    if run.deployed_slot_id.is_some() {
        let at = run.completed_at;
        let state = StageState::Succeeded;
        stages.push(Stage { name: StageName::Deploy, state, started_at: at, finished_at: at, rows: None, message: None });
    }
    stages
}

/// Returns the stage of the gate, if the model was compared with a deployed one.
fn gated(run: &Run, trained_at: Option<DateTime<Utc>>, message: Option<String>) -> Option<Stage> {
    let state = match run.status {
        RunStatus::Skipped => StageState::Refused,
        RunStatus::Completed if run.deployed_model_id.is_none() => return None,
        status => state_of_retraining(status),
    };
    let (started_at, finished_at) = (trained_at, run.completed_at);
    Some(Stage { name: StageName::Gate, state, started_at, finished_at, rows: None, message })
}

fn state_of_retraining(status: RunStatus) -> StageState {
    match status {
        RunStatus::Pending => StageState::Waiting,
        RunStatus::Running => StageState::Running,
        RunStatus::Completed => StageState::Succeeded,
        RunStatus::Failed => StageState::Failed,
        RunStatus::Skipped => StageState::Skipped,
    }
}

fn delivered(deliveries: &[Delivery]) -> Option<Stage> {
    let stage = |delivery: &Delivery| Stage {
        name: StageName::Deliver,
        state: state_of_delivery(delivery),
        started_at: delivery.started_at,
        finished_at: delivery.finished_at,
        rows: delivery.row_count,
        message: delivery.error.clone(),
    };
    (!deliveries.is_empty()).then(|| together(StageName::Deliver, deliveries.iter().map(stage).collect()))
}
