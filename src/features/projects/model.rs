//! A project's row.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::{Map, Value};

use crate::ml::weights::Weights;
use crate::platform::nearest::nearest;
use crate::platform::wire_enum;
use crate::schema::projects;

/// As many types of events as the report of an upload lists at most.
pub const MOST_EVENT_TYPES: usize = 50;

wire_enum! {
    /// What answers a request for a user that the model does not know.
    #[derive(Default)]
    pub enum UnknownUsers {
        /// The best list there is.
        #[default]
        Fallback = "fallback",
        /// 404, and no items in a batch, as from Recotem 1.x.
        NotFound = "not_found",
    }
}

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
    pub unknown_user: UnknownUsers,
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

impl Project {
    /// Whether it says what types of events count.
    pub fn has_event_weights(&self) -> bool {
        self.event_weights.as_object().is_some_and(|weights| !weights.is_empty())
    }

    /// Says of each weight whose type of event no upload has that this is so, and which type was probably meant. Nothing
    /// where uploads have named no types yet, or more than their reports list.
    pub fn unknown_events(&self, known: Option<&BTreeSet<String>>) -> Vec<String> {
        let Some(known) = known.filter(|known| known.len() < MOST_EVENT_TYPES) else { return Vec::new() };
        let weighed = self.event_weights.as_object().into_iter().flat_map(Map::keys);
        let unknown: BTreeSet<&String> = weighed.filter(|event| !known.contains(*event)).collect();
        let warning = |event: &String| {
            let meant = nearest(event, known.iter().map(String::as_str));
            let hint = meant.map(|meant| format!(" Did you mean \"{meant}\"?")).unwrap_or_default();
            format!("No upload of this project has events of the type \"{event}\".{hint}")
        };
        unknown.into_iter().map(warning).collect()
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
    pub unknown_user: UnknownUsers,
    pub logged_share: Option<f64>,
}
