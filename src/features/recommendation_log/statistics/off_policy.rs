//! What a shadow's lists would have earned, estimated from the outcomes of the lists that were answered instead.
//!
//! Two models hardly ever answer the same list, so the estimators match one item at one place: the item-position click model of
//! Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen ("Offline evaluation of ranking policies with click models", KDD
//! 2018), in which the outcome of an item depends on the item, its place and the user, but not on the rest of the list. The value
//! of a policy is the average number of items of a list that are clicked (or bought).
//!
//! Slots are drawn by weight, so an item is shown at a place with the joint probability of all slots that would have put it
//! there: its propensity. If new items get a share of the places, each slot puts an item there with a probability of its own, which
//! is part of it. Where the shadow lists the same item at the same place, its reward is weighted by one over that
//! propensity (inverse propensity scores; Horvitz and Thompson 1952). Dividing by the sum of these weights instead of their
//! expectation gives the self-normalised estimate (Swaminathan and Joachims 2015). The doubly robust one (Dudík, Langford and Li
//! 2011) starts from what a model of rewards predicts for the shadow's list, and corrects it by the model's errors where they
//! match; the model is fitted on the other half of the users (cross-fitting; Chernozhukov and others 2018).
//!
//! None of them knows what an item earns at a place where no slot would have shown it: IPS assumes nothing there, the
//! self-normalised one the average of that place, the doubly robust one the prediction of the model. The known share of the
//! shadow's lists is `support`.
//!
//! A user always gets the same slot, so users vary by chance and not requests: standard errors are between users.

use serde::Serialize;
use utoipa::ToSchema;

use super::Request;
use super::reward_model::RewardModel;
use crate::ml::normal::REACH_OF_95_PERCENT;

/// With matching lists of fewer users an estimate is unreliable.
const ENOUGH_USERS: f64 = 100.0;
/// With less of the shadow's lists ever shown an estimate relies on guesses.
const ENOUGH_SUPPORT: f64 = 0.9;

/// A reason to distrust the estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OffPolicyWarning)]
pub enum Warning {
    /// The effective sample size is below 100 users: the intervals may be wrong themselves.
    SmallSample,
    /// No slot would have shown more than a tenth of the shadow's items in their places: what those earn is a guess, and the
    /// estimates have no bounds.
    LittleSupport,
    /// Nothing was clicked (or bought) at all.
    NoRewards,
}

/// An estimated number of rewarded items per list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = OffPolicyEstimate)]
pub struct Estimate {
    pub value: f64,
    pub standard_error: f64,
    /// Within these bounds with 95 % confidence; null where so little of the shadow's lists was ever shown that no bounds hold.
    pub interval: Option<[f64; 2]>,
}

/// What the shadow's lists would have earned: items clicked (or bought) per list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OffPolicyEstimates)]
pub struct Estimates {
    /// Requests whose propensities are known.
    pub requests: usize,
    /// What the lists that were answered earned.
    pub live: Estimate,
    /// By inverse propensity scores.
    pub ips: Estimate,
    /// By self-normalised inverse propensity scores.
    pub snips: Estimate,
    /// Doubly robust.
    pub doubly_robust: Estimate,
    /// How many users' lists the matching places are worth.
    pub effective_sample_size: f64,
    /// Which share of the shadow's items some slot would have shown in the same place, from 0 to 1; itself estimated.
    pub support: f64,
    /// Reasons to distrust the estimates of the shadow.
    pub warnings: Vec<Warning>,
}

/// One request as the estimators use it.
#[derive(Clone, Copy)]
struct Shown<'r> {
    user: u32,
    logged: &'r [u32],
    propensities: &'r [f64],
    target: &'r [u32],
    rewarded: &'r [u32],
}

impl Shown<'_> {
    /// Returns one over the propensity of the item at a place, if both lists have it there.
    fn weight(&self, place: usize) -> f64 {
        match (self.logged.get(place), self.target.get(place), self.propensities.get(place)) {
            (Some(shown), Some(wanted), Some(propensity)) if shown == wanted && *propensity > 0.0 => 1.0 / propensity,
            _ => 0.0,
        }
    }

    fn reward(&self, place: usize) -> f64 {
        f64::from(u8::from(self.logged.get(place).is_some_and(|item| self.rewarded.contains(item))))
    }

    /// Sums a function over the places of the shadow's list.
    fn sum(&self, of_place: impl Fn(usize) -> f64) -> f64 {
        (0..self.target.len()).map(of_place).sum()
    }

    fn half(&self) -> usize {
        (self.user % 2) as usize
    }
}

