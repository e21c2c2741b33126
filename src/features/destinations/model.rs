//! Rows of destinations and deliveries, and the payload of their job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::files::{ListFormat, ListKind};
use super::target::{DeliveryTarget, TargetField};
use crate::features::models::LARGEST_CUTOFF;
use crate::ml::artifact::Wanted;
use crate::platform::http::body::{Choice, Flag, Id, Integer, Nullable, Number, Text, TextOrNull};
use crate::platform::{request_fields, wire_enum};
use crate::schema::{deliveries, destinations};

const LONGEST_NAME: usize = 200;
const LONGEST_CRON: usize = 100;
const LONGEST_ZONE: usize = 64;

wire_enum! {
    /// Why there is a delivery.
    pub enum DeliveryCause {
        /// A user.
        Manual = "manual",
        Schedule = "schedule",
        /// A retraining that put a model into use.
        Retraining = "retraining",
    }
}

wire_enum! {
    /// The state of a delivery.
    pub enum DeliveryState {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

wire_enum! {
    /// What a running delivery does.
    pub enum DeliveryStage {
        /// Computing the lists.
        Computing = "computing",
        /// Sending them to the table.
        Sending = "sending",
    }
}

impl DeliveryState {
    /// States of deliveries that are waiting or running.
    pub const LIVE: [Self; 2] = [Self::Queued, Self::Running];
}

request_fields! {
    /// The fields of a destination.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = destinations, treat_none_as_null = true)]
    #[schema(as = DestinationFields)]
    pub struct DestinationFields {
        pub name: String => Text(LONGEST_NAME),
        /// `users` (the default) or `items`.
        pub lists: ListKind = ListKind::default() => Choice(&[]),
        /// A trained model of the project; or else a slot.
        #[serde(rename = "model")]
        pub model_id: Option<i64> = None => Nullable(Id),
        /// A slot of the project, whose model each delivery uses.
        #[serde(rename = "slot")]
        pub slot_id: Option<i64> = None => Nullable(Id),
        /// The number of items of each list.
        pub cutoff: i32 = 10 => Integer(1..=LARGEST_CUTOFF),
        /// Whether to leave out what a user has already interacted with.
        pub exclude_seen: bool = true => Flag,
        /// From 0, best items first, to 1, as different from one another as possible.
        pub diversity: f64 = 0.0 => Number(0.0..=1.0),
        /// `parquet` (the default), `jsonl` or `csv`.
        pub format: ListFormat = ListFormat::default() => Choice(&[]),
        /// The connection whose server gets the lists; null for a file to download.
        #[serde(rename = "connection")]
        pub connection_id: Option<i64> = None => Nullable(Id),
        /// Where they go there; null without a connection.
        #[schema(value_type = Option<DeliveryTarget>)]
        pub target: Option<Value> = None => Nullable(TargetField),
        /// Minute, hour, day of month, month, day of week; without it, the lists are delivered on request only.
        pub cron_expression: Option<String> = None => TextOrNull(LONGEST_CRON),
        /// The time zone of the cron expression, such as `Europe/Berlin`.
        pub time_zone: String = "UTC".to_owned() => Text(LONGEST_ZONE),
        /// Whether the lists are also delivered each time that retraining has finished with a model.
        pub after_retraining: bool = false => Flag,
        /// Whether the lists are delivered by the cron expression and after retraining; if not, on request only.
        pub is_enabled: bool = true => Flag,
    }
}

/// What is delivered where, and when.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = destinations)]
pub struct Destination {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: DestinationFields,
    pub next_run_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One time that the lists of a destination are computed.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = deliveries)]
pub struct Delivery {
    pub id: i64,
    pub project_id: i64,
    pub destination_id: i64,
    pub cause: DeliveryCause,
    pub state: DeliveryState,
    pub lists: ListKind,
    pub cutoff: i32,
    pub exclude_seen: bool,
    pub diversity: f64,
    pub format: ListFormat,
    /// `None` once the model is gone.
    pub trained_model_id: Option<i64>,
    /// Prepared form of the item metadata whose new items are listed too.
    pub items_key: Option<String>,
    /// Lists that are computed.
    pub done: i64,
    /// Lists in total; unknown before it runs.
    pub total: Option<i64>,
    /// Lists of each part.
    pub part_lists: i64,
    pub row_count: Option<i64>,
    pub bytes: Option<i64>,
    /// What it does while it runs.
    pub stage: DeliveryStage,
    /// The connection of its table; `None` without one, or once it is deleted.
    pub connection_id: Option<i64>,
    pub target: Option<Value>,
    /// Bytes that the table has received.
    pub sent: i64,
    pub to_send: Option<i64>,
    /// Key of the file; `None` before the end, and once newer ones have replaced it.
    pub storage_key: Option<String>,
    pub error: Option<String>,
    pub ins_datetime: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// The retraining run that it followed.
    pub retraining_run_id: Option<i64>,
}

impl Delivery {
    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("delivery:{id}")
    }

    /// Returns whether it is waiting or running.
    pub fn is_live(&self) -> bool {
        DeliveryState::LIVE.contains(&self.state)
    }

    /// Returns the share of its stage that is done.
    pub fn progress(&self) -> f64 {
        let (done, total) = match self.stage {
            DeliveryStage::Computing => (self.done, self.total),
            DeliveryStage::Sending => (self.sent, self.to_send),
        };
        match (self.state, total) {
            (DeliveryState::Succeeded, _) => 1.0,
            (_, Some(total)) if total > 0 => (done as f64 / total as f64).min(1.0),
            _ => 0.0,
        }
    }

    /// Returns the table that the lists go to; `None` for a file.
    pub fn target(&self) -> Option<DeliveryTarget> {
        self.target.as_ref().and_then(DeliveryTarget::stored)
    }

    /// Returns what each list should contain.
    pub fn wanted(&self) -> Wanted<'static> {
        let cutoff = usize::try_from(self.cutoff).unwrap_or_default();
        Wanted { exclude_seen: self.exclude_seen, diversity: self.diversity as f32, ..Wanted::best(cutoff) }
    }
}

/// A delivery to be stored.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = deliveries)]
pub struct NewDelivery {
    pub project_id: i64,
    pub destination_id: i64,
    pub cause: DeliveryCause,
    pub triggered_by: Option<i64>,
    pub retraining_run_id: Option<i64>,
    pub lists: ListKind,
    pub cutoff: i32,
    pub exclude_seen: bool,
    pub diversity: f64,
    pub format: ListFormat,
    pub trained_model_id: Option<i64>,
    pub items_key: Option<String>,
    pub part_lists: i64,
    pub connection_id: Option<i64>,
    pub target: Option<Value>,
}

/// The result of a delivery.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = deliveries)]
pub struct Delivered {
    pub done: i64,
    pub row_count: i64,
    pub bytes: i64,
    /// `None` for lists that were sent to a table.
    pub storage_key: Option<String>,
}

/// Starts the deliveries that follow a retraining run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowRetraining {
    pub project_id: i64,
    pub retraining_run_id: i64,
}

/// Computes the lists of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverLists {
    pub delivery_id: i64,
}
