//! SQL of failed attempts to log in.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{min, sum};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::schema::login_attempts;

/// Returns the failures of one name from one address and the time of the last, locked until the end of the transaction.
pub async fn lock(
    connection: &mut AsyncPgConnection,
    name: &[u8],
    address: &str,
    now: DateTime<Utc>,
) -> QueryResult<(i32, DateTime<Utc>)> {
    diesel::insert_into(login_attempts::table)
        .values((login_attempts::name_hash.eq(name), login_attempts::address.eq(address), login_attempts::last_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    login_attempts::table
        .find((name, address))
        .select((login_attempts::failures, login_attempts::last_at))
        .for_update()
        .first(connection)
        .await
}

pub async fn note(
    connection: &mut AsyncPgConnection,
    name: &[u8],
    address: &str,
    failures: i32,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(login_attempts::table.find((name, address)))
        .set((login_attempts::failures.eq(failures), login_attempts::last_at.eq(now)))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn forget(connection: &mut AsyncPgConnection, name: &[u8], address: &str) -> QueryResult<()> {
    diesel::delete(login_attempts::table.find((name, address))).execute(connection).await?;
    Ok(())
}

/// Records that a caller has proved at an address that an account is theirs; valid until `until`.
pub async fn prove(
    connection: &mut AsyncPgConnection,
    name: &[u8],
    address: &str,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let proof = (login_attempts::last_at.eq(now), login_attempts::proven_until.eq(until));
    diesel::insert_into(login_attempts::table)
        .values((login_attempts::name_hash.eq(name), login_attempts::address.eq(address), proof))
        .on_conflict((login_attempts::name_hash, login_attempts::address))
        .do_update()
        .set(proof)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the addresses with a valid proof for a name.
pub async fn proven(connection: &mut AsyncPgConnection, name: &[u8], now: DateTime<Utc>) -> QueryResult<Vec<String>> {
    login_attempts::table
        .filter(login_attempts::name_hash.eq(name).and(login_attempts::proven_until.gt(now)))
        .select(login_attempts::address)
        .load(connection)
        .await
}

pub async fn forget_name(connection: &mut AsyncPgConnection, name: &[u8]) -> QueryResult<()> {
    diesel::delete(login_attempts::table.filter(login_attempts::name_hash.eq(name))).execute(connection).await?;
    Ok(())
}

/// Returns the failures of a name since a time from all addresses but `known`, and when the oldest of these addresses last tried.
pub async fn of_strangers(
    connection: &mut AsyncPgConnection,
    name: &[u8],
    known: &[String],
    since: DateTime<Utc>,
) -> QueryResult<(i64, Option<DateTime<Utc>>)> {
    let (failures, oldest): (Option<i64>, Option<DateTime<Utc>>) = login_attempts::table
        .filter(login_attempts::name_hash.eq(name).and(login_attempts::last_at.gt(since)))
        .filter(login_attempts::address.ne_all(known))
        .select((sum(login_attempts::failures), min(login_attempts::last_at)))
        .first(connection)
        .await?;
    Ok((failures.unwrap_or_default(), oldest))
}

/// Deletes attempts that are too old to matter; proofs are valid no longer than that either.
pub async fn prune(connection: &mut AsyncPgConnection, now: DateTime<Utc>, kept: TimeDelta) -> QueryResult<()> {
    diesel::delete(login_attempts::table.filter(login_attempts::last_at.lt(now - kept))).execute(connection).await?;
    Ok(())
}