/// Estimates what the shadow's lists would have earned; `None` without a request of known propensities. `rewards` returns the
/// clicked (or bought) items of a request.
pub fn estimate(requests: &[Request], rewards: impl Fn(&Request) -> &[u32]) -> Option<Estimates> {
    let shown: Vec<Shown> = requests
        .iter()
        .filter_map(|request| {
            let propensities = request.propensities.as_deref()?;
            let (logged, target, rewarded) = (request.live.as_slice(), request.shadow.as_slice(), rewards(request));
            Some(Shown { user: request.user, logged, propensities, target, rewarded })
        })
        .collect();
    if shown.is_empty() {
        return None;
    }
    let users = shown.iter().map(|shown| shown.user).max().unwrap_or_default() as usize + 1;
    let earned = |shown: &Shown| (0..shown.logged.len()).map(|place| shown.reward(place)).sum::<f64>();
    let live = mean(&shown, users, earned);
    let ips = mean(&shown, users, |shown| shown.sum(|place| shown.weight(place) * shown.reward(place)));
    let models = [0, 1].map(|half| {
        let others = shown.iter().filter(move |shown| shown.half() != half);
        RewardModel::fit(others.map(|shown| (shown.logged, shown.rewarded)))
    });
    let doubly_robust = mean(&shown, users, |shown| {
        let model = &models[shown.half()];
        shown.sum(|place| {
            let expected = model.chance(shown.target[place], place);
            expected + shown.weight(place) * (shown.reward(place) - expected)
        })
    });
    let (effective_sample_size, support) = (effective_sample_size(&shown, users), support(&shown));
    let mut warnings = Vec::new();
    if effective_sample_size < ENOUGH_USERS {
        warnings.push(Warning::SmallSample);
    }
    if support < ENOUGH_SUPPORT {
        warnings.push(Warning::LittleSupport);
    }
    if live.value == 0.0 {
        warnings.push(Warning::NoRewards);
    }
    // With less support the error is mostly bias, which these intervals do not cover.
    let bounded = |estimate: Estimate| Estimate { interval: estimate.interval.filter(|_| support >= ENOUGH_SUPPORT), ..estimate };
    let [ips, snips, doubly_robust] = [ips, self_normalised(&shown, users), doubly_robust].map(bounded);
    Some(Estimates { requests: shown.len(), live, ips, snips, doubly_robust, effective_sample_size, support, warnings })
}

/// Returns the mean of a function over requests, with the standard error between users.
fn mean(shown: &[Shown], users: usize, of_request: impl Fn(&Shown) -> f64) -> Estimate {
    let values: Vec<f64> = shown.iter().map(of_request).collect();
    let value = values.iter().sum::<f64>() / values.len() as f64;
    with_error(value, shown, users, values.iter().map(|of_one| of_one - value))
}

/// Returns the self-normalised estimate. Each place is estimated separately: the weighted rewards of matching items there, over
/// the sum of their weights; places without a match are left out.
fn self_normalised(shown: &[Shown], users: usize) -> Estimate {
    let places = shown.iter().map(|shown| shown.target.len()).max().unwrap_or_default();
    let n = shown.len() as f64;
    let (mut value, mut influences) = (0.0, vec![0.0; shown.len()]);
    for place in 0..places {
        let weights: f64 = shown.iter().map(|shown| shown.weight(place)).sum();
        if weights == 0.0 {
            continue;
        }
        let reached = shown.iter().filter(|shown| place < shown.target.len()).count() as f64 / n;
        let rate = shown.iter().map(|shown| shown.weight(place) * shown.reward(place)).sum::<f64>() / weights;
        value += reached * rate;
        for (influence, shown) in influences.iter_mut().zip(shown) {
            *influence += reached * n / weights * shown.weight(place) * (shown.reward(place) - rate);
        }
    }
    with_error(value, shown, users, influences.into_iter())
}

