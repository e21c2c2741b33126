//! Rows of the log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Double, Integer, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::schema::recommendation_log;

/// A list that was answered, or that a shadow slot would have answered.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = recommendation_log)]
pub struct LoggedList {
    pub request_id: Uuid,
    pub project_id: i64,
    pub deployment_slot_id: i64,
    /// The model that computed the list.
    pub trained_model_id: i64,
    pub is_shadow: bool,
    /// `None` if the request named no user.
    pub user_id: Option<String>,
    /// The top of the list, best first.
    pub items: Vec<String>,
    /// The strategy of the list; `None` if a shadow had none.
    pub strategy: Option<&'static str>,
    /// The probability that the request went to this slot; `None` for a shadow.
    pub propensity: Option<f64>,
    /// The probability that each item is shown in its place, over all slots; `None` if the other slots were not asked.
    pub item_propensities: Option<Vec<f64>>,
    pub timestamp: DateTime<Utc>,
    /// The number of items requested, for requests of a user's list without further options, which can be replayed for other
    /// models; `None` if interactions were sent along or the items were restricted.
    pub plain_cutoff: Option<i32>,
}

/// A list that was answered, with its outcome.
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
    /// The probability that the request went to the slot that answered.
    #[diesel(sql_type = Nullable<Double>)]
    pub propensity: Option<f64>,
    /// By position; `None` if the other slots were not asked.
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
    /// Returns it as a pair with the list that another model would have answered.
    pub fn beside(self, other: Vec<String>) -> Pair {
        // A slot with all the traffic leaves nothing to chance, unless new items get a share, of which the log knows.
        let certain = || self.propensity.filter(|share| *share >= 1.0).map(|_| vec![1.0; self.items.len()]);
        let propensities = self.item_propensities.or_else(certain);
        let (clicked, bought) = (self.clicked, self.bought);
        Pair { user_id: self.user_id, live: self.items, shadow: other, propensities, clicked, bought }
    }
}

/// A request with a live list and another one: that of a shadow slot, or of a model asked later.
#[derive(Debug, Clone, QueryableByName)]
pub struct Pair {
    #[diesel(sql_type = Nullable<Text>)]
    pub user_id: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    pub live: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    pub shadow: Vec<String>,
    /// Propensities of the live list, by position.
    #[diesel(sql_type = Nullable<Array<Double>>)]
    pub propensities: Option<Vec<f64>>,
    /// Items that were clicked, each once.
    #[diesel(sql_type = Array<Text>)]
    pub clicked: Vec<String>,
    /// Items that were bought, each once.
    #[diesel(sql_type = Array<Text>)]
    pub bought: Vec<String>,
}
