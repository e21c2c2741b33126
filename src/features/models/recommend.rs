//! Lists of a model in memory, computed on threads where they delay no other request.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::error::ModelError;
use super::ready::ReadyModel;
use crate::features::accounts::Tenant;
use crate::features::datasets::PREVIEWS;
use crate::ml::artifact::{TrainedModel as Artifact, Wanted};
use crate::platform::http::ApiResult;

/// The largest length of a list.
pub const LARGEST_CUTOFF: i32 = 1_000;
/// The largest number of items of a user that a sample lists.
const LONGEST_PROFILE: usize = 1_000;

/// An item with its score; scores are comparable within one list only.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ScoredItem)]
pub struct Scored {
    pub item_id: String,
    pub score: f32,
    /// True for an item that the model was not trained on: it is recommended for its metadata. Left out for all others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub cold: bool,
}

fn scored(model: &ReadyModel, list: Vec<(String, f32)>) -> Vec<Scored> {
    let n_trained = model.n_trained_items();
    let is_cold = |item: &str| model.items().find(item).is_some_and(|number| number as usize >= n_trained);
    list.into_iter().map(|(item_id, score)| Scored { cold: is_cold(&item_id), item_id, score }).collect()
}

/// A model that a user previews, and the tenant whose preview places it uses.
#[derive(Clone)]
pub struct Previewed {
    pub model: Arc<ReadyModel>,
    pub tenant: Tenant,
}

impl Previewed {
    async fn ask<T: Send + 'static>(self, question: impl FnOnce(&ReadyModel) -> T + Send + 'static) -> ApiResult<T> {
        PREVIEWS.run(Some(self.tenant.party()), move |_| question(&self.model)).await
    }
}

/// Returns the model if it knows users.
fn of_users(model: &ReadyModel) -> Result<&Artifact, ModelError> {
    match model {
        ReadyModel::Matrix(model) => Ok(model),
        ReadyModel::Sessions(_) => Err(ModelError::KnowsNoUsers),
    }
}

/// Returns the best items that a user has not interacted with yet; `None` if the model does not know the user.
pub async fn for_user(previewed: Previewed, user_id: String, cutoff: usize) -> ApiResult<Option<Vec<Scored>>> {
    let list = previewed.ask(move |model| {
        let list = of_users(model)?.recommend_user(&user_id, cutoff, true);
        Ok::<_, ModelError>(list.map(|list| scored(model, list)))
    });
    Ok(list.await??)
}

/// Returns the best items for an unknown user with these items, in order for a model of sessions. If the model knows none of
/// them, returns the most popular ones.
pub async fn for_items(previewed: Previewed, item_ids: Vec<String>, cutoff: usize) -> ApiResult<Vec<Scored>> {
    let list = previewed.ask(move |model| {
        let wanted = Wanted::best(cutoff);
        let list = match model {
            ReadyModel::Matrix(model) => {
                model.recommend_history_as(&item_ids, &wanted).unwrap_or_else(|| model.recommend_popular_as(&wanted))
            }
            ReadyModel::Sessions(model) => {
                model.recommend(&item_ids, &wanted).unwrap_or_else(|| model.recommend_popular(&wanted))
            }
        };
        scored(model, list)
    });
    list.await
}

/// Returns the most similar items; `None` if the model does not know the item.
pub async fn like_item(previewed: Previewed, item_id: String, cutoff: usize) -> ApiResult<Option<Vec<Scored>>> {
    let list = previewed.ask(move |model| {
        let list = match model {
            ReadyModel::Matrix(model) => model.similar(&item_id, cutoff),
            ReadyModel::Sessions(model) => model.related(&[item_id], &Wanted::best(cutoff)),
        };
        list.map(|list| scored(model, list))
    });
    list.await
}

/// A user with their items, of which only the first are listed if there are many, and recommendations.
#[derive(Debug)]
pub struct Sample {
    pub user_id: String,
    pub profile: Vec<String>,
    pub recommendations: Vec<Scored>,
}

