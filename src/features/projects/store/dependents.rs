//! Which objects keep others from being deleted, and which rows are locked while that is looked up.
//!
//! Everything that can be deleted or depended upon is named here: a new resource that keeps others alive adds one function that
//! finds it, and a line in [`live_on`] or [`made_with`].

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::platform::http::Dependent;

/// A kind of object that can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Project,
    TrainingData,
    ItemMetaData,
    FeatureSet,
    SplitConfig,
    EvaluationConfig,
    ModelConfiguration,
    TrainedModel,
}

impl Kind {
    /// Returns the name of the kind for messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::TrainingData => "training data",
            Self::ItemMetaData => "item metadata",
            Self::FeatureSet => "feature set",
            Self::SplitConfig => "split config",
            Self::EvaluationConfig => "evaluation config",
            Self::ModelConfiguration => "configuration",
            Self::TrainedModel => "model",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Project => "projects",
            Self::TrainingData => "training_data",
            Self::ItemMetaData => "item_meta_data",
            Self::FeatureSet => "feature_sets",
            Self::SplitConfig => "split_configs",
            Self::EvaluationConfig => "evaluation_configs",
            Self::ModelConfiguration => "model_configurations",
            Self::TrainedModel => "trained_models",
        }
    }

    /// Returns SQL for the project of the object; configs need not belong to one.
    fn project(self) -> Option<&'static str> {
        match self {
            Self::TrainingData => Some("SELECT project_id FROM training_data WHERE id = $1"),
            Self::ItemMetaData => Some("SELECT project_id FROM item_meta_data WHERE id = $1"),
            Self::FeatureSet => Some("SELECT project_id FROM feature_sets WHERE id = $1"),
            Self::ModelConfiguration => Some("SELECT project_id FROM model_configurations WHERE id = $1"),
            Self::TrainedModel => {
                Some("SELECT d.project_id FROM training_data d JOIN trained_models m ON m.data_id = d.id WHERE m.id = $1")
            }
            Self::Project | Self::SplitConfig | Self::EvaluationConfig => None,
        }
    }

    /// Returns an SQL condition on a row `m` of `trained_models`: whether it is deleted with the object.
    pub(super) fn models(self) -> &'static str {
        match self {
            Self::Project => {
                "(m.data_id IN (SELECT id FROM training_data WHERE project_id = $1) \
                 OR m.configuration_id IN (SELECT id FROM model_configurations WHERE project_id = $1))"
            }
            Self::TrainingData => "m.data_id = $1",
            Self::ModelConfiguration => "m.configuration_id = $1",
            Self::TrainedModel => "m.id = $1",
            Self::ItemMetaData | Self::FeatureSet | Self::SplitConfig | Self::EvaluationConfig => "false AND m.id = $1",
        }
    }

    /// Returns an SQL condition on a row `j` of `tuning_jobs`: whether it is deleted with the object.
    fn tuning_jobs(self) -> &'static str {
        match self {
            Self::Project => "j.data_id IN (SELECT id FROM training_data WHERE project_id = $1)",
            Self::TrainingData => "j.data_id = $1",
            Self::SplitConfig => "j.split_id = $1",
            Self::EvaluationConfig => "j.evaluation_id = $1",
            Self::ItemMetaData | Self::FeatureSet | Self::ModelConfiguration | Self::TrainedModel => "false AND j.id = $1",
        }
    }

    /// Returns an SQL condition on a row `f` of `feature_measurements`: whether it is deleted with the object.
    fn feature_measurements(self) -> &'static str {
        match self {
            Self::Project => "f.project_id = $1",
            Self::TrainingData => "f.data_id = $1",
            Self::FeatureSet => "f.feature_set_id = $1",
            Self::ItemMetaData | Self::SplitConfig | Self::EvaluationConfig | Self::ModelConfiguration | Self::TrainedModel => {
                "false AND f.id = $1"
            }
        }
    }
}

impl Kind {
    /// Returns an SQL condition on a row `r` of `studio_runs`: whether it works on the object.
    fn studio_runs(self) -> &'static str {
        match self {
            Self::Project => "r.project_id = $1",
            Self::TrainingData => "r.training_data_id = $1",
            Self::ItemMetaData => "(r.item_meta_data_id = $1 OR r.user_meta_data_id = $1)",
            Self::TrainedModel => "r.trained_model_id = $1",
            Self::FeatureSet | Self::SplitConfig | Self::EvaluationConfig | Self::ModelConfiguration => "false AND r.id = $1",
        }
    }
}

