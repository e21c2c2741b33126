//! All figures of a shadow slot.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::Request;
use super::agreement::{overlaps, rank_biased_overlap};
use super::off_policy::{Estimates, estimate};

/// The probability that a reader of one position continues to the next: the first ten have 86 % of the weight.
const PERSISTENCE: f64 = 0.9;

/// Comparison of a shadow's lists with those that were answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// Requests that were answered and have a list of the shadow.
    pub requests: usize,
    /// Distinct users; each request without a user id is counted as a user of its own.
    pub users: usize,
    /// Null while there are no requests.
    pub agreement: Option<Agreement>,
    /// What the lists that were answered showed.
    pub live: Shown,
    /// What the shadow's lists would have shown.
    pub shadow: Shown,
    pub clicked: Hits,
    pub purchased: Hits,
    /// How many clicked items a list of the shadow would have had; null while propensities are not known.
    pub click_estimates: Option<Estimates>,
    /// The same for purchased ones.
    pub purchase_estimates: Option<Estimates>,
}

/// How far both lists of a request agree, on average.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ListAgreement)]
pub struct Agreement {
    /// Share of items in both lists.
    pub overlap: f64,
    /// The same for the first item, the first two, and so on.
    pub overlap_by_depth: Vec<f64>,
    /// From 0 to 1; the higher in the lists, the more it counts. With a persistence of 0.9, extrapolated.
    pub rank_biased_overlap: f64,
    /// Share of requests with the same items in the same order.
    pub identical: f64,
}

/// What a slot's lists show of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = ShownItems)]
pub struct Shown {
    /// Different items in all the lists.
    pub items: usize,
    /// As a share of the items that the shadow's model knows; null when that is not known.
    pub coverage: Option<f64>,
}

/// How many of the items that users clicked (or bought) were in the lists. Users react to what they are shown, so this favours
/// the lists that were answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = ListHits)]
pub struct Hits {
    /// Items by request.
    pub items: usize,
    /// Share of them in the list that was answered; null without any.
    pub live: Option<f64>,
    /// Share of them in the shadow's list; null without any.
    pub shadow: Option<f64>,
}

/// Compares the lists cut to their first `cutoff` items. `catalogue` is the number of items that the shadow's model knows.
pub fn compare(requests: &[Request], cutoff: usize, catalogue: Option<usize>) -> Comparison {
    let users: HashSet<u32> = requests.iter().map(|request| request.user).collect();
    Comparison {
        requests: requests.len(),
        users: users.len(),
        agreement: agreement(requests, cutoff),
        live: shown(requests.iter().map(|request| request.live.as_slice()), catalogue),
        shadow: shown(requests.iter().map(|request| request.shadow.as_slice()), catalogue),
        clicked: hits(requests, |request| &request.clicked),
        purchased: hits(requests, |request| &request.bought),
        click_estimates: estimate(requests, |request| &request.clicked),
        purchase_estimates: estimate(requests, |request| &request.bought),
    }
}

fn agreement(requests: &[Request], cutoff: usize) -> Option<Agreement> {
    if requests.is_empty() {
        return None;
    }
    let n = requests.len() as f64;
    let mut by_depth = vec![0.0; cutoff];
    for request in requests {
        for (sum, overlap) in by_depth.iter_mut().zip(overlaps(&request.live, &request.shadow, cutoff)) {
            *sum += overlap / n;
        }
    }
    let ranked = |request: &Request| rank_biased_overlap(&request.live, &request.shadow, PERSISTENCE);
    let identical = requests.iter().filter(|request| request.live == request.shadow).count();
    Some(Agreement {
        overlap: by_depth.last().copied().unwrap_or_default(),
        overlap_by_depth: by_depth,
        rank_biased_overlap: requests.iter().map(ranked).sum::<f64>() / n,
        identical: identical as f64 / n,
    })
}

fn shown<'r>(lists: impl Iterator<Item = &'r [u32]>, catalogue: Option<usize>) -> Shown {
    let items = lists.flatten().collect::<HashSet<_>>().len();
    // Models of other slots may know more items.
    let coverage = catalogue.filter(|known| *known > 0).map(|known| (items as f64 / known as f64).min(1.0));
    Shown { items, coverage }
}

fn hits(requests: &[Request], noticed: impl Fn(&Request) -> &[u32]) -> Hits {
    let (mut items, mut live, mut shadow) = (0, 0, 0);
    for request in requests {
        for item in noticed(request) {
            items += 1;
            live += usize::from(request.live.contains(item));
            shadow += usize::from(request.shadow.contains(item));
        }
    }
    let share = |hits: usize| (items > 0).then(|| hits as f64 / items as f64);
    Hits { items, live: share(live), shadow: share(shadow) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_compare_is_said_as_such() {
        let nothing = compare(&[], 10, Some(5));
        assert_eq!((nothing.requests, nothing.users, nothing.agreement), (0, 0, None));
        assert_eq!((nothing.live.coverage, nothing.clicked.live, nothing.click_estimates), (Some(0.0), None, None));
    }

    #[test]
    fn a_comparison_counts_what_lies_before_it() {
        let same = Request { user: 0, live: vec![1, 2], shadow: vec![1, 2], clicked: vec![1], ..Request::default() };
        let half =
            Request { user: 1, live: vec![1, 2], shadow: vec![2, 3], clicked: vec![2, 9], bought: vec![3], ..Request::default() };
        let found = compare(&[same, half.clone(), Request { clicked: vec![], ..half }], 2, Some(4));
        let agreement = found.agreement.unwrap();
        assert!((agreement.overlap - 2.0 / 3.0).abs() < 1e-12 && (agreement.identical - 1.0 / 3.0).abs() < 1e-12);
        assert!((agreement.overlap_by_depth[0] - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((found.requests, found.users), (3, 2));
        assert_eq!(
            (found.live, found.shadow),
            (Shown { items: 2, coverage: Some(0.5) }, Shown { items: 3, coverage: Some(0.75) })
        );
        assert_eq!(found.clicked, Hits { items: 3, live: Some(2.0 / 3.0), shadow: Some(2.0 / 3.0) });
        assert_eq!(found.purchased, Hits { items: 2, live: Some(0.0), shadow: Some(1.0) });
        assert_eq!(found.click_estimates, None);
    }
}
