//! Links that set a new password: mailed on request, or issued by staff.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::ExposeSecret;

use super::attempts;
use crate::features::accounts::error::AccountError;
use crate::features::accounts::model::User;
use crate::features::accounts::store::{self, resets};
use crate::features::accounts::tokens;
use crate::platform::config::random_text;
use crate::platform::mail::{self, Letter};
use crate::platform::services::Services;

/// How long a link is valid.
const LIFE: TimeDelta = TimeDelta::hours(1);
/// Links mailed to one user within [`LIFE`], so that a stranger cannot fill the user's mailbox.
const MOST_MAILED: i64 = 3;
const RANDOM_BYTES: usize = 32;

/// Returns a random secret for a link.
pub fn random_token() -> Result<String, AccountError> {
    let random = random_text(RANDOM_BYTES).map_err(|error| AccountError::Hashing(error.to_string()))?;
    Ok(random.expose_secret().to_owned())
}

/// Creates a link for a user. The secret is in the fragment, which browsers send to no server.
pub async fn issue(
    connection: &mut AsyncPgConnection,
    user: &User,
    base: &str,
    now: DateTime<Utc>,
) -> Result<(String, DateTime<Utc>), AccountError> {
    let token = random_token()?;
    let until = now + LIFE;
    resets::add(connection, user.id, &tokens::digest(&token), now, until).await?;
    Ok((format!("{base}/password-reset#uid={}&token={token}", user.id), until))
}

/// Mails a link to every account with this address, in the background: neither the answer nor its duration reveals whether there
/// is one.
pub fn mail_links(services: &Services, email: String) {
    let services = services.clone();
    if !services.settings.sends_mail() {
        return;
    }
    let now = services.clock.now();
    tokio::spawn(async move {
        if let Err(error) = mail_all(&services, &email, now).await {
            tracing::warn!(%error, "links for a new password could not be mailed");
        }
    });
}

async fn mail_all(services: &Services, email: &str, now: DateTime<Utc>) -> Result<(), AccountError> {
    let base = services.settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let mut connection = services.db.unrestricted_conn().await?;
    for user in store::users_by_email(&mut connection, email).await? {
        let Some(url) = issue_to_mail(&mut connection, &user, base, now).await? else { continue };
        let text = format!(
            "A new password was requested for the account \"{}\" at {base}.\n\n\
             Set one within an hour:\n{url}\n\nIf you did not request this, ignore this message. Your password has not changed.\n",
            user.username
        );
        let letter = Letter { to: user.email, subject: "A new password for Recotem".to_owned(), text };
        mail::post(services.settings.clone(), letter);
    }
    Ok(())
}

/// Creates a link to mail; `None` if the user has been mailed the maximum. Concurrent requests for the same user wait here.
async fn issue_to_mail(
    connection: &mut AsyncPgConnection,
    user: &User,
    base: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>, AccountError> {
    connection
        .transaction(async move |connection| {
            resets::lock(connection, user.id).await?;
            if resets::count_since(connection, user.id, now - LIFE).await? >= MOST_MAILED {
                return Ok(None);
            }
            issue(connection, user, base, now).await.map(|(url, _)| Some(url))
        })
        .await
}

/// Returns the user of a link while it is valid.
pub async fn user_of(services: &Services, uid: &str, token: &str) -> Result<Option<User>, AccountError> {
    let mut connection = services.db.unrestricted_conn().await?;
    let user = resets::user_of(&mut connection, &tokens::digest(token), services.clock.now()).await?;
    Ok(user.filter(|user| user.id.to_string() == uid))
}

/// Consumes a link and sets the password; false if another caller consumed it first. Revokes all tokens, links and API keys of
/// the user, and makes `address` a known one.
pub async fn set_password(
    services: &Services,
    user: &User,
    token: &str,
    new: String,
    address: &str,
) -> Result<bool, AccountError> {
    let hash = super::hash(new).await?;
    let (id, digest, now) = (user.id, tokens::digest(token), services.clock.now());
    let mut connection = services.db.unrestricted_conn_for(id).await?;
    connection
        .transaction(async move |connection| {
            if !resets::consume(connection, id, &digest).await? {
                return Ok(false);
            }
            store::set_password(connection, id, &hash).await?;
            store::revoke_keys(connection, id).await?;
            // The bearer of the link may log in now, however often strangers have failed to.
            attempts::proved(connection, &user.username, address, now).await?;
            Ok(true)
        })
        .await
}
