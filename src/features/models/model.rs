//! Rows of trained models, and the payload of their job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::training::WARM_START;
use crate::features::datasets::TrainingData;
use crate::platform::wire_enum;
use crate::schema::{model_configurations, trained_models};

wire_enum! {
    /// The state of a training.
    pub enum ModelStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Failed = "FAILED",
    }
}

impl ModelStatus {
    /// States of trainings that are waiting or running.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

/// A configuration fitted, or to be fitted, to an upload.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = trained_models)]
pub struct TrainedModel {
    pub id: i64,
    pub configuration_id: i64,
    pub data_id: i64,
    pub status: ModelStatus,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
    /// Key of the artifact; `None` before training has ended and after the file was unlinked.
    pub storage_key: Option<String>,
    /// Detached signature of the artifact; the row's copy is authoritative.
    pub signature: Option<String>,
    pub filesize: Option<i64>,
    pub engine_version: Option<String>,
    /// The inputs needed to reproduce this model.
    pub lineage: Value,
    pub n_users: Option<i32>,
    pub n_items: Option<i32>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

impl TrainedModel {
    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("model:{id}")
    }

    /// Returns whether its training is waiting or running.
    pub fn is_live(&self) -> bool {
        ModelStatus::LIVE.contains(&self.status)
    }

    /// Returns whether it has a file to predict from.
    pub fn has_file(&self) -> bool {
        self.storage_key.is_some() && self.signature.is_some()
    }

    /// Returns whether its training started from another model.
    pub fn was_warm_start(&self) -> bool {
        self.lineage[WARM_START].is_i64()
    }

    /// Returns a moment after all interactions that it was trained on. `data` is the row of its training data, whose file may
    /// have been replaced since.
    pub fn learnt_until(&self, data: &TrainingData) -> DateTime<Utc> {
        let began = self.started_at.unwrap_or(self.ins_datetime);
        let is_same = data.sha256.is_some() && self.lineage["data_sha256"].as_str() == data.sha256.as_deref();
        // The model it started from may have been trained on later data, but not on data that arrived after this training began.
        if is_same && !self.was_warm_start() { began.min(data.ends_before()) } else { began }
    }

    /// Returns the file name for downloads.
    pub fn basename(&self) -> Option<String> {
        self.storage_key.as_ref().map(|_| format!("model-{}.safetensors", self.id))
    }
}

/// The fields of its configuration that a model shows.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = model_configurations)]
pub struct Recipe {
    pub id: i64,
    pub name: Option<String>,
    pub recommender_class_name: String,
    pub parameters_json: Value,
}

/// The result of a successful training.
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
    /// A model to start from, if the algorithm supports it.
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
            origin: None,
            standing: crate::features::datasets::Standing::InUse,
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
