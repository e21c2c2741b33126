//! The stages of a run: which are over, and what each found.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::model::Stage;
use crate::platform::http::timestamp;
use crate::platform::wire_enum;

wire_enum! {
    /// The state of a stage.
    #[schema(as = StudioStageState)]
    pub enum StageState {
        Waiting = "waiting",
        Running = "running",
        Done = "done",
        /// It was not needed, or the run ended before.
        Skipped = "skipped",
        Failed = "failed",
    }
}

/// A stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StudioStageProgress)]
pub struct StageProgress {
    pub stage: Stage,
    pub state: StageState,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub finished_at: Option<DateTime<Utc>>,
    pub detail: StageDetail,
}

/// What a stage found. Figures that do not concern it are missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StudioStageDetail)]
#[serde(default)]
pub struct StageDetail {
    /// Rows of interactions, without the rejected ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows of all files that could not be imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Items with interactions, or those of the item file if there are no interactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Rows of the item file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_rows: Option<u64>,
    /// Share of the items with interactions that the item file describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub described: Option<f64>,
    /// Columns that describe items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<u64>,
    /// Terms, ranges and numbers that they are encoded as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<u64>,
    /// Trials that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Trials that the search makes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_trials: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_score: Option<f64>,
    /// Score of recommending the most popular items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub popularity_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Name of the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// All stages of a run, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages(Vec<StageProgress>);

impl Stages {
    /// Creates the stages of a run that has not begun.
    pub fn new() -> Self {
        let waiting = |stage: &Stage| StageProgress {
            stage: *stage,
            state: StageState::Waiting,
            started_at: None,
            finished_at: None,
            detail: StageDetail::default(),
        };
        Self(Stage::ALL.iter().map(waiting).collect())
    }

    /// Reads the stages of a row.
    pub fn of(stored: &Value) -> Self {
        Vec::deserialize(stored).map_or_else(|_| Self::new(), Self)
    }

    /// Returns the stages as a row holds them.
    pub fn stored(&self) -> Value {
        json!(self.0)
    }

    /// Returns all stages.
    pub fn into_all(self) -> Vec<StageProgress> {
        self.0
    }

    /// Returns a stage.
    pub fn at(&mut self, stage: Stage) -> Option<&mut StageProgress> {
        self.0.iter_mut().find(|one| one.stage == stage)
    }

    /// Returns what a stage found.
    pub fn detail(&self, stage: Stage) -> StageDetail {
        self.0.iter().find(|one| one.stage == stage).map(|one| one.detail.clone()).unwrap_or_default()
    }

    /// Begins a stage, unless it has begun before.
    pub fn begin(&mut self, stage: Stage, now: DateTime<Utc>) {
        if let Some(one) = self.at(stage).filter(|one| one.state == StageState::Waiting) {
            (one.state, one.started_at) = (StageState::Running, Some(now));
        }
    }

    /// Ends a stage in a state, with what it found.
    pub fn end(&mut self, stage: Stage, state: StageState, detail: StageDetail, now: DateTime<Utc>) {
        if let Some(one) = self.at(stage) {
            (one.state, one.detail, one.finished_at) = (state, detail, Some(now));
            one.started_at = one.started_at.or(Some(now));
        }
    }

    /// Ends the run at a stage: it gets `state`, and those after it are skipped.
    pub fn stop(&mut self, stage: Stage, state: StageState, now: DateTime<Utc>) {
        let detail = self.detail(stage);
        self.end(stage, state, detail, now);
        self.0.iter_mut().filter(|one| one.state == StageState::Waiting).for_each(|one| one.state = StageState::Skipped);
    }

    /// Returns how far a run has come that is at a stage, from 0 to 1, where `of_stage` of that stage is done.
    pub fn progress(&self, present: Stage, of_stage: f64) -> f64 {
        let before: f64 = self.0.iter().map(|one| one.stage).take_while(|stage| *stage != present).map(share_of).sum();
        (before + share_of(present) * of_stage.clamp(0.0, 1.0)).min(1.0)
    }
}

/// Returns how much of the whole a stage is, roughly by the time that it takes.
fn share_of(stage: Stage) -> f64 {
    match stage {
        Stage::Reading | Stage::Training => 0.15,
        Stage::Checking | Stage::Encoding | Stage::Deploying => 0.05,
        Stage::Searching => 0.55,
        Stage::Ready => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_stages_are_the_whole() {
        let shares: f64 = Stage::ALL.iter().map(|stage| share_of(*stage)).sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_stage_begins_once_and_the_run_stops_at_it() {
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
        let mut stages = Stages::new();
        stages.begin(Stage::Reading, at(1));
        stages.begin(Stage::Reading, at(2));
        let detail = StageDetail { rows: Some(7), ..StageDetail::default() };
        stages.end(Stage::Reading, StageState::Done, detail, at(3));
        stages.begin(Stage::Checking, at(3));
        assert!((stages.progress(Stage::Checking, 0.5) - 0.175).abs() < 1e-9);
        let mut stages = Stages::of(&stages.stored());
        let reading = stages.at(Stage::Reading).cloned().unwrap();
        assert_eq!((reading.started_at, reading.finished_at, reading.detail.rows), (Some(at(1)), Some(at(3)), Some(7)));
        stages.stop(Stage::Checking, StageState::Failed, at(4));
        let states: Vec<StageState> = stages.into_all().iter().map(|one| one.state).collect();
        assert_eq!(states[..3], [StageState::Done, StageState::Failed, StageState::Skipped]);
        assert!((Stages::new().progress(Stage::Ready, 0.0) - 1.0).abs() < 1e-9);
    }
}
