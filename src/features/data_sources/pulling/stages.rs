//! The stages of a run, as they are recorded.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::features::data_sources::model::{SourceRun, Stage, StageName};

/// The stages of a run.
pub struct Stages(Vec<Stage>);

impl Stages {
    /// Returns the stages that have begun.
    pub fn of(run: &SourceRun) -> Self {
        Self(run.stages())
    }

    /// Begins a stage; one that a killed worker began starts again.
    pub fn begin(&mut self, name: StageName, now: DateTime<Utc>) {
        self.0.retain(|stage| stage.name != name);
        self.0.push(Stage { name, started_at: now, seconds: None, rows: None });
    }

    /// Ends a stage, with the rows that it counted, read or kept.
    pub fn end(&mut self, name: StageName, rows: i64, now: DateTime<Utc>) {
        if let Some(stage) = self.0.iter_mut().find(|stage| stage.name == name) {
            stage.seconds = Some((now - stage.started_at).as_seconds_f64());
            stage.rows = Some(rows);
        }
    }

    /// Returns the stages as a row stores them.
    pub fn stored(&self) -> Value {
        json!(self.0)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_stage_that_begins_again_is_recorded_once() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let mut stages = Stages(Vec::new());
        stages.begin(StageName::Counting, at(1));
        stages.end(StageName::Counting, 7, at(3));
        stages.begin(StageName::Reading, at(3));
        stages.begin(StageName::Reading, at(9));
        stages.end(StageName::Reading, 7, at(10));
        let seconds: Vec<_> = stages.0.iter().map(|stage| (stage.name, stage.seconds, stage.rows)).collect();
        assert_eq!(seconds, [(StageName::Counting, Some(2.0), Some(7)), (StageName::Reading, Some(1.0), Some(7))]);
    }
}
