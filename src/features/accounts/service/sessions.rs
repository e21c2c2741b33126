//! Log-ins and their tokens.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::features::accounts::error::AccountError;
use crate::features::accounts::model::{LoginSession, User};
use crate::features::accounts::principal::Principal;
use crate::features::accounts::session_limits::{SessionLimits, SessionUse};
use crate::features::accounts::store::sessions::{self as store, NewSession, RefreshToken};
use crate::features::accounts::tokens::{self, Life, TokenType};
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
            let refresh = Refresh { id: tokens::random_id(), from: now, until };
            hand_out(connection, services, user, id, now, refresh).await
        })
        .await
}

/// The parts of a refresh token besides its user and session.
struct Refresh {
    id: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// Issues both tokens of a session and stores the digest of the refresh token, unless the same one was issued before.
async fn hand_out(
    connection: &mut AsyncPgConnection,
    services: &Services,
    user: User,
    session_id: i64,
    now: DateTime<Utc>,
    refresh: Refresh,
) -> Result<Session, AccountError> {
    let access_until = now + TimeDelta::seconds(services.settings.access_token_lifetime);
    let issue = |kind, id, from, until| tokens::issue(&services.secret, kind, user.id, session_id, Life { id, from, until });
    let access = issue(TokenType::Access, tokens::random_id(), now, access_until)?;
    let expires_at = refresh.until;
    let refresh = issue(TokenType::Refresh, refresh.id, refresh.from, refresh.until)?;
    let stored = RefreshToken { token_hash: tokens::digest(&refresh), session_id, expires_at, replaced_at: None };
    store::add_token(connection, stored).await?;
    Ok(Session { user, access, access_until, refresh })
}

/// Returns new tokens for a refresh token, which they replace. One that was replaced within [`GRACE`] gets the same refresh token
/// as before: however often it is sent, it has one successor. One that was replaced earlier has been stolen, from its sender or
/// by it: the session ends.
pub async fn renew(services: &Services, limits: &SessionLimits, refresh: &str, origin: &Origin) -> Result<Session, AccountError> {
    let now = services.clock.now();
    let claims = tokens::read(&services.secret, refresh, Some(TokenType::Refresh), now)?;
    limits.admit(SessionUse::Renewal, claims.session_id, now)?;
    let hash = tokens::digest(refresh);
    let mut connection = services.db.unrestricted_conn().await?;
    let renewed = connection
        .transaction(async move |connection| {
            let (session, user) = going_on(store::lock(connection, claims.session_id).await?, now)?;
            let token = store::token(connection, &hash).await?.filter(|token| token.session_id == session.id);
            let token = token.ok_or(AccountError::BadToken)?;
            let successor = match token.replaced_at {
                Some(at) if at + GRACE < now => {
                    store::revoke(connection, user.id, session.id, now).await?;
                    return Ok(None);
                }
                Some(at) => Refresh { id: tokens::id_after(&hash), from: at, until: token.expires_at },
                None => {
                    let lifetime = TimeDelta::seconds(services.settings.refresh_token_lifetime);
                    let until = (now + lifetime).min(session.created_at + LONGEST).max(session.expires_at);
                    store::replace_tokens(connection, session.id, now, until).await?;
                    store::note_renewal(connection, session.id, now, until, (&origin.address, &origin.user_agent)).await?;
                    Refresh { id: tokens::id_after(&hash), from: now, until }
                }
            };
            hand_out(connection, services, user, session.id, now, successor).await.map(Some)
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

/// Fails unless the token, of either kind, is valid.
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

/// Returns the caller of an access token. Tokens of a session that has ended are counted: until they expire, their holder could
/// otherwise keep the database busy without a limit.
pub async fn authenticate_token(services: &Services, limits: &SessionLimits, token: &str) -> Result<Principal, AccountError> {
    let now = services.clock.now();
    let claims = tokens::read(&services.secret, token, Some(TokenType::Access), now)?;
    limits.check(SessionUse::Ended, claims.session_id, now)?;
    let found = authenticate_session(services, claims.session_id).await;
    if matches!(found, Err(AccountError::BadToken | AccountError::Inactive)) {
        limits.admit(SessionUse::Ended, claims.session_id, now)?;
    }
    found
}

/// Returns the caller of an access token, and counts it as one use of its session before any query: for callers that are counted
/// nowhere else.
pub async fn authenticate_counted(services: &Services, limits: &SessionLimits, token: &str) -> Result<Principal, AccountError> {
    let now = services.clock.now();
    let claims = tokens::read(&services.secret, token, Some(TokenType::Access), now)?;
    limits.admit(SessionUse::LiveUpdates, claims.session_id, now)?;
    authenticate_session(services, claims.session_id).await
}

/// Returns the id of the user that a valid access token names. Does not check whether its session is still valid.
pub fn user_named_by(services: &Services, token: &str) -> Result<String, AccountError> {
    Ok(tokens::read(&services.secret, token, Some(TokenType::Access), services.clock.now())?.user_id)
}

/// Returns the caller of a session that has not ended, for connections that outlive the token they were opened with.
pub async fn authenticate_session(services: &Services, session: i64) -> Result<Principal, AccountError> {
    let mut connection = services.db.unrestricted_conn().await?;
    let (session, user) = going_on(store::find(&mut connection, session).await?, services.clock.now())?;
    let principal = super::principal_of(&mut connection, user, None).await?;
    Ok(Principal { session_id: Some(session.id), ..principal })
}

/// Ends the sessions of some tokens, valid or not. Logging out never fails for the caller; attempts beyond the limit of a session
/// are skipped, since the first ones have ended it.
pub async fn close(services: &Services, limits: &SessionLimits, sent: impl IntoIterator<Item = String>) {
    let now = services.clock.now();
    let read = |token: String| tokens::read(&services.secret, &token, None, now).ok();
    let named = |claims: tokens::Claims| Some((claims.user_id.parse::<i64>().ok()?, claims.session_id));
    let sessions: BTreeSet<(i64, i64)> = sent.into_iter().filter_map(read).filter_map(named).collect();
    for (user_id, session_id) in sessions {
        if limits.admit(SessionUse::LogOut, session_id, now).is_err() {
            continue;
        }
        let ended = async {
            let mut connection = services.db.unrestricted_conn().await?;
            store::revoke(&mut connection, user_id, session_id, now).await?;
            Ok::<_, AccountError>(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(%error, "a session could not be ended at log-out");
        }
    }
}
