//! Whether item metadata has room for the columns of changes.

use std::collections::BTreeSet;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};

use super::model::NewChange;
use super::store;
use crate::features::item_metadata::model::{ItemMetaData, PrepareItemMetadata};
use crate::features::item_metadata::preparation::MOST_COLUMNS;
use crate::features::item_metadata::store as uploads;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, Job};

/// The columns of the metadata in use, and of each upload that is being prepared and will take its place.
pub struct Tables(Vec<BTreeSet<String>>);

impl Tables {
    /// Finds the tables that changes of a project have to fit in.
    pub async fn of(connection: &mut AsyncPgConnection, project: i64, in_use: Option<&ItemMetaData>) -> QueryResult<Self> {
        let mut tables = vec![columns_of(in_use).map(str::to_owned).collect()];
        for upload in uploads::preparing(connection, project, in_use).await? {
            let group = PrepareItemMetadata::group(upload);
            let job = queue::newest_payload::<PrepareItemMetadata>(connection, &group, PrepareItemMetadata::KIND).await?;
            tables.extend(job.map(|job| job.columns.into_iter().collect()));
        }
        Ok(Self(tables))
    }

    /// Returns whether changes need no column that one of the tables does not have.
    pub fn have_columns_of(&self, changes: &[NewChange]) -> bool {
        let mut sent = changes.iter().filter_map(|change| change.cells.as_ref()?.as_object());
        sent.all(|values| values.keys().all(|column| self.0.iter().all(|table| table.contains(column))))
    }

    /// Returns the largest number of columns that one of the tables has with others.
    fn widest_with(mut self, columns: &[String]) -> usize {
        self.0.iter_mut().for_each(|table| table.extend(columns.iter().cloned()));
        self.0.iter().map(BTreeSet::len).max().unwrap_or_default()
    }
}

/// Fails if a table would have too many columns with all changes that wait, which include those just written. Others that need new
/// columns wait until the transaction ends.
pub async fn refuse_columns(connection: &mut AsyncPgConnection, project: i64) -> ApiResult<()> {
    store::begin_adding_columns(connection, project).await?;
    // Changes first: the columns of one that is merged between the two queries are found in the form.
    let waiting = store::columns(connection, project).await?;
    let in_use = uploads::in_use(connection, project).await?;
    let widest = Tables::of(connection, project, in_use.as_ref()).await?.widest_with(&waiting);
    if widest <= MOST_COLUMNS { Ok(()) } else { Err(ApiError::non_field(too_many(widest))) }
}

/// Returns why a row that waits cannot be merged into the metadata in use, if that has no room for its columns: it was accepted before
/// that metadata took the place of another.
pub fn lack(in_use: Option<&ItemMetaData>, row: &Map<String, Value>) -> Option<String> {
    let all: BTreeSet<&str> = columns_of(in_use).chain(row.keys().map(String::as_str)).collect();
    (all.len() > MOST_COLUMNS).then(|| too_many(all.len()))
}

fn columns_of(metadata: Option<&ItemMetaData>) -> impl Iterator<Item = &str> {
    let known = metadata.and_then(|metadata| metadata.valid_columns_list_json.as_ref()).and_then(Value::as_array);
    known.into_iter().flatten().filter_map(Value::as_str)
}

fn too_many(columns: usize) -> String {
    format!(
        "Item metadata may have at most {MOST_COLUMNS} columns; with this there would be {columns}. Leave out columns that no rule \
         and no list needs."
    )
}
