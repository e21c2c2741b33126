//! SQL of users and their memberships; other tables of accounts are in files of their own.

pub mod attempts;
mod guarded;
pub mod invitations;
pub mod organisations;
pub mod resets;
pub mod sessions;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::model::{Role, User};
use crate::schema::{api_keys, memberships, organisations as organisations_table, users};

pub(crate) use guarded::load_of_project;

/// The columns of a new user.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser<'a> {
    /// From [`next_user_id`] if the id has to be known beforehand.
    pub id: Option<i64>,
    pub username: &'a str,
    pub email: &'a str,
    pub password_hash: &'a str,
    pub is_superuser: bool,
    pub is_staff: bool,
}

pub async fn user_by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).first(connection).await.optional()
}

/// Returns the user of an id unless the account is deactivated.
pub async fn active_user(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    Ok(user_by_id(connection, id).await?.filter(|user| user.is_active))
}

pub async fn user_by_name(connection: &mut AsyncPgConnection, username: &str) -> QueryResult<Option<User>> {
    users::table.filter(users::username.eq(username)).select(User::as_select()).first(connection).await.optional()
}

pub async fn any_user(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(connection).await
}

/// Lists all users, the latest to join first.
pub async fn all_users(connection: &mut AsyncPgConnection) -> QueryResult<Vec<User>> {
    users::table.order((users::date_joined.desc(), users::id.desc())).select(User::as_select()).load(connection).await
}

/// Lists the active users with an e-mail address, regardless of case.
pub async fn users_by_email(connection: &mut AsyncPgConnection, email: &str) -> QueryResult<Vec<User>> {
    let lower = diesel::dsl::sql::<diesel::sql_types::Bool>("lower(email) = lower(").bind::<diesel::sql_types::Text, _>(email);
    users::table
        .filter(lower.sql(")").and(users::email.ne("")).and(users::is_active))
        .order(users::id)
        .select(User::as_select())
        .load(connection)
        .await
}

/// Reserves an id for a new user: a user who signs up already acts under it while the row is inserted.
pub async fn next_user_id(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("nextval(pg_get_serial_sequence('users', 'id'))"))
        .get_result(connection)
        .await
}

/// Adds a user and their personal organisation.
pub async fn create_user(connection: &mut AsyncPgConnection, user: NewUser<'_>) -> QueryResult<User> {
    connection
        .transaction(async move |connection| {
            let user: User =
                diesel::insert_into(users::table).values(&user).returning(User::as_returning()).get_result(connection).await?;
            let organisation_id: i64 = diesel::insert_into(organisations_table::table)
                .values((
                    organisations_table::name.eq(&user.username),
                    organisations_table::is_personal.eq(true),
                    organisations_table::founder_id.eq(user.id),
                ))
                .returning(organisations_table::id)
                .get_result(connection)
                .await?;
            add_member(connection, organisation_id, user.id, Role::Owner).await?;
            Ok(user)
        })
        .await
}

/// Adds a user to an organisation with a role, or changes the role.
pub async fn add_member(connection: &mut AsyncPgConnection, organisation_id: i64, user_id: i64, role: Role) -> QueryResult<()> {
    diesel::insert_into(memberships::table)
        .values((memberships::organisation_id.eq(organisation_id), memberships::user_id.eq(user_id), memberships::role.eq(role)))
        .on_conflict((memberships::organisation_id, memberships::user_id))
        .do_update()
        .set(memberships::role.eq(role))
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the user's personal organisation.
pub async fn personal_organisation(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<i64> {
    memberships::table
        .inner_join(organisations_table::table)
        .filter(memberships::user_id.eq(user_id).and(memberships::role.eq(Role::Owner)).and(organisations_table::is_personal))
        .order(organisations_table::id)
        .select(organisations_table::id)
        .first(connection)
        .await
}

pub async fn memberships_of(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<HashMap<i64, Role>> {
    let rows: Vec<(i64, Role)> = memberships::table
        .filter(memberships::user_id.eq(user_id))
        .select((memberships::organisation_id, memberships::role))
        .load(connection)
        .await?;
    Ok(rows.into_iter().collect())
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

/// Changes what staff may change of a user. Deactivation ends all sessions and tokens.
pub async fn change_user(
    connection: &mut AsyncPgConnection,
    user: &User,
    email: &str,
    is_staff: bool,
    is_active: bool,
) -> QueryResult<User> {
    let later = i32::from(user.is_active && !is_active);
    diesel::update(users::table.find(user.id))
        .set((
            users::email.eq(email),
            users::is_staff.eq(is_staff),
            users::is_active.eq(is_active),
            users::token_generation.eq(users::token_generation + later),
        ))
        .returning(User::as_returning())
        .get_result(connection)
        .await
}

/// Sets a password and invalidates every token issued before.
pub async fn set_password(connection: &mut AsyncPgConnection, user_id: i64, hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(user_id))
        .set((users::password_hash.eq(hash), users::token_generation.eq(users::token_generation + 1)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes every API key that acts as a user.
pub async fn revoke_keys(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<()> {
    diesel::update(api_keys::table.filter(api_keys::user_id.eq(user_id).and(api_keys::is_active)))
        .set(api_keys::is_active.eq(false))
        .execute(connection)
        .await?;
    Ok(())
}
