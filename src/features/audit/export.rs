//! The audit log as a file, written while it is read: of any length, only a few lines are held in memory.

use futures_util::stream::{self, try_unfold};
use futures_util::{Stream, TryStreamExt};
use serde_json::Value;

use super::model::{Entry, Selection};
use super::store;
use crate::features::accounts::Principal;
use crate::platform::db::{self, DbError};
use crate::platform::http::{ApiError, ApiResult, pieces, timestamp};
use crate::platform::services::Services;
use crate::platform::wire_enum;

/// Lines in memory at once.
const LINES_AT_ONCE: i64 = 50;

wire_enum! {
    /// The format of the file.
    pub enum Format {
        Csv = "csv",
        Ndjson = "ndjson",
    }
}

const COLUMNS: [&str; 14] = [
    "id",
    "at",
    "organisation",
    "project",
    "user",
    "username",
    "api_key",
    "address",
    "request_id",
    "action",
    "resource",
    "resource_id",
    "before",
    "after",
];

/// What remains to be written.
struct Rest {
    services: Services,
    session: db::Session,
    selection: Selection,
    format: Format,
    /// Lines below this id; `None` once all have been written.
    below: Option<i64>,
    begun: bool,
}

/// Streams the selected lines, newest first. The body is written after the handler has returned, so each part sets the database
/// session of its caller again.
pub fn stream(
    services: &Services,
    principal: &Principal,
    selection: Selection,
    format: Format,
) -> impl Stream<Item = ApiResult<bytes::Bytes>> + use<> {
    let (services, session) = (services.clone(), principal.session());
    let rest = Rest { services, session, selection, format, below: Some(i64::MAX), begun: false };
    let parts = try_unfold(rest, async |mut rest| {
        let Some(below) = rest.below else { return Ok::<_, ApiError>(None) };
        let rows = db::acting_as(rest.session.clone(), read(&rest, below)).await?;
        rest.below = rows.last().map(|row| row.id).filter(|_| rows.len() as i64 == LINES_AT_ONCE);
        let text = match rest.format {
            Format::Csv => csv_lines(&rows, !rest.begun)?,
            Format::Ndjson => json_lines(&rows)?,
        };
        rest.begun = true;
        Ok(Some((bytes::Bytes::from(text), rest)))
    });
    parts.map_ok(|part| stream::iter(pieces(part).map(Ok::<_, ApiError>))).try_flatten()
}

async fn read(rest: &Rest, below: i64) -> ApiResult<Vec<Entry>> {
    let mut connection = loop {
        match rest.services.db.conn_for_long_read().await {
            // A file that has been begun must not break off because others read, too.
            Err(DbError::Busy) if rest.begun => {}
            connection => break connection?,
        }
    };
    Ok(store::below(&mut connection, &rest.selection, below, LINES_AT_ONCE).await?)
}

fn json_lines(rows: &[Entry]) -> ApiResult<Vec<u8>> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|error| ApiError::internal(&error))?;
        text.push(b'\n');
    }
    Ok(text)
}

fn csv_lines(rows: &[Entry], with_header: bool) -> ApiResult<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fault = |error: csv::Error| ApiError::internal(&error);
    if with_header {
        writer.write_record(COLUMNS).map_err(fault)?;
    }
    for row in rows {
        writer.write_record(cells(row)).map_err(fault)?;
    }
    writer.into_inner().map_err(|error| ApiError::internal(&error))
}

fn cells(row: &Entry) -> [String; 14] {
    let number = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    [
        row.id.to_string(),
        timestamp::text(&row.at),
        number(row.organisation),
        number(row.project),
        number(row.user),
        harmless(row.username.as_deref().unwrap_or_default()),
        number(row.api_key),
        harmless(&row.address),
        row.request_id.clone(),
        row.action.to_string(),
        row.resource.clone(),
        harmless(&row.resource_id),
        json(&row.before),
        json(&row.after),
    ]
}

/// Escapes a text so that a spreadsheet does not take it for a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() }
}
