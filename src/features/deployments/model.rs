//! Rows of slots and of their history.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::platform::http::body::{Flag, Id, Kept, Number, Text};
use crate::platform::{request_fields, wire_enum};
use crate::schema::{deployment_slots, slot_changes};

const LONGEST_NAME: usize = 256;
/// The weight of a slot that gets all traffic.
pub const FULL_WEIGHT: f64 = 100.0;

request_fields! {
    /// The fields of a slot.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, Deserialize, ToSchema)]
    #[diesel(table_name = deployment_slots)]
    #[schema(as = DeploymentSlotFields)]
    pub struct SlotFields {
        pub name: String => Text(LONGEST_NAME),
        /// A trained model of the same project.
        #[serde(rename = "trained_model")]
        pub trained_model_id: i64 => Id,
        /// 0 to 100, in proportion to the other active slots; 100 by default.
        pub weight: f64 = FULL_WEIGHT => Kept(Number(0.0..=FULL_WEIGHT)),
        pub is_active: bool = true => Kept(Flag),
        /// Whether it gets a copy of the traffic without answering users.
        pub is_shadow: bool = false => Kept(Flag),
    }
}

/// A model that answers a share of a project's traffic.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = deployment_slots)]
pub struct DeploymentSlot {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: SlotFields,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl DeploymentSlot {
    /// Returns whether it is one of the answering slots, even with a weight of 0.
    pub fn answers(&self) -> bool {
        self.fields.is_active && !self.fields.is_shadow
    }

    /// Returns whether it answers a share of the traffic.
    pub fn has_traffic(&self) -> bool {
        self.answers() && self.fields.weight > 0.0
    }

    /// Returns the slot as it is stored in the history.
    pub fn snapshot(&self) -> Value {
        json!(Snapshot { id: self.id, fields: self.fields.clone() })
    }
}

/// A slot as it is stored in the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: i64,
    #[serde(flatten)]
    pub fields: SlotFields,
}

wire_enum! {
    /// The kinds of changes to the slots that answer.
    pub enum SlotChangeAction {
        Created = "created",
        Updated = "updated",
        Deleted = "deleted",
        /// The winner of a test was promoted.
        Promoted = "promoted",
        /// The program deployed a new model.
        Deployed = "deployed",
        /// An earlier change was reverted.
        Reverted = "reverted",
    }
}

/// A recorded change of the slots that answer.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = slot_changes)]
pub struct SlotChange {
    pub id: i64,
    pub project_id: i64,
    pub action: SlotChangeAction,
    /// The affected slots before the change.
    pub before: Value,
    /// The same slots after the change; one that is missing in either was created or deleted.
    pub after: Value,
    /// The test whose winner was promoted.
    pub ab_test_id: Option<i64>,
    /// The change that was reverted.
    pub reverts_id: Option<i64>,
    /// `None` if the program made the change.
    pub changed_by: Option<i64>,
    pub ins_datetime: DateTime<Utc>,
}

/// A change of the slots that answer, to be recorded.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = slot_changes)]
pub struct NewSlotChange {
    pub project_id: i64,
    pub action: SlotChangeAction,
    pub before: Value,
    pub after: Value,
    pub ab_test_id: Option<i64>,
    pub reverts_id: Option<i64>,
    /// `None` if the program made the change.
    pub changed_by: Option<i64>,
}
