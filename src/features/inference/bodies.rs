//! The bodies of predictions: what a caller asks for, and how. Other fields of a body are ignored.

use std::sync::Arc;

use super::fields::prediction_fields;
use super::filter::Filter;
use super::kinds::{Cutoff, FirstIds, Ids, OptionalFilter, OptionalIds, RequiredIds, Share, Switch, UserUnless};

/// The largest number of users in a batch.
pub const LARGEST_BATCH: usize = 100;

prediction_fields! {
    /// The user to recommend for. All fields but the user are optional; the user is optional if interactions are sent.
    #[derive(Debug, Default)]
    pub struct Asker {
        pub user_id: Option<String> => UserUnless("interactions"),
        /// Ids of the items of the user's latest interactions, which the model was not trained on, oldest first.
        pub interactions: Vec<String> => Ids,
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
        pub diversity: f32 => Share,
        /// Whether to add to each item, as `metadata`, its row of the project's newest item metadata; false by default.
        pub with_metadata: bool => Switch(false),
        /// Only items whose metadata matches may be listed.
        pub filter: Option<Arc<Filter>> => OptionalFilter,
    }
}

/// The options of a list for a user or a session.
pub type OptionsOfOne = (PersonalOptions, ListOptions);

/// The body of a prediction for one user.
pub type PredictBody = (Asker, OptionsOfOne);

/// The body of a prediction for many users.
pub type BatchBody = (Batch, OptionsOfOne);

/// The body of a request for the items that go with others.
pub type RelatedBody = (Group, ListOptions);

/// The body of a request for the next items of a session.
pub type NextBody = (Session, OptionsOfOne);
