//! The first rows of an object.

use recotem_tabular::{Kind, MAX_PREVIEW_BYTES, Preview, Stop, format_of, preview_of_start};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Files;
use super::listing::FileObject;
use super::rows::as_text;
use crate::answers::{LONGEST_CELL, PullLimits, Sample};
use crate::error::ConnectorError;
use crate::pattern::FileFormat;
use crate::query::{FilesQuery, Mapped};
use crate::rows::Task;

/// Bytes of an object from which its first rows are read.
const START: u64 = 16 << 20;

/// Bytes to which they may expand.
const EXPANDED: u64 = 64 << 20;

/// The largest object whose columns are at its end that is read for its first rows.
const LARGEST: u64 = 1 << 30;

impl Files {
    /// Returns the first rows of an object.
    pub async fn first_rows(
        &self,
        object: &FileObject,
        format: Option<FileFormat>,
        rows: usize,
        stop: &Stop,
    ) -> Result<Preview, ConnectorError> {
        let name = object.file_name(format);
        let bad = |cause| ConnectorError::BadFile { key: object.key.clone(), cause };
        let is_parquet = format_of(&name).map_err(bad)?.kind == Kind::Parquet;
        if is_parquet && object.size.is_some_and(|size| size > LARGEST) {
            return Err(ConnectorError::TooLarge { what: "the Parquet file of the sample", limit: LARGEST });
        }
        let limits = PullLimits { max_bytes: LARGEST, ..PullLimits::default() };
        let task = Task { limits: &limits, progress: &|_, _| {}, stop };
        let scratch = self.fetch_start(object, if is_parquet { LARGEST } else { START }, &task).await?;
        let stop = stop.clone();
        let read = spawn_blocking(move || preview_of_start(scratch.path(), &name, rows, EXPANDED, MAX_PREVIEW_BYTES, &stop));
        read.await.map_err(|error| ConnectorError::Storage(std::io::Error::other(error)))?.map_err(bad)
    }

    /// Returns the first rows of the newest of the objects that match, under the names of the columns that are read.
    pub async fn sample(&self, query: &FilesQuery, columns: &[Mapped], rows: u32) -> Result<Sample, ConnectorError> {
        let found = self.found(query).await?;
        let newest = found.objects.into_iter().max_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
        let newest = newest.ok_or_else(|| ConnectorError::NoFiles(query.pattern.clone()))?;
        let preview = self.first_rows(&newest, query.format, rows as usize, &Stop::default()).await?;
        sample(preview, columns)
    }

    /// Returns the first rows of one object.
    pub async fn sample_of(&self, key: &str, rows: u32) -> Result<Sample, ConnectorError> {
        let object = self.objects.head(key).await?.into();
        sample(self.first_rows(&object, None, rows as usize, &Stop::default()).await?, &[])
    }
}

/// Returns the columns that are wanted, or all; cells are cut.
fn sample(preview: Preview, columns: &[Mapped]) -> Result<Sample, ConnectorError> {
    let place = |name: &str| preview.columns.iter().position(|column| column == name);
    let wanted: Vec<(String, Option<usize>)> = match columns {
        [] => preview.columns.iter().enumerate().map(|(at, name)| (name.clone(), Some(at))).collect(),
        columns => columns.iter().map(|mapped| (mapped.named.clone(), place(&mapped.column))).collect(),
    };
    if let Some(mapped) = columns.iter().find(|mapped| place(&mapped.column).is_none()) {
        return Err(ConnectorError::NoSuchColumn(mapped.column.clone()));
    }
    let cell = |row: &[Value], at: Option<usize>| {
        let text = as_text(row.get(at?)?)?;
        Some(text.chars().take(LONGEST_CELL).collect())
    };
    let rows = preview.rows.iter().map(|row| wanted.iter().map(|(_, at)| cell(row, *at)).collect()).collect();
    Ok(Sample { columns: wanted.into_iter().map(|(name, _)| name).collect(), rows })
}
