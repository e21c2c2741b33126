//! Rows of tests.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::platform::wire_enum;
use crate::schema::ab_tests;

wire_enum! {
    /// Where a test stands.
    #[schema(as = ABTestStatus)]
    pub enum TestStatus {
        Draft = "DRAFT",
        Running = "RUNNING",
        Completed = "COMPLETED",
        Cancelled = "CANCELLED",
    }
}

impl TestStatus {
    /// Returns whether it has ended.
    pub fn is_over(self) -> bool {
        match self {
            Self::Draft | Self::Running => false,
            Self::Completed | Self::Cancelled => true,
        }
    }
}

wire_enum! {
    /// What a test is about.
    #[derive(Default)]
    #[schema(as = ABTestMetric)]
    pub enum TestMetric {
        /// Clicks by impressions.
        #[default]
        Ctr = "ctr",
        /// Purchases by impressions.
        PurchaseRate = "purchase_rate",
        /// Clicks and purchases by impressions.
        ConversionRate = "conversion_rate",
    }
}

/// Two slots compared.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = ab_tests)]
pub struct AbTest {
    pub id: i64,
    pub project_id: i64,
    pub name: String,
    pub status: TestStatus,
    pub control_slot_id: i64,
    pub variant_slot_id: i64,
    pub target_metric_name: TestMetric,
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
    pub target_metric_name: TestMetric,
    pub min_sample_size: i32,
    pub confidence_level: f64,
}
