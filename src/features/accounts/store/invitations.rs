//! SQL of invitations.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::accounts::model::{Invitation, Organisation, Role, User};
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::schema::{invitations, organisations, users};

/// An invitation to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = invitations)]
pub struct NewInvitation<'a> {
    pub organisation_id: i64,
    pub role: Role,
    pub email: &'a str,
    pub token_hash: &'a [u8],
    pub invited_by: i64,
    pub expires_at: DateTime<Utc>,
    pub ins_datetime: DateTime<Utc>,
}

pub async fn add(connection: &mut AsyncPgConnection, invitation: NewInvitation<'_>) -> QueryResult<Invitation> {
    diesel::insert_into(invitations::table).values(invitation).returning(Invitation::as_returning()).get_result(connection).await
}

/// Returns one page of the invitations of an organisation that can still be accepted, newest first, with the inviters' names.
pub async fn open_ones(
    connection: &mut AsyncPgConnection,
    organisation_id: i64,
    now: DateTime<Utc>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<(Invitation, String)>)> {
    let query = || {
        invitations::table
            .inner_join(users::table.on(users::id.eq(invitations::invited_by)))
            .filter(invitations::organisation_id.eq(organisation_id))
            .filter(invitations::accepted_at.is_null().and(invitations::expires_at.gt(now)))
    };
    let rows = query().order(invitations::id.desc()).select((Invitation::as_select(), users::username));
    paginate(connection, page, query().count(), rows).await
}

/// Returns the number of invitations of an organisation that can still be accepted.
pub async fn count_open(connection: &mut AsyncPgConnection, organisation_id: i64, now: DateTime<Utc>) -> QueryResult<i64> {
    invitations::table
        .filter(invitations::organisation_id.eq(organisation_id))
        .filter(invitations::accepted_at.is_null().and(invitations::expires_at.gt(now)))
        .count()
        .get_result(connection)
        .await
}

/// Withdraws an invitation; false if there is none.
pub async fn withdraw(connection: &mut AsyncPgConnection, organisation_id: i64, id: i64) -> QueryResult<bool> {
    let found = invitations::table
        .find(id)
        .filter(invitations::organisation_id.eq(organisation_id).and(invitations::accepted_at.is_null()));
    Ok(diesel::delete(found).execute(connection).await? > 0)
}

/// Returns the invitation of a token while it can be accepted, with the organisation and the inviter.
pub async fn by_token(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<(Invitation, Organisation, User)>> {
    invitations::table
        .inner_join(organisations::table)
        .inner_join(users::table.on(users::id.eq(invitations::invited_by)))
        .filter(invitations::token_hash.eq(token_hash))
        .filter(invitations::accepted_at.is_null().and(invitations::expires_at.gt(now)))
        .select((Invitation::as_select(), Organisation::as_select(), User::as_select()))
        .first(connection)
        .await
        .optional()
}

/// Consumes an invitation; false if another request consumed it first.
pub async fn consume(connection: &mut AsyncPgConnection, id: i64, user_id: i64, now: DateTime<Utc>) -> QueryResult<bool> {
    let open = invitations::table.find(id).filter(invitations::accepted_at.is_null());
    let used = diesel::update(open)
        .set((invitations::accepted_at.eq(now), invitations::accepted_by.eq(user_id)))
        .execute(connection)
        .await?;
    Ok(used > 0)
}
