//! Rows of slots and of their history.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::platform::wire_enum;
use crate::schema::{deployment_slots, slot_changes};

/// A model that answers a share of a project's traffic.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = deployment_slots)]
pub struct DeploymentSlot {
    pub id: i64,
    pub project_id: i64,
    pub name: String,
    pub trained_model_id: i64,
    /// 0 to 100, in proportion to the other active slots.
    pub weight: f64,
    pub is_active: bool,
    /// Gets a copy of the traffic and answers nobody.
    pub is_shadow: bool,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What a caller decides about a slot.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = deployment_slots)]
pub struct SlotFields {
    pub name: String,
    pub trained_model_id: i64,
    pub weight: f64,
    pub is_active: bool,
    pub is_shadow: bool,
}

impl DeploymentSlot {
    /// The part a caller decides.
    pub fn fields(&self) -> SlotFields {
        SlotFields {
            name: self.name.clone(),
            trained_model_id: self.trained_model_id,
            weight: self.weight,
            is_active: self.is_active,
            is_shadow: self.is_shadow,
        }
    }

    /// The slot as the history keeps it.
    pub fn snapshot(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "trained_model": self.trained_model_id,
            "weight": self.weight,
            "is_active": self.is_active,
            "is_shadow": self.is_shadow,
        })
    }
}

/// A slot as the history keeps it.
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: i64,
    pub name: String,
    pub trained_model: i64,
    weight: f64,
    pub is_active: bool,
    is_shadow: bool,
}

impl Snapshot {
    /// The fields of the slot at that time.
    pub fn fields(&self) -> SlotFields {
        SlotFields {
            name: self.name.clone(),
            trained_model_id: self.trained_model,
            weight: self.weight,
            is_active: self.is_active,
            is_shadow: self.is_shadow,
        }
    }
}

wire_enum! {
    /// What an act that changed who answers was.
    pub enum SlotChangeAction {
        Created = "created",
        Updated = "updated",
        Deleted = "deleted",
        /// The winner of a test took over.
        Promoted = "promoted",
        /// The program put a new model into service.
        Deployed = "deployed",
        /// An earlier change was taken back.
        Reverted = "reverted",
    }
}

/// One act that changed who answers, as it was recorded.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = slot_changes)]
pub struct SlotChange {
    pub id: i64,
    pub project_id: i64,
    pub action: SlotChangeAction,
    /// The slots it touched, as they were.
    pub before: Value,
    /// The same slots, as they became; one that is missing in either was made or removed.
    pub after: Value,
    /// The test whose winner it promoted.
    pub ab_test_id: Option<i64>,
    /// The change that it took back.
    pub reverts_id: Option<i64>,
    /// None when the program did it.
    pub changed_by: Option<i64>,
    pub ins_datetime: DateTime<Utc>,
}

/// One act that changed who answers.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = slot_changes)]
pub struct NewSlotChange {
    pub project_id: i64,
    pub action: SlotChangeAction,
    pub before: Value,
    pub after: Value,
    pub ab_test_id: Option<i64>,
    pub reverts_id: Option<i64>,
    /// None when the program did it.
    pub changed_by: Option<i64>,
}
