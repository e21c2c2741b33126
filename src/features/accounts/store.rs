//! SQL of users, organisations and memberships.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::model::{Role, User};
use crate::schema::{memberships, organisations, users};

/// What a new user starts with.
#[derive(Debug, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser<'a> {
    pub username: &'a str,
    pub email: &'a str,
    pub password_hash: &'a str,
    pub is_superuser: bool,
    pub is_staff: bool,
}

pub async fn user_by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).first(connection).await.optional()
}

/// The user of an id, if the account is not deactivated.
pub async fn active_user(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    Ok(user_by_id(connection, id).await?.filter(|user| user.is_active))
}

pub async fn user_by_name(connection: &mut AsyncPgConnection, username: &str) -> QueryResult<Option<User>> {
    users::table.filter(users::username.eq(username)).select(User::as_select()).first(connection).await.optional()
}

pub async fn any_user(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(connection).await
}

/// Adds a user together with the organisation that is theirs alone.
pub async fn create_user(connection: &mut AsyncPgConnection, user: NewUser<'_>) -> QueryResult<User> {
    connection
        .transaction(async move |connection| {
            let user: User =
                diesel::insert_into(users::table).values(&user).returning(User::as_returning()).get_result(connection).await?;
            let organisation_id: i64 = diesel::insert_into(organisations::table)
                .values((organisations::name.eq(&user.username), organisations::is_personal.eq(true)))
                .returning(organisations::id)
                .get_result(connection)
                .await?;
            add_member(connection, organisation_id, user.id, Role::Owner).await?;
            Ok(user)
        })
        .await
}

/// Gives a user a role in an organisation, or changes it.
pub async fn add_member(connection: &mut AsyncPgConnection, organisation_id: i64, user_id: i64, role: Role) -> QueryResult<()> {
    diesel::insert_into(memberships::table)
        .values((
            memberships::organisation_id.eq(organisation_id),
            memberships::user_id.eq(user_id),
            memberships::role.eq(role.wire()),
        ))
        .on_conflict((memberships::organisation_id, memberships::user_id))
        .do_update()
        .set(memberships::role.eq(role.wire()))
        .execute(connection)
        .await?;
    Ok(())
}

/// The organisation that is a user's alone.
pub async fn personal_organisation(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<i64> {
    memberships::table
        .inner_join(organisations::table)
        .filter(memberships::user_id.eq(user_id).and(memberships::role.eq("owner")).and(organisations::is_personal))
        .order(organisations::id)
        .select(organisations::id)
        .first(connection)
        .await
}

pub async fn memberships_of(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<HashMap<i64, Role>> {
    let rows: Vec<(i64, String)> = memberships::table
        .filter(memberships::user_id.eq(user_id))
        .select((memberships::organisation_id, memberships::role))
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|(organisation, role)| (organisation, Role::from_wire(&role))).collect())
}

pub async fn note_login(connection: &mut AsyncPgConnection, user_id: i64, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(user_id)).set(users::last_login.eq(at)).execute(connection).await?;
    Ok(())
}

pub async fn rename(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    username: &str,
    first_name: &str,
    last_name: &str,
) -> QueryResult<User> {
    diesel::update(users::table.find(user_id))
        .set((users::username.eq(username), users::first_name.eq(first_name), users::last_name.eq(last_name)))
        .returning(User::as_returning())
        .get_result(connection)
        .await
}

/// Sets a password; every token handed out before stops working.
pub async fn set_password(connection: &mut AsyncPgConnection, user_id: i64, hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(user_id))
        .set((users::password_hash.eq(hash), users::token_generation.eq(users::token_generation + 1)))
        .execute(connection)
        .await?;
    Ok(())
}
