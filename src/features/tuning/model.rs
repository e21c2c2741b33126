//! Rows of tuning jobs and trials, and the payload of a job's tasks.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::features::models::ModelStatus;
use crate::ml::tuning::TrialState;
use crate::platform::http::body::{Convert, Flag, Id, Integer, Kept, Nullable, Texts};
use crate::platform::http::{FieldReader, Write};
use crate::platform::{request_fields, wire_enum};
use crate::schema::{trials, tuning_jobs};

wire_enum! {
    /// The state of a search.
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
    /// States of searches that are waiting or running.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

impl From<ModelStatus> for SearchStatus {
    /// Subscribers get the same states for searches and trainings.
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
    /// The state of a trial.
    pub enum TrialStatus {
        Running = "running",
        Completed = "completed",
        /// It was stopped early, since others do better.
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

const MOST_TRIALS: i32 = 1_000_000;
const MOST_TASKS: i32 = 256;

request_fields! {
    /// The fields of a new job.
    #[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = tuning_jobs)]
    #[schema(as = TuningJobFields)]
    pub struct TuningFields {
        #[serde(rename = "data")]
        pub data_id: i64 => Id,
        #[serde(rename = "split")]
        pub split_id: i64 => Id,
        #[serde(rename = "evaluation")]
        pub evaluation_id: i64 => Id,
        pub n_tasks_parallel: i32 = 1 => Kept(Integer(1..=MOST_TASKS)),
        pub n_trials: i32 = 40 => Kept(Integer(1..=MOST_TRIALS)),
        /// Megabytes that a trial may need, by estimate.
        pub memory_budget: i32 = 8_000 => Kept(Integer(1..=i32::MAX)),
        /// Time limit of the whole search, in seconds.
        pub timeout_overall: Option<i32> = None => Kept(Nullable(Integer(1..=i32::MAX))),
        /// Time limit of each trial, in seconds.
        pub timeout_singlestep: Option<i32> = None => Kept(Nullable(Integer(1..=i32::MAX))),
        pub random_seed: Option<i32> = None => Kept(Nullable(Integer(0..=i32::MAX))),
        /// Unknown names are ignored and listed in `warnings`; without a known one the default set is tried.
        #[schema(value_type = Option<Vec<String>>)]
        pub tried_algorithms_json: Option<Value> = None => Kept(Nullable(Names)),
        pub train_after_tuning: bool = true => Kept(Flag),
        /// Whether to also search the weights of event types, around those of the project, and the half-life.
        pub search_weights: bool = false => Kept(Flag),
    }
}

/// A list of names, as its column stores it. Answers warn of each unknown one.
struct Names;

impl Convert for Names {
    type Output = Value;

    fn convert(&self, value: &Value) -> Result<Value, String> {
        Texts::WORDS.convert(value).map(Value::from)
    }

    fn unpack(value: &Value) -> Option<Value> {
        Texts::unpack(value)
    }

    fn described(&self) -> RefOr<Schema> {
        Texts::WORDS.described()
    }
}

impl TuningFields {
    /// Returns the number of tasks that work on the job at once.
    pub fn n_tasks(&self) -> i32 {
        self.n_tasks_parallel.min(self.n_trials)
    }

    /// Returns the fields in which the two differ, by their names in bodies.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (json!(self), json!(other));
        let fields = ours.as_object().into_iter().flatten();
        fields.filter(|(field, value)| theirs[field.as_str()] != **value).map(|(field, _)| field.clone()).collect()
    }
}

/// A search and its progress.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = tuning_jobs)]
pub struct TuningJob {
    pub id: i64,
    #[diesel(embed)]
    pub fields: TuningFields,
    pub status: SearchStatus,
    pub error: Option<String>,
    pub engine_version: Option<String>,
    pub best_score: Option<f64>,
    /// Score of recommending the most popular items.
    pub baseline_score: Option<f64>,
    pub best_config_id: Option<i64>,
    pub tuned_model_id: Option<i64>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    /// On a split that holds out items: what any recommendation of new items has to beat, as a list of `ColdBaselineScore`.
    pub cold_baselines: Option<Value>,
}

impl TuningJob {
    /// Returns whether it is waiting or running.
    pub fn is_live(&self) -> bool {
        SearchStatus::LIVE.contains(&self.status)
    }

    /// Returns the seed of the search: the requested one, or one derived from its id, which stays the same when it resumes.
    pub fn seed(&self) -> u64 {
        self.fields.random_seed.map_or(self.id.unsigned_abs(), |seed| u64::from(seed.unsigned_abs()))
    }

    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("tuning:{id}")
    }
}

/// A new job.
#[derive(Debug, Insertable)]
#[diesel(table_name = tuning_jobs)]
pub struct NewTuningJob {
    #[diesel(embed)]
    pub fields: TuningFields,
    /// `None` if the program creates it.
    pub created_by: Option<i64>,
}

impl NewTuningJob {
    /// Creates a job with default values for all other fields.
    pub fn with_defaults(data_id: i64, split_id: i64, evaluation_id: i64, created_by: Option<i64>) -> Self {
        let defaults = TuningFields::read(&mut FieldReader::default(), Write::Create);
        Self { fields: TuningFields { data_id, split_id, evaluation_id, ..defaults }, created_by }
    }
}

/// An attempt with one algorithm and one set of parameters.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = trials)]
pub struct Trial {
    pub id: i64,
    pub tuning_job_id: i64,
    /// Its number within the job, from 0.
    pub number: i32,
    pub algorithm: String,
    pub parameters: Value,
    pub state: TrialStatus,
    pub score: Option<f64>,
    pub interval_low: Option<f64>,
    pub interval_high: Option<f64>,
    pub metrics: Option<Value>,
    /// Scores during training, as pairs of step and score.
    pub intermediate: Value,
    pub note: Option<String>,
    /// The queue's job that runs it.
    pub run_by: i64,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Workers that died while running it.
    pub lost_workers: i32,
    /// Workers that its task had lost before.
    pub lost_before: i32,
    /// On a split that holds out items: the `BesideNewItems` of the score.
    pub beside_new_items: Option<Value>,
}

/// The end of a trial.
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
    pub beside_new_items: Option<Value>,
}

impl TrialResult {
    /// Creates the result of a trial that ended without a score.
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
            beside_new_items: None,
        }
    }
}

/// The numbers of trials of a job by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrialCounts {
    pub running: i64,
    pub completed: i64,
    pub pruned: i64,
    pub failed: i64,
}

impl TrialCounts {
    /// Returns the number of all trials.
    pub fn total(&self) -> i64 {
        self.running + self.completed + self.pruned + self.failed
    }
}

/// Runs trials of a tuning job until none is left. Several of these tasks work on one tuning job at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSearch {
    pub tuning_job_id: i64,
    /// Distinguishes the tasks of one tuning job.
    pub task: i32,
}