/// Returns the sample of the user that a random number selects; `None` if the model has no users.
pub async fn for_sample(previewed: Previewed, random: u128, cutoff: usize) -> ApiResult<Option<Sample>> {
    let sample = previewed.ask(move |ready| Ok::<_, ModelError>(sample(ready, of_users(ready)?, random, cutoff)));
    Ok(sample.await??)
}

fn sample(ready: &ReadyModel, model: &Artifact, random: u128, cutoff: usize) -> Option<Sample> {
    let user = u32::try_from(random.checked_rem(model.users.len() as u128)?).ok()?;
    let user_id = model.users.get(user).to_owned();
    let profile = model.seen.row_indices(user as usize).iter().take(LONGEST_PROFILE);
    let profile = profile.map(|item| model.items.get(*item).to_owned()).collect();
    let recommendations = scored(ready, model.recommend_user(&user_id, cutoff, true)?);
    Some(Sample { user_id, profile, recommendations })
}

#[cfg(test)]
mod tests {
    use super::super::artifacts::tests;
    use super::*;

    #[tokio::test]
    async fn ids_are_exact_and_strangers_get_what_is_popular() {
        let model = Previewed { model: Arc::new(ReadyModel::Matrix(tests::sample())), tenant: Tenant::Founder(1) };
        for known in ["007", "Sigur Rós", "a/b c"] {
            assert!(for_user(model.clone(), known.to_owned(), 5).await.unwrap().is_some(), "{known}");
        }
        for unknown in ["7", "sigur rós", ""] {
            assert!(for_user(model.clone(), unknown.to_owned(), 5).await.unwrap().is_none(), "{unknown}");
        }
        let popular = for_items(model.clone(), vec!["unheard of".to_owned()], 1).await.unwrap();
        assert_eq!(popular, [Scored { item_id: "x".to_owned(), score: 2.0, cold: false }]);
        assert!(like_item(model.clone(), "unheard of".to_owned(), 3).await.unwrap().is_none());
        let picked = for_sample(model, 3, 20).await.unwrap().unwrap();
        assert_eq!((picked.user_id.as_str(), picked.profile.len()), ("007", 2));
    }

    #[tokio::test]
    async fn a_sample_lists_a_bounded_number_of_items() {
        let items: Vec<String> = (0..LONGEST_PROFILE + 200).map(|item| format!("item {item}")).collect();
        let interactions: Vec<(&str, &str)> = items.iter().map(|item| ("007", item.as_str())).collect();
        let model = Previewed { model: Arc::new(ReadyModel::Matrix(tests::fitted(&interactions))), tenant: Tenant::Founder(1) };
        let sample = for_sample(model, 0, 20).await.unwrap().unwrap();
        assert_eq!(sample.profile.len(), LONGEST_PROFILE);
    }

    #[tokio::test]
    async fn a_preview_waits_for_a_place_of_its_tenant() {
        const TENANT: Tenant = Tenant::Organisation(7);
        let places = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (started, all_started) = std::sync::mpsc::channel();
        let (release, hold) = tokio::sync::watch::channel(());
        for _ in 0..places {
            let (started, mut hold) = (started.clone(), hold.clone());
            let runtime = tokio::runtime::Handle::current();
            tokio::spawn(PREVIEWS.run(Some(TENANT.party()), move |_| {
                started.send(()).unwrap();
                let _ = runtime.block_on(hold.changed());
            }));
        }
        tokio::task::spawn_blocking(move || (0..places).for_each(|_| all_started.recv().unwrap())).await.unwrap();
        let of = |tenant| Previewed { model: Arc::new(ReadyModel::Matrix(tests::sample())), tenant };
        let mut waiting = Box::pin(like_item(of(TENANT), "x".to_owned(), 3));
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, &mut waiting).await.is_err(), "all places are taken");
        assert!(like_item(of(Tenant::Founder(7)), "x".to_owned(), 3).await.is_ok(), "another tenant has its own");
        drop(release);
        assert!(waiting.await.is_ok());
    }
}
