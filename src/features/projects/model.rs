//! A project's row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::ml::weights::Weights;
use crate::schema::projects;

/// One catalogue and the columns its interactions are found in.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = projects)]
pub struct Project {
    pub id: i64,
    pub organisation_id: i64,
    pub owner_id: Option<i64>,
    pub name: String,
    pub user_column: String,
    pub item_column: String,
    /// None when the interactions carry no time.
    pub time_column: Option<String>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// None when the interactions do not say what kind they are.
    pub event_column: Option<String>,
    /// Weight by event type, as a JSON object.
    pub event_weights: Value,
    /// Days after which an interaction counts half.
    pub half_life_days: Option<f64>,
    /// What a user gets whom the model does not know: `fallback`, the best list there is, or `not_found`, 404.
    pub unknown_user: String,
    /// Which share of its lists is logged; none logs all of them while a shadow slot is active, and otherwise none.
    pub logged_share: Option<f64>,
}

impl Project {
    /// How much interactions count, unless a configuration says otherwise.
    pub fn weights(&self) -> Weights {
        Weights {
            events: serde_json::from_value(self.event_weights.clone()).unwrap_or_default(),
            half_life_days: self.half_life_days,
        }
    }
}

/// The fields a caller decides.
#[derive(Debug, AsChangeset, Insertable)]
#[diesel(table_name = projects, treat_none_as_null = true)]
pub struct ProjectFields {
    pub name: String,
    pub user_column: String,
    pub item_column: String,
    pub time_column: Option<String>,
    pub event_column: Option<String>,
    pub event_weights: Value,
    pub half_life_days: Option<f64>,
    pub unknown_user: String,
    pub logged_share: Option<f64>,
}