/// Computes the standard error of a mean from the influence of each request, summed by user since requests of one user are not
/// independent.
fn with_error(value: f64, shown: &[Shown], users: usize, influences: impl Iterator<Item = f64>) -> Estimate {
    let mut pulls = vec![None; users];
    for (shown, influence) in shown.iter().zip(influences) {
        *pulls[shown.user as usize].get_or_insert(0.0) += influence;
    }
    let pulls: Vec<f64> = pulls.into_iter().flatten().collect();
    let groups = pulls.len() as f64;
    let squares: f64 = pulls.iter().map(|pull| pull * pull).sum();
    let correction = if groups > 1.0 { groups / (groups - 1.0) } else { 1.0 };
    let standard_error = (correction * squares).sqrt() / shown.len() as f64;
    let reach = REACH_OF_95_PERCENT * standard_error;
    let interval = [(value - reach).max(0.0), value + reach];
    Estimate { value, standard_error, interval: Some(interval) }
}

/// Returns Kish's effective sample size (1965) of the mean weights of users' lists.
fn effective_sample_size(shown: &[Shown], users: usize) -> f64 {
    let mut weights = vec![0.0; users];
    for shown in shown.iter().filter(|shown| !shown.target.is_empty()) {
        weights[shown.user as usize] += shown.sum(|place| shown.weight(place)) / shown.target.len() as f64;
    }
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Returns the mean weight. A weight is 1 on average where some slot would have shown the item, and 0 elsewhere.
fn support(shown: &[Shown]) -> f64 {
    let places: usize = shown.iter().map(|shown| shown.target.len()).sum();
    let weights: f64 = shown.iter().map(|shown| shown.sum(|place| shown.weight(place))).sum();
    if places == 0 { 0.0 } else { (weights / places as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(user: u32, live: &[u32], shadow: &[u32], propensity: f64, clicked: &[u32]) -> Request {
        let propensities = Some(vec![propensity; live.len()]);
        let (live, shadow, clicked) = (live.to_vec(), shadow.to_vec(), clicked.to_vec());
        Request { user, live, shadow, propensities, clicked, bought: Vec::new() }
    }

    fn clicks(requests: &[Request]) -> Estimates {
        estimate(requests, |request| &request.clicked).unwrap()
    }

    #[test]
    fn a_shadow_that_lists_the_same_earns_the_same() {
        let clicked = |user: u32| if user.is_multiple_of(4) { vec![1] } else { vec![] };
        let requests: Vec<Request> = (0..400).map(|user| request(user, &[1, 2], &[1, 2], 1.0, &clicked(user))).collect();
        let found = clicks(&requests);
        for estimate in [found.live, found.ips, found.snips, found.doubly_robust] {
            assert!((estimate.value - 0.25).abs() < 1e-9, "{found:?}");
            assert!(estimate.interval.is_some_and(|[low, high]| low < 0.25 && high > 0.25));
        }
        assert_eq!((found.effective_sample_size, found.support), (400.0, 1.0));
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn what_nobody_was_shown_is_no_evidence_and_that_is_said() {
        let requests: Vec<Request> = (0..400).map(|user| request(user, &[1, 2], &[3, 4], 1.0, &[1])).collect();
        let found = clicks(&requests);
        assert_eq!((found.ips.value, found.snips.value, found.support), (0.0, 0.0, 0.0));
        assert_eq!(found.warnings, [Warning::SmallSample, Warning::LittleSupport]);
        assert!(found.doubly_robust.value > 0.5, "what the model expects of items nobody has seen");
        assert_eq!((found.doubly_robust.interval, found.live.interval.is_some()), (None, true));
        let silent: Vec<Request> = (0..400).map(|user| request(user, &[1], &[1], 1.0, &[])).collect();
        assert_eq!(clicks(&silent).warnings, [Warning::NoRewards]);
        let unknown = Request { live: vec![1], shadow: vec![1], ..Request::default() };
        assert!(estimate(&[unknown], |request| &request.clicked).is_none());
    }

    #[test]
    fn a_user_who_comes_again_and_again_is_one_user() {
        let many: Vec<Request> =
            (0..200).map(|user| request(user, &[1], &[1], 1.0, if user % 2 == 0 { &[1] } else { &[] })).collect();
        let few: Vec<Request> =
            (0..200).map(|number| Request { user: number % 4, ..many[(number % 4) as usize].clone() }).collect();
        let (many, few) = (clicks(&many), clicks(&few));
        assert_eq!(many.ips.value, few.ips.value);
        assert!(few.ips.standard_error > 5.0 * many.ips.standard_error, "{few:?}");
        assert_eq!(few.effective_sample_size, 4.0);
        assert_eq!(few.warnings, [Warning::SmallSample]);
    }
}
