//! SQL of messages, as callers see them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::super::model::{Attempt, Message, MessageState, MessageSummary, NewMessage};
use super::announce;
use crate::features::projects::Topic;
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::schema::{webhook_attempts, webhook_lanes, webhook_messages};

/// A statement has at most 65,535 parameters.
const ROWS_AT_ONCE: usize = 1_000;

const REMOVED_AT_ONCE: i64 = 10_000;

/// Stores messages, and announces that there are some.
pub async fn insert(connection: &mut AsyncPgConnection, messages: &[NewMessage]) -> QueryResult<()> {
    for rows in messages.chunks(ROWS_AT_ONCE) {
        diesel::insert_into(webhook_messages::table).values(rows).execute(connection).await?;
    }
    let endpoints: Vec<i64> = messages.iter().map(|message| message.endpoint_id).collect();
    announce(connection, &endpoints).await
}

/// Returns one page of the messages to an endpoint, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    endpoint: i64,
    topic: Option<Topic>,
    state: Option<MessageState>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<MessageSummary>)> {
    let query = || {
        let mut query = webhook_messages::table.filter(webhook_messages::endpoint_id.eq(endpoint)).into_boxed();
        if let Some(topic) = topic {
            query = query.filter(webhook_messages::topic.eq(topic));
        }
        if let Some(state) = state {
            query = query.filter(webhook_messages::state.eq(state));
        }
        query
    };
    let newest_first = query().order(webhook_messages::id.desc()).select(MessageSummary::as_select());
    paginate(connection, page, query().count(), newest_first).await
}

/// Returns a message to an endpoint.
pub async fn find(connection: &mut AsyncPgConnection, endpoint: i64, id: Uuid) -> QueryResult<Option<Message>> {
    let of_endpoint = webhook_messages::table.find(id).filter(webhook_messages::endpoint_id.eq(endpoint));
    of_endpoint.select(Message::as_select()).first(connection).await.optional()
}

/// Returns the newest attempts to deliver a message, oldest first.
pub async fn attempts(connection: &mut AsyncPgConnection, id: Uuid, most: i64) -> QueryResult<Vec<Attempt>> {
    let mut newest: Vec<Attempt> = webhook_attempts::table
        .filter(webhook_attempts::message_id.eq(id))
        .order(webhook_attempts::number.desc())
        .limit(most)
        .select(Attempt::as_select())
        .load(connection)
        .await?;
    newest.reverse();
    Ok(newest)
}

/// Makes a message wait for its delivery again, from the start of the schedule. Returns whether there is such a message.
pub async fn retry(connection: &mut AsyncPgConnection, endpoint: i64, id: Uuid, now: DateTime<Utc>) -> QueryResult<bool> {
    let of_endpoint = webhook_messages::table.find(id).filter(webhook_messages::endpoint_id.eq(endpoint));
    let changed = diesel::update(of_endpoint).set(waiting_again(now)).execute(connection).await?;
    end_rest(connection, endpoint).await?;
    announce(connection, &[endpoint]).await?;
    Ok(changed > 0)
}

/// Lets an endpoint be sent a message at once, though its last deliveries failed.
pub async fn end_rest(connection: &mut AsyncPgConnection, endpoint: i64) -> QueryResult<()> {
    diesel::update(webhook_lanes::table.find(endpoint))
        .set(webhook_lanes::paused_until.eq(None::<DateTime<Utc>>))
        .execute(connection)
        .await
        .map(drop)
}

type WaitingAgain = (
    diesel::dsl::Eq<webhook_messages::state, MessageState>,
    diesel::dsl::Eq<webhook_messages::step, i32>,
    diesel::dsl::Eq<webhook_messages::due_at, DateTime<Utc>>,
);

fn waiting_again(now: DateTime<Utc>) -> WaitingAgain {
    (webhook_messages::state.eq(MessageState::Waiting), webhook_messages::step.eq(0), webhook_messages::due_at.eq(now))
}

/// Removes some of the messages with ids below one, and returns how many: all of them, also those that still wait, or only those about
/// answered lists that were delivered.
pub async fn delete_before(connection: &mut AsyncPgConnection, id: Uuid, of_answers: bool) -> QueryResult<usize> {
    let which = if of_answers { "AND topic = 'recommendation.served' AND state = 'delivered'" } else { "" };
    let sql =
        format!("DELETE FROM webhook_messages WHERE id IN (SELECT id FROM webhook_messages WHERE id < $1 {which} LIMIT $2)");
    diesel::sql_query(sql).bind::<SqlUuid, _>(id).bind::<BigInt, _>(REMOVED_AT_ONCE).execute(connection).await
}

/// Counts the messages to an endpoint that were delivered or have failed, from a moment on.
pub async fn count_ended(connection: &mut AsyncPgConnection, endpoint: i64, since: DateTime<Utc>) -> QueryResult<i64> {
    webhook_messages::table
        .filter(webhook_messages::endpoint_id.eq(endpoint).and(webhook_messages::ins_datetime.ge(since)))
        .filter(webhook_messages::state.ne(MessageState::Waiting))
        .count()
        .get_result(connection)
        .await
}

/// Makes these messages wait for their delivery again. Returns how many there are.
pub async fn replay(
    connection: &mut AsyncPgConnection,
    endpoint: i64,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let of_endpoint = webhook_messages::table
        .filter(webhook_messages::endpoint_id.eq(endpoint).and(webhook_messages::ins_datetime.ge(since)))
        .filter(webhook_messages::state.ne(MessageState::Waiting));
    let changed = diesel::update(of_endpoint).set(waiting_again(now)).execute(connection).await?;
    end_rest(connection, endpoint).await?;
    announce(connection, &[endpoint]).await?;
    Ok(changed)
}
