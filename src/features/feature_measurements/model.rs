//! Rows of measurements, their results, the fields of bodies, and the payload of their job.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::features::evaluation::Estimate;
use crate::ml::field_worth::{self, FieldWorth, SpecWorth};
use crate::platform::http::body::{Id, Text};
use crate::platform::{request_fields, wire_enum};
use crate::schema::feature_measurements;

const LONGEST_CLASS_NAME: usize = 128;

/// The algorithm of a measurement that names none.
const DEFAULT_ALGORITHM: &str = "IALSRecommender";

wire_enum! {
    /// The state of a measurement.
    pub enum MeasurementStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Failed = "FAILED",
    }
}

impl MeasurementStatus {
    /// States of measurements that are waiting or running.
    pub const LIVE: [Self; 2] = [Self::Pending, Self::Running];
}

/// A measurement of what the fields of a feature set are worth.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = feature_measurements)]
pub struct FeatureMeasurement {
    pub id: i64,
    pub project_id: i64,
    pub feature_set_id: i64,
    pub data_id: i64,
    pub algorithm: String,
    pub status: MeasurementStatus,
    /// Steps finished.
    pub done: i64,
    /// Steps in total; unknown before it runs.
    pub total: Option<i64>,
    pub result: Option<Value>,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
    pub ins_datetime: DateTime<Utc>,
    pub end_datetime: Option<DateTime<Utc>>,
}

impl FeatureMeasurement {
    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("feature_measurement:{id}")
    }

    /// Returns whether it is waiting or running.
    pub fn is_live(&self) -> bool {
        MeasurementStatus::LIVE.contains(&self.status)
    }
}

/// A measurement to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = feature_measurements)]
pub struct NewMeasurement {
    pub project_id: i64,
    pub feature_set_id: i64,
    pub data_id: i64,
    pub created_by: i64,
    pub algorithm: String,
}

request_fields! {
    /// A new measurement.
    pub struct MeasurementFields {
        pub feature_set: i64 => Id,
        /// The training data from which items are held out.
        pub data: i64 => Id,
        /// One of the names in `/algorithms/` that recommends new items.
        pub algorithm: String = DEFAULT_ALGORITHM.to_owned() => Text(LONGEST_CLASS_NAME),
    }
}

/// What the fields of a feature set are worth.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct MeasurementResult {
    /// The number of users with new items.
    n_users: usize,
    n_items: usize,
    /// The number of items that were held out each time.
    n_cold: usize,
    /// The length of the lists.
    cutoff: usize,
    /// Quality of the lists of new items with all fields.
    ndcg: Estimate,
    /// The same without a model: `random`, `popularity_from_features` and `content_knn`.
    baselines: BTreeMap<String, Estimate>,
    /// The fields of the spec, in its order.
    fields: Vec<MeasuredField>,
}

/// What one field is worth.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct MeasuredField {
    /// The number of the field in the spec, from 0.
    field: usize,
    column: String,
    /// How much `ndcg` falls without the field.
    worth: f64,
    /// The 95 % confidence interval of `worth`.
    low: f64,
    high: f64,
    /// Whether the interval contains 0.
    is_noise: bool,
}

fn estimate(measured: field_worth::Estimate) -> Estimate {
    Estimate::new(measured.mean, measured.interval)
}

impl From<FieldWorth> for MeasuredField {
    fn from(field: FieldWorth) -> Self {
        let Estimate { mean: worth, low, high } = estimate(field.worth);
        Self { field: field.field, column: field.column, worth, low, high, is_noise: field.is_noise }
    }
}

impl MeasurementResult {
    /// Creates the result from what the engine measured, where `n_cold` of `n_items` items were held out.
    pub fn of(worth: SpecWorth, n_items: usize, n_cold: usize) -> Self {
        Self {
            n_users: worth.n_users,
            n_items,
            n_cold,
            cutoff: worth.cutoff,
            ndcg: estimate(worth.whole),
            baselines: worth.baselines.into_iter().map(|one| (one.baseline.to_owned(), estimate(one.quality))).collect(),
            fields: worth.fields.into_iter().map(MeasuredField::from).collect(),
        }
    }
}

/// Measures what the fields of a feature set are worth.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MeasureFeatures {
    pub feature_measurement_id: i64,
}