impl Kind {
    /// Returns an SQL condition on a row `r` of `source_runs`: whether it works on the object.
    fn source_runs(self) -> &'static str {
        match self {
            Self::Project => "r.project_id = $1",
            Self::TrainingData => "r.training_data_id = $1",
            Self::ItemMetaData => "r.item_meta_data_id = $1",
            Self::FeatureSet | Self::SplitConfig | Self::EvaluationConfig | Self::ModelConfiguration | Self::TrainedModel => {
                "false AND r.id = $1"
            }
        }
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
}

async fn found(connection: &mut AsyncPgConnection, resource: &'static str, sql: String, id: i64) -> QueryResult<Vec<Dependent>> {
    let rows: Vec<Found> = diesel::sql_query(sql).bind::<BigInt, _>(id).load(connection).await?;
    Ok(rows.into_iter().map(|row| Dependent { resource, id: row.id, name: row.name }).collect())
}

/// Lists every active object that depends on the object.
pub async fn live_on(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let mut dependents = work_on(connection, kind, id).await?;
    dependents.extend(slots(connection, kind, id).await?);
    dependents.extend(tests(connection, kind, id).await?);
    dependents.extend(schedules(connection, kind, id, true).await?);
    Ok(dependents)
}

/// Lists every finished or disabled object that would be lost with the object, or whose origin would no longer be known. A
/// project is deleted with all that is in it.
pub async fn made_with(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    match kind {
        Kind::SplitConfig | Kind::EvaluationConfig => {
            let mut dependents = searches(connection, kind, id, OVER).await?;
            dependents.extend(schedules(connection, kind, id, false).await?);
            Ok(dependents)
        }
        Kind::TrainingData | Kind::ModelConfiguration => {
            let mut dependents = searches(connection, kind, id, OVER).await?;
            dependents.extend(models(connection, kind, id, TRAINED).await?);
            dependents.extend(measurements(connection, kind, id, TRAINED).await?);
            Ok(dependents)
        }
        Kind::Project | Kind::ItemMetaData | Kind::FeatureSet | Kind::TrainedModel => Ok(Vec::new()),
    }
}

/// States of searches, trainings and measurements, as lists in SQL.
const LIVE: &str = "'PENDING', 'RUNNING'";
const OVER: &str = "'COMPLETED', 'FAILED', 'CANCELLED'";
/// A failed training or measurement leaves nothing that could be lost.
const TRAINED: &str = "'COMPLETED'";

/// Lists the background work that reads the object.
pub async fn work_on(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let mut dependents = searches(connection, kind, id, LIVE).await?;
    // A model's own training ends with the model.
    if kind != Kind::TrainedModel {
        dependents.extend(models(connection, kind, id, LIVE).await?);
    }
    dependents.extend(measurements(connection, kind, id, LIVE).await?);
    dependents.extend(studio_runs(connection, kind, id).await?);
    dependents.extend(source_runs(connection, kind, id).await?);
    Ok(dependents)
}

/// Lists the runs of sources that wait or run.
async fn source_runs(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let runs = kind.source_runs();
    let sql = format!(
        "SELECT r.id, s.name FROM source_runs r JOIN data_sources s ON s.id = r.data_source_id \
         WHERE r.state IN ('queued', 'running') AND {runs} ORDER BY r.id"
    );
    found(connection, "source_run", sql, id).await
}

/// Lists the studio runs that are not over.
async fn studio_runs(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let runs = kind.studio_runs();
    let sql = format!("SELECT r.id, r.name FROM studio_runs r WHERE r.state = 'running' AND {runs} ORDER BY r.id");
    found(connection, "studio", sql, id).await
}

/// Lists tuning jobs in one of the states.
async fn searches(connection: &mut AsyncPgConnection, kind: Kind, id: i64, states: &str) -> QueryResult<Vec<Dependent>> {
    let jobs = kind.tuning_jobs();
    let sql = format!("SELECT j.id, '' AS name FROM tuning_jobs j WHERE j.status IN ({states}) AND {jobs} ORDER BY j.id");
    found(connection, "parameter_tuning_job", sql, id).await
}

/// Lists models whose training is in one of the states.
async fn models(connection: &mut AsyncPgConnection, kind: Kind, id: i64, states: &str) -> QueryResult<Vec<Dependent>> {
    let sql = format!(
        "SELECT m.id, coalesce(c.name, '') AS name FROM trained_models m JOIN model_configurations c ON c.id = m.configuration_id \
         WHERE m.status IN ({states}) AND {} ORDER BY m.id",
        kind.models()
    );
    found(connection, "trained_model", sql, id).await
}

