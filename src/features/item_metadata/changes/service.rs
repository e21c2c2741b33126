//! Accepts changes of single rows, and looks up rows.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use serde_json::{Map, Value};

use super::error::TooManyChanges;
use super::input::Row;
use super::model::{MergeItemChanges, NewChange};
use super::room::{self, Tables};
use super::store;
use crate::features::datasets::{DataError, blocking};
use crate::features::item_metadata::model::ItemMetaData;
use crate::features::item_metadata::opening::rows;
use crate::features::item_metadata::service::LARGEST_METADATA;
use crate::features::item_metadata::store as uploads;
use crate::features::projects::{self, Project};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, EnqueueOptions, JobState};
use crate::platform::services::Services;

/// What may wait in one project.
const MOST_WAITING: TooManyChanges = TooManyChanges { changes: 100_000, bytes: 256 << 20 };

/// Bytes of a form for which changes are collected another second before they are merged: each merge writes the whole form, and
/// servers read it.
const BYTES_PER_SECOND: i64 = 32 << 20;
const LONGEST_COLLECTION: i64 = 60;

/// How often a row is looked up whose file is replaced meanwhile.
const TRIES: usize = 3;

/// A row that is in use, or will be.
pub struct FoundRow {
    pub values: Map<String, Value>,
    /// Whether it waits to be merged.
    pub is_pending: bool,
}

/// Accepts rows, each in the place of the former one of its item.
pub async fn set(services: &Services, project: &Project, rows: Vec<Row>) -> ApiResult<()> {
    let change = |row: Row| NewChange {
        project_id: project.id,
        item_id: row.item_id,
        cells: Some(Value::Object(row.values)),
        bytes: i64::try_from(row.bytes).unwrap_or(i64::MAX),
    };
    accept(services, project.id, rows.into_iter().map(change)).await
}

/// Accepts the removal of a row; 404 if there is none.
pub async fn remove(services: &Services, project: &Project, item: &str) -> ApiResult<()> {
    if find(services, project.id, item).await?.is_none() {
        return Err(ApiError::not_found());
    }
    let removal = NewChange { project_id: project.id, item_id: item.to_owned(), cells: None, bytes: 0 };
    accept(services, project.id, [removal]).await
}

async fn accept(services: &Services, project: i64, changes: impl IntoIterator<Item = NewChange>) -> ApiResult<()> {
    // The last one of each item, in their order.
    let changes: BTreeMap<String, NewChange> = changes.into_iter().map(|change| (change.item_id.clone(), change)).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let changes: Vec<NewChange> = changes.into_values().collect();
    let added: u64 = changes.iter().map(|change| change.bytes.unsigned_abs()).sum();
    let (now, allowed) = (services.clock.now(), services.settings.max_stored_bytes_per_organisation);
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> ApiResult<()> {
            store::begin_writing(connection, project).await?;
            let in_use = uploads::in_use(connection, project).await?;
            let is_known = Tables::of(connection, project, in_use.as_ref()).await?.have_columns_of(&changes);
            store::write(connection, changes).await?;
            if !is_known {
                room::refuse_columns(connection, project).await?;
            }
            let waiting = store::waiting(connection, project).await?;
            if waiting.changes > MOST_WAITING.changes || waiting.bytes > MOST_WAITING.bytes {
                return Err(MOST_WAITING.into());
            }
            let (turn, key) = (projects::turn_of(connection, project).await?, Some(MergeItemChanges::key(project)));
            let run_at = Some(now + collection_of(in_use.as_ref()));
            let options = EnqueueOptions { run_at, unique_key: key.clone(), group_key: key, turn, ..EnqueueOptions::default() };
            queue::enqueue(connection, &MergeItemChanges { project_id: project }, options).await?;
            if added > 0 {
                projects::refuse_excess(connection, project, added, allowed).await?.map_err(DataError::from)?;
            }
            Ok(())
        })
        .await
}

/// Returns for how long changes are collected.
fn collection_of(in_use: Option<&ItemMetaData>) -> TimeDelta {
    let more = in_use.map_or(0, |metadata| metadata.stored_bytes / BYTES_PER_SECOND);
    TimeDelta::seconds((1 + more).min(LONGEST_COLLECTION))
}

/// Returns why a row that waits is not merged, if it has to wait for more than the next merge: the last one failed for good, or the
/// row does not fit.
pub async fn problem(services: &Services, project: i64, row: &FoundRow) -> ApiResult<Option<String>> {
    if !row.is_pending {
        return Ok(None);
    }
    let mut connection = services.db.conn().await?;
    let last = queue::newest_of_group(&mut connection, &MergeItemChanges::key(project)).await?;
    if let Some(error) = last.filter(|job| job.state == JobState::Failed).and_then(|job| job.last_error) {
        return Ok(Some(error));
    }
    let in_use = uploads::in_use(&mut connection, project).await?;
    Ok(room::lack(in_use.as_ref(), &row.values))
}

/// Returns the row of an item: one that waits to be merged, or the one in use.
pub async fn find(services: &Services, project: i64, item: &str) -> ApiResult<Option<FoundRow>> {
    for _ in 0..TRIES {
        let mut connection = services.db.conn().await?;
        // Changes first: one that is merged between the two queries is found in the form.
        if let Some(change) = store::find(&mut connection, project, item).await? {
            let values = change.cells.map(|cells| if let Value::Object(values) = cells { values } else { Map::new() });
            return Ok(values.map(|values| FoundRow { values, is_pending: true }));
        }
        let Some(metadata) = uploads::in_use(&mut connection, project).await? else { return Ok(None) };
        drop(connection);
        let (blobs, item) = (services.blobs.clone(), item.to_owned());
        let found = blocking(move || {
            let rows = rows(&blobs, &metadata)?;
            let values = rows.find(&item, LARGEST_METADATA)?;
            Ok(values.map(|values| rows.columns().iter().cloned().zip(values).filter(|(_, value)| !value.is_null()).collect()))
        });
        match found.await {
            // Its file was replaced meanwhile.
            Err(DataError::NotUsable(_)) => {}
            found => return Ok(found?.map(|values| FoundRow { values, is_pending: false })),
        }
    }
    Err(ApiError::unavailable(&"the item metadata is replaced again and again"))
}
