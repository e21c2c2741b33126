//! Log-ins and their tokens.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::features::accounts::error::AccountError;
use crate::features::accounts::model::{LoginSession, User};
use crate::features::accounts::principal::Principal;
use crate::features::accounts::store::sessions::{self as store, NewSession, RefreshToken};
use crate::features::accounts::tokens::{self, TokenType};
use crate::platform::services::Services;

/// How long a replaced refresh token remains valid: two tabs may renew at once.
const GRACE: TimeDelta = TimeDelta::seconds(30);
/// The longest a session lasts after the log-in, however often it is renewed.
const LONGEST: TimeDelta = TimeDelta::days(30);
/// How long ended sessions are kept, as a record of where a user has logged in from.
const KEPT: TimeDelta = TimeDelta::days(90);

/// The origin of a request, as recorded with a log-in.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub address: String,
    pub user_agent: String,
}

/// A logged-in user with new tokens.
pub struct Session {
    pub user: User,
    pub access: String,
    pub access_until: DateTime<Utc>,
    pub refresh: String,
}

/// Opens a session for an authenticated user.
pub async fn open(services: &Services, user: User, origin: &Origin) -> Result<Session, AccountError> {
    let now = services.clock.now();
    let mut connection = services.db.unrestricted_conn().await?;
    store::prune(&mut connection, user.id, now, KEPT).await?;
    let session = NewSession {
        user_id: user.id,
        generation: user.token_generation,
        created_at: now,
        last_used_at: now,
        expires_at: now + TimeDelta::seconds(services.settings.refresh_token_lifetime),
        address: &origin.address,
        user_agent: &origin.user_agent,
    };
    connection
        .transaction(async move |connection| {
            let until = session.expires_at;
            let id = store::open(connection, session).await?;
            hand_out(connection, services, user, id, now, until).await
        })
        .await
}

/// Issues both tokens of a session and stores the digest of the refresh token.
async fn hand_out(
    connection: &mut AsyncPgConnection,
    services: &Services,
    user: User,
    session_id: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Session, AccountError> {
    let seconds = services.settings.access_token_lifetime;
    let access = tokens::issue(&services.secret, TokenType::Access, user.id, session_id, seconds, now)?;
    let refresh = tokens::issue(&services.secret, TokenType::Refresh, user.id, session_id, (until - now).num_seconds(), now)?;
    let stored = RefreshToken { token_hash: tokens::digest(&refresh), session_id, expires_at: until, replaced_at: None };
    store::add_token(connection, stored).await?;
    Ok(Session { user, access, access_until: now + TimeDelta::seconds(seconds), refresh })
}

/// Replaces a refresh token by new tokens. A token that was replaced more than [`GRACE`] ago was stolen, either from its sender
/// or by its sender, so the session ends.
pub async fn renew(services: &Services, refresh: &str, origin: &Origin) -> Result<Session, AccountError> {
    let now = services.clock.now();
    let claims = tokens::read(&services.secret, refresh, Some(TokenType::Refresh), now)?;
    let hash = tokens::digest(refresh);
    let mut connection = services.db.unrestricted_conn().await?;
    let renewed = connection
        .transaction(async move |connection| {
            let (session, user) = going_on(store::lock(connection, claims.session_id).await?, now)?;
            let token = store::token(connection, &hash).await?.filter(|token| token.session_id == session.id);
            let token = token.ok_or(AccountError::BadToken)?;
            if token.replaced_at.is_some_and(|at| at + GRACE < now) {
                store::revoke(connection, user.id, session.id, now).await?;
                return Ok(None);
            }
            if token.replaced_at.is_none() {
                store::replace_tokens(connection, session.id, now).await?;
            }
            let lifetime = TimeDelta::seconds(services.settings.refresh_token_lifetime);
            let until = (now + lifetime).min(session.created_at + LONGEST).max(session.expires_at);
            store::note_renewal(connection, session.id, now, until, (&origin.address, &origin.user_agent)).await?;
            hand_out(connection, services, user, session.id, now, until).await.map(Some)
        })
        .await?;
    renewed.ok_or_else(|| {
        tracing::warn!(session = claims.session_id, "a refresh token came back after it was replaced; the session has ended");
        AccountError::BadToken
    })
}

fn going_on(found: Option<(LoginSession, User)>, now: DateTime<Utc>) -> Result<(LoginSession, User), AccountError> {
    let (session, user) = found.ok_or(AccountError::BadToken)?;
    if !user.is_active {
        return Err(AccountError::Inactive);
    }
    if session.goes_on(&user, now) { Ok((session, user)) } else { Err(AccountError::BadToken) }
}

/// Fails unless a token of either kind is valid.
pub async fn verify(services: &Services, token: &str) -> Result<(), AccountError> {
    let now = services.clock.now();
    let claims = tokens::read(&services.secret, token, None, now)?;
    let mut connection = services.db.unrestricted_conn().await?;
    going_on(store::find(&mut connection, claims.session_id).await?, now)?;
    if claims.token_type == TokenType::Access {
        return Ok(());
    }
    let stored = store::token(&mut connection, &tokens::digest(token)).await?.ok_or(AccountError::BadToken)?;
    if stored.replaced_at.is_some_and(|at| at + GRACE < now) { Err(AccountError::BadToken) } else { Ok(()) }
}

/// Returns the caller of an access token.
pub async fn authenticate_token(services: &Services, token: &str) -> Result<Principal, AccountError> {
    let claims = tokens::read(&services.secret, token, Some(TokenType::Access), services.clock.now())?;
    authenticate_session(services, claims.session_id).await
}

/// Returns the caller of a session that has not ended, for connections that outlive the token they were opened with.
pub async fn authenticate_session(services: &Services, session: i64) -> Result<Principal, AccountError> {
    let mut connection = services.db.unrestricted_conn().await?;
    let (session, user) = going_on(store::find(&mut connection, session).await?, services.clock.now())?;
    let principal = super::principal_of(&mut connection, user, None).await?;
    Ok(Principal { session_id: Some(session.id), ..principal })
}

/// Ends the sessions of some tokens, valid or not. Logging out never fails for the caller.
pub async fn close(services: &Services, sent: impl IntoIterator<Item = String>) {
    let now = services.clock.now();
    for token in sent {
        let Ok(claims) = tokens::read(&services.secret, &token, None, now) else { continue };
        let Ok(user_id) = claims.user_id.parse() else { continue };
        let ended = async {
            let mut connection = services.db.unrestricted_conn().await?;
            store::revoke(&mut connection, user_id, claims.session_id, now).await?;
            Ok::<_, AccountError>(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(%error, "a session could not be ended at log-out");
        }
    }
}
