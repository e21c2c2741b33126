//! Rows of tests.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::platform::http::body::{Choice, Id, Integer, Kept, Number, Text};
use crate::platform::{request_fields, wire_enum};
use crate::schema::ab_tests;

const LONGEST_NAME: usize = 256;

wire_enum! {
    /// The state of a test.
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
    /// The metric of a test.
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

/// The name that 1.x's UI uses for `ctr`.
const ALIASES: &[(&str, TestMetric)] = &[("click_through_rate", TestMetric::Ctr)];

request_fields! {
    /// The fields of a test.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = ab_tests)]
    #[schema(as = ABTestFields)]
    pub struct TestFields {
        pub name: String => Text(LONGEST_NAME),
        /// A slot of the same project.
        #[serde(rename = "control_slot")]
        pub control_slot_id: i64 => Id,
        /// Another slot of the same project.
        #[serde(rename = "variant_slot")]
        pub variant_slot_id: i64 => Id,
        /// `ctr` (or `click_through_rate`), `purchase_rate` or `conversion_rate`; `ctr` by default.
        pub target_metric_name: TestMetric = TestMetric::default() => Kept(Choice(ALIASES)),
        /// Impressions of both slots together; 1,000 by default.
        pub min_sample_size: i32 = 1_000 => Kept(Integer(1..=i32::MAX)),
        /// 0.5 to 0.99; 0.95 by default.
        pub confidence_level: f64 = 0.95 => Kept(Number(0.5..=0.99)),
    }
}

impl TestFields {
    /// Returns the two slots that are compared, the control first.
    pub fn slots(&self) -> [i64; 2] {
        [self.control_slot_id, self.variant_slot_id]
    }
}

/// A comparison of two slots.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = ab_tests)]
pub struct AbTest {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: TestFields,
    pub status: TestStatus,
    /// Weight of the control slot when the test was started.
    pub control_weight: Option<f64>,
    pub variant_weight: Option<f64>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub winner_slot_id: Option<i64>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The counts of both arms once the events are deleted: an array of [`SlotCounts`](crate::features::events::SlotCounts).
    pub kept_counts: Option<Value>,
}
