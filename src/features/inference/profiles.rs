//! Profiles: the features of users that a model does not know.

use std::sync::Arc;

use crate::features::item_metadata::ItemTable;
use crate::features::models::ReadyModel;
use crate::ml::artifact::TrainedModel as Artifact;
use crate::ml::features::FeatureTable;

/// The features of a user in one row; `None` if there are none, or if the model does not use them.
pub type Profile = Option<Arc<FeatureTable>>;

/// Returns whether a model uses the profile of a user, or of a request without a user: it does for those that it does not know.
pub fn are_used(model: &ReadyModel, user: Option<&str>) -> bool {
    let ReadyModel::Matrix(model) = model else { return false };
    model.takes_profiles() && user.is_none_or(|user| model.users.find(user).is_none())
}

/// Returns the row of a user in the user metadata, if the model uses it.
pub fn of_row(table: Option<&ItemTable>, model: &ReadyModel, user: &str) -> Profile {
    let row = table.filter(|_| are_used(model, Some(user)))?.features_of(user)?;
    Some(Arc::new(row))
}

/// Returns whether a profile says something to the model.
pub fn has_known_column(model: &Artifact, profile: &FeatureTable) -> bool {
    model.ignored_columns(profile).len() < profile.columns().len()
}
