//! What a socket sends, as Recotem clients expect it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::features::tuning::{TrialCounts, TuningJob};

/// One message. `seq` counts from 0 on each connection; keep-alives have none.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    StatusUpdate {
        status: String,
        data: Value,
        seq: u64,
    },
    Log {
        message: String,
        timestamp: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        buffered: bool,
        seq: u64,
    },
    Ping,
}

impl Message {
    /// How a job stands. The first message of a connection is marked as buffered.
    pub fn status(job: &TuningJob, counts: TrialCounts, buffered: bool, seq: u64) -> Self {
        let mut data = json!({
            "best_score": job.best_score,
            "n_trials": job.n_trials,
            "n_running": counts.running,
            "n_completed": counts.completed,
            "n_pruned": counts.pruned,
            "n_failed": counts.failed,
        });
        if buffered {
            data["buffered"] = true.into();
        }
        if let Some(error) = &job.error {
            data["error"] = error.clone().into();
        }
        Self::StatusUpdate { status: job.status.to_lowercase(), data, seq }
    }

    /// A line of the log.
    pub fn log(contents: String, at: DateTime<Utc>, buffered: bool, seq: u64) -> Self {
        let timestamp = at.to_rfc3339_opts(SecondsFormat::Micros, false);
        Self::Log { message: contents, timestamp, buffered, seq }
    }
}
