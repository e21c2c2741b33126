//! Rules for changing roles: admins manage roles up to admin, owners all roles, and an owner always remains.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::features::accounts::model::{Membership, Organisation, Role, User};
use crate::features::accounts::store::{self, organisations};
use crate::platform::http::{ApiError, ApiResult};

/// Refuses to grant a role: 403 above the caller's own, 400 for one that a personal organisation cannot have.
pub fn may_grant(mine: Role, role: Role, organisation: &Organisation) -> ApiResult<()> {
    if mine < Role::Admin {
        return Err(too_low(mine, Role::Admin));
    }
    if role == Role::Owner && mine < Role::Owner {
        return Err(too_low(mine, Role::Owner));
    }
    if role == Role::Owner && organisation.is_personal {
        return Err(ApiError::field("role", "A personal organisation has one owner. Create another one to share projects."));
    }
    Ok(())
}

fn too_low(mine: Role, needed: Role) -> ApiError {
    ApiError::forbidden(format!("This requires the role {needed} or higher; yours is {mine}."))
}

/// Changes the role of a member.
pub async fn change(
    connection: &mut AsyncPgConnection,
    organisation: &Organisation,
    mine: Role,
    user_id: i64,
    role: Role,
) -> ApiResult<(Membership, User)> {
    let id = organisation.id;
    connection
        .transaction(async move |connection| {
            let before = held(connection, id, user_id).await?;
            if before != role {
                if before == Role::Owner && mine < Role::Owner {
                    return Err(too_low(mine, Role::Owner));
                }
                may_grant(mine, role, organisation)?;
                keep_an_owner(connection, id, before).await?;
                store::add_member(connection, id, user_id, role).await?;
            }
            organisations::member(connection, id, user_id).await?.ok_or_else(ApiError::not_found)
        })
        .await
}

/// Removes a member. Members may remove themselves (`leaves`), but the last owner stays.
pub async fn remove(connection: &mut AsyncPgConnection, id: i64, mine: Role, user_id: i64, leaves: bool) -> ApiResult<()> {
    connection
        .transaction(async move |connection| {
            let before = held(connection, id, user_id).await?;
            let needed = if before == Role::Owner { Role::Owner } else { Role::Admin };
            if !leaves && mine < needed {
                return Err(too_low(mine, needed));
            }
            keep_an_owner(connection, id, before).await?;
            Ok(organisations::remove_member(connection, id, user_id).await?)
        })
        .await
}

/// Returns a member's role and locks the organisation's memberships until the end of the transaction.
async fn held(connection: &mut AsyncPgConnection, id: i64, user_id: i64) -> ApiResult<Role> {
    organisations::lock(connection, id).await?;
    let found = organisations::member(connection, id, user_id).await?;
    found.map(|(membership, _)| membership.role).ok_or_else(ApiError::not_found)
}

async fn keep_an_owner(connection: &mut AsyncPgConnection, id: i64, before: Role) -> ApiResult<()> {
    if before == Role::Owner && organisations::owners(connection, id).await? <= 1 {
        return Err(ApiError::conflict("This is the last owner. Make another member an owner first."));
    }
    Ok(())
}
