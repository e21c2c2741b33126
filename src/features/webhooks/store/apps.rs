//! SQL of apps and of their use.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{App, AppFields, DayOfUse, NewApp};
use super::announce_endpoints;
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::api_keys::Used;
use crate::features::projects::{page_of_project, visible_projects};
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{api_keys, app_usage, apps};

impl Guarded for App {
    load_of_project!(apps);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

/// Returns one page of the apps that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<App>)> {
    page_of_project!(apps as App, by ins_datetime, connection, principal, project, page)
}

/// Returns the newest apps that a caller may see.
pub async fn newest(connection: &mut AsyncPgConnection, principal: &Principal, most: i64) -> QueryResult<Vec<App>> {
    apps::table
        .filter(apps::project_id.eq_any(visible_projects(principal, None)))
        .order(apps::id.desc())
        .limit(most)
        .select(App::as_select())
        .load(connection)
        .await
}

/// Returns whether a project has an app with this name.
pub async fn is_named(connection: &mut AsyncPgConnection, project: i64, name: &str) -> QueryResult<bool> {
    let named = apps::table.filter(apps::project_id.eq(project).and(apps::name.eq(name)));
    diesel::select(diesel::dsl::exists(named)).get_result(connection).await
}

/// Stores an app. An endpoint may be told of the answers to all apps, so processes have to know.
pub async fn insert(connection: &mut AsyncPgConnection, app: NewApp) -> QueryResult<App> {
    let stored = diesel::insert_into(apps::table).values(app).returning(App::as_returning()).get_result(connection).await?;
    announce_endpoints(connection, &[]).await?;
    Ok(stored)
}

/// Changes the fields of an app.
pub async fn update(connection: &mut AsyncPgConnection, id: i64, fields: AppFields, at: DateTime<Utc>) -> QueryResult<App> {
    diesel::update(apps::table.find(id))
        .set((fields, apps::updated_at.eq(at)))
        .returning(App::as_returning())
        .get_result(connection)
        .await
}

/// Gives an app another key.
pub async fn set_key(connection: &mut AsyncPgConnection, id: i64, key: i64, at: DateTime<Utc>) -> QueryResult<App> {
    diesel::update(apps::table.find(id))
        .set((apps::api_key_id.eq(key), apps::updated_at.eq(at)))
        .returning(App::as_returning())
        .get_result(connection)
        .await
}

/// Returns an app for a change; concurrent changes wait until the transaction ends.
pub async fn locked(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<App>> {
    apps::table.find(id).select(App::as_select()).for_update().first(connection).await.optional()
}

/// Deletes an app with its endpoints and the count of its use.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(apps::table.find(id)).execute(connection).await.map(drop)
}

/// Returns the prefixes of keys by their ids.
pub async fn prefixes(connection: &mut AsyncPgConnection, keys: &[i64]) -> QueryResult<Vec<(i64, String)>> {
    api_keys::table.filter(api_keys::id.eq_any(keys)).select((api_keys::id, api_keys::key_prefix)).load(connection).await
}

#[derive(QueryableByName)]
struct Requests {
    #[diesel(sql_type = BigInt)]
    app_id: i64,
    #[diesel(sql_type = BigInt)]
    requests: i64,
}

/// Returns the number of requests of apps from a day on, for those that had any.
pub async fn requests_since(connection: &mut AsyncPgConnection, apps: &[i64], day: NaiveDate) -> QueryResult<Vec<(i64, i64)>> {
    let sql =
        "SELECT app_id, sum(requests)::bigint AS requests FROM app_usage WHERE app_id = ANY ($1) AND day >= $2 GROUP BY app_id";
    let query = diesel::sql_query(sql).bind::<Array<BigInt>, _>(apps).bind::<Date, _>(day);
    let rows: Vec<Requests> = query.load(connection).await?;
    Ok(rows.into_iter().map(|row| (row.app_id, row.requests)).collect())
}

/// Returns the use of an app from a day on, oldest first, for the days that had any.
pub async fn use_since(connection: &mut AsyncPgConnection, app: i64, day: NaiveDate) -> QueryResult<Vec<DayOfUse>> {
    app_usage::table
        .filter(app_usage::app_id.eq(app).and(app_usage::day.ge(day)))
        .order(app_usage::day)
        .select(DayOfUse::as_select())
        .load(connection)
        .await
}

/// Adds to the use of apps on a day. Apps that have been deleted meanwhile are left out.
pub async fn add_use(connection: &mut AsyncPgConnection, day: NaiveDate, used: &[Used]) -> QueryResult<()> {
    let of = |number: fn(&Used) -> i64| used.iter().map(number).collect::<Vec<_>>();
    let sql = "INSERT INTO app_usage AS kept (app_id, day, requests, items, errors)
        SELECT apps.id, $1, used.requests, used.items, used.errors
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS used (app_id, requests, items, errors)
        JOIN apps ON apps.id = used.app_id ORDER BY apps.id FOR KEY SHARE OF apps
        ON CONFLICT (app_id, day) DO UPDATE SET requests = kept.requests + excluded.requests,
            items = kept.items + excluded.items, errors = kept.errors + excluded.errors";
    diesel::sql_query(sql)
        .bind::<Date, _>(day)
        .bind::<Array<BigInt>, _>(of(|used| used.app))
        .bind::<Array<BigInt>, _>(of(|used| used.requests))
        .bind::<Array<BigInt>, _>(of(|used| used.items))
        .bind::<Array<BigInt>, _>(of(|used| used.errors))
        .execute(connection)
        .await
        .map(drop)
}
