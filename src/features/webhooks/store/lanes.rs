//! SQL of deliveries: which process delivers to an endpoint, what is due, and what became of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::super::model::{ErrorCode, Lane, MessageState, Target, Waiting};
use crate::platform::words::Word;
use crate::schema::{memberships, organisations, projects, users, webhook_endpoints, webhook_lanes, webhook_messages};

/// Endpoints that have messages which are due and that no process delivers to: of each organisation so many, those left alone
/// longest first.
const DUE_ENDPOINTS: &str = "
    SELECT id, organisation FROM (
        SELECT l.endpoint_id AS id, p.organisation_id AS organisation,
            row_number() OVER (PARTITION BY p.organisation_id ORDER BY l.last_attempt_at NULLS FIRST, l.endpoint_id) AS place
        FROM webhook_lanes l JOIN webhook_endpoints e ON e.id = l.endpoint_id JOIN projects p ON p.id = e.project_id
        WHERE e.is_active AND (l.failures_in_row > 0) = $2
            AND (l.leased_until IS NULL OR l.leased_until <= $1) AND (l.paused_until IS NULL OR l.paused_until <= $1)
            AND EXISTS (SELECT FROM webhook_messages m
                WHERE m.endpoint_id = l.endpoint_id AND m.state = 'waiting' AND m.due_at <= $1)
    ) AS due WHERE place <= $3 ORDER BY place, id";

/// Takes those of these endpoints that no process has taken meanwhile.
const CLAIM: &str = "
    WITH free AS (
        SELECT l.endpoint_id FROM webhook_lanes l
        WHERE l.endpoint_id = ANY ($4) AND (l.leased_until IS NULL OR l.leased_until <= $1)
            AND (l.paused_until IS NULL OR l.paused_until <= $1)
        ORDER BY l.endpoint_id FOR UPDATE OF l SKIP LOCKED
    )
    UPDATE webhook_lanes l SET leased_by = $2, leased_until = $3 FROM free WHERE l.endpoint_id = free.endpoint_id
    RETURNING l.endpoint_id AS id";

/// An endpoint with messages which are due, and the organisation that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct DueEndpoint {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub organisation: i64,
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// A process that delivers, until when it may do so without saying so again.
#[derive(Debug, Clone, Copy)]
pub struct Lease<'a> {
    pub holder: &'a str,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Returns the endpoints that may be claimed, at most `most` of each organisation, of those whose last delivery failed or of the
/// others.
pub async fn due_endpoints(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    failing: bool,
    most: i64,
) -> QueryResult<Vec<DueEndpoint>> {
    diesel::sql_query(DUE_ENDPOINTS)
        .bind::<Timestamptz, _>(now)
        .bind::<Bool, _>(failing)
        .bind::<BigInt, _>(most)
        .load(connection)
        .await
}

/// Claims endpoints for a process. Returns those that it got.
pub async fn claim(connection: &mut AsyncPgConnection, lease: Lease<'_>, endpoints: &[i64]) -> QueryResult<Vec<i64>> {
    let claimed: Vec<Claimed> = diesel::sql_query(CLAIM)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Text, _>(lease.holder)
        .bind::<Timestamptz, _>(lease.until)
        .bind::<Array<BigInt>, _>(endpoints)
        .load(connection)
        .await?;
    Ok(claimed.into_iter().map(|claimed| claimed.id).collect())
}

/// Holds the endpoints of a process for longer.
pub async fn renew(connection: &mut AsyncPgConnection, lease: Lease<'_>, endpoints: &[i64]) -> QueryResult<usize> {
    diesel::update(held(lease.holder).filter(webhook_lanes::endpoint_id.eq_any(endpoints)))
        .set(webhook_lanes::leased_until.eq(lease.until))
        .execute(connection)
        .await
}

/// Lets other processes deliver to endpoints.
pub async fn release(connection: &mut AsyncPgConnection, holder: &str, endpoints: &[i64]) -> QueryResult<()> {
    diesel::update(held(holder).filter(webhook_lanes::endpoint_id.eq_any(endpoints)))
        .set((webhook_lanes::leased_by.eq(None::<String>), webhook_lanes::leased_until.eq(None::<DateTime<Utc>>)))
        .execute(connection)
        .await
        .map(drop)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn held<'a>(holder: &'a str) -> _ {
    webhook_lanes::table.filter(webhook_lanes::leased_by.eq(holder))
}

/// Returns an endpoint and how deliveries to it go, if it is switched on and the process holds it.
pub async fn held_target(connection: &mut AsyncPgConnection, holder: &str, endpoint: i64) -> QueryResult<Option<(Target, Lane)>> {
    webhook_endpoints::table
        .inner_join(webhook_lanes::table)
        .filter(webhook_endpoints::id.eq(endpoint).and(webhook_endpoints::is_active))
        .filter(webhook_lanes::leased_by.eq(holder))
        .select((Target::as_select(), Lane::as_select()))
        .first(connection)
        .await
        .optional()
}

/// The bytes of bodies after which no further message is read.
const MOST_BYTES: i64 = 4 << 20;

const DUE: &str = "
    SELECT id, body, attempts, step FROM (
        SELECT *, sum(octet_length(body)) OVER (ORDER BY due_at, id) - octet_length(body) AS bytes_before
        FROM (
            SELECT id, body, attempts, step, due_at FROM webhook_messages
            WHERE endpoint_id = $1 AND state = 'waiting' AND due_at <= $2 AND id <> ALL ($5) ORDER BY due_at, id LIMIT $3
        ) AS first
    ) AS summed WHERE bytes_before < $4 ORDER BY due_at, id";

