//! The rows of objects in one file.

use std::io::{self, Write};

use recotem_tabular::{Preview, Stop, TableCell, TableOptions, TabularError, read_named_table};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Files;
use super::listing::FileObject;
use super::rows::{Sheet, as_text};
use super::scratch::Scratch;
use crate::answers::Pulled;
use crate::error::ConnectorError;
use crate::query::{FilesQuery, Mapped};
use crate::rows::Task;

/// The most columns of a file.
const MOST_COLUMNS: usize = 1_000;

/// Rejected rows that are told.
const EXAMPLES: usize = 20;

/// What a pull of files has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PulledFiles {
    pub pulled: Pulled,
    /// The versions that were read.
    pub objects: Vec<FileObject>,
    /// Why rows were rejected, for the first of them.
    pub rejected: Vec<String>,
}

impl Files {
    /// Writes the rows of all objects that match.
    pub async fn pull(
        &self,
        query: &FilesQuery,
        columns: &[Mapped],
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<PulledFiles, ConnectorError> {
        let found = self.found(query).await?;
        if found.objects.is_empty() {
            return Err(ConnectorError::NoFiles(query.pattern.clone()));
        }
        self.pull_objects((query, columns), &found.objects, into, task).await
    }

    /// Writes the rows of objects, one after the other.
    pub async fn pull_objects(
        &self,
        (query, columns): (&FilesQuery, &[Mapped]),
        objects: &[FileObject],
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<PulledFiles, ConnectorError> {
        let mut sheet = Sheet::start(into, columns, &query.key_column, *task.limits)?;
        let mut done = PulledFiles::default();
        for object in objects {
            if let Some(most) = task.limits.max_rows {
                if sheet.is_full() {
                    break;
                }
                let left = usize::try_from(most - sheet.pulled.rows).unwrap_or(usize::MAX);
                let preview = self.first_rows(object, query.format, left, task.stop).await?;
                add_preview(&mut sheet, preview)?;
                done.objects.push(object.clone());
            } else {
                let (scratch, read) = self.fetch(object, task).await?;
                let (name, stop) = (read.file_name(query.format), task.stop.clone());
                let added = spawn_blocking(move || add_file(sheet, &scratch, &name, &stop)).await;
                let added = added.map_err(|error| ConnectorError::Storage(io::Error::other(error)))?;
                let rejected;
                (sheet, rejected) = added.map_err(|cause| in_words(object, cause, task))?;
                let room = EXAMPLES - done.rejected.len().min(EXAMPLES);
                done.rejected.extend(rejected.into_iter().take(room).map(|reason| format!("{}, {reason}", read.key)));
                done.objects.push(read);
            }
            (task.progress)(sheet.pulled.rows, sheet.pulled.bytes);
        }
        let finished = spawn_blocking(move || sheet.finish()).await;
        done.pulled = finished.map_err(|error| ConnectorError::Storage(io::Error::other(error)))??;
        Ok(done)
    }
}

/// Says which file is at fault, unless it is not the file.
fn in_words(object: &FileObject, cause: TabularError, task: &Task<'_>) -> ConnectorError {
    match cause {
        TabularError::Stopped => ConnectorError::Stopped,
        TabularError::TooLarge { .. } => {
            ConnectorError::TooLarge { what: "the rows of the source", limit: task.limits.max_bytes }
        }
        TabularError::Io(error) => ConnectorError::Storage(error),
        TabularError::MissingColumn { column, .. } => ConnectorError::NoSuchColumn(format!("{column}, in {}", object.key)),
        cause => ConnectorError::BadFile { key: object.key.clone(), cause },
    }
}

/// Adds the rows of a file. Returns why some were rejected.
fn add_file(mut sheet: Sheet, scratch: &Scratch, name: &str, stop: &Stop) -> Result<(Sheet, Vec<String>), TabularError> {
    let options = TableOptions {
        key_column: sheet.key_column().to_owned(),
        max_expanded_bytes: sheet.room(),
        max_cell_bytes: sheet.max_cell(),
        max_columns: MOST_COLUMNS,
        max_rows: u64::MAX,
        stop: stop.clone(),
    };
    let mut add = |key: &str, cells: Vec<TableCell>, names: &[String]| {
        let named: Vec<(&str, &Value)> = cells.iter().map(|(place, value)| (names[*place].as_str(), value)).collect();
        sheet.row(key, &named)
    };
    let report = read_named_table(scratch.path(), name, &options, &mut add)?;
    if let Some(column) = sheet.missing(&report.columns) {
        return Err(TabularError::MissingColumn { column, available: report.columns });
    }
    sheet.pulled.rejected += report.rejected;
    let reasons = report.rejected_examples.iter().take(EXAMPLES);
    let reasons = reasons.map(|rejected| format!("line {}: {}", rejected.line, rejected.reason)).collect();
    Ok((sheet, reasons))
}

/// Adds the first rows of a file. Those without a key are rejected.
fn add_preview(sheet: &mut Sheet, preview: Preview) -> Result<(), ConnectorError> {
    let key = preview.columns.iter().position(|column| column == sheet.key_column());
    let key = key.ok_or_else(|| ConnectorError::NoSuchColumn(sheet.key_column().to_owned()))?;
    if let Some(column) = sheet.missing(&preview.columns) {
        return Err(ConnectorError::NoSuchColumn(column));
    }
    for row in &preview.rows {
        let Some(id) = row.get(key).and_then(as_text).filter(|id| !id.trim().is_empty()) else {
            sheet.pulled.rejected += 1;
            continue;
        };
        let names = preview.columns.iter().map(String::as_str);
        let cells: Vec<(&str, &Value)> =
            names.zip(row).enumerate().filter(|(at, (_, value))| *at != key && !value.is_null()).map(|(_, cell)| cell).collect();
        sheet.row(&id, &cells).map_err(ConnectorError::Storage)?;
    }
    Ok(())
}
