//! Rows of schedules and runs, and the payloads of their jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::features::events::EventType;
use crate::platform::http::body::{
    Choice, FieldReader, Flag, Id, Integer, Kept, Kind, Missing, NamedSchemas, Nullable, Number, Text, Texts,
};
use crate::platform::words::Word;
use crate::platform::{request_fields, wire_enum};
use crate::schema::{retraining_runs, retraining_schedules};

const LONGEST_CRON: usize = 100;
const LONGEST_ZONE: usize = 64;

wire_enum! {
    /// The state of a run.
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
    /// States of runs that are waiting or running.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

wire_enum! {
    /// The cause of a run.
    #[schema(as = RetrainingRunCause)]
    pub enum RunCause {
        /// A user.
        Manual = "manual",
        Schedule = "schedule",
        /// A source that brought rows.
        Source = "source",
    }
}

wire_enum! {
    /// What happens to runs that were missed while no scheduler ran.
    #[derive(Default)]
    pub enum CatchUp {
        /// One run replaces all of them.
        #[default]
        Once = "once",
        /// None does.
        Skip = "skip",
    }
}

wire_enum! {
    /// The uploads that a run trains on.
    #[derive(Default)]
    pub enum DataSource {
        /// The newest upload, or the one that the schedule names.
        #[default]
        Newest = "newest",
        /// All uploads of the project together.
        All = "all",
    }
}

request_fields! {
    /// The fields of a schedule. A change keeps the fields that it leaves out.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = retraining_schedules, treat_none_as_null = true)]
    #[schema(as = RetrainingScheduleFields)]
    pub struct ScheduleFields {
        pub is_enabled: bool = false => Kept(Flag),
        /// Minute, hour, day of month, month, day of week (0 is Sunday); Sundays at two by default.
        pub cron_expression: String = "0 2 * * 0".to_owned() => Kept(Text(LONGEST_CRON)),
        /// The time zone of the cron expression, such as `Europe/Berlin`.
        pub time_zone: String = "UTC".to_owned() => Kept(Text(LONGEST_ZONE)),
        /// The data to train on; null means the newest upload.
        #[serde(rename = "training_data")]
        pub training_data_id: Option<i64> = None => Kept(Nullable(Id)),
        #[serde(rename = "model_configuration")]
        pub model_configuration_id: Option<i64> = None => Kept(Nullable(Id)),
        /// Whether to search, with `split_config` and `evaluation_config`, instead of training the configuration.
        pub retune: bool = false => Kept(Flag),
        #[serde(rename = "split_config")]
        pub split_config_id: Option<i64> = None => Kept(Nullable(Id)),
        #[serde(rename = "evaluation_config")]
        pub evaluation_config_id: Option<i64> = None => Kept(Nullable(Id)),
        pub max_retries: i32 = 3 => Kept(Integer(0..=100)),
        pub notify_on_failure: bool = true => Kept(Flag),
        pub auto_deploy: bool = false => Kept(Flag),
        /// How much worse than the deployed model a new one may be and still be deployed.
        pub gate_tolerance: Option<f64> = None => Kept(Nullable(Number(0.0..=1.0))),
        pub catch_up: CatchUp = CatchUp::default() => Kept(Choice(&[])),
        /// Whether a run over unchanged data is skipped.
        pub skip_unchanged: bool = false => Kept(Flag),
        /// Whether a training starts from the model of the last successful run, which takes a quarter of the epochs; for iALS
        /// with the same number of components. The result then depends on that model too.
        pub warm_start: bool = false => Kept(Flag),
        /// `newest` (the default) or `all`; `all` excludes `training_data`.
        pub data_source: DataSource = DataSource::default() => Kept(Choice(&[])),
        /// Event types to train on as well, none by default: those recorded since the oldest upload in use.
        #[schema(value_type = Vec<EventType>)]
        pub event_types: Value = Value::Array(Vec::new()) => Kept(LearntEvents),
    }
}

/// A list of event types, as its column stores it.
struct LearntEvents;

impl Kind for LearntEvents {
    type Output = Value;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Value>) -> Value {
        let missing = match missing {
            Missing::Required => Missing::Required,
            Missing::Use(current) => Missing::Use(event_types(&current).iter().map(EventType::to_string).collect()),
        };
        let words = fields.read(field, Texts::WORDS, missing);
        let known = EventType::words();
        if let Some(unknown) = words.iter().find(|word| !known.contains(&word.as_str())) {
            fields.fault(field, format!("\"{unknown}\" is not a type of event. Choose among: {}.", known.join(", ")));
        }
        // Sorted and without duplicates: the same choice is the same data.
        known.into_iter().filter(|known| words.iter().any(|word| word == known)).collect()
    }

    fn schema(&self) -> RefOr<Schema> {
        ArrayBuilder::new().items(Ref::from_schema_name(EventType::name())).into()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        schemas.push((EventType::name().into_owned(), EventType::schema()));
    }
}

