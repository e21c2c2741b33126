//! Rows of runs, the fields of a call, and the payload of the job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::platform::http::body::{Choice, Id, Integer, Nullable, Text};
use crate::platform::{request_fields, wire_enum};
use crate::schema::studio_runs;

const LONGEST_NAME: usize = 256;

/// The shortest and the longest time of a search, in seconds.
const BUDGETS: std::ops::RangeInclusive<i32> = 5..=3_600;

wire_enum! {
    /// What recommendations are learnt from.
    #[derive(Default)]
    #[schema(as = StudioGoal)]
    pub enum Goal {
        /// Everything that was sent.
        #[default]
        Auto = "auto",
        /// What the items have in common, by their file alone.
        Content = "content",
        /// What users did, without the item file.
        Collaborative = "collaborative",
        /// Both, so that new items are recommended as well.
        Hybrid = "hybrid",
    }
}

wire_enum! {
    /// The state of a run.
    pub enum StudioState {
        Running = "running",
        Ready = "ready",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

wire_enum! {
    /// A stage of a run, in this order.
    #[schema(as = StudioStage)]
    pub enum Stage {
        Reading = "reading",
        Checking = "checking",
        Encoding = "encoding",
        Searching = "searching",
        Training = "training",
        Deploying = "deploying",
        Ready = "ready",
    }
}

request_fields! {
    /// The parts of a call besides its files.
    #[derive(Debug, Clone)]
    pub struct RunFields {
        /// The name of the new project.
        pub name: String => Text(LONGEST_NAME),
        /// The organisation of the new project, the caller's personal one by default.
        pub organisation: Option<i64> = None => Nullable(Id),
        /// What recommendations are learnt from, by default everything that is sent.
        pub goal: Goal = Goal::default() => Choice(&[]),
        /// Seconds that the search for the best algorithm may take. It ends earlier if more trials would hardly help.
        pub budget_seconds: i32 = 60 => Integer(BUDGETS),
    }
}

/// A run and how far it has come.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = studio_runs)]
pub struct Run {
    pub id: i64,
    pub project_id: i64,
    pub created_by: Option<i64>,
    pub name: String,
    pub goal: Goal,
    pub budget_seconds: i32,
    pub mapping: Value,
    pub state: StudioState,
    pub stage: Stage,
    pub stages: Value,
    pub warnings: Value,
    pub error: Option<String>,
    pub training_data_id: Option<i64>,
    pub item_meta_data_id: Option<i64>,
    pub user_meta_data_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
    pub trained_model_id: Option<i64>,
    pub slot_id: Option<i64>,
    pub demo_key_id: Option<i64>,
    pub result: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Run {
    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("studio:{id}")
    }

    /// Returns whether it has more to do.
    pub fn is_live(&self) -> bool {
        self.state == StudioState::Running
    }

    /// Returns what the user should know, in sentences.
    pub fn warnings(&self) -> Vec<String> {
        Vec::deserialize(&self.warnings).unwrap_or_default()
    }
}

/// A run to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = studio_runs)]
pub struct NewRun {
    pub project_id: i64,
    pub created_by: i64,
    pub name: String,
    pub goal: Goal,
    pub budget_seconds: i32,
    pub mapping: Value,
    pub stages: Value,
    pub warnings: Value,
    pub training_data_id: Option<i64>,
    pub item_meta_data_id: Option<i64>,
    pub user_meta_data_id: Option<i64>,
}

/// What a step changes about a run. `None` keeps a value.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = studio_runs)]
pub struct Changes {
    pub state: Option<StudioState>,
    pub stage: Option<Stage>,
    pub stages: Option<Value>,
    pub warnings: Option<Value>,
    pub error: Option<String>,
    pub training_data_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
    pub trained_model_id: Option<i64>,
    pub slot_id: Option<i64>,
    pub result: Option<Value>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// The quality of the deployed model, beside what it has to beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StudioResult)]
pub struct RunResult {
    pub algorithm: String,
    /// The metric of the scores.
    pub metric: String,
    /// The length of the judged lists.
    pub cutoff: i32,
    /// Of items that the model was trained on.
    pub score: f64,
    /// Of recommending the most popular items to all users.
    pub popularity_score: f64,
    /// Of items that the model was not trained on; null if it was not judged.
    pub new_items: Option<NewItemsResult>,
}

/// The quality for items that a model was not trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StudioNewItemsResult)]
pub struct NewItemsResult {
    pub score: f64,
    /// Of the best simple way to recommend them.
    pub baseline: f64,
}

/// Executes one run. Searching and training are other jobs, whose end wakes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunStudio {
    pub studio_run_id: i64,
}
