//! SQL of training data.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Standing, Stored, TrainingData, TrainingDataStatus};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::db;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::training_data;

impl Guarded for TrainingData {
    load_of_project!(training_data);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)? && filters.id_is("project", self.project_id)?)
    }
}

/// Returns training data by id, for work that was authorised when it was requested.
pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TrainingData>> {
    training_data::table.find(id).select(TrainingData::as_select()).first(connection).await.optional()
}

/// Returns the newest training data of a project that is ready, by the time of its file.
pub async fn newest_ready(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<TrainingData>> {
    training_data::table
        .filter(training_data::project_id.eq(project).and(training_data::status.eq(TrainingDataStatus::Ready)))
        .filter(training_data::storage_key.is_not_null().and(training_data::prepared_key.is_not_null()))
        .filter(training_data::standing.eq(Standing::InUse))
        .order((training_data::stored_at.desc(), training_data::id.desc()))
        .select(TrainingData::as_select())
        .first(connection)
        .await
        .optional()
}

/// Returns one page of the data that a caller may see and whose file still exists, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: Option<i64>,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<TrainingData>)> {
    page_of_project!(training_data as TrainingData, by ins_datetime, connection, principal, project, page,
        only training_data::storage_key.is_not_null(), {
        id => training_data::id.eq(id),
    })
}

#[derive(QueryableByName)]
struct NextId {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns the id of a future row, so that its files can be named before it exists.
pub async fn next_id(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    let next: NextId =
        diesel::sql_query("SELECT nextval(pg_get_serial_sequence('training_data', 'id')) AS id").get_result(connection).await?;
    Ok(next.id)
}

/// Inserts new training data; without a creator if the program itself created it.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    id: i64,
    project_id: i64,
    created_by: Option<i64>,
    stored: Stored,
) -> QueryResult<TrainingData> {
    diesel::insert_into(training_data::table)
        .values((
            stored,
            training_data::id.eq(id),
            training_data::project_id.eq(project_id),
            training_data::created_by.eq(created_by),
        ))
        .returning(TrainingData::as_returning())
        .get_result(connection)
        .await
}

/// Records where an upload was read from, and holds it.
pub async fn set_origin(connection: &mut AsyncPgConnection, id: i64, origin: serde_json::Value) -> QueryResult<()> {
    diesel::update(training_data::table.find(id))
        .set((training_data::origin.eq(origin), training_data::standing.eq(Standing::Held)))
        .execute(connection)
        .await
        .map(drop)
}

/// Sets whether an upload is used where none is named.
pub async fn set_standing(connection: &mut AsyncPgConnection, id: i64, standing: Standing) -> QueryResult<()> {
    diesel::update(training_data::table.find(id)).set(training_data::standing.eq(standing)).execute(connection).await.map(drop)
}

/// Replaces the upload of training data.
pub async fn replace(connection: &mut AsyncPgConnection, id: i64, stored: Stored) -> QueryResult<TrainingData> {
    diesel::update(training_data::table.find(id))
        .set((stored, training_data::stored_at.eq(db::program_now())))
        .returning(TrainingData::as_returning())
        .get_result(connection)
        .await
}

/// Locks a row until the transaction ends, so that no job starts to use it meanwhile.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TrainingData>> {
    training_data::table.find(id).for_update().select(TrainingData::as_select()).first(connection).await.optional()
}

/// Records the sources and the file of combined data in preparation. Returns false if the data has been deleted or replaced.
pub async fn set_combined(
    connection: &mut AsyncPgConnection,
    id: i64,
    storage_key: &str,
    filesize: i64,
    sha256: &str,
    sources: serde_json::Value,
) -> QueryResult<bool> {
    let still_waiting = training_data::table
        .filter(training_data::id.eq(id).and(training_data::storage_key.eq(storage_key)))
        .filter(training_data::status.eq(TrainingDataStatus::Preparing));
    let changed = diesel::update(still_waiting)
        .set((
            training_data::filesize.eq(Some(filesize)),
            training_data::sha256.eq(sha256),
            training_data::stored_bytes.eq(filesize),
            training_data::sources.eq(sources),
            training_data::stored_at.eq(db::program_now()),
        ))
        .execute(connection)
        .await?;
    Ok(changed == 1)
}

/// How the preparation of an upload ended.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = training_data)]
pub struct PreparationEnd {
    pub status: TrainingDataStatus,
    pub prepared_key: Option<String>,
    pub report: Option<serde_json::Value>,
    pub error: Option<String>,
    /// None where the files stay as they were.
    pub stored_bytes: Option<i64>,
}

/// Records how the preparation of an upload ended. Returns false if the upload has been deleted or replaced.
pub async fn end_preparation(
    connection: &mut AsyncPgConnection,
    id: i64,
    storage_key: &str,
    end: PreparationEnd,
) -> QueryResult<bool> {
    let still_waiting = training_data::table
        .filter(training_data::id.eq(id).and(training_data::storage_key.eq(storage_key)))
        .filter(training_data::status.eq(TrainingDataStatus::Preparing));
    Ok(diesel::update(still_waiting).set(end).execute(connection).await? == 1)
}

pub async fn unlink(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<TrainingData> {
    diesel::update(training_data::table.find(id))
        .set((
            training_data::storage_key.eq(None::<String>),
            training_data::basename.eq(None::<String>),
            training_data::filesize.eq(None::<i64>),
            training_data::prepared_key.eq(None::<String>),
            training_data::stored_bytes.eq(0_i64),
        ))
        .returning(TrainingData::as_returning())
        .get_result(connection)
        .await
}
