//! Rows of the log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Double, Nullable, Text};
use uuid::Uuid;

use crate::schema::recommendation_log;

/// A list that somebody was answered, or would have been by a shadow slot.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = recommendation_log)]
pub struct LoggedList {
    pub request_id: Uuid,
    pub project_id: i64,
    pub deployment_slot_id: i64,
    /// The model that made the list.
    pub trained_model_id: i64,
    pub is_shadow: bool,
    /// None when the request named nobody.
    pub user_id: Option<String>,
    /// The head of the list, best first.
    pub items: Vec<String>,
    /// How the list came about; none where a shadow had none.
    pub strategy: Option<String>,
    /// With which probability the request went to this slot; none for a shadow.
    pub propensity: Option<f64>,
    /// With which probability each item would have been shown in its place, whichever slot had answered; none where nobody
    /// looked what the others would have answered.
    pub item_propensities: Option<Vec<f64>>,
    pub timestamp: DateTime<Utc>,
}

/// A request that both a live and a shadow slot have a list for.
#[derive(Debug, Clone, QueryableByName)]
pub struct Pair {
    #[diesel(sql_type = Nullable<Text>)]
    pub user_id: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    pub live: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    pub shadow: Vec<String>,
    /// Of the live list, by position.
    #[diesel(sql_type = Nullable<Array<Double>>)]
    pub propensities: Option<Vec<f64>>,
    /// Items that were clicked, each once.
    #[diesel(sql_type = Array<Text>)]
    pub clicked: Vec<String>,
    /// Items that were bought, each once.
    #[diesel(sql_type = Array<Text>)]
    pub bought: Vec<String>,
}
