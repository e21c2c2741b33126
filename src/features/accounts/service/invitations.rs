//! Invitations: links with which their bearer joins an organisation, once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::members::may_grant;
use super::sessions::Origin;
use crate::features::accounts::error::AccountError;
use crate::features::accounts::known_networks::KnownNetworks;
use crate::features::accounts::model::{Invitation, Organisation, Role, User};
use crate::features::accounts::principal::Principal;
use crate::features::accounts::store::invitations::{self, NewInvitation};
use crate::features::accounts::store::{self, NewUser, organisations};
use crate::features::accounts::{service, tokens};
use crate::platform::config::Rate;
use crate::platform::db::{QueryError, is_reference_broken};
use crate::platform::http::throttle::Throttle;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::mail::{self, Letter};
use crate::platform::services::Services;

/// Invitations of an organisation that can be open at once; concurrent requests may exceed it by their number.
const MOST_OPEN: i64 = 200;
/// Addresses that a user can invite in a day: each is mailed a text with names that the inviter has chosen.
const MAILED: Rate = Rate { requests: 50, window: Duration::from_secs(24 * 60 * 60) };

/// The invitations with an address of each user, counted in the memory of this process.
#[derive(Debug)]
pub struct MailedInvitations(Throttle<i64>);

impl Default for MailedInvitations {
    fn default() -> Self {
        Self(Throttle::new(MAILED))
    }
}

/// What an invitation offers.
pub struct Offer<'a> {
    pub role: Role,
    /// Empty if the inviter passes the link on.
    pub email: &'a str,
    pub expires_at: DateTime<Utc>,
}

/// Creates an invitation and mails it if there is an address and a mail server. Also returns the secret, which is not stored.
pub async fn invite(
    services: &Services,
    mailed: &MailedInvitations,
    by: &Principal,
    organisation: &Organisation,
    offer: Offer<'_>,
) -> ApiResult<(Invitation, String)> {
    let mine = by.role_in(organisation.id).unwrap_or(Role::Viewer);
    may_grant(mine, offer.role, organisation)?;
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    if invitations::count_open(&mut connection, organisation.id, now).await? >= MOST_OPEN {
        return Err(AccountError::TooManyInvitations(MOST_OPEN).into());
    }
    if !offer.email.is_empty() {
        mailed.0.admit(by.user.id, now)?;
    }
    let token = service::resets::random_token()?;
    let invitation = NewInvitation {
        organisation_id: organisation.id,
        role: offer.role,
        email: offer.email,
        token_hash: &tokens::digest(&token),
        invited_by: by.user.id,
        expires_at: offer.expires_at,
        ins_datetime: now,
    };
    let made = invitations::add(&mut connection, invitation).await.map_err(gone)?;
    if !made.email.is_empty() && services.settings.sends_mail() {
        mail::post(services.settings.clone(), letter(services, by, organisation, &made, &token));
    }
    Ok((made, token))
}

/// Turns an error into a 404 if the organisation has been deleted in the meantime.
fn gone(error: QueryError) -> ApiError {
    if is_reference_broken(&error) { ApiError::not_found() } else { error.into() }
}

fn letter(services: &Services, by: &Principal, organisation: &Organisation, made: &Invitation, token: &str) -> Letter {
    let base = services.settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let text = format!(
        "{} invites you to join \"{}\" at {base} as {}.\n\nJoin here until {}:\n{}\n",
        by.user.username,
        organisation.name,
        made.role,
        made.expires_at.format("%Y-%m-%d %H:%M UTC"),
        link(base, token)
    );
    Letter { to: made.email.clone(), subject: "An invitation to Recotem".to_owned(), text }
}

/// Returns the URL that accepts an invitation. The secret is in the fragment, which browsers send to no server.
pub fn link(base: &str, token: &str) -> String {
    format!("{base}/invitation#token={token}")
}

