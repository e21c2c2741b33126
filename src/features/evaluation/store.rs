//! SQL of split and evaluation configs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{EvaluationConfig, EvaluationFields, SplitConfig, SplitFields};
use crate::features::accounts::{Ownership, Principal};
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::schema::{evaluation_configs, projects, retraining_schedules, split_configs, training_data, tuning_jobs};

/// The conditions of a list.
#[derive(Debug, Default)]
pub struct ConfigFilter {
    pub id: Option<i64>,
    pub name: Option<String>,
    /// Whether it must lack a name, or have one.
    pub unnamed: Option<bool>,
    /// A project that may use it.
    pub project: Option<i64>,
}

impl ConfigFilter {
    /// Reads the conditions from a query string.
    pub fn read(filters: &Filters) -> ApiResult<Self> {
        Ok(Self {
            id: filters.id("id")?,
            name: filters.text("name"),
            unnamed: filters.flag("unnamed"),
            project: filters.id("project")?,
        })
    }

    /// Returns whether the id and name of a config match; does not check the project.
    pub fn admits(&self, id: i64, name: Option<&str>) -> bool {
        self.id.is_none_or(|wanted| wanted == id)
            && self.name.as_deref().is_none_or(|wanted| Some(wanted) == name)
            && self.unnamed.is_none_or(|unnamed| unnamed == name.is_none())
    }
}

/// The statements of one of the two tables. `$of_job` and `$of_schedule` are the columns that refer to one of its configs.
macro_rules! statements {
    ($(#[$doc:meta])* $module:ident, $table:ident, $row:ident, $fields:ident, $of_job:ident, $of_schedule:ident) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;

            pub async fn by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<$row>> {
                $table::table.find(id).select($row::as_select()).first(connection).await.optional()
            }

            /// Returns one page of the configs that a caller may see, newest first.
            pub async fn list(
                connection: &mut AsyncPgConnection,
                principal: &Principal,
                filter: &ConfigFilter,
                page: &PageRequest,
            ) -> ApiResult<(i64, Vec<$row>)> {
                let query = || {
                    let mut query = $table::table.into_boxed();
                    if let Some(organisations) = principal.visible_organisations() {
                        query = query.filter($table::organisation_id.eq_any(organisations));
                    }
                    if let Some(project) = principal.key_project() {
                        let searched = tuning_jobs::table
                            .inner_join(training_data::table)
                            .filter(training_data::project_id.eq(project))
                            .select(tuning_jobs::$of_job);
                        let scheduled = retraining_schedules::table
                            .filter(retraining_schedules::project_id.eq(project))
                            .filter(retraining_schedules::$of_schedule.is_not_null())
                            .select(retraining_schedules::$of_schedule.assume_not_null());
                        let used = $table::id.eq_any(searched).or($table::id.eq_any(scheduled));
                        let shared = $table::project_id.is_null().and(used);
                        query = query.filter($table::project_id.eq(project).or(shared));
                    }
                    if let Some(project) = filter.project {
                        let organisation = projects::table.filter(projects::id.eq(project)).select(projects::organisation_id);
                        let shared = $table::project_id.is_null().and($table::organisation_id.eq_any(organisation));
                        query = query.filter($table::project_id.eq(project).or(shared));
                    }
                    if let Some(id) = filter.id {
                        query = query.filter($table::id.eq(id));
                    }
                    if let Some(name) = filter.name.clone() {
                        query = query.filter($table::name.eq(name));
                    }
                    match filter.unnamed {
                        Some(true) => query.filter($table::name.is_null()),
                        Some(false) => query.filter($table::name.is_not_null()),
                        None => query,
                    }
                };
                let rows = query().order(($table::ins_datetime.desc(), $table::id.desc())).select($row::as_select());
                paginate(connection, page, query().count(), rows).await
            }

            pub async fn insert(
                connection: &mut AsyncPgConnection,
                fields: $fields,
                creator: i64,
                home: Ownership,
            ) -> QueryResult<$row> {
                diesel::insert_into($table::table)
                    .values((
                        fields,
                        $table::created_by.eq(creator),
                        $table::organisation_id.eq(home.organisation_id),
                        $table::project_id.eq(home.project_id),
                    ))
                    .returning($row::as_returning())
                    .get_result(connection)
                    .await
            }

            pub async fn update(
                connection: &mut AsyncPgConnection,
                id: i64,
                fields: $fields,
                at: DateTime<Utc>,
            ) -> QueryResult<$row> {
                diesel::update($table::table.find(id))
                    .set((fields, $table::updated_at.eq(at)))
                    .returning($row::as_returning())
                    .get_result(connection)
                    .await
            }

            /// Returns whether a project uses a config: in a search, or in its schedule.
            pub async fn is_used_by(connection: &mut AsyncPgConnection, id: i64, project: i64) -> QueryResult<bool> {
                let searches = tuning_jobs::table
                    .inner_join(training_data::table)
                    .filter(tuning_jobs::$of_job.eq(id).and(training_data::project_id.eq(project)));
                let schedules = retraining_schedules::table
                    .filter(retraining_schedules::$of_schedule.eq(id).and(retraining_schedules::project_id.eq(project)));
                Ok(diesel::select(diesel::dsl::exists(searches)).get_result(connection).await?
                    || diesel::select(diesel::dsl::exists(schedules)).get_result(connection).await?)
            }

            /// Returns whether no search and no schedule uses a config.
            pub async fn is_unused(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
                let searches = tuning_jobs::table.filter(tuning_jobs::$of_job.eq(id));
                let schedules = retraining_schedules::table.filter(retraining_schedules::$of_schedule.eq(id));
                Ok(!diesel::select(diesel::dsl::exists(searches)).get_result::<bool>(connection).await?
                    && !diesel::select(diesel::dsl::exists(schedules)).get_result::<bool>(connection).await?)
            }

            /// Moves a config to another organisation; false if something uses it or it is gone. Runs in the caller's
            /// transaction: the row lock keeps the config from being used meanwhile.
            pub async fn move_unused(connection: &mut AsyncPgConnection, id: i64, organisation: i64) -> QueryResult<bool> {
                $table::table.find(id).select($table::id).for_update().first::<i64>(connection).await.optional()?;
                if !is_unused(connection, id).await? {
                    return Ok(false);
                }
                let moved = diesel::update($table::table.find(id)).set($table::organisation_id.eq(organisation));
                Ok(moved.execute(connection).await? == 1)
            }
        }
    };
}

