//! SQL of item metadata.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Form, ItemMetaData, Stored};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::datasets::TrainingDataStatus;
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::item_meta_data;

impl Guarded for ItemMetaData {
    load_of_project!(item_meta_data);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)? && filters.id_is("project", self.project_id)?)
    }
}

/// Returns one page of the metadata that a caller may see and whose file still exists, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: Option<i64>,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<ItemMetaData>)> {
    page_of_project!(item_meta_data as ItemMetaData, by ins_datetime, connection, principal, project, page,
        only item_meta_data::storage_key.is_not_null(), {
        id => item_meta_data::id.eq(id),
    })
}

/// Returns the prepared form of the newest upload of a project whose file still exists.
pub async fn newest(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<String>> {
    let prepared: Option<Option<String>> = item_meta_data::table
        .filter(item_meta_data::project_id.eq(project))
        .filter(item_meta_data::storage_key.is_not_null().and(item_meta_data::prepared_key.is_not_null()))
        .order((item_meta_data::ins_datetime.desc(), item_meta_data::id.desc()))
        .select(item_meta_data::prepared_key)
        .first(connection)
        .await
        .optional()?;
    Ok(prepared.flatten())
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    created_by: i64,
    stored: Stored,
    form: Option<Form>,
) -> QueryResult<ItemMetaData> {
    diesel::insert_into(item_meta_data::table)
        .values((
            stored,
            form.unwrap_or_default(),
            item_meta_data::project_id.eq(project_id),
            item_meta_data::created_by.eq(created_by),
        ))
        .returning(ItemMetaData::as_returning())
        .get_result(connection)
        .await
}

/// Locks a row until the transaction ends.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<ItemMetaData> {
    item_meta_data::table.find(id).for_update().select(ItemMetaData::as_select()).first(connection).await
}

/// Replaces an upload. Without a new prepared form, the former one stays in use.
pub async fn replace(
    connection: &mut AsyncPgConnection,
    id: i64,
    stored: Stored,
    form: Option<Form>,
) -> QueryResult<ItemMetaData> {
    diesel::update(item_meta_data::table.find(id))
        .set((stored, item_meta_data::error.eq(None::<String>), form))
        .returning(ItemMetaData::as_returning())
        .get_result(connection)
        .await
}

/// Returns an upload, if it exists.
pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ItemMetaData>> {
    item_meta_data::table.find(id).select(ItemMetaData::as_select()).first(connection).await.optional()
}

/// Records how the preparation of a file ended, and what its files then take up, unless the file was replaced, removed or prepared
/// meanwhile; says whether it did.
pub async fn end_preparation(
    connection: &mut AsyncPgConnection,
    id: i64,
    storage_key: &str,
    ended: Result<(Form, i64), &str>,
) -> QueryResult<bool> {
    let waiting = item_meta_data::table
        .filter(item_meta_data::id.eq(id).and(item_meta_data::storage_key.eq(storage_key)))
        .filter(item_meta_data::status.eq(TrainingDataStatus::Preparing));
    let (status, form, error, stored_bytes) = match ended {
        Ok((form, stored_bytes)) => (TrainingDataStatus::Ready, Some(form), None, Some(stored_bytes)),
        Err(error) => (TrainingDataStatus::Failed, None, Some(error), None),
    };
    let stored_bytes = stored_bytes.map(|bytes| item_meta_data::stored_bytes.eq(bytes));
    let changes = (item_meta_data::status.eq(status), item_meta_data::error.eq(error), form, stored_bytes);
    Ok(diesel::update(waiting).set(changes).execute(connection).await? == 1)
}

/// Clears the files but keeps the names of the columns.
pub async fn unlink(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<ItemMetaData> {
    diesel::update(item_meta_data::table.find(id))
        .set((
            item_meta_data::storage_key.eq(None::<String>),
            item_meta_data::basename.eq(None::<String>),
            item_meta_data::filesize.eq(None::<i64>),
            item_meta_data::prepared_key.eq(None::<String>),
            item_meta_data::stored_bytes.eq(0_i64),
        ))
        .returning(ItemMetaData::as_returning())
        .get_result(connection)
        .await
}
