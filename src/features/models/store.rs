//! SQL of trained models.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::model::{ModelStatus, Outcome, Recipe, TrainedModel};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::visible_projects;
use crate::features::task_logs::{self, Update};
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::schema::{model_configurations, trained_models, training_data, trials, tuning_jobs};

impl Guarded for TrainedModel {
    load_of_project!(trained_models, through model_configurations);

    fn matches(&self, ownership: Ownership, filters: &Filters) -> ApiResult<bool> {
        let filter = ModelFilter::read(filters)?;
        let admits = |wanted: Option<i64>, is: i64| wanted.is_none_or(|wanted| wanted == is);
        Ok(admits(filter.id, self.id)
            && admits(filter.data, self.data_id)
            && admits(filter.configuration, self.configuration_id)
            && filter.project.is_none_or(|wanted| Some(wanted) == ownership.project_id))
    }
}

/// The conditions of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelFilter {
    pub id: Option<i64>,
    pub data: Option<i64>,
    pub project: Option<i64>,
    pub configuration: Option<i64>,
}

impl ModelFilter {
    /// Reads the conditions from a query string.
    pub fn read(filters: &Filters) -> ApiResult<Self> {
        Ok(Self {
            id: filters.id("id")?,
            data: filters.id("data_loc")?,
            project: filters.id("data_loc__project")?,
            configuration: filters.id("configuration")?,
        })
    }
}

/// Returns one page of the models that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: ModelFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<TrainedModel>)> {
    let query = || {
        let visible = model_configurations::project_id.eq_any(visible_projects(principal, filter.project));
        let mut query = trained_models::table.inner_join(model_configurations::table).filter(visible).into_boxed();
        if let Some(id) = filter.id {
            query = query.filter(trained_models::id.eq(id));
        }
        if let Some(data) = filter.data {
            query = query.filter(trained_models::data_id.eq(data));
        }
        if let Some(configuration) = filter.configuration {
            query = query.filter(trained_models::configuration_id.eq(configuration));
        }
        query
    };
    let rows = query().order((trained_models::ins_datetime.desc(), trained_models::id.desc())).select(TrainedModel::as_select());
    paginate(connection, page, query().count(), rows).await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TrainedModel>> {
    trained_models::table.find(id).select(TrainedModel::as_select()).first(connection).await.optional()
}

