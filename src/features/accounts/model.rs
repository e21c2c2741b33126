//! Rows of users, their sessions, organisations, members and invitations.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::platform::wire_enum;
use crate::schema::{invitations, memberships, organisations, sessions, users};

/// A person with an account.
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
    /// Tokens of an earlier generation are invalid.
    pub token_generation: i32,
    pub date_joined: DateTime<Utc>,
    pub last_login: Option<DateTime<Utc>>,
}

/// One log-in of a user; every token issued for it names it.
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
    /// Returns whether the session of `user` is still valid at `now`.
    pub fn goes_on(&self, user: &User, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at > now && self.generation == user.token_generation
    }
}

/// A group of users who share projects.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = organisations)]
pub struct Organisation {
    pub id: i64,
    pub name: String,
    /// Created together with a user's account, and used by that user alone until they invite others.
    pub is_personal: bool,
    pub ins_datetime: DateTime<Utc>,
}

/// The role of a user in an organisation.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = memberships)]
pub struct Membership {
    pub role: Role,
    pub ins_datetime: DateTime<Utc>,
}

/// An offer to join an organisation, valid for the holder of its token.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = invitations)]
pub struct Invitation {
    pub id: i64,
    pub organisation_id: i64,
    pub role: Role,
    /// The address it was sent to; may be empty.
    pub email: String,
    pub invited_by: i64,
    pub expires_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

wire_enum! {
    /// What a member may do in an organisation; each role includes the rights of the next one.
    pub enum Role {
        /// Everything, including deletion of the organisation.
        Owner = "owner",
        /// Manage keys and members.
        Admin = "admin",
        /// Change data, jobs and models.
        Editor = "editor",
        /// View everything.
        Viewer = "viewer",
    }
}

impl Ord for Role {
    /// Orders roles by their rights: the role with more rights is greater.
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
