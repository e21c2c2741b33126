//! SQL of endpoints.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{DisabledReason, Endpoint, EndpointFields, Lane, NewEndpoint};
use super::announce_endpoints;
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::{Topic, page_of_project};
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{apps, projects, webhook_endpoints, webhook_lanes};

impl Guarded for Endpoint {
    load_of_project!(webhook_endpoints);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

/// Returns one page of the endpoints that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Endpoint>)> {
    page_of_project!(webhook_endpoints as Endpoint, by ins_datetime, connection, principal, project, page)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns the id of the next endpoint. Its secret is sealed for it before it is stored.
pub async fn next_id(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    let sql = "SELECT nextval(pg_get_serial_sequence('webhook_endpoints', 'id')) AS id";
    Ok(diesel::sql_query(sql).get_result::<Number>(connection).await?.id)
}

/// Returns how many endpoints a project has. Locks the project until the end of the transaction, so that concurrent creations are
/// serialised.
pub async fn lock_and_count(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<i64> {
    projects::table.find(project).select(projects::id).for_no_key_update().first::<i64>(connection).await?;
    webhook_endpoints::table.filter(webhook_endpoints::project_id.eq(project)).count().get_result(connection).await
}

/// Counts the endpoints of a project that are told of answers, but one.
pub async fn count_told_of_answers(connection: &mut AsyncPgConnection, project: i64, but: Option<i64>) -> QueryResult<i64> {
    webhook_endpoints::table
        .filter(webhook_endpoints::project_id.eq(project).and(webhook_endpoints::id.ne(but.unwrap_or(0))))
        .filter(webhook_endpoints::topics.contains(vec![Topic::RecommendationServed]))
        .count()
        .get_result(connection)
        .await
}

/// Returns whether a project has an app.
pub async fn has_app(connection: &mut AsyncPgConnection, project: i64, app: i64) -> QueryResult<bool> {
    let of_project = apps::table.filter(apps::id.eq(app).and(apps::project_id.eq(project)));
    diesel::select(diesel::dsl::exists(of_project)).get_result(connection).await
}

/// Stores an endpoint.
pub async fn insert(connection: &mut AsyncPgConnection, endpoint: NewEndpoint) -> QueryResult<Endpoint> {
    let stored: Endpoint = diesel::insert_into(webhook_endpoints::table)
        .values(endpoint)
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await?;
    diesel::insert_into(webhook_lanes::table).values(webhook_lanes::endpoint_id.eq(stored.id)).execute(connection).await?;
    announce_endpoints(connection, &[stored.id]).await?;
    Ok(stored)
}

/// Changes the fields of an endpoint. `switched` says why and when it was switched off, if that changes, too.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: EndpointFields,
    switched: Option<Option<(DisabledReason, DateTime<Utc>)>>,
    at: DateTime<Utc>,
) -> QueryResult<Endpoint> {
    let saved = diesel::update(webhook_endpoints::table.find(id))
        .set((fields, webhook_endpoints::updated_at.eq(at)))
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await?;
    let saved = match switched {
        None => saved,
        Some(off) => switch(connection, id, off).await?,
    };
    announce_endpoints(connection, &[id]).await?;
    Ok(saved)
}

/// Writes why an endpoint is switched off, or that it no longer is: its failures are forgotten then.
async fn switch(
    connection: &mut AsyncPgConnection,
    id: i64,
    off: Option<(DisabledReason, DateTime<Utc>)>,
) -> QueryResult<Endpoint> {
    if off.is_none() {
        forget_failures(connection, id).await?;
    }
    diesel::update(webhook_endpoints::table.find(id))
        .set((
            webhook_endpoints::disabled_reason.eq(off.map(|(reason, _)| reason)),
            webhook_endpoints::disabled_at.eq(off.map(|(_, at)| at)),
        ))
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await
}

/// Lets the next message of an endpoint be sent at once.
pub async fn forget_failures(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::update(webhook_lanes::table.find(id))
        .set((
            webhook_lanes::paused_until.eq(None::<DateTime<Utc>>),
            webhook_lanes::failures_in_row.eq(0),
            webhook_lanes::failing_since.eq(None::<DateTime<Utc>>),
            webhook_lanes::failed_messages.eq(0),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// Switches an endpoint off, unless it is off already. Returns whether it was on.
pub async fn disable(
    connection: &mut AsyncPgConnection,
    id: i64,
    reason: DisabledReason,
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let on = webhook_endpoints::table.find(id).filter(webhook_endpoints::is_active);
    let changed = diesel::update(on)
        .set((
            webhook_endpoints::is_active.eq(false),
            webhook_endpoints::disabled_reason.eq(reason),
            webhook_endpoints::disabled_at.eq(at),
        ))
        .execute(connection)
        .await?;
    announce_endpoints(connection, &[id]).await?;
    Ok(changed > 0)
}

/// Deletes an endpoint with its messages.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(webhook_endpoints::table.find(id)).execute(connection).await?;
    announce_endpoints(connection, &[id]).await
}

/// The secrets of an endpoint, as they are stored.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = webhook_endpoints, treat_none_as_null = true)]
pub struct Secrets {
    pub secret_sealed: Vec<u8>,
    pub secret_hint: String,
    pub secret_changed_at: DateTime<Utc>,
    pub previous_secret_sealed: Option<Vec<u8>>,
    pub previous_until: Option<DateTime<Utc>>,
}

/// Returns the sealed secret of an endpoint for its replacement; concurrent replacements wait until the transaction ends.
pub async fn locked_secret(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Vec<u8>>> {
    let query = webhook_endpoints::table.find(id).select(webhook_endpoints::secret_sealed).for_update();
    query.first(connection).await.optional()
}

/// Replaces the secrets of an endpoint.
pub async fn set_secrets(connection: &mut AsyncPgConnection, id: i64, secrets: Secrets) -> QueryResult<()> {
    diesel::update(webhook_endpoints::table.find(id)).set(secrets).execute(connection).await?;
    announce_endpoints(connection, &[id]).await
}

/// The sealed secrets of an endpoint.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_endpoints)]
pub struct Sealed {
    pub id: i64,
    pub project_id: i64,
    pub secret_sealed: Vec<u8>,
    pub previous_secret_sealed: Option<Vec<u8>>,
}

/// Returns the sealed secrets of all endpoints.
pub async fn all_sealed(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Sealed>> {
    webhook_endpoints::table.order(webhook_endpoints::id).select(Sealed::as_select()).load(connection).await
}

/// Replaces the sealed secrets of an endpoint by others, unless they were replaced meanwhile.
pub async fn replace_sealed(
    connection: &mut AsyncPgConnection,
    old: &Sealed,
    present: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
) -> QueryResult<usize> {
    let unchanged = webhook_endpoints::table.find(old.id).filter(webhook_endpoints::secret_sealed.eq(&old.secret_sealed));
    diesel::update(unchanged)
        .set((
            webhook_endpoints::secret_sealed.eq(present.unwrap_or_else(|| old.secret_sealed.clone())),
            webhook_endpoints::previous_secret_sealed.eq(previous.or_else(|| old.previous_secret_sealed.clone())),
        ))
        .execute(connection)
        .await
}

/// Returns how the deliveries to endpoints go.
pub async fn lanes(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Lane>> {
    webhook_lanes::table.filter(webhook_lanes::endpoint_id.eq_any(ids)).select(Lane::as_select()).load(connection).await
}

/// Returns the endpoints of a project that are switched on.
pub async fn active_of_project(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Vec<Endpoint>> {
    webhook_endpoints::table
        .filter(webhook_endpoints::project_id.eq(project).and(webhook_endpoints::is_active))
        .order(webhook_endpoints::id)
        .select(Endpoint::as_select())
        .load(connection)
        .await
}