/// Returns the messages to an endpoint that have been due longest, without those that are being sent: at most `most`, and a few
/// megabytes.
pub async fn due(
    connection: &mut AsyncPgConnection,
    endpoint: i64,
    now: DateTime<Utc>,
    most: i64,
    being_sent: Vec<Uuid>,
) -> QueryResult<Vec<Waiting>> {
    diesel::sql_query(DUE)
        .bind::<BigInt, _>(endpoint)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(most)
        .bind::<BigInt, _>(MOST_BYTES)
        .bind::<Array<SqlUuid>, _>(being_sent)
        .load(connection)
        .await
}

/// Returns when the next message to an endpoint becomes due.
pub async fn next_due(
    connection: &mut AsyncPgConnection,
    endpoint: i64,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    webhook_messages::table
        .filter(webhook_messages::endpoint_id.eq(endpoint).and(webhook_messages::state.eq(MessageState::Waiting)))
        .filter(webhook_messages::due_at.gt(now))
        .select(diesel::dsl::min(webhook_messages::due_at))
        .first(connection)
        .await
}

/// An attempt that was made, and what becomes of its message.
#[derive(Debug, Clone)]
pub struct Made {
    pub message: Uuid,
    /// Counted from 1.
    pub number: i32,
    pub step: i32,
    pub state: MessageState,
    pub due_at: DateTime<Utc>,
    pub at: DateTime<Utc>,
    pub status_code: Option<i32>,
    pub error_code: Option<ErrorCode>,
    pub duration_ms: i32,
    pub response_head: String,
}

const RECORD: &str = "
    WITH made AS (
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::int[],
            $8::text[], $9::int[], $10::text[])
            AS made (id, number, step, state, due_at, at, status_code, error_code, duration_ms, response_head)
    ), changed AS (
        UPDATE webhook_messages m SET state = made.state, attempts = made.number, step = made.step, due_at = made.due_at,
            status_code = made.status_code, error_code = made.error_code
        FROM made WHERE m.id = made.id
        RETURNING m.id
    )
    INSERT INTO webhook_attempts (message_id, number, endpoint_id, at, status_code, error_code, duration_ms, response_head)
    SELECT made.id, made.number, $11, made.at, made.status_code, made.error_code, made.duration_ms, made.response_head
    FROM made JOIN changed ON changed.id = made.id
    ON CONFLICT DO NOTHING";

/// Writes attempts, and what becomes of their messages. Messages that have been deleted meanwhile are left out.
pub async fn record(connection: &mut AsyncPgConnection, endpoint: i64, made: &[Made]) -> QueryResult<()> {
    diesel::sql_query(RECORD)
        .bind::<Array<SqlUuid>, _>(made.iter().map(|made| made.message).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(made.iter().map(|made| made.number).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(made.iter().map(|made| made.step).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(made.iter().map(|made| made.state.wire()).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(made.iter().map(|made| made.due_at).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(made.iter().map(|made| made.at).collect::<Vec<_>>())
        .bind::<Array<Nullable<Integer>>, _>(made.iter().map(|made| made.status_code).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(made.iter().map(|made| made.error_code.map(Word::wire)).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(made.iter().map(|made| made.duration_ms).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(made.iter().map(|made| made.response_head.as_str()).collect::<Vec<_>>())
        .bind::<BigInt, _>(endpoint)
        .execute(connection)
        .await
        .map(drop)
}

/// How deliveries to an endpoint go from now on.
#[derive(Debug, Clone, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = webhook_lanes, treat_none_as_null = true)]
pub struct Health {
    pub failures_in_row: i32,
    pub failing_since: Option<DateTime<Utc>>,
    pub failed_messages: i64,
    pub last_attempt_at: Option<DateTime<Utc>>,
    pub last_status_code: Option<i32>,
    pub last_error_code: Option<ErrorCode>,
}

diesel::define_sql_function! {
    fn greatest(one: Nullable<Timestamptz>, other: Nullable<Timestamptz>) -> Nullable<Timestamptz>;
}

/// Writes how deliveries to an endpoint go, unless another process delivers to it meanwhile. A pause only becomes longer.
pub async fn set_health(
    connection: &mut AsyncPgConnection,
    holder: &str,
    endpoint: i64,
    health: &Health,
    paused_until: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    diesel::update(held(holder).filter(webhook_lanes::endpoint_id.eq(endpoint)))
        .set((health, webhook_lanes::paused_until.eq(greatest(webhook_lanes::paused_until, paused_until))))
        .execute(connection)
        .await
        .map(drop)
}

/// A crash of the database may lose what the transaction writes: the messages are then delivered again.
pub async fn without_waiting_for_disk(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query("SET LOCAL synchronous_commit = off").execute(connection).await.map(drop)
}

/// Returns the addresses of the owners of a project's organisation, and the name of the project.
pub async fn owners_of(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<(String, Vec<String>)> {
    let name = projects::table.find(project).select(projects::name).first(connection).await?;
    let addresses = users::table
        .inner_join(memberships::table.on(memberships::user_id.eq(users::id)))
        .inner_join(organisations::table.on(organisations::id.eq(memberships::organisation_id)))
        .inner_join(projects::table.on(projects::organisation_id.eq(organisations::id)))
        .filter(projects::id.eq(project).and(memberships::role.eq("owner")).and(users::is_active).and(users::email.ne("")))
        .select(users::email)
        .load(connection)
        .await?;
    Ok((name, addresses))
}
