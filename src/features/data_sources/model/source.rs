//! Rows of sources, and the fields of their bodies.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::guards::Guards;
use super::query::SourceQuery;
use super::structured::Structured;
use crate::connectors::CursorKind;
use crate::platform::http::body::{Choice, Flag, Id, Integer, Moment, Nullable, Text, TextOrNull};
use crate::platform::{request_fields, wire_enum};
use crate::schema::data_sources;

const LONGEST_NAME: usize = 200;
const LONGEST_COLUMN: usize = 256;
const LONGEST_CRON: usize = 100;
const LONGEST_ZONE: usize = 64;

/// The longest time that rows may take to be committed.
const LONGEST_SETTLE: i32 = 7 * 24 * 3_600;

wire_enum! {
    /// What the rows of a source are.
    #[derive(Default)]
    #[schema(as = SourceTarget)]
    pub enum Target {
        #[default]
        Interactions = "interactions",
        Items = "items",
        Users = "users",
    }
}

wire_enum! {
    /// How much a run reads.
    #[derive(Default)]
    #[schema(as = SourceMode)]
    pub enum Mode {
        /// The rows of the next window of the cursor.
        #[default]
        Incremental = "incremental",
        /// All rows, which replace those of the run before.
        Snapshot = "snapshot",
        /// New and changed files.
        Files = "files",
    }
}

wire_enum! {
    /// What becomes of rows whose cursor is null.
    #[derive(Default)]
    pub enum NullCursor {
        /// They are counted, and not read.
        #[default]
        Skip = "skip",
        /// Each run reads all of them.
        WithEveryRun = "with_every_run",
    }
}

wire_enum! {
    /// What follows a run that brought rows.
    #[derive(Default)]
    #[schema(as = SourceFollowUp)]
    pub enum FollowUp {
        #[default]
        Nothing = "nothing",
        /// A run of the retraining schedule.
        Retrain = "retrain",
    }
}

request_fields! {
    /// The fields of a source.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = data_sources, treat_none_as_null = true)]
    #[schema(as = DataSourceFields)]
    pub struct SourceFields {
        #[serde(rename = "connection")]
        pub connection_id: i64 => Id,
        pub name: String => Text(LONGEST_NAME),
        /// Cannot change.
        pub target: Target = Target::default() => Choice(&[]),
        /// What is read.
        #[schema(value_type = SourceQuery)]
        pub query: Value => Structured::<SourceQuery>::new(),
        pub mode: Mode = Mode::default() => Choice(&[]),
        /// The column that windows are ranges of, such as the time at which a row was written; needed for the mode `incremental`.
        pub cursor_column: Option<String> = None => TextOrNull(LONGEST_COLUMN),
        pub cursor_kind: CursorKind = CursorKind::default() => Choice(&[]),
        /// How many seconds after the time in its cursor a row may be committed. A window ends so long before the source's clock.
        pub settle_seconds: i32 = 600 => Integer(0..=LONGEST_SETTLE),
        pub null_cursor: NullCursor = NullCursor::default() => Choice(&[]),
        /// When a run is held instead of used.
        #[schema(value_type = Guards)]
        pub guards: Value = json!(Guards::default()) => Structured::<Guards>::new(),
        /// Minute, hour, day of month, month, day of week (0 is Sunday); null to read by hand only.
        pub cron_expression: Option<String> = None => TextOrNull(LONGEST_CRON),
        /// The time zone of the cron expression, such as `Europe/Berlin`.
        pub time_zone: String = "UTC".to_owned() => Text(LONGEST_ZONE),
        pub is_enabled: bool = true => Flag,
        /// What follows a run that brought rows.
        #[serde(rename = "then")]
        pub follow_up: FollowUp = FollowUp::default() => Choice(&[]),
        /// The schedule that `then: retrain` runs.
        #[serde(rename = "retraining_schedule")]
        pub retraining_schedule_id: Option<i64> = None => Nullable(Id),
    }
}

impl SourceFields {
    /// Returns what is read.
    pub fn query(&self) -> SourceQuery {
        serde_json::from_value(self.query.clone()).unwrap_or_default()
    }

    /// Returns the conditions of a run.
    pub fn guards(&self) -> Guards {
        serde_json::from_value(self.guards.clone()).unwrap_or_default()
    }

    /// Returns whether rows without a cursor are read.
    pub fn reads_null_cursors(&self) -> bool {
        self.null_cursor == NullCursor::WithEveryRun
    }

    /// Returns whether the position of the former fields says nothing of these: other rows are read, or by another cursor.
    pub fn starts_again(&self, former: &Self) -> bool {
        self.connection_id != former.connection_id
            || self.query != former.query
            || self.mode != former.mode
            || self.cursor_column != former.cursor_column
            || self.cursor_kind != former.cursor_kind
    }
}

/// What is read from a connection for a project.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = data_sources)]
pub struct DataSource {
    pub id: i64,
    pub project_id: i64,
    pub created_by: Option<i64>,
    #[diesel(embed)]
    pub fields: SourceFields,
    /// The end of the last accepted window.
    pub position: Option<i64>,
    pub next_run_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

request_fields! {
    /// The window of a backfill, for a cursor of times.
    pub struct TimesToFill {
        /// The first moment that is read again.
        pub from: DateTime<Utc> => Moment,
        /// The moment up to which is read again; it is not in the window itself.
        pub to: DateTime<Utc> => Moment,
    }
}

request_fields! {
    /// The window of a backfill, for a cursor of integers.
    pub struct NumbersToFill {
        pub from: i64 => Id,
        pub to: i64 => Id,
    }
}

/// Reads one window or snapshot of a source, and stores it as an upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullSource {
    pub source_run_id: i64,
}

/// Counts the last windows of a source again, and reads those again whose count differs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecheckWindows {
    pub data_source_id: i64,
}