/// Returns the event types in a list, without unknown ones.
fn event_types(list: &Value) -> Vec<EventType> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str()?.parse().ok()).collect()
}

/// When a project is retrained, and on what.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = retraining_schedules)]
pub struct Schedule {
    pub id: i64,
    pub project_id: i64,
    pub created_by: Option<i64>,
    #[diesel(embed)]
    pub fields: ScheduleFields,
    pub last_run_at: Option<DateTime<Utc>>,
    pub last_run_status: Option<RunStatus>,
    pub next_run_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// Returns the event types to train on as well.
    pub fn learnt_events(&self) -> Vec<EventType> {
        event_types(&self.fields.event_types)
    }
}

/// One execution of a schedule.
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
    /// Metric and length of the lists, such as `ndcg@20`; with both scores once the gate has them.
    pub gate_metric: Option<String>,
    pub new_score: Option<f64>,
    pub deployed_score: Option<f64>,
    /// The model that was deployed when the gate was asked.
    pub deployed_model_id: Option<i64>,
    pub was_warm_start: bool,
    pub error_message: String,
    pub ins_datetime: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// The data that the deployed side of the gate was fitted to, if not the run's data.
    pub deployed_data_id: Option<i64>,
}

impl Run {
    /// Returns whether it is waiting or running.
    pub fn is_live(&self) -> bool {
        RunStatus::LIVE.contains(&self.status)
    }
}

/// A run to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = retraining_runs)]
pub struct NewRun {
    pub schedule_id: i64,
    pub project_id: i64,
    pub cause: RunCause,
    pub triggered_by: Option<i64>,
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// The data of a run.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct RunData {
    pub training_data_id: i64,
    pub data_sha256: Option<String>,
    pub data_rows_at_trigger: Option<i64>,
}

/// The work that a run has started.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct Begun {
    pub status: RunStatus,
    pub started_at: DateTime<Utc>,
    pub model_configuration_id: Option<i64>,
    pub trained_model_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
}

/// The scores that the quality gate compares.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct GateFigures {
    pub gate_metric: String,
    pub new_score: f64,
    pub deployed_score: f64,
    pub deployed_data_id: Option<i64>,
}

/// The end of a run.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = retraining_runs)]
pub struct Ended {
    pub status: RunStatus,
    pub error_message: String,
    pub completed_at: DateTime<Utc>,
    /// `None` keeps the current value.
    pub trained_model_id: Option<i64>,
    pub deployed_slot_id: Option<i64>,
    pub was_warm_start: Option<bool>,
}

/// Executes one run. Other jobs do the work, so it never occupies a worker: between two checks it is postponed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRetraining {
    pub retraining_run_id: i64,
}

/// Writes the file of combined data and prepares it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CombineData {
    pub training_data_id: i64,
}

/// Computes the scores of the quality gate: the configurations of the new and of the deployed model are fitted and evaluated. The
/// run waits for this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JudgeRun {
    pub retraining_run_id: i64,
    pub deployed_model_id: i64,
}
