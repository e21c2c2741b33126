//! The messages that a socket sends, as 1.x clients expect them, and those that it accepts.

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::feed::Standing;
use crate::features::task_logs::TaskLog;
use crate::features::tuning::SearchStatus;

/// One message. `seq` counts from 0 on each connection; keep-alives have none.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message<'a> {
    StatusUpdate {
        status: String,
        data: Value,
        seq: u64,
    },
    Log {
        message: &'a str,
        timestamp: String,
        /// The value that a reconnecting client sends as `?after=`.
        id: i64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        buffered: bool,
        seq: u64,
    },
    Ping,
}

impl<'a> Message<'a> {
    /// Creates a message about the state of a job. The first message of a connection is marked as buffered and gives the status
    /// in lower case. Later ones give `error` for a job that failed or was cancelled, which is the word that clients wait for;
    /// `job_status` is the same in all.
    pub fn status(standing: &Standing, buffered: bool, seq: u64) -> Self {
        let mut data = standing.figures.clone();
        data["job_status"] = standing.status.wire().into();
        if buffered {
            data["buffered"] = true.into();
        }
        if let Some(error) = &standing.error {
            data["error"] = error.clone().into();
        }
        let status = match standing.status {
            SearchStatus::Failed | SearchStatus::Cancelled if !buffered => "error".to_owned(),
            status => status.wire().to_lowercase(),
        };
        Self::StatusUpdate { status, data, seq }
    }

    /// Creates a message with a line of the log.
    pub fn log(line: &'a TaskLog, buffered: bool, seq: u64) -> Self {
        let timestamp = line.ins_datetime.to_rfc3339_opts(SecondsFormat::Micros, false);
        Self::Log { message: &line.contents, timestamp, id: line.id, buffered, seq }
    }
}

/// What a client may send. Anything else is ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said {
    /// Continue with this access token.
    Token { token: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(status: SearchStatus, error: Option<&str>, buffered: bool) -> Value {
        let figures = json!({ "best_score": null });
        let standing = Standing { status, error: error.map(str::to_owned), figures };
        serde_json::to_value(Message::status(&standing, buffered, 4)).unwrap()
    }

    #[test]
    fn a_bad_end_is_called_as_clients_expect_it_and_always_says_why() {
        let first = json!({ "best_score": null, "job_status": "FAILED", "buffered": true, "error": "No data." });
        let first = json!({ "type": "status_update", "status": "failed", "data": first, "seq": 4 });
        assert_eq!(told(SearchStatus::Failed, Some("No data."), true), first);
        let live = told(SearchStatus::Failed, Some("No data."), false);
        assert_eq!((&live["status"], &live["data"]["error"]), (&json!("error"), &json!("No data.")));
        assert_eq!(told(SearchStatus::Cancelled, Some("Cancelled."), false)["status"], "error");
        assert_eq!(told(SearchStatus::Cancelled, Some("Cancelled."), true)["status"], "cancelled");
        assert_eq!(told(SearchStatus::Running, None, false)["status"], "running");
    }

    #[test]
    fn a_line_has_the_time_it_was_said_and_its_id() {
        let at = chrono::DateTime::from_timestamp(1_700_000_000, 5_000).unwrap();
        let line = TaskLog { id: 9, job_id: None, contents: "Start".to_owned(), ins_datetime: at, updated_at: at };
        let live =
            json!({ "type": "log", "message": "Start", "timestamp": "2023-11-14T22:13:20.000005+00:00", "id": 9, "seq": 0 });
        assert_eq!(serde_json::to_value(Message::log(&line, false, 0)).unwrap(), live);
        assert_eq!(serde_json::to_value(Message::log(&line, true, 0)).unwrap()["buffered"], true);
    }
}
