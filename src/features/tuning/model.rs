//! Rows of tuning jobs and trials.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::features::models::ModelStatus;
use crate::ml::tuning::TrialState;
use crate::platform::wire_enum;
use crate::schema::{trials, tuning_jobs};

wire_enum! {
    /// Where a search stands.
    #[schema(as = TuningJobStatus)]
    pub enum SearchStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
    }
}

impl SearchStatus {
    /// Of searches that wait or run.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

impl From<ModelStatus> for SearchStatus {
    /// Those who watch are told of searches and trainings alike.
    fn from(status: ModelStatus) -> Self {
        match status {
            ModelStatus::Pending => Self::Pending,
            ModelStatus::Running => Self::Running,
            ModelStatus::Completed => Self::Completed,
            ModelStatus::Failed => Self::Failed,
        }
    }
}

wire_enum! {
    /// Where a trial stands.
    pub enum TrialStatus {
        Running = "running",
        Completed = "completed",
        /// It was given up early, since others do better.
        Pruned = "pruned",
        Failed = "failed",
    }
}

impl From<TrialState> for TrialStatus {
    fn from(state: TrialState) -> Self {
        match state {
            TrialState::Running => Self::Running,
            TrialState::Complete => Self::Completed,
            TrialState::Pruned => Self::Pruned,
            TrialState::Failed => Self::Failed,
        }
    }
}

impl From<TrialStatus> for TrialState {
    fn from(status: TrialStatus) -> Self {
        match status {
            TrialStatus::Running => Self::Running,
            TrialStatus::Completed => Self::Complete,
            TrialStatus::Pruned => Self::Pruned,
            TrialStatus::Failed => Self::Failed,
        }
    }
}

/// A search and how far it is.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = tuning_jobs)]
pub struct TuningJob {
    pub id: i64,
    pub data_id: i64,
    pub split_id: i64,
    pub evaluation_id: i64,
    pub status: SearchStatus,
    pub error: Option<String>,
    pub n_tasks_parallel: i32,
    pub n_trials: i32,
    /// Megabytes a trial may need, by estimate.
    pub memory_budget: i32,
    /// Seconds.
    pub timeout_overall: Option<i32>,
    /// Seconds.
    pub timeout_singlestep: Option<i32>,
    pub random_seed: Option<i32>,
    pub tried_algorithms_json: Option<Value>,
    pub train_after_tuning: bool,
    pub engine_version: Option<String>,
    pub best_score: Option<f64>,
    /// What recommending the most popular items scores.
    pub baseline_score: Option<f64>,
    pub best_config_id: Option<i64>,
    pub tuned_model_id: Option<i64>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    /// Whether the weights of events and the half-life are searched too.
    pub search_weights: bool,
}

impl TuningJob {
    /// Whether it still waits or runs.
    pub fn is_live(&self) -> bool {
        SearchStatus::LIVE.contains(&self.status)
    }

    /// The seed of the search: the one asked for, or one of its own that stays the same however often it is resumed.
    pub fn seed(&self) -> u64 {
        self.random_seed.map_or(self.id.unsigned_abs(), |seed| u64::from(seed.unsigned_abs()))
    }

    /// The name its queue jobs share.
    pub fn group(id: i64) -> String {
        format!("tuning:{id}")
    }
}

/// What a caller decides about a new job.
#[derive(Debug, Insertable)]
#[diesel(table_name = tuning_jobs)]
pub struct NewTuningJob {
    pub data_id: i64,
    pub split_id: i64,
    pub evaluation_id: i64,
    /// None when the program asks for it.
    pub created_by: Option<i64>,
    pub n_tasks_parallel: i32,
    pub n_trials: i32,
    pub memory_budget: i32,
    pub timeout_overall: Option<i32>,
    pub timeout_singlestep: Option<i32>,
    pub random_seed: Option<i32>,
    pub tried_algorithms_json: Option<Value>,
    pub train_after_tuning: bool,
    pub search_weights: bool,
}

impl NewTuningJob {
    /// A job as it is when nothing but its parts is given.
    pub fn with_defaults(data_id: i64, split_id: i64, evaluation_id: i64, created_by: Option<i64>) -> Self {
        Self {
            data_id,
            split_id,
            evaluation_id,
            created_by,
            n_tasks_parallel: 1,
            n_trials: 40,
            memory_budget: 8_000,
            timeout_overall: None,
            timeout_singlestep: None,
            random_seed: None,
            tried_algorithms_json: None,
            train_after_tuning: true,
            search_weights: false,
        }
    }

    /// Tasks that work on it at once.
    pub fn n_tasks(&self) -> i32 {
        self.n_tasks_parallel.min(self.n_trials)
    }

    /// The fields in which a job is not as it is asked to be.
    pub fn differences(&self, job: &TuningJob) -> Vec<&'static str> {
        let differs = [
            ("data", self.data_id != job.data_id),
            ("split", self.split_id != job.split_id),
            ("evaluation", self.evaluation_id != job.evaluation_id),
            ("n_tasks_parallel", self.n_tasks_parallel != job.n_tasks_parallel),
            ("n_trials", self.n_trials != job.n_trials),
            ("memory_budget", self.memory_budget != job.memory_budget),
            ("timeout_overall", self.timeout_overall != job.timeout_overall),
            ("timeout_singlestep", self.timeout_singlestep != job.timeout_singlestep),
            ("random_seed", self.random_seed != job.random_seed),
            ("tried_algorithms_json", self.tried_algorithms_json != job.tried_algorithms_json),
            ("train_after_tuning", self.train_after_tuning != job.train_after_tuning),
            ("search_weights", self.search_weights != job.search_weights),
        ];
        differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
    }
}

/// One algorithm with one set of parameters, tried.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = trials)]
pub struct Trial {
    pub id: i64,
    pub tuning_job_id: i64,
    /// Counts from 0 within its job.
    pub number: i32,
    pub algorithm: String,
    pub parameters: Value,
    pub state: TrialStatus,
    pub score: Option<f64>,
    pub interval_low: Option<f64>,
    pub interval_high: Option<f64>,
    pub metrics: Option<Value>,
    /// Scores on the way, as pairs of step and score.
    pub intermediate: Value,
    pub note: Option<String>,
    /// The queue's job that runs it.
    pub run_by: i64,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Workers that died while they ran it.
    pub lost_workers: i32,
    /// Workers that its task had lost before.
    pub lost_before: i32,
}

/// How a trial ended.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = trials)]
pub struct TrialResult {
    pub state: TrialStatus,
    pub parameters: Value,
    pub score: Option<f64>,
    pub interval_low: Option<f64>,
    pub interval_high: Option<f64>,
    pub metrics: Option<Value>,
    pub intermediate: Value,
    pub note: Option<String>,
    pub finished_at: DateTime<Utc>,
}

impl TrialResult {
    /// The end of a trial that gave no score.
    pub fn failed(trial: &Trial, note: &str, finished_at: DateTime<Utc>) -> Self {
        Self {
            state: TrialStatus::Failed,
            parameters: trial.parameters.clone(),
            score: None,
            interval_low: None,
            interval_high: None,
            metrics: None,
            intermediate: trial.intermediate.clone(),
            note: Some(note.to_owned()),
            finished_at,
        }
    }
}

/// How many trials of a job are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrialCounts {
    pub running: i64,
    pub completed: i64,
    pub pruned: i64,
    pub failed: i64,
}

impl TrialCounts {
    /// All of them.
    pub fn total(&self) -> i64 {
        self.running + self.completed + self.pruned + self.failed
    }
}
