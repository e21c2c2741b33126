//! SQL of runs, and of the uploads that they brought.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{Cause, NewRun, RunChanges, RunState, SourceRun};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::datasets::Standing;
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{item_meta_data, source_runs, training_data};

impl Guarded for SourceRun {
    load_of_project!(source_runs);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        let here = filters.id_is("project", self.project_id)? && filters.id_is("data_source", self.data_source_id)?;
        Ok(here && filters.choice_is("state", self.state))
    }
}

/// Returns one page of the runs that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    (project, source): (Option<i64>, Option<i64>),
    state: Option<RunState>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<SourceRun>)> {
    page_of_project!(source_runs as SourceRun, by ins_datetime, connection, principal, project, page, {
        source => source_runs::data_source_id.eq(source),
        state => source_runs::state.eq(state),
    })
}

/// Returns the newest run of each source, by the source.
pub async fn last_of(connection: &mut AsyncPgConnection, sources: &[i64]) -> QueryResult<HashMap<i64, SourceRun>> {
    let runs: Vec<SourceRun> = source_runs::table
        .filter(source_runs::data_source_id.eq_any(sources))
        .distinct_on(source_runs::data_source_id)
        .order((source_runs::data_source_id, source_runs::id.desc()))
        .select(SourceRun::as_select())
        .load(connection)
        .await?;
    Ok(runs.into_iter().map(|run| (run.data_source_id, run)).collect())
}

/// Returns some runs, and those that some retraining runs followed, oldest first.
pub async fn some(connection: &mut AsyncPgConnection, ids: &[i64], retrainings: &[i64]) -> QueryResult<Vec<SourceRun>> {
    source_runs::table
        .filter(source_runs::id.eq_any(ids).or(source_runs::retraining_run_id.eq_any(retrainings)))
        .order(source_runs::id)
        .select(SourceRun::as_select())
        .load(connection)
        .await
}

pub async fn insert(connection: &mut AsyncPgConnection, run: NewRun) -> QueryResult<SourceRun> {
    diesel::insert_into(source_runs::table).values(run).returning(SourceRun::as_returning()).get_result(connection).await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<SourceRun>> {
    source_runs::table.find(id).select(SourceRun::as_select()).first(connection).await.optional()
}

/// Returns a run and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<SourceRun>> {
    source_runs::table.find(id).select(SourceRun::as_select()).for_no_key_update().first(connection).await.optional()
}

/// Records what a step changes.
pub async fn change(connection: &mut AsyncPgConnection, id: i64, changes: RunChanges) -> QueryResult<SourceRun> {
    diesel::update(source_runs::table.find(id)).set(changes).returning(SourceRun::as_returning()).get_result(connection).await
}

/// Records how much a run has read so far, as long as it runs.
pub async fn set_progress(connection: &mut AsyncPgConnection, id: i64, rows: i64, bytes: i64) -> QueryResult<()> {
    let running = source_runs::table.find(id).filter(source_runs::state.eq(RunState::Running));
    diesel::update(running)
        .set((source_runs::rows_read.eq(rows), source_runs::bytes.eq(bytes)))
        .execute(connection)
        .await
        .map(drop)
}

/// Returns whether a source has a run that waits or runs, or only such a one that moves its position.
pub async fn has_live(connection: &mut AsyncPgConnection, source: i64, only_moving: bool) -> QueryResult<bool> {
    let causes: &[Cause] = if only_moving { &Cause::MOVING } else { Cause::ALL };
    let live = source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq_any(RunState::LIVE)))
        .filter(source_runs::cause.eq_any(causes));
    diesel::select(diesel::dsl::exists(live)).get_result(connection).await
}

/// Returns whether a window of a source is being read again.
pub async fn is_rechecked(connection: &mut AsyncPgConnection, source: i64, lo: Option<i64>, hi: i64) -> QueryResult<bool> {
    let live = source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq_any(RunState::LIVE)))
        .filter(source_runs::window_lo.is_not_distinct_from(lo).and(source_runs::window_hi.eq(hi)));
    diesel::select(diesel::dsl::exists(live)).get_result(connection).await
}

/// Returns the newest accepted runs of a source, the last one first.
pub async fn accepted(connection: &mut AsyncPgConnection, source: i64, most: i64) -> QueryResult<Vec<SourceRun>> {
    source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq_any(RunState::ACCEPTED)))
        .order(source_runs::id.desc())
        .limit(most)
        .select(SourceRun::as_select())
        .load(connection)
        .await
}

/// Returns the runs of a source that brought rows, the last one first.
pub async fn with_rows(connection: &mut AsyncPgConnection, source: i64, most: i64) -> QueryResult<Vec<SourceRun>> {
    source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq(RunState::Succeeded)))
        .filter(source_runs::report.is_not_null())
        .order(source_runs::id.desc())
        .limit(most)
        .select(SourceRun::as_select())
        .load(connection)
        .await
}

/// Returns the runs of a source that are held, and locks them until the end of the transaction.
pub async fn lock_held(connection: &mut AsyncPgConnection, source: i64) -> QueryResult<Vec<SourceRun>> {
    source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq(RunState::Held)))
        .order(source_runs::id)
        .select(SourceRun::as_select())
        .for_no_key_update()
        .load(connection)
        .await
}

/// Returns the runs of a source whose upload has a standing, oldest first.
pub async fn parts(connection: &mut AsyncPgConnection, source: i64, standing: Standing) -> QueryResult<Vec<SourceRun>> {
    let data = training_data::table.filter(training_data::standing.eq(standing)).select(training_data::id.nullable());
    let metadata = item_meta_data::table.filter(item_meta_data::standing.eq(standing)).select(item_meta_data::id.nullable());
    source_runs::table
        .filter(source_runs::data_source_id.eq(source).and(source_runs::state.eq(RunState::Succeeded)))
        .filter(source_runs::training_data_id.eq_any(data).or(source_runs::item_meta_data_id.eq_any(metadata)))
        .order(source_runs::id)
        .select(SourceRun::as_select())
        .load(connection)
        .await
}

/// Returns the runs of a source whose upload has been replaced and still has its file.
pub async fn superseded(connection: &mut AsyncPgConnection, source: i64) -> QueryResult<Vec<SourceRun>> {
    let data = training_data::table
        .filter(training_data::standing.eq(Standing::Superseded).and(training_data::storage_key.is_not_null()))
        .select(training_data::id.nullable());
    let metadata = item_meta_data::table
        .filter(item_meta_data::standing.eq(Standing::Superseded).and(item_meta_data::storage_key.is_not_null()))
        .select(item_meta_data::id.nullable());
    source_runs::table
        .filter(source_runs::data_source_id.eq(source))
        .filter(source_runs::training_data_id.eq_any(data).or(source_runs::item_meta_data_id.eq_any(metadata)))
        .order(source_runs::id)
        .select(SourceRun::as_select())
        .load(connection)
        .await
}
