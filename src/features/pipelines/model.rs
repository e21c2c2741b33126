//! Pipeline runs, as they are composed and answered.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::data_sources::SourceRun;
use crate::features::destinations::Delivery;
use crate::features::models::TrainedModel;
use crate::features::retraining;
use crate::platform::http::timestamp;
use crate::platform::wire_enum;

wire_enum! {
    /// A stage of a pipeline run, in this order.
    #[schema(as = PipelineStageName)]
    pub enum StageName {
        /// Sources are read.
        Pull = "pull",
        /// What was read is prepared and checked.
        Prepare = "prepare",
        /// A configuration is trained.
        Train = "train",
        /// A search runs, and its best configuration is trained.
        Tune = "tune",
        /// The new model is compared with the deployed one.
        Gate = "gate",
        Deploy = "deploy",
        /// Lists are delivered.
        Deliver = "deliver",
    }
}

wire_enum! {
    /// The state of a stage, and of a pipeline run.
    #[schema(as = PipelineState)]
    pub enum StageState {
        Waiting = "waiting",
        Running = "running",
        Succeeded = "succeeded",
        /// What was read breaks a guard of its source, and is not used until a user accepts it.
        Held = "held",
        /// The gate kept the deployed model.
        Refused = "refused",
        Failed = "failed",
        Cancelled = "cancelled",
        /// There was nothing to do.
        Skipped = "skipped",
    }
}

/// A stage that has begun, or that follows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PipelineStage)]
pub struct Stage {
    pub name: StageName,
    pub state: StageState,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Rows that it read, kept, trained on or delivered.
    pub rows: Option<i64>,
    /// Why it ended like this, in sentences.
    pub message: Option<String>,
}

/// The comparison of the new model with the deployed one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PipelineGate)]
pub struct Gate {
    /// Metric and length of the lists, such as `ndcg@20`.
    pub metric: String,
    pub new_score: f64,
    pub deployed_score: f64,
}

/// The rows that make up a pipeline run.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Oldest first.
    pub sources: Vec<SourceRun>,
    pub retraining: Option<retraining::Run>,
    pub model: Option<TrainedModel>,
    /// The newest of each destination.
    pub deliveries: Vec<Delivery>,
}

/// A pipeline run in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PipelineRun)]
pub struct PipelineRunBody {
    /// `retraining-7` or `source-12`, after the part that it is named for.
    pub id: String,
    pub project: i64,
    pub state: StageState,
    /// Why it was started: the cause of its first part.
    pub cause: String,
    #[serde(serialize_with = "timestamp::serialize")]
    pub started_at: DateTime<Utc>,
    /// Null while a part waits or runs.
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub finished_at: Option<DateTime<Utc>>,
    pub stages: Vec<Stage>,
    /// The runs of sources whose rows it used.
    pub source_runs: Vec<PartOfRun>,
    pub retraining_run: Option<i64>,
    pub training_data: Option<i64>,
    pub tuning_job: Option<i64>,
    pub trained_model: Option<i64>,
    /// The slot in which the model was deployed.
    pub deployed_slot: Option<i64>,
    /// Null if there was nothing to compare.
    pub gate: Option<Gate>,
    /// The deliveries of its lists, the newest of each destination.
    pub deliveries: Vec<PartOfRun>,
}

/// A run of a source or a delivery, as part of a pipeline run.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PipelinePart)]
pub struct PartOfRun {
    pub id: i64,
    /// The id of the source or destination.
    pub of: i64,
    /// The name of the source or destination.
    pub name: String,
    pub state: StageState,
    pub rows: Option<i64>,
}
