//! Rows of split and evaluation configs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ml::metrics::Metric;
use crate::ml::splits::{self, SplitScheme};
use crate::platform::http::body::{Choice, FieldReader, Integer, Nullable, Number, Text};
use crate::platform::http::request::Write;
use crate::platform::{request_fields, wire_enum};
use crate::schema::{evaluation_configs, split_configs};

const LONGEST_NAME: usize = 256;

wire_enum! {
    /// How the interactions to hold out are chosen.
    #[derive(Default)]
    #[schema(as = SplitScheme)]
    pub enum Scheme {
        /// Random interactions of each user.
        #[default]
        RG = "RG",
        /// Everything after one moment, the same for all users.
        TG = "TG",
        /// The last interactions of each user.
        TU = "TU",
        /// All interactions of items chosen at random, and some others of each user.
        CI = "CI",
        /// All interactions of the items first seen after one moment, and everything else after it.
        TI = "TI",
    }
}

impl Scheme {
    /// Returns whether all interactions of some items are held out, so that they are new to the models that are evaluated.
    pub fn holds_out_items(self) -> bool {
        SplitScheme::from(self).holds_out_items()
    }
}

impl From<Scheme> for SplitScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::RG => Self::RG,
            Scheme::TG => Self::TG,
            Scheme::TU => Self::TU,
            Scheme::CI => Self::CI,
            Scheme::TI => Self::TI,
        }
    }
}

wire_enum! {
    /// The metrics that a search can optimise.
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

request_fields! {
    /// The fields of a split config.
    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = split_configs, treat_none_as_null = true)]
    #[schema(as = SplitConfigFields)]
    pub struct SplitFields {
        pub name: Option<String> = None => Nullable(Text(LONGEST_NAME)),
        /// `RG`: random interactions of each user, `TG`: those after one moment for all users, `TU`: the last of each user. Two hold
        /// out whole items, to evaluate what is recommended of new ones: `CI`: items at random, `TI`: items first seen after one
        /// moment.
        pub scheme: Scheme = Scheme::default() => Choice(&[]),
        /// Share of each user's interactions that are held out.
        pub heldout_ratio: f64 = 0.1 => Number(0.0..=1.0),
        /// Number held out, instead of the ratio.
        pub n_heldout: Option<i32> = None => Nullable(Integer(1..=i32::MAX)),
        /// Share of users that are test users.
        pub test_user_ratio: f64 = 1.0 => Number(0.0..=1.0),
        /// Number of test users, instead of the ratio.
        pub n_test_users: Option<i32> = None => Nullable(Integer(1..=i32::MAX)),
        pub random_seed: i32 = 42 => Integer(i32::MIN..=i32::MAX),
        /// With `CI` and `TI`: share of the items that are held out.
        #[serde(skip_serializing)]
        pub heldout_item_ratio: f64 = 0.2 => Number(0.0..=1.0),
    }
}

/// What is held out of the data, and how it is chosen.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = split_configs)]
pub struct SplitConfig {
    pub id: i64,
    pub created_by: Option<i64>,
    #[diesel(embed)]
    pub fields: SplitFields,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: i64,
    /// `None` for one that all projects of the organisation may use.
    pub project_id: Option<i64>,
}

impl SplitConfig {
    /// Converts it to the engine's type.
    pub fn to_engine(&self) -> splits::SplitConfig {
        let fields = &self.fields;
        splits::SplitConfig {
            scheme: fields.scheme.into(),
            heldout_ratio: fields.heldout_ratio,
            n_heldout: fields.n_heldout.map(i32::unsigned_abs),
            test_user_ratio: fields.test_user_ratio,
            n_test_users: fields.n_test_users.map(i32::unsigned_abs),
            random_seed: u64::from(fields.random_seed.cast_unsigned()),
            heldout_item_ratio: fields.heldout_item_ratio,
        }
    }
}

impl SplitFields {
    /// Returns whether both split data in the same way, regardless of their names.
    pub fn splits_like(&self, other: &Self) -> bool {
        Self { name: None, ..self.clone() } == Self { name: None, ..other.clone() }
    }
}

impl Default for SplitFields {
    fn default() -> Self {
        Self::read(&mut FieldReader::default(), Write::Create)
    }
}

request_fields! {
    /// The fields of an evaluation config.
    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = evaluation_configs, treat_none_as_null = true)]
    #[schema(as = EvaluationConfigFields)]
    pub struct EvaluationFields {
        pub name: Option<String> = None => Nullable(Text(LONGEST_NAME)),
        /// Length of the lists that are evaluated.
        pub cutoff: i32 = 20 => Integer(1..=i32::MAX),
        pub target_metric: TargetMetric = TargetMetric::default() => Choice(&[]),
    }
}

/// What is measured, and over lists of which length.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = evaluation_configs)]
pub struct EvaluationConfig {
    pub id: i64,
    pub created_by: Option<i64>,
    #[diesel(embed)]
    pub fields: EvaluationFields,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: i64,
    /// `None` for one that all projects of the organisation may use.
    pub project_id: Option<i64>,
}

impl EvaluationFields {
    /// Returns whether both measure the same, regardless of their names.
    pub fn measures_like(&self, other: &Self) -> bool {
        Self { name: None, ..self.clone() } == Self { name: None, ..other.clone() }
    }
}

impl Default for EvaluationFields {
    fn default() -> Self {
        Self::read(&mut FieldReader::default(), Write::Create)
    }
}

/// A mean over users with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// Creates the estimate from what the engine measured.
    pub fn new(mean: f64, (low, high): (f64, f64)) -> Self {
        Self { mean, low, high }
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
        assert_eq!(ours.heldout_item_ratio, engine.heldout_item_ratio);
        assert_eq!((SplitScheme::from(ours.scheme), ours.random_seed.unsigned_abs().into()), (engine.scheme, engine.random_seed));
    }
}
