//! Rows of projects.

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

/// The largest number of event types that the report of an upload lists.
pub const MOST_EVENT_TYPES: usize = 50;

wire_enum! {
    /// The answer to a request for a user that the model does not know.
    #[derive(Default)]
    pub enum UnknownUsers {
        /// The best available list.
        #[default]
        Fallback = "fallback",
        /// 404, and no items in a batch, as in Recotem 1.x.
        NotFound = "not_found",
    }
}

request_fields! {
    /// The fields of a project.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = projects, treat_none_as_null = true)]
    pub struct ProjectFields {
        pub name: String => Text(LONGEST_NAME),
        pub user_column: String => Text(LONGEST_NAME),
        pub item_column: String => Text(LONGEST_NAME),
        /// Column with the time of an interaction; null if interactions have none.
        pub time_column: Option<String> = None => TextOrNull(LONGEST_NAME),
        /// Column with the type of an interaction.
        pub event_column: Option<String> = None => TextOrNull(LONGEST_NAME),
        /// Weight of an interaction of each type; types that are not named have weight 1, and types with weight 0 are ignored.
        #[schema(value_type = std::collections::HashMap<String, f64>)]
        pub event_weights: Value = json!({}) => EventWeights,
        /// Days after which an interaction has half its weight; null if age does not matter.
        pub half_life_days: Option<f64> = None => Nullable(Number(HALF_LIVES)),
        /// Answer for a user that the model does not know: `fallback` for the best available list, or `not_found` for 404.
        /// Unchanged if absent.
        pub unknown_user: UnknownUsers = UnknownUsers::default() => Kept(Choice(&[])),
        /// The share of the lists of its slots that is logged, from 0 to 1; null logs all of them while a shadow slot is active,
        /// and otherwise none. Unchanged if absent.
        pub logged_share: Option<f64> = None => Kept(Nullable(Number(0.0..=1.0))),
        /// The probability with which each place of a list of its slots goes to a new item, from 0 to 0.3. Unchanged if absent.
        pub new_item_share: f64 = 0.0 => Kept(Number(0.0..=0.3)),
        /// Column of the item metadata with the title of an item; null finds it by its name. Unchanged if absent.
        pub title_column: Option<String> = None => Kept(TextOrNull(LONGEST_NAME)),
        /// Column of the item metadata with the address of a picture; null finds it by its name. Unchanged if absent.
        pub image_column: Option<String> = None => Kept(TextOrNull(LONGEST_NAME)),
    }
}

/// A catalogue, and the columns of its interactions.
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
    /// Returns the weights of interactions for configurations that set none.
    pub fn weights(&self) -> Weights {
        Weights {
            events: serde_json::from_value(self.fields.event_weights.clone()).unwrap_or_default(),
            half_life_days: self.fields.half_life_days,
        }
    }

    /// Returns whether it weights event types.
    pub fn has_event_weights(&self) -> bool {
        self.fields.event_weights.as_object().is_some_and(|weights| !weights.is_empty())
    }

    /// Returns a warning for each weight whose event type no upload contains, with the type that was probably meant. Empty if
    /// uploads have named no types yet, or more than their reports list.
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
