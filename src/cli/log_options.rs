//! Options of the commands that learn from a file of interactions.

use serde_json::{Map, Value};

use super::offline::{self, Columns, TimeColumn};
use super::weight_options::WeightOptions;
use crate::platform::tabular::ReadOptions;

/// How interactions are read and weighed.
#[derive(Debug, clap::Args)]
pub struct LogOptions {
    #[command(flatten)]
    pub columns: Columns,
    #[command(flatten)]
    pub time: TimeColumn,
    #[command(flatten)]
    pub weighing: WeightOptions,
}

impl LogOptions {
    /// Returns what to read from a file with these columns.
    pub fn read_options(&self) -> ReadOptions {
        self.columns.options(self.time.time_column.as_deref(), self.weighing.event_column.as_deref())
    }
}

/// What is fitted, and to which columns.
#[derive(Debug, clap::Args)]
pub struct FitOptions {
    #[command(flatten)]
    pub log: LogOptions,
    /// Column of session ids, for VMISKNN; the user column by default
    #[arg(long, value_name = "NAME")]
    pub session_column: Option<String>,
    /// Class name or short form, for example IALSRecommender or IALS; VMISKNN learns from sessions
    #[arg(long, value_name = "NAME")]
    pub algorithm: String,
    /// Parameters as a JSON object; missing ones have their defaults
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = offline::parse_params)]
    pub params: Map<String, Value>,
}

impl FitOptions {
    /// Returns what to read from a file for an algorithm that learns from sessions.
    pub fn session_options(&self, event_column: Option<&str>) -> anyhow::Result<ReadOptions> {
        let columns = self.log.columns.of_sessions(self.session_column.as_deref());
        Ok(columns.options(Some(offline::time_of_sessions(&self.log.time)?), event_column))
    }
}
