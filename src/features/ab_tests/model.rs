//! Rows of tests.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::schema::ab_tests;

/// The states of a test.
pub const STATUSES: [&str; 4] = ["DRAFT", "RUNNING", "COMPLETED", "CANCELLED"];

/// What a test can be about.
pub const METRICS: [&str; 3] = ["ctr", "purchase_rate", "conversion_rate"];

/// Two slots compared.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = ab_tests)]
pub struct AbTest {
    pub id: i64,
    pub project_id: i64,
    pub name: String,
    pub status: String,
    pub control_slot_id: i64,
    pub variant_slot_id: i64,
    pub target_metric_name: String,
    pub min_sample_size: i32,
    pub confidence_level: f64,
    /// Of the control slot when the test was started.
    pub control_weight: Option<f64>,
    pub variant_weight: Option<f64>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub winner_slot_id: Option<i64>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What was counted in both arms, once the events are gone: an array of [`SlotCounts`](crate::features::events::SlotCounts).
    pub kept_counts: Option<Value>,
}

/// What a caller decides about a test.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = ab_tests)]
pub struct TestFields {
    pub name: String,
    pub control_slot_id: i64,
    pub variant_slot_id: i64,
    pub target_metric_name: String,
    pub min_sample_size: i32,
    pub confidence_level: f64,
}