statements! {
    /// Split configs.
    split, split_configs, SplitConfig, SplitFields, split_id, split_config_id
}
statements! {
    /// Evaluation configs.
    evaluation, evaluation_configs, EvaluationConfig, EvaluationFields, evaluation_id, evaluation_config_id
}

/// Returns a split config, for work that was authorised when it was requested.
pub async fn find_split(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<SplitConfig> {
    split::by_id(connection, id).await?.ok_or(diesel::result::Error::NotFound)
}

/// Returns an evaluation config, for work that was authorised when it was requested.
pub async fn find_evaluation(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<EvaluationConfig> {
    evaluation::by_id(connection, id).await?.ok_or(diesel::result::Error::NotFound)
}

/// Returns the split configs of these ids, in no particular order.
pub async fn find_splits(connection: &mut AsyncPgConnection, ids: Vec<i64>) -> QueryResult<Vec<SplitConfig>> {
    split_configs::table.filter(split_configs::id.eq_any(ids)).select(SplitConfig::as_select()).load(connection).await
}

/// Returns the evaluation configs of these ids, in no particular order.
pub async fn find_evaluations(connection: &mut AsyncPgConnection, ids: Vec<i64>) -> QueryResult<Vec<EvaluationConfig>> {
    evaluation_configs::table
        .filter(evaluation_configs::id.eq_any(ids))
        .select(EvaluationConfig::as_select())
        .load(connection)
        .await
}