/// Lists measurements of feature sets in one of the states.
async fn measurements(connection: &mut AsyncPgConnection, kind: Kind, id: i64, states: &str) -> QueryResult<Vec<Dependent>> {
    let sql = format!(
        "SELECT f.id, s.name FROM feature_measurements f JOIN feature_sets s ON s.id = f.feature_set_id \
         WHERE f.status IN ({states}) AND {} ORDER BY f.id",
        kind.feature_measurements()
    );
    found(connection, "feature_measurements", sql, id).await
}

/// Lists active slots that serve a model which would be deleted.
async fn slots(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let sql = format!(
        "SELECT s.id, s.name FROM deployment_slots s JOIN trained_models m ON m.id = s.trained_model_id \
         WHERE s.is_active AND {} ORDER BY s.id",
        kind.models()
    );
    found(connection, "deployment_slot", sql, id).await
}

/// Lists running A/B tests of a slot whose model would be deleted.
async fn tests(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<Dependent>> {
    let sql = format!(
        "SELECT t.id, t.name FROM ab_tests t WHERE t.status = 'RUNNING' AND EXISTS (SELECT FROM deployment_slots s \
         JOIN trained_models m ON m.id = s.trained_model_id WHERE s.id IN (t.control_slot_id, t.variant_slot_id) AND {}) \
         ORDER BY t.id",
        kind.models()
    );
    found(connection, "ab_test", sql, id).await
}

/// Lists the enabled, or the disabled, schedules that refer to the object.
async fn schedules(connection: &mut AsyncPgConnection, kind: Kind, id: i64, enabled: bool) -> QueryResult<Vec<Dependent>> {
    let column = match kind {
        Kind::Project => "project_id",
        Kind::TrainingData => "training_data_id",
        Kind::ModelConfiguration => "model_configuration_id",
        Kind::SplitConfig => "split_config_id",
        Kind::EvaluationConfig => "evaluation_config_id",
        Kind::ItemMetaData | Kind::FeatureSet | Kind::TrainedModel => return Ok(Vec::new()),
    };
    let sql = format!(
        "SELECT r.id, p.name FROM retraining_schedules r JOIN projects p ON p.id = r.project_id \
         WHERE r.is_enabled = {enabled} AND r.{column} = $1 ORDER BY r.id"
    );
    found(connection, "retraining_schedule", sql, id).await
}

/// Locks the object until the transaction ends; false if it is gone. No dependency can be added meanwhile: inserting a reference
/// to a row locks its key first.
///
/// Deletions within one project are serialised, since they may delete the same rows. A project is locked with its configs, its
/// configurations and then its data, in the order in which new searches and models lock them, so that there is no deadlock.
pub async fn lock(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<bool> {
    if let Some(project) = kind.project() {
        let sql = format!("SELECT id FROM projects WHERE id = ({project}) FOR NO KEY UPDATE");
        diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await?;
    }
    let sql = format!("SELECT id FROM {} WHERE id = $1 FOR UPDATE", kind.table());
    let found = diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await?;
    if kind == Kind::Project {
        for table in ["split_configs", "evaluation_configs", "model_configurations", "training_data"] {
            let sql = format!("SELECT id FROM {table} WHERE project_id = $1 ORDER BY id FOR UPDATE");
            diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await?;
        }
    }
    // Inserts that refer to a model which is deleted too have to wait as well.
    let sql = format!("SELECT m.id FROM trained_models m WHERE {} ORDER BY m.id FOR UPDATE", kind.models());
    diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await?;
    Ok(found == 1)
}

/// Removes the file from training data, which is then no longer listed; false if it has none.
pub async fn unlink(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let sql = "UPDATE training_data SET storage_key = NULL, prepared_key = NULL, basename = NULL, filesize = NULL, \
               stored_bytes = 0 WHERE id = $1 AND storage_key IS NOT NULL";
    Ok(diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await? == 1)
}

/// Deletes the row with what belongs to it, first the rows whose references would forbid it.
pub async fn delete(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<()> {
    let below = match kind {
        Kind::Project => vec![
            "retraining_schedules WHERE project_id = $1".to_owned(),
            format!("tuning_jobs j WHERE {}", kind.tuning_jobs()),
            format!("trained_models m WHERE {}", kind.models()),
        ],
        Kind::TrainingData | Kind::ModelConfiguration => vec![format!("trained_models m WHERE {}", kind.models())],
        _ => Vec::new(),
    };
    for rows in below {
        diesel::sql_query(format!("DELETE FROM {rows}")).bind::<BigInt, _>(id).execute(connection).await?;
    }
    let sql = format!("DELETE FROM {} WHERE id = $1", kind.table());
    diesel::sql_query(sql).bind::<BigInt, _>(id).execute(connection).await.map(drop)
}
