//! Changes of single rows, and the payload of their job.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::item_changes;

/// The new state of the row of an item.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = item_changes, treat_none_as_default_value = false)]
pub struct NewChange {
    pub project_id: i64,
    pub item_id: String,
    /// Values by column; `None` removes the row.
    pub cells: Option<Value>,
    /// The size of the values.
    pub bytes: i64,
}

/// A change that waits to be merged.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = item_changes)]
pub struct Change {
    pub item_id: String,
    pub cells: Option<Value>,
    pub bytes: i64,
    /// Another change of the same row has another number.
    pub sequence: i64,
}

/// How much waits to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub changes: i64,
    pub bytes: i64,
}

/// Merges the waiting changes of a project into its item metadata.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MergeItemChanges {
    pub project_id: i64,
}

impl MergeItemChanges {
    /// Returns the key of the jobs of a project.
    pub fn key(project: i64) -> String {
        format!("item_changes:{project}")
    }
}
