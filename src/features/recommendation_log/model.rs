//! Rows of the log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Double, Integer, Nullable, Text, Timestamptz};
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
    pub strategy: Option<&'static str>,
    /// With which probability the request went to this slot; none for a shadow.
    pub propensity: Option<f64>,
    /// With which probability each item would have been shown in its place, whichever slot had answered; none where nobody
    /// looked what the others would have answered.
    pub item_propensities: Option<Vec<f64>>,
    pub timestamp: DateTime<Utc>,
    /// How many items were asked for by a request for a user's list and nothing else, which another model can be asked as well;
    /// none where interactions were sent along or only some items admitted.
    pub plain_cutoff: Option<i32>,
}

/// A list that somebody was answered, and what became of it.
#[derive(Debug, Clone, QueryableByName)]
pub struct AnsweredList {
    #[diesel(sql_type = Nullable<Text>)]
    pub user_id: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub timestamp: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub plain_cutoff: Option<i32>,
    #[diesel(sql_type = Array<Text>)]
    pub items: Vec<String>,
    /// With which probability the request went to the slot that answered.
    #[diesel(sql_type = Nullable<Double>)]
    pub propensity: Option<f64>,
    /// By position; none where nobody looked what the other slots would have answered.
    #[diesel(sql_type = Nullable<Array<Double>>)]
    pub item_propensities: Option<Vec<f64>>,
    /// Items that were clicked, each once.
    #[diesel(sql_type = Array<Text>)]
    pub clicked: Vec<String>,
    /// Items that were bought, each once.
    #[diesel(sql_type = Array<Text>)]
    pub bought: Vec<String>,
}

impl AnsweredList {
    /// Beside the list that another model would have answered.
    pub fn beside(self, other: Vec<String>) -> Pair {
        // A slot that gets all the traffic leaves nothing to chance.
        let certain = || self.propensity.filter(|share| *share >= 1.0).map(|_| vec![1.0; self.items.len()]);
        let propensities = self.item_propensities.or_else(certain);
        let (clicked, bought) = (self.clicked, self.bought);
        Pair { user_id: self.user_id, live: self.items, shadow: other, propensities, clicked, bought }
    }
}

/// A request that both a live and a shadow slot have a list for, or another model that was asked later.
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
