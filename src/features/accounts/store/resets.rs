//! SQL of links that set a new password.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::accounts::model::User;
use crate::schema::{password_resets, users};

pub async fn add(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    token_hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(password_resets::table)
        .values((
            password_resets::user_id.eq(user_id),
            password_resets::token_hash.eq(token_hash),
            password_resets::ins_datetime.eq(now),
            password_resets::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks a user until the end of the transaction, so that links for one user are created one at a time.
pub async fn lock(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<()> {
    users::table.find(user_id).select(users::id).for_no_key_update().first::<i64>(connection).await.map(drop)
}

/// Returns how many links a user has been given since a time.
pub async fn count_since(connection: &mut AsyncPgConnection, user_id: i64, since: DateTime<Utc>) -> QueryResult<i64> {
    password_resets::table
        .filter(password_resets::user_id.eq(user_id).and(password_resets::ins_datetime.gt(since)))
        .count()
        .get_result(connection)
        .await
}

/// Returns the user of a token while it is valid.
pub async fn user_of(connection: &mut AsyncPgConnection, token_hash: &[u8], now: DateTime<Utc>) -> QueryResult<Option<User>> {
    password_resets::table
        .inner_join(users::table)
        .filter(password_resets::token_hash.eq(token_hash).and(password_resets::expires_at.gt(now)))
        .filter(users::is_active)
        .select(User::as_select())
        .first(connection)
        .await
        .optional()
}

/// Consumes a token; false if another request consumed it first. Deletes the other links of the user too.
pub async fn consume(connection: &mut AsyncPgConnection, user_id: i64, token_hash: &[u8]) -> QueryResult<bool> {
    let used = password_resets::table.filter(password_resets::token_hash.eq(token_hash));
    let is_first = diesel::delete(used).execute(connection).await? > 0;
    if is_first {
        forget(connection, user_id).await?;
    }
    Ok(is_first)
}

/// Deletes every link of a user.
pub async fn forget(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<()> {
    diesel::delete(password_resets::table.filter(password_resets::user_id.eq(user_id))).execute(connection).await?;
    Ok(())
}