/// Returns the invitation of a token while it can be accepted, which requires that its creator could still issue it.
pub async fn look_up(
    connection: &mut AsyncPgConnection,
    token: &str,
    now: DateTime<Utc>,
) -> ApiResult<(Invitation, Organisation, User)> {
    let found = invitations::by_token(connection, &tokens::digest(token), now).await?;
    let (invitation, organisation, inviter) = found.ok_or_else(no_such_invitation)?;
    let memberships = store::memberships_of(connection, inviter.id).await?;
    let right = if inviter.is_staff { Some(Role::Owner) } else { memberships.get(&organisation.id).copied() };
    let needed = invitation.role.max(Role::Admin);
    if inviter.is_active && right.is_some_and(|role| role >= needed) {
        Ok((invitation, organisation, inviter))
    } else {
        Err(no_such_invitation())
    }
}

fn no_such_invitation() -> ApiError {
    AccountError::NoSuchInvitation.into()
}

/// Adds a user who has an account to the organisation that invited them.
pub async fn join(services: &Services, user: &User, token: &str) -> ApiResult<(Organisation, Role)> {
    let (id, now) = (user.id, services.clock.now());
    let mut connection = services.db.unrestricted_conn_for(id).await?;
    connection
        .transaction(async move |connection| {
            let (invitation, organisation, _) = look_up(connection, token, now).await?;
            let role = take_up(connection, &invitation, id, now).await?;
            Ok((organisation, role))
        })
        .await
}

/// Creates an account for an invited person without one, and adds it to the organisation.
pub async fn join_as_new(
    services: &Services,
    token: &str,
    username: &str,
    email: Option<&str>,
    password: String,
) -> ApiResult<(User, Organisation, Role)> {
    let now = services.clock.now();
    let mut connection = services.db.unrestricted_conn().await?;
    // Callers without a valid invitation learn no taken names and cause no hashing.
    look_up(&mut connection, token, now).await?;
    let id = store::next_user_id(&mut connection).await?;
    drop(connection);
    let hash = service::hash(password).await?;
    let mut connection = services.db.unrestricted_conn_for(id).await?;
    connection
        .transaction(async move |connection| {
            let (invitation, organisation, _) = look_up(connection, token, now).await?;
            let email = email.unwrap_or(&invitation.email);
            let user = NewUser { id: Some(id), username, email, password_hash: &hash, is_superuser: false, is_staff: false };
            let user = service::add_user(connection, user).await?;
            let role = take_up(connection, &invitation, id, now).await?;
            Ok((user, organisation, role))
        })
        .await
}

/// Creates an account without an invitation.
pub async fn sign_up(
    services: &Services,
    networks: &KnownNetworks,
    username: &str,
    email: &str,
    password: String,
    origin: &Origin,
) -> Result<User, AccountError> {
    let turn = service::turn_at(services, networks, origin).await?;
    let id = store::next_user_id(&mut *services.db.unrestricted_conn().await?).await?;
    let hash = turn.hash(password).await?;
    let user = NewUser { id: Some(id), username, email, password_hash: &hash, is_superuser: false, is_staff: false };
    service::add_user(&mut *services.db.unrestricted_conn_for(id).await?, user).await
}

/// Consumes an invitation. A role that the user has already is never lowered.
async fn take_up(
    connection: &mut AsyncPgConnection,
    invitation: &Invitation,
    user_id: i64,
    now: DateTime<Utc>,
) -> ApiResult<Role> {
    // Take the lock that every change of members takes first, so that there is no deadlock.
    organisations::lock(connection, invitation.organisation_id).await?;
    if !invitations::consume(connection, invitation.id, user_id, now).await? {
        return Err(no_such_invitation());
    }
    let offered = invitation.role;
    let held = store::memberships_of(connection, user_id).await?.get(&invitation.organisation_id).copied();
    match held {
        Some(role) if role >= offered => Ok(role),
        _ => {
            store::add_member(connection, invitation.organisation_id, user_id, offered).await?;
            Ok(offered)
        }
    }
}