/// Returns some models.
pub async fn find_all(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<TrainedModel>> {
    trained_models::table.filter(trained_models::id.eq_any(ids)).select(TrainedModel::as_select()).load(connection).await
}

/// Returns the newest model of a project that learnt from item features, among its newest models; `None` without one.
pub async fn newest_with_item_features(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<TrainedModel>> {
    /// So that a project with many models without features takes no longer.
    const AMONG: i64 = 20;
    let newest: Vec<TrainedModel> = trained_models::table
        .inner_join(model_configurations::table)
        .filter(model_configurations::project_id.eq(project).and(trained_models::storage_key.is_not_null()))
        .order(trained_models::id.desc())
        .limit(AMONG)
        .select(TrainedModel::as_select())
        .load(connection)
        .await?;
    Ok(newest.into_iter().find(|model| model.has_file() && model.lineage.get("item_features").is_some()))
}

pub async fn insert(connection: &mut AsyncPgConnection, configuration_id: i64, data_id: i64) -> QueryResult<TrainedModel> {
    diesel::insert_into(trained_models::table)
        .values((trained_models::configuration_id.eq(configuration_id), trained_models::data_id.eq(data_id)))
        .returning(TrainedModel::as_returning())
        .get_result(connection)
        .await
}

/// Returns the configurations of these ids.
pub async fn recipes(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Recipe>> {
    model_configurations::table.filter(model_configurations::id.eq_any(ids)).select(Recipe::as_select()).load(connection).await
}

/// Returns the metrics of the best trial of the search that found each configuration, as pairs of configuration and metrics.
pub async fn metrics(
    connection: &mut AsyncPgConnection,
    configurations: &[i64],
) -> QueryResult<Vec<(Option<i64>, Option<Value>)>> {
    trials::table
        .inner_join(tuning_jobs::table)
        .filter(
            tuning_jobs::best_config_id
                .eq_any(configurations)
                .and(trials::state.eq("completed"))
                .and(trials::score.is_not_null()),
        )
        .distinct_on(tuning_jobs::best_config_id)
        .order((tuning_jobs::best_config_id, trials::score.desc(), trials::number))
        .select((tuning_jobs::best_config_id, trials::metrics))
        .load(connection)
        .await
}

/// Marks a training as running; false if the model is gone or has ended already.
pub async fn begin(connection: &mut AsyncPgConnection, id: i64, at: DateTime<Utc>) -> QueryResult<bool> {
    let rows = diesel::update(trained_models::table.find(id).filter(trained_models::status.eq_any(ModelStatus::LIVE)))
        .set((trained_models::status.eq(ModelStatus::Running), trained_models::started_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Records the result of a training; false if the model is gone or has ended meanwhile.
pub async fn complete(connection: &mut AsyncPgConnection, id: i64, outcome: &Outcome, at: DateTime<Utc>) -> QueryResult<bool> {
    let rows = diesel::update(trained_models::table.find(id).filter(trained_models::status.eq_any(ModelStatus::LIVE)))
        .set((
            outcome,
            trained_models::status.eq(ModelStatus::Completed),
            trained_models::error.eq(None::<String>),
            trained_models::finished_at.eq(at),
        ))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Records why a training failed; false if it had ended already.
pub async fn fail(connection: &mut AsyncPgConnection, id: i64, reason: &str, at: DateTime<Utc>) -> QueryResult<bool> {
    let rows = diesel::update(trained_models::table.find(id).filter(trained_models::status.eq_any(ModelStatus::LIVE)))
        .set((
            trained_models::status.eq(ModelStatus::Failed),
            trained_models::error.eq(reason),
            trained_models::finished_at.eq(at),
        ))
        .execute(connection)
        .await?;
    Ok(rows == 1)
}

/// Returns the project of a model.
pub async fn project_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<i64> {
    let query = trained_models::table.inner_join(training_data::table).filter(trained_models::id.eq(id));
    query.select(training_data::project_id).first(connection).await
}

/// Returns the search that requested a model.
pub async fn search_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<i64>> {
    tuning_jobs::table.filter(tuning_jobs::tuned_model_id.eq(id)).select(tuning_jobs::id).first(connection).await.optional()
}

/// Lists the ids of all models that have a file.
pub async fn with_file(connection: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    trained_models::table
        .filter(trained_models::storage_key.is_not_null().and(trained_models::signature.is_not_null()))
        .order(trained_models::id)
        .select(trained_models::id)
        .load(connection)
        .await
}

/// Returns a model and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TrainedModel>> {
    let query = trained_models::table.find(id).select(TrainedModel::as_select()).for_no_key_update();
    query.first(connection).await.optional()
}

/// Replaces the signature of a model's file.
pub async fn set_signature(connection: &mut AsyncPgConnection, id: i64, signature: &str) -> QueryResult<()> {
    diesel::update(trained_models::table.find(id)).set(trained_models::signature.eq(signature)).execute(connection).await?;
    Ok(())
}

/// Clears the file of a model.
pub async fn unlink(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<TrainedModel> {
    diesel::update(trained_models::table.find(id))
        .set((
            trained_models::storage_key.eq(None::<String>),
            trained_models::signature.eq(None::<String>),
            trained_models::filesize.eq(None::<i64>),
        ))
        .returning(TrainedModel::as_returning())
        .get_result(connection)
        .await
}

/// Notifies subscribers of a change of a model when the transaction commits.
pub async fn announce(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    task_logs::announce(connection, Update::Model { trained_model_id: id }).await
}
