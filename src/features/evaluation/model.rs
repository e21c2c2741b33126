//! Rows of split and evaluation configs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::ml::metrics::Metric;
use crate::ml::splits::{self, SplitScheme};
use crate::platform::wire_enum;
use crate::schema::{evaluation_configs, split_configs};

wire_enum! {
    /// How the interactions to hold out are chosen.
    #[derive(Default)]
    #[schema(as = SplitScheme)]
    pub enum Scheme {
        /// At random, for each user.
        #[default]
        RG = "RG",
        /// Everything after one moment, the same for all users.
        TG = "TG",
        /// The last interactions of each user.
        TU = "TU",
    }
}

impl From<Scheme> for SplitScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::RG => Self::RG,
            Scheme::TG => Self::TG,
            Scheme::TU => Self::TU,
        }
    }
}

wire_enum! {
    /// The metrics a search can aim at.
    #[derive(Default)]
    pub enum TargetMetric {
        #[default]
        Ndcg = "ndcg",
        Map = "map",
        Recall = "recall",
        Hit = "hit",
    }
}

impl From<TargetMetric> for Metric {
    fn from(metric: TargetMetric) -> Self {
        match metric {
            TargetMetric::Ndcg => Self::Ndcg,
            TargetMetric::Map => Self::Map,
            TargetMetric::Recall => Self::Recall,
            TargetMetric::Hit => Self::Hit,
        }
    }
}

/// What is held out of the data, and how it is chosen.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = split_configs)]
pub struct SplitConfig {
    pub id: i64,
    pub created_by: Option<i64>,
    pub name: Option<String>,
    pub scheme: Scheme,
    pub heldout_ratio: f64,
    pub n_heldout: Option<i32>,
    pub test_user_ratio: f64,
    pub n_test_users: Option<i32>,
    pub random_seed: i32,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: i64,
    /// None for one that all projects of the organisation may use.
    pub project_id: Option<i64>,
}

/// What a caller decides about a split.
#[derive(Debug, Clone, PartialEq, AsChangeset, Insertable)]
#[diesel(table_name = split_configs, treat_none_as_null = true)]
pub struct SplitFields {
    pub name: Option<String>,
    pub scheme: Scheme,
    pub heldout_ratio: f64,
    pub n_heldout: Option<i32>,
    pub test_user_ratio: f64,
    pub n_test_users: Option<i32>,
    pub random_seed: i32,
}

impl SplitConfig {
    /// The same for the engine.
    pub fn to_engine(&self) -> splits::SplitConfig {
        splits::SplitConfig {
            scheme: self.scheme.into(),
            heldout_ratio: self.heldout_ratio,
            n_heldout: self.n_heldout.map(i32::unsigned_abs),
            test_user_ratio: self.test_user_ratio,
            n_test_users: self.n_test_users.map(i32::unsigned_abs),
            random_seed: u64::from(self.random_seed.cast_unsigned()),
        }
    }

    /// The part a caller decides.
    pub fn fields(&self) -> SplitFields {
        SplitFields {
            name: self.name.clone(),
            scheme: self.scheme,
            heldout_ratio: self.heldout_ratio,
            n_heldout: self.n_heldout,
            test_user_ratio: self.test_user_ratio,
            n_test_users: self.n_test_users,
            random_seed: self.random_seed,
        }
    }
}

impl SplitFields {
    /// Whether both divide data alike, whatever they are called.
    pub fn splits_like(&self, other: &Self) -> bool {
        Self { name: None, ..self.clone() } == Self { name: None, ..other.clone() }
    }
}

impl Default for SplitFields {
    fn default() -> Self {
        Self {
            name: None,
            scheme: Scheme::default(),
            heldout_ratio: 0.1,
            n_heldout: None,
            test_user_ratio: 1.0,
            n_test_users: None,
            random_seed: 42,
        }
    }
}

/// What is measured, over lists of which length.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = evaluation_configs)]
pub struct EvaluationConfig {
    pub id: i64,
    pub created_by: Option<i64>,
    pub name: Option<String>,
    pub cutoff: i32,
    pub target_metric: TargetMetric,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: i64,
    /// None for one that all projects of the organisation may use.
    pub project_id: Option<i64>,
}

/// What a caller decides about an evaluation.
#[derive(Debug, Clone, PartialEq, AsChangeset, Insertable)]
#[diesel(table_name = evaluation_configs, treat_none_as_null = true)]
pub struct EvaluationFields {
    pub name: Option<String>,
    pub cutoff: i32,
    pub target_metric: TargetMetric,
}

impl EvaluationConfig {
    /// The part a caller decides.
    pub fn fields(&self) -> EvaluationFields {
        EvaluationFields { name: self.name.clone(), cutoff: self.cutoff, target_metric: self.target_metric }
    }
}

impl EvaluationFields {
    /// Whether both measure the same, whatever they are called.
    pub fn measures_like(&self, other: &Self) -> bool {
        Self { name: None, ..self.clone() } == Self { name: None, ..other.clone() }
    }
}

impl Default for EvaluationFields {
    fn default() -> Self {
        Self { name: None, cutoff: 20, target_metric: TargetMetric::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_chosen_is_what_the_engine_knows() {
        for scheme in Scheme::ALL {
            assert_eq!(serde_json::to_value(SplitScheme::from(*scheme)).unwrap(), scheme.wire());
        }
        for target in TargetMetric::ALL {
            let metric = Metric::from(*target);
            assert_eq!((metric.as_str(), metric.is_per_user()), (target.wire(), true));
        }
    }

    #[test]
    fn defaults_are_the_engines() {
        let (ours, engine) = (SplitFields::default(), splits::SplitConfig::default());
        assert_eq!((ours.heldout_ratio, ours.test_user_ratio), (engine.heldout_ratio, engine.test_user_ratio));
        assert_eq!((SplitScheme::from(ours.scheme), ours.random_seed.unsigned_abs().into()), (engine.scheme, engine.random_seed));
    }
}
