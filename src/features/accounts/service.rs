//! Decisions about accounts: who may log in, which tokens count, how the first user comes to be.

use diesel_async::AsyncPgConnection;
use secrecy::{ExposeSecret, SecretString};

use super::error::AccountError;
use super::model::User;
use super::principal::{KeyGrant, Principal};
use super::store::{self, NewUser};
use super::tokens::{self, TokenType};
use super::{passwords, store::create_user};
use crate::platform::config::random_text;
use crate::platform::services::Services;

/// A pair of fresh tokens.
pub struct Session {
    pub user: User,
    pub access: String,
    pub refresh: String,
}

/// A hash nobody's password has: checking it makes an unknown name take as long as a wrong password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$sWmc1gVQ0V0n0hDDWSCbx5AdQ6eLJYDFsXEN1bAfhWc";

/// Checks a name and password and opens a session.
pub async fn log_in(services: &Services, username: &str, password: String) -> Result<Session, AccountError> {
    let mut connection = services.db.conn().await?;
    let user = store::user_by_name(&mut connection, username).await?;
    let hash = user.as_ref().map_or(NOBODY.to_owned(), |user| user.password_hash.clone());
    let right = blocking(move || Ok(passwords::matches(&password, &hash))).await?;
    let user = user.filter(|user| right && user.is_active).ok_or(AccountError::BadCredentials)?;
    let now = services.clock.now();
    store::note_login(&mut connection, user.id, now).await?;
    let issue = |kind, seconds| tokens::issue(&services.secret, kind, user.id, user.token_generation, seconds, now);
    let access = issue(TokenType::Access, services.settings.access_token_lifetime)?;
    let refresh = issue(TokenType::Refresh, services.settings.refresh_token_lifetime)?;
    Ok(Session { user, access, refresh })
}

/// A new access token for a refresh token, with its last second.
pub async fn refresh(services: &Services, refresh: &str) -> Result<(String, chrono::DateTime<chrono::Utc>), AccountError> {
    let user = user_of_token(services, refresh, TokenType::Refresh).await.map_err(|error| match error {
        AccountError::BadToken => AccountError::BadRefreshToken,
        other => other,
    })?;
    let (now, seconds) = (services.clock.now(), services.settings.access_token_lifetime);
    let access = tokens::issue(&services.secret, TokenType::Access, user.id, user.token_generation, seconds, now)?;
    Ok((access, now + chrono::Duration::seconds(seconds)))
}

/// Whether a token of either kind is still good.
pub async fn verify(services: &Services, token: &str) -> Result<(), AccountError> {
    let kind = tokens::read(&services.secret, token, None, services.clock.now())?.token_type;
    user_of_token(services, token, kind).await.map(|_| ())
}

/// The caller behind an access token.
pub async fn authenticate_token(services: &Services, token: &str) -> Result<Principal, AccountError> {
    let user = user_of_token(services, token, TokenType::Access).await?;
    let mut connection = services.db.conn().await?;
    Ok(principal_of(&mut connection, user, None).await?)
}

/// A user with their memberships, as the caller of a request.
pub async fn principal_of(
    connection: &mut AsyncPgConnection,
    user: User,
    key: Option<KeyGrant>,
) -> diesel::QueryResult<Principal> {
    let memberships = store::memberships_of(connection, user.id).await?;
    Ok(Principal { user, memberships, key })
}

async fn user_of_token(services: &Services, token: &str, kind: TokenType) -> Result<User, AccountError> {
    let claims = tokens::read(&services.secret, token, Some(kind), services.clock.now())?;
    let id = claims.user_id.parse().map_err(|_| AccountError::BadToken)?;
    let mut connection = services.db.conn().await?;
    let user = store::user_by_id(&mut connection, id).await?.ok_or(AccountError::BadToken)?;
    if !user.is_active {
        return Err(AccountError::Inactive);
    }
    if user.token_generation != claims.generation {
        return Err(AccountError::BadToken);
    }
    Ok(user)
}

/// Changes a password, given the old one.
pub async fn change_password(services: &Services, user: &User, old: String, new: String) -> Result<bool, AccountError> {
    let faults = passwords::faults(&new, &[&user.username, &user.email, &user.first_name, &user.last_name]);
    if !faults.is_empty() {
        return Err(AccountError::WeakPassword(faults));
    }
    let current = user.password_hash.clone();
    let hash =
        blocking(move || if passwords::matches(&old, &current) { passwords::hash(&new).map(Some) } else { Ok(None) }).await?;
    let Some(hash) = hash else { return Ok(false) };
    let mut connection = services.db.conn().await?;
    store::set_password(&mut connection, user.id, &hash).await?;
    Ok(true)
}

/// Makes a user who may do everything on this install.
pub async fn create_superuser(services: &Services, username: &str, email: &str, password: String) -> Result<User, AccountError> {
    let faults = passwords::faults(&password, &[username, email]);
    if !faults.is_empty() {
        return Err(AccountError::WeakPassword(faults));
    }
    add_superuser(services, username, email, password).await
}

async fn add_superuser(services: &Services, username: &str, email: &str, password: String) -> Result<User, AccountError> {
    let hash = blocking(move || passwords::hash(&password)).await?;
    let mut connection = services.db.conn().await?;
    let user = NewUser { username, email, password_hash: &hash, is_superuser: true, is_staff: true };
    create_user(&mut connection, user).await.map_err(|error| match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => AccountError::NameTaken,
        other => other.into(),
    })
}

/// On an install without users, makes `admin` with the configured password, or with a random one that is returned to be shown once.
pub async fn ensure_first_user(services: &Services) -> Result<Option<SecretString>, AccountError> {
    let mut connection = services.db.conn().await?;
    if store::any_user(&mut connection).await? {
        return Ok(None);
    }
    drop(connection);
    let configured = services.settings.default_admin_password.clone().filter(|password| !password.is_empty());
    let generated = match configured {
        Some(_) => None,
        None => Some(random_text(9).map_err(|error| AccountError::Hashing(error.to_string()))?),
    };
    let password = configured.or_else(|| generated.as_ref().map(|text| text.expose_secret().to_owned())).unwrap_or_default();
    match add_superuser(services, "admin", "", password).await {
        // Another process was a moment faster: its password is the one that counts.
        Err(AccountError::NameTaken) => Ok(None),
        other => other.map(|_| generated),
    }
}

/// Runs a slow computation where it holds up no other request.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, AccountError> + Send + 'static) -> Result<T, AccountError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| AccountError::Hashing(error.to_string()))?
}
