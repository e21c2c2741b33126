//! Decisions about accounts: log-in, changes of passwords, creation of users.

pub mod attempts;
pub mod first_user;
pub mod invitations;
pub mod members;
pub mod resets;
pub mod sessions;

use diesel_async::{AsyncConnection, AsyncPgConnection};

pub use self::sessions::{Origin, Session, authenticate_counted, authenticate_session, authenticate_token, user_named_by};
use super::error::AccountError;
use super::hashing::{Source, Turn, hashing};
use super::known_networks::KnownNetworks;
use super::model::User;
use super::passwords;
use super::principal::{KeyGrant, Principal};
use super::store::{self, NewUser, create_user};
use crate::platform::db::is_duplicate;
use crate::platform::services::Services;

/// A hash that matches no password: checking it makes an unknown name take as long as a wrong password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$sWmc1gVQ0V0n0hDDWSCbx5AdQ6eLJYDFsXEN1bAfhWc";

/// Checks a name and password and opens a session.
pub async fn log_in(
    services: &Services,
    networks: &KnownNetworks,
    username: &str,
    password: String,
    origin: &Origin,
) -> Result<Session, AccountError> {
    let turn = turn_at(services, networks, origin).await?;
    let now = services.clock.now();
    let mut connection = services.db.unrestricted_conn().await?;
    attempts::begin(&mut connection, username, &origin.address, now).await?;
    let user = store::user_by_name(&mut connection, username).await?;
    drop(connection);
    let hash = user.as_ref().map_or(NOBODY.to_owned(), |user| user.password_hash.clone());
    let right = turn.matches(password, hash).await?;
    let user = user.filter(|user| right && user.is_active).ok_or(AccountError::BadCredentials)?;
    let mut connection = services.db.unrestricted_conn().await?;
    attempts::succeeded(&mut connection, username, &origin.address).await?;
    store::note_login(&mut connection, user.id, now).await?;
    drop(connection);
    sessions::open(services, user, origin).await
}

/// Waits for the turn of a client without credentials to have a password hashed.
async fn turn_at(services: &Services, networks: &KnownNetworks, origin: &Origin) -> Result<Turn<'static>, AccountError> {
    let is_known = networks.include(services, &origin.address).await;
    hashing().turn(Source::Address { address: &origin.address, is_known }).await
}

/// Returns a user with their memberships as the caller of a request.
pub async fn principal_of(
    connection: &mut AsyncPgConnection,
    user: User,
    key: Option<KeyGrant>,
) -> diesel::QueryResult<Principal> {
    let memberships = store::memberships_of(connection, user.id).await?;
    Ok(Principal { user, memberships, key, session_id: None })
}

/// Returns the faults of a new password of a user.
pub fn password_faults(user: &User, password: &str) -> Vec<String> {
    passwords::faults(password, &[&user.username, &user.email, &user.first_name, &user.last_name])
}

/// Returns whether a password is the user's. Wrong ones count as failed log-ins.
pub async fn is_password_of(services: &Services, user: &User, password: String, origin: &Origin) -> Result<bool, AccountError> {
    let turn = hashing().turn(Source::Trusted).await?;
    let mut connection = services.db.unrestricted_conn().await?;
    attempts::begin(&mut connection, &user.username, &origin.address, services.clock.now()).await?;
    drop(connection);
    let right = turn.matches(password, user.password_hash.clone()).await?;
    if right {
        let mut connection = services.db.unrestricted_conn().await?;
        attempts::succeeded(&mut connection, &user.username, &origin.address).await?;
    }
    Ok(right)
}

/// Sets a new password for a user on behalf of `by`. Revokes the user's tokens, reset links and (unless `keep_keys`) API keys.
pub async fn set_password(services: &Services, by: i64, user: &User, new: String, keep_keys: bool) -> Result<(), AccountError> {
    let hash = hash(new).await?;
    let id = user.id;
    let mut connection = services.db.unrestricted_conn_for(by).await?;
    connection
        .transaction(async move |connection| -> Result<(), AccountError> {
            store::set_password(connection, id, &hash).await?;
            store::resets::forget(connection, id).await?;
            if !keep_keys {
                store::revoke_keys(connection, id).await?;
            }
            Ok(())
        })
        .await?;
    if user.username == first_user::NAME {
        first_user::forget(services);
    }
    Ok(())
}

/// Hashes a new password of an authenticated caller on a thread where it delays no other request.
pub async fn hash(password: String) -> Result<String, AccountError> {
    hashing().turn(Source::Trusted).await?.hash(password).await
}

/// Adds a user. Fails with [`AccountError::NameTaken`] if the name is taken.
pub async fn add_user(connection: &mut AsyncPgConnection, user: NewUser<'_>) -> Result<User, AccountError> {
    create_user(connection, user).await.map_err(name_taken)
}

/// Turns a violation of the unique username into [`AccountError::NameTaken`].
pub fn name_taken(error: diesel::result::Error) -> AccountError {
    if is_duplicate(&error) { AccountError::NameTaken } else { error.into() }
}

/// Creates a user with all rights on this installation.
pub async fn create_superuser(services: &Services, username: &str, email: &str, password: String) -> Result<User, AccountError> {
    let faults = passwords::faults(&password, &[username, email]);
    if !faults.is_empty() {
        return Err(AccountError::WeakPassword(faults));
    }
    add_superuser(services, username, email, password).await
}

async fn add_superuser(services: &Services, username: &str, email: &str, password: String) -> Result<User, AccountError> {
    let hash = hash(password).await?;
    let user = NewUser { id: None, username, email, password_hash: &hash, is_superuser: true, is_staff: true };
    add_user(&mut *services.db.conn().await?, user).await
}

/// Creates an ordinary user without checking the password's strength, or sets this password for an existing one.
pub async fn put_test_user(services: &Services, username: &str, password: String) -> Result<(), AccountError> {
    let hash = hash(password).await?;
    let mut connection = services.db.conn().await?;
    match store::user_by_name(&mut connection, username).await? {
        Some(user) => {
            store::change_user(&mut connection, &user, &user.email, user.is_staff, true).await?;
            store::set_password(&mut connection, user.id, &hash).await?;
        }
        None => {
            let user = NewUser { id: None, username, email: "", password_hash: &hash, is_superuser: false, is_staff: false };
            add_user(&mut connection, user).await?;
        }
    }
    Ok(())
}
