//! What a search on a split that holds out items records beside its scores, which are those of new items.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::evaluation::Estimate;
use crate::ml::cold_start::ColdBaseline;
use crate::ml::trials::{self, Quality, TrialOutcome};

/// Returns a score as an estimate; metrics that are not of single users have no interval.
fn estimate(score: f64, interval: Option<(f64, f64)>) -> Estimate {
    Estimate::new(score, interval.unwrap_or((score, score)))
}

fn of_quality(quality: &Quality) -> Estimate {
    estimate(quality.score, quality.interval)
}

/// The target metric for all but the new items alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BesideNewItems {
    /// For the items that the model was trained on; null where none of their interactions is held out.
    pub warm: Option<Estimate>,
    /// For all items in one list, as users get them.
    pub mixed: Estimate,
    /// The share of the places in those lists that new items hold.
    pub cold_share: Estimate,
}

impl From<&trials::BesideNewItems> for BesideNewItems {
    fn from(found: &trials::BesideNewItems) -> Self {
        Self {
            warm: found.warm.as_ref().map(of_quality),
            mixed: of_quality(&found.mixed),
            cold_share: Estimate::new(found.cold_share, found.cold_share_interval),
        }
    }
}

/// What a baseline reaches: a model has to beat all three.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColdBaselineScore {
    /// `random`: any order, `popularity_from_features`: the same list for all users, `content_knn`: items with features like those
    /// of the items that the user knows.
    #[schema(value_type = String)]
    pub name: ColdBaseline,
    /// For new items only.
    pub score: Estimate,
    pub beside_new_items: Option<BesideNewItems>,
}

impl ColdBaselineScore {
    /// Takes what a baseline reached.
    pub fn new(name: ColdBaseline, outcome: &TrialOutcome) -> Self {
        Self {
            name,
            score: estimate(outcome.score.unwrap_or_default(), outcome.interval),
            beside_new_items: outcome.beside_new_items.as_ref().map(BesideNewItems::from),
        }
    }
}
