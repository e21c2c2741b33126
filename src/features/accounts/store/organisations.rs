//! SQL of organisations and their members.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::features::accounts::access::{Guarded, Ownership};
use crate::features::accounts::model::{Membership, Organisation, Role, User};
use crate::features::accounts::principal::Principal;
use crate::platform::http::{ApiResult, PageRequest, paginate};
use crate::schema::{memberships, organisations, projects, users};

impl Guarded for Organisation {
    async fn load(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(Self, Ownership)>> {
        let found = organisations::table.find(id).select(Self::as_select()).first(connection).await.optional()?;
        Ok(found.map(|organisation| (organisation, Ownership { organisation_id: id, project_id: None })))
    }
}

/// Returns one page of the organisations that a caller belongs to (all of them for staff), newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Organisation>)> {
    let query = || {
        let mut query = organisations::table.into_boxed();
        if let Some(mine) = principal.visible_organisations() {
            query = query.filter(organisations::id.eq_any(mine));
        }
        query
    };
    let rows = query().order((organisations::ins_datetime.desc(), organisations::id.desc())).select(Organisation::as_select());
    paginate(connection, page, query().count(), rows).await
}

/// How much there is in an organisation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub members: i64,
    pub projects: i64,
    /// Bytes of all its files.
    pub stored_bytes: i64,
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Returns how much there is in each organisation.
pub async fn counts(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<HashMap<i64, Counts>> {
    let members: Vec<(i64, i64)> = memberships::table
        .filter(memberships::organisation_id.eq_any(ids))
        .group_by(memberships::organisation_id)
        .select((memberships::organisation_id, diesel::dsl::count_star()))
        .load(connection)
        .await?;
    let projects: Vec<(i64, i64)> = projects::table
        .filter(projects::organisation_id.eq_any(ids))
        .group_by(projects::organisation_id)
        .select((projects::organisation_id, diesel::dsl::count_star()))
        .load(connection)
        .await?;
    let stored: Vec<Stored> = diesel::sql_query("SELECT id, stored_bytes_of(id, false) AS bytes FROM unnest($1) AS asked (id)")
        .bind::<Array<BigInt>, _>(ids.to_vec())
        .load(connection)
        .await?;
    let mut counts: HashMap<i64, Counts> = HashMap::new();
    for (id, count) in members {
        counts.entry(id).or_default().members = count;
    }
    for (id, count) in projects {
        counts.entry(id).or_default().projects = count;
    }
    for Stored { id, bytes } in stored {
        counts.entry(id).or_default().stored_bytes = bytes;
    }
    Ok(counts)
}

/// Adds an organisation with its first owner; `None` if that user already owns `most`. 0 means no limit. The owner counts as its
/// founder, except for staff, who create organisations for others.
pub async fn create_with_owner(
    connection: &mut AsyncPgConnection,
    name: &str,
    owner: &User,
    most: u32,
    now: DateTime<Utc>,
) -> QueryResult<Option<Organisation>> {
    let (owner, founder) = (owner.id, (!owner.is_staff).then_some(owner.id));
    connection
        .transaction(async move |connection| {
            if most > 0 && lock_and_count_owned(connection, owner).await? >= i64::from(most) {
                return Ok(None);
            }
            let made: Organisation = diesel::insert_into(organisations::table)
                .values((
                    organisations::name.eq(name),
                    organisations::ins_datetime.eq(now),
                    organisations::founder_id.eq(founder),
                ))
                .returning(Organisation::as_returning())
                .get_result(connection)
                .await?;
            super::add_member(connection, made.id, owner, Role::Owner).await?;
            Ok(Some(made))
        })
        .await
}

pub async fn rename(connection: &mut AsyncPgConnection, id: i64, name: &str) -> QueryResult<Organisation> {
    diesel::update(organisations::table.find(id))
        .set(organisations::name.eq(name))
        .returning(Organisation::as_returning())
        .get_result(connection)
        .await
}

/// Deletes an organisation. Fails while it has projects, because of the foreign key.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(organisations::table.find(id)).execute(connection).await?;
    Ok(())
}

/// Lists the id and name of every project of an organisation.
pub async fn projects_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Vec<(i64, String)>> {
    projects::table
        .filter(projects::organisation_id.eq(id))
        .order(projects::id)
        .select((projects::id, projects::name))
        .load(connection)
        .await
}

/// Returns one page of the members of an organisation, the earliest to join first.
pub async fn members(
    connection: &mut AsyncPgConnection,
    organisation_id: i64,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<(Membership, User)>)> {
    let query = || memberships::table.inner_join(users::table).filter(memberships::organisation_id.eq(organisation_id));
    let rows =
        query().order((memberships::ins_datetime, memberships::user_id)).select((Membership::as_select(), User::as_select()));
    paginate(connection, page, query().count(), rows).await
}

pub async fn member(
    connection: &mut AsyncPgConnection,
    organisation_id: i64,
    user_id: i64,
) -> QueryResult<Option<(Membership, User)>> {
    memberships::table
        .inner_join(users::table)
        .filter(memberships::organisation_id.eq(organisation_id).and(memberships::user_id.eq(user_id)))
        .select((Membership::as_select(), User::as_select()))
        .first(connection)
        .await
        .optional()
}

/// Locks an organisation until the end of the transaction, so that changes of its members are serialised.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    organisations::table.find(id).select(organisations::id).for_update().first::<i64>(connection).await.map(drop)
}

/// Returns the number of owners of an organisation.
pub async fn owners(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<i64> {
    memberships::table
        .filter(memberships::organisation_id.eq(id).and(memberships::role.eq(Role::Owner)))
        .count()
        .get_result(connection)
        .await
}

/// Returns the user who created an organisation; `None` where staff did. It stays the same when the owners change.
pub async fn founder_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<i64>> {
    let found =
        organisations::table.find(id).select(organisations::founder_id).first::<Option<i64>>(connection).await.optional()?;
    Ok(found.flatten())
}

/// Returns how many organisations a user owns, without the personal one. Locks the user until the end of the transaction, so that
/// concurrent creations are serialised.
async fn lock_and_count_owned(connection: &mut AsyncPgConnection, user: i64) -> QueryResult<i64> {
    users::table.find(user).select(users::id).for_update().first::<i64>(connection).await?;
    memberships::table
        .inner_join(organisations::table)
        .filter(memberships::user_id.eq(user).and(memberships::role.eq(Role::Owner)))
        .filter(organisations::is_personal.eq(false))
        .count()
        .get_result(connection)
        .await
}

pub async fn remove_member(connection: &mut AsyncPgConnection, organisation_id: i64, user_id: i64) -> QueryResult<()> {
    diesel::delete(memberships::table.find((organisation_id, user_id))).execute(connection).await?;
    Ok(())
}
