//! The first user of an install, and the file that keeps a password made up for it until that was changed.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::add_superuser;
use crate::features::accounts::error::AccountError;
use crate::features::accounts::hashing::hashing;
use crate::features::accounts::store;
use crate::platform::config::{random_text, write_private};
use crate::platform::services::Services;

/// What the first user is called.
pub const NAME: &str = "admin";
const FILE: &str = "first-password";
/// In characters of base64, 12.
const RANDOM_BYTES: usize = 9;

/// What came of looking for users.
#[derive(Debug)]
pub enum Made {
    /// There are users already.
    NoUser,
    /// The first user has the configured password.
    WithConfigured,
    /// The first user has this random password, which is kept nowhere yet.
    WithRandom(SecretString),
}

/// Creates `admin` on an install without users, with the configured password or a random one.
pub async fn ensure(services: &Services) -> Result<Made, AccountError> {
    let mut connection = services.db.conn().await?;
    if store::any_user(&mut connection).await? {
        return Ok(Made::NoUser);
    }
    drop(connection);
    let configured = services.settings.default_admin_password.clone().filter(|password| !password.expose_secret().is_empty());
    let (password, made) = match configured {
        Some(password) => (password, Made::WithConfigured),
        None => {
            let password = random_text(RANDOM_BYTES).map_err(|error| AccountError::Hashing(error.to_string()))?;
            (password.clone(), Made::WithRandom(password))
        }
    };
    match add_superuser(services, NAME, "", password.expose_secret().to_owned()).await {
        // Another process was a moment faster: its password is the one that counts.
        Err(AccountError::NameTaken) => Ok(Made::NoUser),
        other => other.map(|_| made),
    }
}

/// Returns where a random password of the first user is kept.
pub fn file(services: &Services) -> PathBuf {
    services.settings.data_dir.join(FILE)
}

/// Writes the password to a file that only its owner may read.
pub fn keep(services: &Services, password: &SecretString) -> std::io::Result<()> {
    write_private(&file(services), format!("{}\n", password.expose_secret()).as_bytes())
}

/// Removes the file.
pub fn forget(services: &Services) {
    let path = file(services);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the file with the first password could not be removed; remove it by hand");
        }
        _ => {}
    }
}

/// Removes the file if the password in it is no longer the first user's: it may have been changed by a process that has another
/// data directory.
pub async fn forget_changed(services: &Services) -> Result<(), AccountError> {
    let Ok(text) = std::fs::read_to_string(file(services)) else { return Ok(()) };
    let mut connection = services.db.conn().await?;
    let user = store::user_by_name(&mut connection, NAME).await?;
    drop(connection);
    let Some(hash) = user.map(|user| user.password_hash) else {
        forget(services);
        return Ok(());
    };
    if hashing().turn().await?.matches(text.trim().to_owned(), hash).await? {
        tracing::warn!(path = %file(services).display(), "the first user still has the password that was made up; change it");
    } else {
        forget(services);
    }
    Ok(())
}
