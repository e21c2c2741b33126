//! SQL of pipeline runs: which there are, and their parts.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::Parts;
use crate::features::accounts::Principal;
use crate::features::projects::visible_projects;
use crate::features::{data_sources, destinations, models, retraining};
use crate::platform::http::{ApiResult, PageRequest};

/// The part that a pipeline run is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    Retraining(i64),
    /// A run of a source that no retraining followed.
    Source(i64),
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    retraining_run_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    source_run_id: Option<i64>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

const ALL: &str = "SELECT id AS retraining_run_id, NULL::bigint AS source_run_id, ins_datetime
        FROM retraining_runs WHERE project_id = ANY($1)
    UNION ALL SELECT NULL, id, ins_datetime FROM source_runs WHERE project_id = ANY($1) AND retraining_run_id IS NULL";

/// Returns one page of the pipeline runs that a caller may see, newest first, and how many there are.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Key>)> {
    let projects: Vec<i64> = visible_projects(principal, project).load(connection).await?;
    let counting = diesel::sql_query(format!("SELECT count(*) FROM ({ALL}) AS runs"));
    let counted: Count = counting.bind::<Array<BigInt>, _>(&projects).get_result(connection).await?;
    let offset = page.offset(counted.count)?;
    let sql = format!("{ALL} ORDER BY ins_datetime DESC, retraining_run_id DESC, source_run_id DESC LIMIT $2 OFFSET $3");
    let query = diesel::sql_query(sql).bind::<Array<BigInt>, _>(&projects).bind::<BigInt, _>(page.limit());
    let rows: Vec<KeyRow> = query.bind::<BigInt, _>(offset).load(connection).await?;
    let key = |row: KeyRow| match (row.retraining_run_id, row.source_run_id) {
        (Some(run), _) => Some(Key::Retraining(run)),
        (None, run) => run.map(Key::Source),
    };
    Ok((counted.count, rows.into_iter().filter_map(key).collect()))
}

/// Returns the parts of some pipeline runs, in the same order. A run that was deleted meanwhile is left out.
pub async fn parts(connection: &mut AsyncPgConnection, keys: &[Key]) -> QueryResult<Vec<(Key, Parts)>> {
    let retrainings: Vec<i64> =
        keys.iter().filter_map(|key| if let Key::Retraining(id) = key { Some(*id) } else { None }).collect();
    let sources: Vec<i64> = keys.iter().filter_map(|key| if let Key::Source(id) = key { Some(*id) } else { None }).collect();
    let mut found: HashMap<Key, Parts> = HashMap::new();
    for run in retraining::runs(connection, &retrainings).await? {
        found.insert(Key::Retraining(run.id), Parts { retraining: Some(run), ..Parts::default() });
    }
    for run in data_sources::runs(connection, &sources, &retrainings).await? {
        // One that a retraining has followed meanwhile keeps its place on this page.
        let of_page = run.retraining_run_id.map(Key::Retraining).filter(|key| found.contains_key(key));
        found.entry(of_page.unwrap_or(Key::Source(run.id))).or_default().sources.push(run);
    }
    let mut destinations = HashSet::new();
    for delivery in destinations::after_retraining(connection, &retrainings).await? {
        let Some(run) = delivery.retraining_run_id else { continue };
        if destinations.insert((run, delivery.destination_id))
            && let Some(parts) = found.get_mut(&Key::Retraining(run))
        {
            parts.deliveries.push(delivery);
        }
    }
    add_models(connection, &mut found).await?;
    Ok(keys.iter().filter_map(|key| Some((*key, found.remove(key)?))).collect())
}

async fn add_models(connection: &mut AsyncPgConnection, found: &mut HashMap<Key, Parts>) -> QueryResult<()> {
    let wanted = |parts: &Parts| parts.retraining.as_ref().and_then(|run| run.trained_model_id);
    let ids: Vec<i64> = found.values().filter_map(wanted).collect();
    let models: HashMap<i64, _> = models::find_all(connection, &ids).await?.into_iter().map(|model| (model.id, model)).collect();
    for parts in found.values_mut() {
        parts.model = wanted(parts).and_then(|id| models.get(&id).cloned());
    }
    Ok(())
}
