//! What a model in memory answers, computed where it holds up no other request.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::error::ModelError;
use super::ready::ReadyModel;
use crate::ml::artifact::{TrainedModel as Artifact, Wanted};
use crate::platform::compute;

/// An item and how well it fits; scores compare within one list only.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ScoredItem)]
pub struct Scored {
    pub item_id: String,
    pub score: f32,
}

fn scored(list: Vec<(String, f32)>) -> Vec<Scored> {
    list.into_iter().map(|(item_id, score)| Scored { item_id, score }).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ModelError> {
    compute::blocking(work).await.map_err(|error| ModelError::Crashed(error.to_string()))
}

/// The model, if it knows users.
fn of_users(model: &ReadyModel) -> Result<&Artifact, ModelError> {
    match model {
        ReadyModel::Matrix(model) => Ok(model),
        ReadyModel::Sessions(_) => Err(ModelError::KnowsNoUsers),
    }
}

/// The best items a user has not met yet; none when the model does not know the user.
pub async fn for_user(model: Arc<ReadyModel>, user_id: String, cutoff: usize) -> Result<Option<Vec<Scored>>, ModelError> {
    blocking(move || Ok(of_users(&model)?.recommend_user(&user_id, cutoff, true).map(scored))).await?
}

/// The best items for somebody known only by items, which a model of sessions takes first to last; when none of these is
/// known, what most users or sessions have.
pub async fn for_items(model: Arc<ReadyModel>, item_ids: Vec<String>, cutoff: usize) -> Result<Vec<Scored>, ModelError> {
    blocking(move || {
        let wanted = Wanted::best(cutoff);
        scored(match &*model {
            ReadyModel::Matrix(model) => {
                model.recommend_history_as(&item_ids, &wanted).unwrap_or_else(|| model.recommend_popular_as(&wanted))
            }
            ReadyModel::Sessions(model) => {
                model.recommend(&item_ids, &wanted).unwrap_or_else(|| model.recommend_popular(&wanted))
            }
        })
    })
    .await
}

/// The items most like one; none when the model does not know it.
pub async fn like_item(model: Arc<ReadyModel>, item_id: String, cutoff: usize) -> Result<Option<Vec<Scored>>, ModelError> {
    blocking(move || {
        let list = match &*model {
            ReadyModel::Matrix(model) => model.similar(&item_id, cutoff),
            ReadyModel::Sessions(model) => model.related(&[item_id], &Wanted::best(cutoff)),
        };
        list.map(scored)
    })
    .await
}

/// A user with what they have and what they might like.
#[derive(Debug)]
pub struct Sample {
    pub user_id: String,
    pub profile: Vec<String>,
    pub recommendations: Vec<Scored>,
}

/// A sample of the user that a random number picks; none when the model has no users.
pub async fn for_sample(model: Arc<ReadyModel>, random: u128, cutoff: usize) -> Result<Option<Sample>, ModelError> {
    blocking(move || Ok(sample(of_users(&model)?, random, cutoff))).await?
}

fn sample(model: &Artifact, random: u128, cutoff: usize) -> Option<Sample> {
    let user = u32::try_from(random.checked_rem(model.users.len() as u128)?).ok()?;
    let user_id = model.users.get(user).to_owned();
    let profile = model.seen.row_indices(user as usize).iter().map(|item| model.items.get(*item).to_owned()).collect();
    let recommendations = model.recommend_user(&user_id, cutoff, true).map(scored)?;
    Some(Sample { user_id, profile, recommendations })
}

#[cfg(test)]
mod tests {
    use super::super::artifacts::tests;
    use super::*;

    #[tokio::test]
    async fn ids_are_exact_and_strangers_get_what_is_popular() {
        let model = Arc::new(ReadyModel::Matrix(tests::sample()));
        for known in ["007", "Sigur Rós", "a/b c"] {
            assert!(for_user(model.clone(), known.to_owned(), 5).await.unwrap().is_some(), "{known}");
        }
        for unknown in ["7", "sigur rós", ""] {
            assert!(for_user(model.clone(), unknown.to_owned(), 5).await.unwrap().is_none(), "{unknown}");
        }
        let popular = for_items(model.clone(), vec!["unheard of".to_owned()], 1).await.unwrap();
        assert_eq!(popular, [Scored { item_id: "x".to_owned(), score: 2.0 }]);
        assert!(like_item(model.clone(), "unheard of".to_owned(), 3).await.unwrap().is_none());
        let picked = for_sample(model, 3, 20).await.unwrap().unwrap();
        assert_eq!((picked.user_id.as_str(), picked.profile.len()), ("007", 2));
    }
}
