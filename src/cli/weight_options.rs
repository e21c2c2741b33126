//! Options for the weights of interactions, of the commands without a server.

use serde_json::{Map, Value};

use super::offline;
use crate::ml::error::MlResult;
use crate::ml::weights::{EVENT_WEIGHT, HALF_LIFE_DAYS, Weights};

#[derive(Debug, Clone, clap::Args)]
pub struct WeightOptions {
    /// Column of event types, such as view or purchase
    #[arg(long, value_name = "NAME")]
    pub event_column: Option<String>,
    /// Weights of event types, as in {"view": 1, "purchase": 5}; others weigh 1, events of weight 0 are ignored
    #[arg(long, value_name = "JSON", value_parser = offline::parse_params, requires = "event_column")]
    event_weights: Option<Map<String, Value>>,
    /// Days after which an interaction counts half
    #[arg(long, value_name = "DAYS", requires = "time_column")]
    half_life_days: Option<f64>,
}

impl WeightOptions {
    /// Returns the requested weights.
    pub fn weights(&self) -> MlResult<Weights> {
        let events =
            self.event_weights.iter().flatten().map(|(event, weight)| (format!("{EVENT_WEIGHT}{event}"), weight.clone()));
        let half_life = self.half_life_days.map(|days| (HALF_LIFE_DAYS.to_owned(), Value::from(days)));
        Ok(Weights::default().overridden(&events.chain(half_life).collect())?.0)
    }
}
