//! SQL of log-ins and their refresh tokens.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::accounts::model::{LoginSession, User};
use crate::schema::{refresh_tokens, sessions, users};

/// A log-in to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = sessions)]
pub struct NewSession<'a> {
    pub user_id: i64,
    pub generation: i32,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub address: &'a str,
    pub user_agent: &'a str,
}

/// A refresh token as it is stored. One that has been replaced is kept until its successor expires.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = refresh_tokens)]
pub struct RefreshToken {
    pub token_hash: Vec<u8>,
    pub session_id: i64,
    pub expires_at: DateTime<Utc>,
    pub replaced_at: Option<DateTime<Utc>>,
}

pub async fn open(connection: &mut AsyncPgConnection, session: NewSession<'_>) -> QueryResult<i64> {
    diesel::insert_into(sessions::table).values(session).returning(sessions::id).get_result(connection).await
}

/// Returns a session with its user, ended or not.
pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(LoginSession, User)>> {
    sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(id))
        .select((LoginSession::as_select(), User::as_select()))
        .first(connection)
        .await
        .optional()
}

/// Locks a session until the end of the transaction, so that its renewals are serialised.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(LoginSession, User)>> {
    sessions::table.find(id).select(sessions::id).for_update().first::<i64>(connection).await.optional()?;
    find(connection, id).await
}

/// Lists the open sessions of a user, the last used first.
pub async fn of_user(connection: &mut AsyncPgConnection, user: &User, now: DateTime<Utc>) -> QueryResult<Vec<LoginSession>> {
    sessions::table
        .filter(sessions::user_id.eq(user.id).and(sessions::generation.eq(user.token_generation)))
        .filter(sessions::revoked_at.is_null().and(sessions::expires_at.gt(now)))
        .order((sessions::last_used_at.desc(), sessions::id.desc()))
        .select(LoginSession::as_select())
        .load(connection)
        .await
}

/// Ends a session of a user; false if there is none to end.
pub async fn revoke(connection: &mut AsyncPgConnection, user_id: i64, id: i64, now: DateTime<Utc>) -> QueryResult<bool> {
    let mine = sessions::table.find(id).filter(sessions::user_id.eq(user_id).and(sessions::revoked_at.is_null()));
    let ended = diesel::update(mine).set(sessions::revoked_at.eq(now)).execute(connection).await?;
    Ok(ended > 0)
}

pub async fn note_renewal(
    connection: &mut AsyncPgConnection,
    id: i64,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    (address, user_agent): (&str, &str),
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::last_used_at.eq(at),
            sessions::expires_at.eq(expires_at),
            sessions::address.eq(address),
            sessions::user_agent.eq(user_agent),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores a token unless it is stored already.
pub async fn add_token(connection: &mut AsyncPgConnection, token: RefreshToken) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table).values(token).on_conflict_do_nothing().execute(connection).await?;
    Ok(())
}

pub async fn token(connection: &mut AsyncPgConnection, hash: &[u8]) -> QueryResult<Option<RefreshToken>> {
    refresh_tokens::table.find(hash).select(RefreshToken::as_select()).first(connection).await.optional()
}

/// Marks the current tokens of a session as replaced by one that expires at `until`, and deletes those that have expired.
pub async fn replace_tokens(
    connection: &mut AsyncPgConnection,
    session_id: i64,
    at: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let of_session = refresh_tokens::table.filter(refresh_tokens::session_id.eq(session_id));
    diesel::delete(of_session.filter(refresh_tokens::expires_at.lt(at))).execute(connection).await?;
    diesel::update(of_session.filter(refresh_tokens::replaced_at.is_null()))
        .set((refresh_tokens::replaced_at.eq(at), refresh_tokens::expires_at.eq(until)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the sessions of a user that ended long ago; until then they provide the known addresses.
pub async fn prune(connection: &mut AsyncPgConnection, user_id: i64, now: DateTime<Utc>, kept: TimeDelta) -> QueryResult<()> {
    let old = sessions::table.filter(sessions::user_id.eq(user_id).and(sessions::expires_at.lt(now - kept)));
    diesel::delete(old).execute(connection).await?;
    Ok(())
}

/// Returns the addresses from which active users have logged in, at most `most`, those used last first.
pub async fn recent_addresses(connection: &mut AsyncPgConnection, most: i64) -> QueryResult<Vec<String>> {
    sessions::table
        .inner_join(users::table)
        .filter(users::is_active)
        .group_by(sessions::address)
        .order(diesel::dsl::max(sessions::last_used_at).desc())
        .select(sessions::address)
        .limit(most)
        .load(connection)
        .await
}

/// Returns the addresses from which the user of a name has logged in.
pub async fn known_addresses(connection: &mut AsyncPgConnection, username: &str) -> QueryResult<Vec<String>> {
    sessions::table
        .inner_join(users::table)
        .filter(users::username.eq(username))
        .select(sessions::address)
        .distinct()
        .load(connection)
        .await
}
