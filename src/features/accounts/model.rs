//! Rows of users, their sessions, organisations, members and invitations.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::platform::wire_enum;
use crate::schema::{invitations, memberships, organisations, sessions, users};

/// Somebody who can log in.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub password_hash: String,
    pub is_superuser: bool,
    pub is_staff: bool,
    pub is_active: bool,
    /// Tokens of an earlier generation no longer count.
    pub token_generation: i32,
    pub date_joined: DateTime<Utc>,
    pub last_login: Option<DateTime<Utc>>,
}

/// One log-in of somebody; every token handed out for it names it.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = sessions)]
pub struct LoginSession {
    pub id: i64,
    pub user_id: i64,
    pub generation: i32,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub address: String,
    pub user_agent: String,
}

impl LoginSession {
    /// Whether the session of `user` goes on at `now`.
    pub fn goes_on(&self, user: &User, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at > now && self.generation == user.token_generation
    }
}

/// People who share projects.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = organisations)]
pub struct Organisation {
    pub id: i64,
    pub name: String,
    /// Made with an account, for that person alone until they invite others.
    pub is_personal: bool,
    pub ins_datetime: DateTime<Utc>,
}

/// Somebody's part in an organisation.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = memberships)]
pub struct Membership {
    pub role: Role,
    pub ins_datetime: DateTime<Utc>,
}

/// An offer to join an organisation, good for whoever holds the token.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = invitations)]
pub struct Invitation {
    pub id: i64,
    pub organisation_id: i64,
    pub role: Role,
    /// Where it was sent; may be empty.
    pub email: String,
    pub invited_by: i64,
    pub expires_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

wire_enum! {
    /// What a member may do in an organisation; each role may do all that the next one may.
    pub enum Role {
        /// Everything, deletion of the organisation included.
        Owner = "owner",
        /// Manage keys and members.
        Admin = "admin",
        /// Change data, jobs and models.
        Editor = "editor",
        /// Look at everything.
        Viewer = "viewer",
    }
}

impl Ord for Role {
    /// The role that may do more is the greater one.
    fn cmp(&self, other: &Self) -> Ordering {
        (*other as u8).cmp(&(*self as u8))
    }
}

impl PartialOrd for Role {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn a_role_that_may_do_more_is_greater() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Editor && Role::Editor > Role::Viewer);
    }
}
