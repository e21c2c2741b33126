//! The bodies of predictions: what a caller asks for, and how. Other fields of a body are ignored.

use std::sync::Arc;

use super::fields::prediction_fields;
use super::filter::Filter;
use super::kinds::{Cutoff, FirstIds, Ids, IdsUpTo, NumberUpTo, OptionalFilter, OptionalIds, RequiredIds, Switch, UserUnless};
use super::user_features::{UserFeatures, Values};

/// The largest number of users in a batch.
pub const LARGEST_BATCH: usize = 100;
/// The largest number of items that a list must resemble.
const MOST_ANCHORS: usize = 100;
/// The weight of likeness to the anchors, where none is sent.
pub const ANCHOR_WEIGHT: f32 = 0.5;
const LARGEST_ANCHOR_WEIGHT: f32 = 10.0;

prediction_fields! {
    /// The user to recommend for. All fields but the user are optional; the user is optional if interactions, features or anchors
    /// are sent.
    #[derive(Debug, Default)]
    pub struct Asker {
        pub user_id: Option<String> => UserUnless(&["interactions", "user_features", "anchor_items"]),
        /// Ids of the items of the user's latest interactions, which the model was not trained on, oldest first.
        pub interactions: Vec<String> => Ids,
    }
}

prediction_fields! {
    /// What else a list for one user is computed from.
    #[derive(Debug, Clone, Default)]
    pub struct Leads {
        /// Values by column of the user metadata: texts, numbers, truth values, or lists of these. At most 200 columns and 16 KiB.
        /// Used for a user that the model does not know, instead of their row of the newest user metadata, and ignored for all
        /// others. Columns that the model does not know are ignored.
        pub user_features: Option<Arc<Values>> => UserFeatures,
        /// Ids of at most 100 items that the list must resemble, such as the item that the user looks at. These are never listed;
        /// those that the model does not know are ignored.
        pub anchor_items: Vec<String> => IdsUpTo(MOST_ANCHORS),
        /// How much likeness to the anchors counts beside the user's own score, from 0 to 10; 0.5 by default.
        pub anchor_weight: f32 => NumberUpTo { most: LARGEST_ANCHOR_WEIGHT, usual: ANCHOR_WEIGHT },
    }
}

prediction_fields! {
    /// The users to recommend for, at most 100. The other fields are as for one user and apply to all.
    #[derive(Debug, Default)]
    pub struct Batch {
        pub user_ids: Vec<String> => FirstIds(LARGEST_BATCH),
    }
}

prediction_fields! {
    /// The items to find related ones for. All other fields are optional.
    #[derive(Debug, Default)]
    pub struct Group {
        /// Ids of 1 to 100 items, such as those of a basket. These are never listed; those that the model does not know are
        /// ignored.
        pub item_ids: Vec<String> => RequiredIds { may_be_empty: false, most: 100 },
    }
}

prediction_fields! {
    /// A session in progress. All fields but the session are optional.
    #[derive(Debug, Default)]
    pub struct Session {
        /// Ids of the items viewed so far, first to last, at most 1000. Items that the model does not know are ignored; the list
        /// may be empty.
        pub session: Vec<String> => RequiredIds { may_be_empty: true, most: 1_000 },
    }
}

prediction_fields! {
    /// The options of a list computed from a user's interactions or from a session.
    #[derive(Debug, Clone, Default)]
    pub struct PersonalOptions {
        /// Whether to leave out items that the user has already interacted with, or the items of the session; true by default.
        pub exclude_seen: bool => Switch(true),
        /// Whether to add to each item, as `because`, the items of the user or session that contribute most to it; false by
        /// default.
        pub explain: bool => Switch(false),
    }
}

prediction_fields! {
    /// The options of every list.
    #[derive(Debug, Clone, Default)]
    pub struct ListOptions {
        /// 1 to 1000; 10 by default.
        pub cutoff: usize => Cutoff,
        /// Only these items may be listed.
        pub allow: Option<Vec<String>> => OptionalIds,
        /// These items must not be listed.
        pub deny: Vec<String> => Ids,
        /// From 0 (best first) to 1 (as dissimilar as possible).
        pub diversity: f32 => NumberUpTo { most: 1.0, usual: 0.0 },
        /// Whether to add to each item, as `metadata`, its row of the project's newest item metadata; false by default.
        pub with_metadata: bool => Switch(false),
        /// Only items whose metadata matches may be listed.
        pub filter: Option<Arc<Filter>> => OptionalFilter,
    }
}

/// The options of a list for a user or a session.
pub type OptionsOfOne = (PersonalOptions, ListOptions);

/// The body of a prediction for one user.
pub type PredictBody = (Asker, (Leads, OptionsOfOne));

/// The body of a prediction for many users.
pub type BatchBody = (Batch, OptionsOfOne);

/// The body of a request for the items that go with others.
pub type RelatedBody = (Group, ListOptions);

/// The body of a request for the next items of a session.
pub type NextBody = (Session, OptionsOfOne);
