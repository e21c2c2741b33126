//! SQL of metadata.

use chrono::DateTime;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{About, Form, ItemMetaData, Metadata, Stored, Subject};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::datasets::{Standing, TrainingDataStatus};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{item_changes, item_meta_data};

impl Guarded for ItemMetaData {
    load_of_project!(item_meta_data);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)? && filters.id_is("project", self.project_id)?)
    }
}

impl<S: About> Guarded for Metadata<S> {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(Self, Ownership)>> {
        let found = <ItemMetaData as Guarded>::load(connection, id).await?;
        Ok(found.and_then(|(row, ownership)| Some((Self::of(row)?, ownership))))
    }

    fn matches(&self, ownership: Ownership, filters: &Filters) -> ApiResult<bool> {
        self.row.matches(ownership, filters)
    }
}

/// Returns one page of the metadata about a subject that a caller may see and whose file still exists, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    (principal, subject): (&Principal, Subject),
    id: Option<i64>,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<ItemMetaData>)> {
    page_of_project!(item_meta_data as ItemMetaData, by ins_datetime, connection, principal, project, page,
        only item_meta_data::storage_key.is_not_null().and(item_meta_data::subject.eq(subject)), {
        id => item_meta_data::id.eq(id),
    })
}

/// Selects the uploads of a project about a subject with a prepared form, the one in use first.
fn usable(project: i64, subject: Subject) -> item_meta_data::BoxedQuery<'static, Pg> {
    item_meta_data::table
        .filter(item_meta_data::project_id.eq(project).and(item_meta_data::subject.eq(subject)))
        .filter(item_meta_data::storage_key.is_not_null().and(item_meta_data::prepared_key.is_not_null()))
        .filter(item_meta_data::standing.eq(Standing::InUse))
        .order((item_meta_data::ins_datetime.desc(), item_meta_data::id.desc()))
        .into_boxed()
}

/// Returns the prepared form of the newest upload of a project about a subject whose file still exists.
pub async fn newest(connection: &mut AsyncPgConnection, project: i64, subject: Subject) -> QueryResult<Option<String>> {
    Ok(newest_upload(connection, project, subject).await?.map(|(_, prepared)| prepared))
}

/// Returns the id of the newest upload of a project about a subject whose file still exists, and its prepared form.
pub async fn newest_upload(
    connection: &mut AsyncPgConnection,
    project: i64,
    subject: Subject,
) -> QueryResult<Option<(i64, String)>> {
    let columns = (item_meta_data::id, item_meta_data::prepared_key.assume_not_null());
    usable(project, subject).select(columns).first(connection).await.optional()
}

/// Returns the newest item metadata of a project with a prepared form, whose rows are in use.
pub async fn in_use(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<ItemMetaData>> {
    usable(project, Subject::Item).select(ItemMetaData::as_select()).first(connection).await.optional()
}

/// Returns whether item metadata of a project is still being prepared.
pub async fn is_preparing(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<bool> {
    Ok(in_preparation(project).select(item_meta_data::id).first::<i64>(connection).await.optional()?.is_some())
}

/// Selects the item metadata of a project that is being prepared.
fn in_preparation(project: i64) -> item_meta_data::BoxedQuery<'static, Pg> {
    item_meta_data::table
        .filter(item_meta_data::project_id.eq(project).and(item_meta_data::subject.eq(Subject::Item)))
        .filter(item_meta_data::storage_key.is_not_null().and(item_meta_data::standing.eq(Standing::InUse)))
        .filter(item_meta_data::status.eq(TrainingDataStatus::Preparing))
        .into_boxed()
}

/// Returns the ids of the item metadata of a project that is being prepared and will be in use, unless `in_use` is newer.
pub async fn preparing(connection: &mut AsyncPgConnection, project: i64, in_use: Option<&ItemMetaData>) -> QueryResult<Vec<i64>> {
    let (at, id) = in_use.map_or((DateTime::UNIX_EPOCH, 0), |in_use| (in_use.ins_datetime, in_use.id));
    let is_newer = item_meta_data::ins_datetime.gt(at).or(item_meta_data::ins_datetime.eq(at).and(item_meta_data::id.ge(id)));
    let newer = in_preparation(project).filter(is_newer);
    newer.select(item_meta_data::id).load(connection).await
}

/// Returns the last change of a single row of a project that waits; 0 if none does.
pub async fn last_change(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<i64> {
    let waiting = item_changes::table.filter(item_changes::project_id.eq(project));
    let last: Option<i64> = waiting.select(diesel::dsl::max(item_changes::sequence)).first(connection).await?;
    Ok(last.unwrap_or_default())
}

/// Deletes the changes of single rows that the file of an upload replaces, if its rows are in use now.
pub async fn supersede(connection: &mut AsyncPgConnection, metadata: &ItemMetaData) -> QueryResult<()> {
    let project = metadata.project_id;
    let in_use: Option<i64> = usable(project, Subject::Item).select(item_meta_data::id).first(connection).await.optional()?;
    if in_use != Some(metadata.id) {
        return Ok(());
    }
    // Locked in the order in which a batch of changes is written, so that the two cannot wait for each other.
    let superseded: Vec<i64> = item_changes::table
        .filter(item_changes::project_id.eq(project).and(item_changes::sequence.le(metadata.superseded_changes)))
        .order(item_changes::item_id)
        .select(item_changes::sequence)
        .for_update()
        .load(connection)
        .await?;
    forget(connection, project, &superseded).await
}

/// Deletes changes of single rows, which are locked already.
pub async fn forget(connection: &mut AsyncPgConnection, project: i64, sequences: &[i64]) -> QueryResult<()> {
    let forgotten =
        item_changes::table.filter(item_changes::project_id.eq(project).and(item_changes::sequence.eq_any(sequences)));
    diesel::delete(forgotten).execute(connection).await.map(drop)
}

/// Records where an upload was read from, and holds it.
pub async fn set_origin(connection: &mut AsyncPgConnection, id: i64, origin: serde_json::Value) -> QueryResult<()> {
    diesel::update(item_meta_data::table.find(id))
        .set((item_meta_data::origin.eq(origin), item_meta_data::standing.eq(Standing::Held)))
        .execute(connection)
        .await
        .map(drop)
}

/// Sets whether an upload is used where none is named.
pub async fn set_standing(connection: &mut AsyncPgConnection, id: i64, standing: Standing) -> QueryResult<()> {
    diesel::update(item_meta_data::table.find(id)).set(item_meta_data::standing.eq(standing)).execute(connection).await.map(drop)
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    (project_id, subject): (i64, Subject),
    created_by: Option<i64>,
    stored: Stored,
    form: Option<Form>,
) -> QueryResult<ItemMetaData> {
    diesel::insert_into(item_meta_data::table)
        .values((
            stored,
            form.unwrap_or_default(),
            item_meta_data::project_id.eq(project_id),
            item_meta_data::subject.eq(subject),
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

/// Puts another prepared form in the place of the one in use, and another original file where one is given, with its key and size.
pub async fn change_form(
    connection: &mut AsyncPgConnection,
    id: i64,
    form: Form,
    stored_bytes: i64,
    original: Option<(String, i64)>,
) -> QueryResult<()> {
    let original =
        original.map(|(key, size)| (item_meta_data::storage_key.eq(Some(key)), item_meta_data::filesize.eq(Some(size))));
    let changes = (form, item_meta_data::stored_bytes.eq(stored_bytes), original);
    diesel::update(item_meta_data::table.find(id)).set(changes).execute(connection).await.map(drop)
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
