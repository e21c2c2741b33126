//! Rows of schedules and runs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::features::events::EventType;
use crate::platform::wire_enum;
use crate::schema::{retraining_runs, retraining_schedules};

wire_enum! {
    /// Where a run stands.
    #[schema(as = RetrainingRunStatus)]
    pub enum RunStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Failed = "FAILED",
        /// There was nothing to do, or the new model was not deployed.
        Skipped = "SKIPPED",
    }
}

impl RunStatus {
    /// Of runs that wait or run.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

wire_enum! {
    /// Who or what asked for a run.
    #[schema(as = RetrainingRunCause)]
    pub enum RunCause {
        /// A user.
        Manual = "manual",
        Schedule = "schedule",
    }
}

wire_enum! {
    /// What happens to runs that were missed while no scheduler ran.
    #[derive(Default)]
    pub enum CatchUp {
        /// One run makes up for all of them.
        #[default]
        Once = "once",
        /// None does.
        Skip = "skip",
    }
}

wire_enum! {
    /// Which uploads a run learns from.
    #[derive(Default)]
    pub enum DataSource {
        /// The newest upload, or the one that the schedule names.
        #[default]
        Newest = "newest",
        /// All uploads of the project together.
        All = "all",
    }
}

/// When a project trains again, and on what.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = retraining_schedules)]
pub struct Schedule {
    pub id: i64,
    pub project_id: i64,
    pub created_by: Option<i64>,
    pub is_enabled: bool,
    pub cron_expression: String,
    pub time_zone: String,
    /// None stands for the newest upload.
    pub training_data_id: Option<i64>,
    pub model_configuration_id: Option<i64>,
    /// Whether to search anew rather than to train the configuration.
    pub retune: bool,
    pub split_config_id: Option<i64>,
    pub evaluation_config_id: Option<i64>,
    pub max_retries: i32,
    pub notify_on_failure: bool,
    pub auto_deploy: bool,
    /// How much worse than the deployed model a new one may be and still be deployed.
    pub gate_tolerance: Option<f64>,
    pub catch_up: CatchUp,
    pub skip_unchanged: bool,
    /// Whether a training begins with what the model of the last successful run has learnt.
    pub warm_start: bool,
    pub last_run_at: Option<DateTime<Utc>>,
    pub last_run_status: Option<RunStatus>,
    pub next_run_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub data_source: DataSource,
    /// Types of events that are learnt from as well.
    pub event_types: Value,
}

impl Schedule {
    /// Returns the types of events that are learnt from as well. No event is of a type that is unknown.
    pub fn learnt_events(&self) -> Vec<EventType> {
        self.event_types.as_array().into_iter().flatten().filter_map(|word| word.as_str()?.parse().ok()).collect()
    }
}

/// What a caller decides about a schedule, and when it falls due because of it.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = retraining_schedules, treat_none_as_null = true)]
pub struct ScheduleFields {
    pub is_enabled: bool,
    pub cron_expression: String,
    pub time_zone: String,
    pub training_data_id: Option<i64>,
    pub model_configuration_id: Option<i64>,
    pub retune: bool,
    pub split_config_id: Option<i64>,
    pub evaluation_config_id: Option<i64>,
    pub max_retries: i32,
    pub notify_on_failure: bool,
    pub auto_deploy: bool,
    pub gate_tolerance: Option<f64>,
    pub catch_up: CatchUp,
    pub skip_unchanged: bool,
    pub warm_start: bool,
    pub next_run_at: Option<DateTime<Utc>>,
    pub data_source: DataSource,
    pub event_types: Value,
}

/// One time a schedule was carried out.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = retraining_runs)]
pub struct Run {
    pub id: i64,
    pub project_id: i64,
    /// The schedule may have been deleted since.
    pub schedule_id: i64,
    pub status: RunStatus,
    pub cause: RunCause,
    pub triggered_by: Option<i64>,
    pub scheduled_for: Option<DateTime<Utc>>,
    pub training_data_id: Option<i64>,
    /// Checksum of the data, or of the list of its sources.
    pub data_sha256: Option<String>,
    pub data_rows_at_trigger: Option<i64>,
    pub trained_model_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
    pub deployed_slot_id: Option<i64>,
    /// Metric and length of the lists, such as `ndcg@20`; with both scores once the gate's figures are there.
    pub gate_metric: Option<String>,
    pub new_score: Option<f64>,
    pub deployed_score: Option<f64>,
    /// The model that answered when the gate was asked.
    pub deployed_model_id: Option<i64>,
    pub was_warm_start: bool,
    pub error_message: String,
    pub ins_datetime: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// What the deployed side of the gate has learnt from, where that was not the run's data.
    pub deployed_data_id: Option<i64>,
}

impl Run {
    /// Whether it still waits or runs.
    pub fn is_live(&self) -> bool {
        RunStatus::LIVE.contains(&self.status)
    }
}

/// Who or what asks for a run.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = retraining_runs)]
pub struct NewRun {
    pub schedule_id: i64,
    pub project_id: i64,
    pub cause: RunCause,
    pub triggered_by: Option<i64>,
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// What a run learns from.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct RunData {
    pub training_data_id: i64,
    pub data_sha256: Option<String>,
    pub data_rows_at_trigger: Option<i64>,
}

/// What a run has begun.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct Begun {
    pub status: RunStatus,
    pub started_at: DateTime<Utc>,
    pub model_configuration_id: Option<i64>,
    pub trained_model_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
}

/// What the quality gate compares.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct GateFigures {
    pub gate_metric: String,
    pub new_score: f64,
    pub deployed_score: f64,
    pub deployed_data_id: Option<i64>,
}

/// How a run ended.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct Ended {
    pub status: RunStatus,
    pub error_message: String,
    pub completed_at: DateTime<Utc>,
    /// None leaves what is known.
    pub trained_model_id: Option<i64>,
    pub deployed_slot_id: Option<i64>,
    pub was_warm_start: Option<bool>,
}
