//! SQL of split and evaluation configs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{EvaluationConfig, EvaluationFields, SplitConfig, SplitFields};
use crate::features::accounts::Principal;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{evaluation_configs, memberships, split_configs};

/// What a list is narrowed to.
#[derive(Debug, Default)]
pub struct ConfigFilter {
    pub id: Option<i64>,
    pub name: Option<String>,
    /// Whether it must lack a name (or have one).
    pub unnamed: Option<bool>,
}

impl ConfigFilter {
    /// What a query string asks for.
    pub fn read(filters: &Filters) -> ApiResult<Self> {
        Ok(Self { id: filters.id("id")?, name: filters.text("name"), unnamed: filters.flag("unnamed") })
    }

    /// Whether a config of this id and name gets through.
    pub fn admits(&self, id: i64, name: Option<&str>) -> bool {
        self.id.is_none_or(|wanted| wanted == id)
            && self.name.as_deref().is_none_or(|wanted| Some(wanted) == name)
            && self.unnamed.is_none_or(|unnamed| unnamed == name.is_none())
    }
}

/// The organisations somebody belongs to.
pub async fn organisations_of(connection: &mut AsyncPgConnection, user: i64) -> QueryResult<Vec<i64>> {
    memberships::table.filter(memberships::user_id.eq(user)).select(memberships::organisation_id).load(connection).await
}

/// Everybody whose configs the caller may see; none means everybody.
async fn makers_for(connection: &mut AsyncPgConnection, principal: &Principal) -> QueryResult<Option<Vec<i64>>> {
    let Some(organisations) = principal.visible_organisations() else { return Ok(None) };
    let mut makers: Vec<i64> = memberships::table
        .filter(memberships::organisation_id.eq_any(organisations))
        .select(memberships::user_id)
        .distinct()
        .load(connection)
        .await?;
    makers.push(principal.user.id);
    Ok(Some(makers))
}

pub async fn split_by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<SplitConfig>> {
    split_configs::table.find(id).select(SplitConfig::as_select()).first(connection).await.optional()
}

pub async fn evaluation_by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<EvaluationConfig>> {
    evaluation_configs::table.find(id).select(EvaluationConfig::as_select()).first(connection).await.optional()
}

/// A split config, for work that was authorised when it was asked for.
pub async fn find_split(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<SplitConfig> {
    split_by_id(connection, id).await?.ok_or(diesel::result::Error::NotFound)
}

/// An evaluation config, for work that was authorised when it was asked for.
pub async fn find_evaluation(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<EvaluationConfig> {
    evaluation_by_id(connection, id).await?.ok_or(diesel::result::Error::NotFound)
}

/// The evaluation configs of these ids, in no particular order.
pub async fn find_evaluations(connection: &mut AsyncPgConnection, ids: Vec<i64>) -> QueryResult<Vec<EvaluationConfig>> {
    evaluation_configs::table
        .filter(evaluation_configs::id.eq_any(ids))
        .select(EvaluationConfig::as_select())
        .load(connection)
        .await
}

/// One page of the split configs a caller may see, newest first.
pub async fn list_splits(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &ConfigFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<SplitConfig>)> {
    let makers = makers_for(connection, principal).await?;
    let query = || {
        let mut query = split_configs::table.into_boxed();
        if let Some(makers) = makers.clone() {
            query = query.filter(split_configs::created_by.eq_any(makers));
        }
        if let Some(id) = filter.id {
            query = query.filter(split_configs::id.eq(id));
        }
        if let Some(name) = filter.name.clone() {
            query = query.filter(split_configs::name.eq(name));
        }
        match filter.unnamed {
            Some(true) => query.filter(split_configs::name.is_null()),
            Some(false) => query.filter(split_configs::name.is_not_null()),
            None => query,
        }
    };
    let count = query().count().get_result(connection).await?;
    let rows = query()
        .order((split_configs::ins_datetime.desc(), split_configs::id.desc()))
        .select(SplitConfig::as_select())
        .limit(page.limit())
        .offset(page.offset(count)?)
        .load(connection)
        .await?;
    Ok((count, rows))
}

/// One page of the evaluation configs a caller may see, newest first.
pub async fn list_evaluations(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &ConfigFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<EvaluationConfig>)> {
    let makers = makers_for(connection, principal).await?;
    let query = || {
        let mut query = evaluation_configs::table.into_boxed();
        if let Some(makers) = makers.clone() {
            query = query.filter(evaluation_configs::created_by.eq_any(makers));
        }
        if let Some(id) = filter.id {
            query = query.filter(evaluation_configs::id.eq(id));
        }
        if let Some(name) = filter.name.clone() {
            query = query.filter(evaluation_configs::name.eq(name));
        }
        match filter.unnamed {
            Some(true) => query.filter(evaluation_configs::name.is_null()),
            Some(false) => query.filter(evaluation_configs::name.is_not_null()),
            None => query,
        }
    };
    let count = query().count().get_result(connection).await?;
    let rows = query()
        .order((evaluation_configs::ins_datetime.desc(), evaluation_configs::id.desc()))
        .select(EvaluationConfig::as_select())
        .limit(page.limit())
        .offset(page.offset(count)?)
        .load(connection)
        .await?;
    Ok((count, rows))
}

pub async fn insert_split(connection: &mut AsyncPgConnection, fields: SplitFields, maker: i64) -> QueryResult<SplitConfig> {
    diesel::insert_into(split_configs::table)
        .values((fields, split_configs::created_by.eq(maker)))
        .returning(SplitConfig::as_returning())
        .get_result(connection)
        .await
}

pub async fn insert_evaluation(
    connection: &mut AsyncPgConnection,
    fields: EvaluationFields,
    maker: i64,
) -> QueryResult<EvaluationConfig> {
    diesel::insert_into(evaluation_configs::table)
        .values((fields, evaluation_configs::created_by.eq(maker)))
        .returning(EvaluationConfig::as_returning())
        .get_result(connection)
        .await
}

pub async fn update_split(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: SplitFields,
    at: DateTime<Utc>,
) -> QueryResult<SplitConfig> {
    diesel::update(split_configs::table.find(id))
        .set((fields, split_configs::updated_at.eq(at)))
        .returning(SplitConfig::as_returning())
        .get_result(connection)
        .await
}

pub async fn update_evaluation(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: EvaluationFields,
    at: DateTime<Utc>,
) -> QueryResult<EvaluationConfig> {
    diesel::update(evaluation_configs::table.find(id))
        .set((fields, evaluation_configs::updated_at.eq(at)))
        .returning(EvaluationConfig::as_returning())
        .get_result(connection)
        .await
}
