//! Rows of runs, and what they record.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::connectors::{CursorKind, Window};
use crate::platform::http::timestamp;
use crate::platform::wire_enum;
use crate::schema::{source_files, source_runs};

wire_enum! {
    /// The cause of a run.
    #[schema(as = SourceRunCause)]
    pub enum Cause {
        /// A user.
        Manual = "manual",
        Schedule = "schedule",
        /// A user who names a window.
        Backfill = "backfill",
        /// A window in which rows have come or gone since it was read.
        Recheck = "recheck",
    }
}

impl Cause {
    /// Returns whether the run goes on where the one before ended.
    pub fn moves(self) -> bool {
        matches!(self, Self::Manual | Self::Schedule)
    }

    /// Causes of runs that go on where the one before ended.
    pub const MOVING: [Self; 2] = [Self::Manual, Self::Schedule];
}

wire_enum! {
    /// The state of a run.
    #[schema(as = SourceRunState)]
    pub enum RunState {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        /// It breaks a guard: it is stored, and not used until a user accepts it.
        Held = "held",
        Failed = "failed",
        Cancelled = "cancelled",
        /// It was held, and a user discarded it, or a later run covers it.
        Discarded = "discarded",
        /// No row was to be read.
        NothingNew = "nothing_new",
    }
}

impl RunState {
    /// States of runs that wait or run.
    pub const LIVE: [Self; 2] = [Self::Queued, Self::Running];
    /// States of runs whose window counts as read.
    pub const ACCEPTED: [Self; 2] = [Self::Succeeded, Self::NothingNew];
}

wire_enum! {
    /// A stage of a run, in this order.
    #[schema(as = SourceStage)]
    pub enum StageName {
        Counting = "counting",
        Reading = "reading",
        Preparing = "preparing",
        Checking = "checking",
        Training = "training",
    }
}

/// A stage that has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SourceStageProgress)]
pub struct Stage {
    pub name: StageName,
    #[serde(serialize_with = "timestamp::serialize")]
    pub started_at: DateTime<Utc>,
    /// Null until it has ended.
    pub seconds: Option<f64>,
    /// Rows that it counted, read or kept.
    pub rows: Option<i64>,
}

/// One time that a source was read.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = source_runs)]
pub struct SourceRun {
    pub id: i64,
    pub data_source_id: i64,
    pub project_id: i64,
    pub cause: Cause,
    pub state: RunState,
    pub triggered_by: Option<i64>,
    pub scheduled_for: Option<DateTime<Utc>>,
    pub cursor_kind: CursorKind,
    pub window_lo: Option<i64>,
    pub window_hi: Option<i64>,
    pub rows_read: i64,
    pub rows_kept: i64,
    pub rows_rejected: i64,
    pub null_cursors: i64,
    pub bytes: i64,
    pub stages: Value,
    pub report: Option<Value>,
    pub problems: Value,
    pub training_data_id: Option<i64>,
    pub item_meta_data_id: Option<i64>,
    pub retraining_run_id: Option<i64>,
    pub error_code: Option<String>,
    pub error: Option<String>,
    pub attempt: i32,
    pub ins_datetime: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl SourceRun {
    /// Returns the group of its queue jobs.
    pub fn group(id: i64) -> String {
        format!("source_run:{id}")
    }

    /// Returns whether it waits or runs.
    pub fn is_live(&self) -> bool {
        RunState::LIVE.contains(&self.state)
    }

    /// Returns its window; `None` if it reads everything, or before it is known.
    pub fn window(&self) -> Option<Window> {
        self.window_hi.map(|hi| Window { lo: self.window_lo, hi })
    }

    /// Returns the stages that have begun.
    pub fn stages(&self) -> Vec<Stage> {
        Vec::deserialize(&self.stages).unwrap_or_default()
    }

    /// Returns why it is held, in sentences.
    pub fn problems(&self) -> Vec<String> {
        Vec::deserialize(&self.problems).unwrap_or_default()
    }
}

/// A version of a file that a run has read.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = source_files)]
pub struct SourceFile {
    #[serde(skip)]
    pub run_id: i64,
    pub key: String,
    /// Bytes; null if a web server does not say.
    pub size: Option<i64>,
    #[serde(skip)]
    pub version: String,
}

/// A run to be stored.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = source_runs)]
pub struct NewRun {
    pub data_source_id: i64,
    pub project_id: i64,
    pub cause: Cause,
    pub triggered_by: Option<i64>,
    pub scheduled_for: Option<DateTime<Utc>>,
    pub cursor_kind: CursorKind,
    pub window_lo: Option<i64>,
    pub window_hi: Option<i64>,
}

/// What a step changes about a run. `None` keeps a value.
#[derive(Debug, Default, Clone, AsChangeset)]
#[diesel(table_name = source_runs)]
pub struct RunChanges {
    pub state: Option<RunState>,
    pub window_lo: Option<Option<i64>>,
    pub window_hi: Option<Option<i64>>,
    pub rows_read: Option<i64>,
    pub rows_kept: Option<i64>,
    pub rows_rejected: Option<i64>,
    pub null_cursors: Option<i64>,
    pub bytes: Option<i64>,
    pub stages: Option<Value>,
    pub report: Option<Value>,
    pub problems: Option<Value>,
    pub training_data_id: Option<Option<i64>>,
    pub item_meta_data_id: Option<Option<i64>>,
    pub retraining_run_id: Option<Option<i64>>,
    pub error_code: Option<Option<String>>,
    pub error: Option<Option<String>>,
    pub attempt: Option<i32>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<Option<DateTime<Utc>>>,
}
