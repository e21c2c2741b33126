//! A project's row.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::event_weights::EventWeights;
use crate::ml::weights::Weights;
use crate::platform::http::body::{Choice, Kept, Nullable, Number, Text, TextOrNull};
use crate::platform::nearest::nearest;
use crate::platform::{request_fields, wire_enum};
use crate::schema::projects;

const LONGEST_NAME: usize = 256;
/// Days; from a minute and a half to a hundred years.
const HALF_LIVES: RangeInclusive<f64> = 0.001..=36_500.0;

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

request_fields! {
    /// What a caller decides about a project.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = projects, treat_none_as_null = true)]
    pub struct ProjectFields {
        pub name: String => Text(LONGEST_NAME),
        pub user_column: String => Text(LONGEST_NAME),
        pub item_column: String => Text(LONGEST_NAME),
        /// Column that holds the time of an interaction; null when interactions carry none.
        pub time_column: Option<String> = None => TextOrNull(LONGEST_NAME),
        /// Column that holds the type of an interaction.
        pub event_column: Option<String> = None => TextOrNull(LONGEST_NAME),
        /// How much an interaction of each type counts; a type that is not named counts 1, one that weighs 0 does not count.
        #[schema(value_type = std::collections::HashMap<String, f64>)]
        pub event_weights: Value = json!({}) => EventWeights,
        /// Days after which an interaction counts half; null when age does not matter.
        pub half_life_days: Option<f64> = None => Nullable(Number(HALF_LIVES)),
        /// Answer for a user that the model does not know: `fallback` for the best list there is, or `not_found` for 404. Kept
        /// unless sent.
        pub unknown_user: UnknownUsers = UnknownUsers::default() => Kept(Choice(&[])),
        /// Which share of the lists of its slots is logged, from 0 to 1; null logs all of them while a shadow slot is active,
        /// and otherwise none. Kept unless sent.
        pub logged_share: Option<f64> = None => Kept(Nullable(Number(0.0..=1.0))),
    }
}

/// One catalogue and the columns its interactions are found in.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = projects)]
pub struct Project {
    pub id: i64,
    pub organisation_id: i64,
    pub owner_id: Option<i64>,
    #[diesel(embed)]
    pub fields: ProjectFields,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Project {
    /// How much interactions count, unless a configuration says otherwise.
    pub fn weights(&self) -> Weights {
        Weights {
            events: serde_json::from_value(self.fields.event_weights.clone()).unwrap_or_default(),
            half_life_days: self.fields.half_life_days,
        }
    }

    /// Whether it says what types of events count.
    pub fn has_event_weights(&self) -> bool {
        self.fields.event_weights.as_object().is_some_and(|weights| !weights.is_empty())
    }

    /// Says of each weight whose type of event no upload has that this is so, and which type was probably meant. Nothing
    /// where uploads have named no types yet, or more than their reports list.
    pub fn unknown_events(&self, known: Option<&BTreeSet<String>>) -> Vec<String> {
        let Some(known) = known.filter(|known| known.len() < MOST_EVENT_TYPES) else { return Vec::new() };
        let weighed = self.fields.event_weights.as_object().into_iter().flat_map(Map::keys);
        let unknown: BTreeSet<&String> = weighed.filter(|event| !known.contains(*event)).collect();
        let warning = |event: &String| {
            let meant = nearest(event, known.iter().map(String::as_str));
            let hint = meant.map(|meant| format!(" Did you mean \"{meant}\"?")).unwrap_or_default();
            format!("No upload of this project has events of the type \"{event}\".{hint}")
        };
        unknown.into_iter().map(warning).collect()
    }
}
