//! Replays past requests for a model, with warnings about the result.

use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::Tenant;
use crate::features::recommendation_log::{AnsweredList, Comparison, Requests};
use crate::platform::http::ApiResult;

/// A reason to distrust estimates from past traffic, for any values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OffPolicyComparisonWarning)]
pub enum Warning {
    /// The log has no propensities, so nothing is estimated. They are logged while lists are logged, and two or more slots share
    /// the traffic or new items get a share of the places.
    NoPropensities,
    /// Every list was the only one that could have been shown, so the log shows nothing about other lists.
    NothingVaried,
    /// More requests were left out for their options than were compared: the figures describe the others only.
    MostlyLeftOut,
}

/// Logged requests that were not replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = OffPolicyLeftOut)]
pub struct LeftOut {
    /// From before `learnt_until`: the model may know their outcomes. Counted up to 20,000.
    pub learnt: usize,
    /// They named no user, sent interactions, restricted the items, or requested another kind of list; none of this is logged.
    pub special: usize,
}

/// Collects the lists that a model would have answered, with those that were answered.
#[derive(Default)]
pub struct Replay {
    requests: Requests,
    count: usize,
    /// The requests with known propensities, and those among them where another item might have been shown.
    known: usize,
    varied: usize,
}

impl Replay {
    /// Adds a request with the list that the model would have answered.
    pub fn add(&mut self, answered: AnsweredList, list: Vec<String>) {
        let pair = answered.beside(list);
        self.count += 1;
        if let Some(propensities) = &pair.propensities {
            self.known += 1;
            self.varied += usize::from(propensities.iter().any(|propensity| *propensity < 1.0));
        }
        self.requests.add(pair);
    }

    /// Returns the warnings that apply; none if no request was added.
    pub fn warnings(&self, left_out: LeftOut) -> Vec<Warning> {
        let asked = self.count > 0;
        let reasons = [
            (asked && self.known == 0, Warning::NoPropensities),
            (self.known > 0 && self.varied == 0, Warning::NothingVaried),
            (asked && left_out.special > self.count, Warning::MostlyLeftOut),
        ];
        reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, warning)| warning).collect()
    }

    /// Computes all figures on a place of the tenant. `catalogue` is the number of items that the model knows.
    pub async fn compare(self, tenant: Tenant, cutoff: i32, catalogue: Option<i32>) -> ApiResult<Comparison> {
        self.requests.compare(tenant, cutoff, catalogue).await
    }
}
