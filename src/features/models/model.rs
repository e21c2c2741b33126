//! Rows of trained models, and what their job is told.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::training::WARM_START;
use crate::features::datasets::TrainingData;
use crate::platform::wire_enum;
use crate::schema::{model_configurations, trained_models};

wire_enum! {
    /// Where a training stands.
    pub enum ModelStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Failed = "FAILED",
    }
}

impl ModelStatus {
    /// Of trainings that wait or run.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

/// A configuration fitted to an upload, or about to be.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = trained_models)]
pub struct TrainedModel {
    pub id: i64,
    pub configuration_id: i64,
    pub data_id: i64,
    pub status: ModelStatus,
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

    /// Returns whether its training waits or runs.
    pub fn is_live(&self) -> bool {
        ModelStatus::LIVE.contains(&self.status)
    }

    /// Returns whether there is a file to predict from.
    pub fn has_file(&self) -> bool {
        self.storage_key.is_some() && self.signature.is_some()
    }

    /// Whether its training began with what another model had learnt.
    pub fn was_warm_start(&self) -> bool {
        self.lineage[WARM_START].is_i64()
    }

    /// A moment after which nothing happened that it has learnt from. `data` is the row it was trained on, of which the file may
    /// be another by now.
    pub fn learnt_until(&self, data: &TrainingData) -> DateTime<Utc> {
        let began = self.started_at.unwrap_or(self.ins_datetime);
        let is_same = data.sha256.is_some() && self.lineage["data_sha256"].as_str() == data.sha256.as_deref();
        // What it began with may have learnt from later data, though not from data that was not there yet.
        if is_same && !self.was_warm_start() { began.min(data.ends_before()) } else { began }
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

/// Trains one model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainModel {
    pub trained_model_id: i64,
    /// A model to begin with, where the algorithm can.
    #[serde(default)]
    pub warm_start_from: Option<i64>,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::features::datasets::TrainingDataStatus;

    fn day(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    fn model(lineage: Value) -> TrainedModel {
        TrainedModel {
            id: 1,
            configuration_id: 1,
            data_id: 1,
            status: ModelStatus::Completed,
            error: None,
            storage_key: None,
            signature: None,
            filesize: None,
            engine_version: None,
            lineage,
            n_users: None,
            n_items: None,
            started_at: Some(day(20)),
            finished_at: None,
            ins_datetime: day(19),
        }
    }

    fn data(stored_at: DateTime<Utc>) -> TrainingData {
        TrainingData {
            id: 1,
            project_id: 1,
            storage_key: None,
            basename: None,
            filesize: None,
            sha256: Some("ab".to_owned()),
            prepared_key: None,
            status: TrainingDataStatus::Ready,
            error: None,
            report: None,
            ins_datetime: day(1),
            sources: None,
            stored_at,
            stored_bytes: 0,
        }
    }

    #[test]
    fn a_model_has_learnt_until_its_data_came_or_until_it_was_trained_where_that_is_not_known() {
        let same = json!({ "data_sha256": "ab" });
        assert_eq!(model(same.clone()).learnt_until(&data(day(10))), day(10));
        assert_eq!(model(same).learnt_until(&data(day(30))), day(20), "the same file was uploaded again");
        assert_eq!(model(json!({ "data_sha256": "cd" })).learnt_until(&data(day(10))), day(20), "another file by now");
        let warm = json!({ "data_sha256": "ab", "warm_start_from": 7 });
        assert_eq!(model(warm).learnt_until(&data(day(10))), day(20));
    }
}
