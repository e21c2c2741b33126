//! SQL of model configurations.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{ConfigurationFields, ModelConfiguration};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{model_configurations, training_data, tuning_jobs};

impl Guarded for ModelConfiguration {
    load_of_project!(model_configurations);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("id", self.id)? && filters.id_is("project", self.project_id)?)
    }
}

/// Returns one page of the configurations that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: Option<i64>,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<ModelConfiguration>)> {
    page_of_project!(model_configurations as ModelConfiguration, by id, connection, principal, project, page, {
        id => model_configurations::id.eq(id),
    })
}

/// Returns the tuning jobs that found these configurations, as pairs of configuration and job.
pub async fn tuning_jobs_of(connection: &mut AsyncPgConnection, configurations: &[i64]) -> QueryResult<Vec<(i64, i64)>> {
    let found: Vec<(Option<i64>, i64)> = tuning_jobs::table
        .filter(tuning_jobs::best_config_id.eq_any(configurations))
        .select((tuning_jobs::best_config_id, tuning_jobs::id))
        .load(connection)
        .await?;
    Ok(found.into_iter().filter_map(|(configuration, job)| Some((configuration?, job))).collect())
}

pub async fn insert(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    fields: ConfigurationFields,
) -> QueryResult<ModelConfiguration> {
    diesel::insert_into(model_configurations::table)
        .values((fields, model_configurations::project_id.eq(project_id)))
        .returning(ModelConfiguration::as_returning())
        .get_result(connection)
        .await
}

pub async fn update(connection: &mut AsyncPgConnection, id: i64, fields: ConfigurationFields) -> QueryResult<ModelConfiguration> {
    diesel::update(model_configurations::table.find(id))
        .set(fields)
        .returning(ModelConfiguration::as_returning())
        .get_result(connection)
        .await
}

pub async fn project_of_data(connection: &mut AsyncPgConnection, data_id: i64) -> QueryResult<i64> {
    training_data::table.find(data_id).select(training_data::project_id).first(connection).await
}

/// Lists the names in a project that begin with `start`.
pub async fn names_like(connection: &mut AsyncPgConnection, project_id: i64, start: &str) -> QueryResult<Vec<String>> {
    let names: Vec<Option<String>> = model_configurations::table
        .filter(model_configurations::project_id.eq(project_id))
        .filter(model_configurations::name.is_not_null())
        .select(model_configurations::name)
        .load(connection)
        .await?;
    Ok(names.into_iter().flatten().filter(|name| name.starts_with(start)).collect())
}
