//! Reads the lists of a shadow slot and those that were answered, in a compact form, and compares them.

use std::collections::HashMap;
use std::pin::pin;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;

use super::model::Pair;
use super::statistics::{Comparison, Request, compare as judge};
use super::store::{self, Selection};
use crate::features::accounts::{Guarded, Tenant};
use crate::features::datasets::PREVIEWS;
use crate::features::deployments::DeploymentSlot;
use crate::features::models::TrainedModel;
use crate::features::projects;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// The number of the newest requests that are compared.
const MOST_REQUESTS: i64 = 50_000;

/// A comparison with its period.
pub struct Found {
    pub since: DateTime<Utc>,
    /// Whether there were more requests than are compared.
    pub is_partial: bool,
    pub comparison: Comparison,
}

/// Compares the shadow lists of a slot's present model in the last days with those that were answered.
pub async fn compare(services: &Services, slot: &DeploymentSlot, days: i32, cutoff: i32) -> ApiResult<Found> {
    let since = services.clock.now() - TimeDelta::days(days.into());
    let selection = Selection { slot: slot.id, model: slot.fields.trained_model_id, since, cutoff, most: MOST_REQUESTS };
    let (requests, catalogue, tenant) = read(services, slot, selection).await?;
    let is_partial = requests.all.len() as i64 >= MOST_REQUESTS;
    let comparison = requests.compare(tenant, cutoff, catalogue).await?;
    Ok(Found { since, is_partial, comparison })
}

/// Reads the requests, how many items the slot's model knows, and the tenant of the slot; holds a connection no longer than that.
async fn read(services: &Services, slot: &DeploymentSlot, selection: Selection) -> ApiResult<(Requests, Option<i32>, Tenant)> {
    let mut connection = services.db.conn_for_long_read().await?;
    let catalogue = TrainedModel::load(&mut connection, slot.fields.trained_model_id).await?.and_then(|(model, _)| model.n_items);
    let tenant = projects::tenant_of(&mut connection, slot.project_id).await?;
    let mut requests = Requests::default();
    let mut pairs = pin!(store::pairs(&mut connection, selection).await?);
    while let Some(pair) = pairs.try_next().await? {
        requests.add(pair);
    }
    Ok((requests, catalogue, tenant))
}

/// Requests with both lists. The ids of users and items, which repeat a lot, are replaced by numbers.
#[derive(Default)]
pub struct Requests {
    all: Vec<Request>,
    users: HashMap<String, u32>,
    items: HashMap<String, u32>,
    /// The number of users so far, including those without an id.
    count: u32,
}

impl Requests {
    /// Adds a request with both lists.
    pub fn add(&mut self, pair: Pair) {
        let user = self.user(pair.user_id);
        let mut numbers = |items: Vec<String>| -> Vec<u32> {
            let mut number = |item| {
                let next = self.items.len() as u32;
                *self.items.entry(item).or_insert(next)
            };
            items.into_iter().map(&mut number).collect()
        };
        let (live, shadow) = (numbers(pair.live), numbers(pair.shadow));
        let (clicked, bought) = (numbers(pair.clicked), numbers(pair.bought));
        self.all.push(Request { user, live, shadow, propensities: pair.propensities, clicked, bought });
    }

    /// Compares the first items of each list on a place of the tenant. `catalogue` is the number of items that the model of the
    /// other lists knows.
    pub async fn compare(self, tenant: Tenant, cutoff: i32, catalogue: Option<i32>) -> ApiResult<Comparison> {
        let catalogue = catalogue.and_then(|items| usize::try_from(items).ok());
        PREVIEWS.run(Some(tenant.party()), move |_| judge(&self.all, cutoff.unsigned_abs() as usize, catalogue)).await
    }

    /// Returns the number of a user. Each request without a user id is treated as a user of its own.
    fn user(&mut self, id: Option<String>) -> u32 {
        let known = id.as_ref().and_then(|id| self.users.get(id).copied());
        known.unwrap_or_else(|| {
            let number = self.count;
            self.count += 1;
            if let Some(id) = id {
                self.users.insert(id, number);
            }
            number
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_comparison_waits_for_a_place_of_its_tenant() {
        const TENANT: Tenant = Tenant::Organisation(8);
        let mut taken = Vec::new();
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            taken.push(PREVIEWS.admit(Some(TENANT.party())).await.unwrap());
        }
        let mut waiting = Box::pin(Requests::default().compare(TENANT, 10, None));
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, &mut waiting).await.is_err(), "all places are taken");
        drop(taken);
        assert_eq!(waiting.await.unwrap().requests, 0);
    }
}
