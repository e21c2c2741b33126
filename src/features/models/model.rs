//! Rows of trained models.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use super::training::WARM_START;
use crate::schema::{model_configurations, trained_models};

/// Where a training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Running,
    Completed,
    Failed,
}

impl Status {
    /// The stored word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// A configuration fitted to an upload, or about to be.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = trained_models)]
pub struct TrainedModel {
    pub id: i64,
    pub configuration_id: i64,
    pub data_id: i64,
    /// `PENDING`, `RUNNING`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
    /// The artifact; none before training has ended and after the file was unlinked.
    pub storage_key: Option<String>,
    /// Detached signature of the artifact: the row's copy is the one that counts.
    pub signature: Option<String>,
    pub filesize: Option<i64>,
    pub engine_version: Option<String>,
    /// What is needed to make this model again.
    pub lineage: Value,
    pub n_users: Option<i32>,
    pub n_items: Option<i32>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

impl TrainedModel {
    /// The name its queue jobs share.
    pub fn group(id: i64) -> String {
        format!("model:{id}")
    }

    /// Whether the status is this one.
    pub fn is(&self, status: Status) -> bool {
        self.status == status.wire()
    }

    /// Whether its training began with what another model had learnt.
    pub fn was_warm_start(&self) -> bool {
        self.lineage[WARM_START].is_i64()
    }

    /// The name its file has for people.
    pub fn basename(&self) -> Option<String> {
        self.storage_key.as_ref().map(|_| format!("model-{}.safetensors", self.id))
    }
}

/// What of its configuration a model shows.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = model_configurations)]
pub struct Recipe {
    pub id: i64,
    pub name: Option<String>,
    pub recommender_class_name: String,
    pub parameters_json: Value,
}

/// How a training ended well.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = trained_models)]
pub struct Outcome {
    pub storage_key: String,
    pub signature: String,
    pub filesize: i64,
    pub engine_version: String,
    pub lineage: Value,
    pub n_users: i32,
    pub n_items: i32,
}
