//! The first user of an installation, and the file that holds its generated password until that is changed.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::add_superuser;
use crate::features::accounts::error::AccountError;
use crate::features::accounts::hashing::{Source, hashing};
use crate::features::accounts::store;
use crate::platform::config::{random_text, write_private};
use crate::platform::services::Services;

/// The username of the first user.
pub const NAME: &str = "admin";
const FILE: &str = "first-password";
/// Gives 12 characters of base64.
const RANDOM_BYTES: usize = 9;

/// The outcome of [`ensure`].
#[derive(Debug)]
pub enum Made {
    /// There are users already.
    NoUser,
    /// The first user was created with the configured password.
    WithConfigured,
    /// The first user was created with this random password, which is not stored yet.
    WithRandom(SecretString),
}

/// Creates `admin` on an installation without users, with the configured password or a random one.
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
        // Another process created the user first: its password is the valid one.
        Err(AccountError::NameTaken) => Ok(Made::NoUser),
        other => other.map(|_| made),
    }
}

/// Returns the path of the file that holds the first user's random password.
pub fn file(services: &Services) -> PathBuf {
    services.settings.data_dir.join(FILE)
}

/// Writes the password to a file that only the file's owner may read.
pub fn keep(services: &Services, password: &SecretString) -> std::io::Result<()> {
    write_private(&file(services), format!("{}\n", password.expose_secret()).as_bytes())
}

/// Removes the password file.
pub fn forget(services: &Services) {
    let path = file(services);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the file with the first password could not be removed; remove it by hand");
        }
        _ => {}
    }
}

/// Removes the file if its password is no longer the first user's: a process with another data directory may have changed it.
pub async fn forget_changed(services: &Services) -> Result<(), AccountError> {
    let Ok(text) = std::fs::read_to_string(file(services)) else { return Ok(()) };
    let mut connection = services.db.conn().await?;
    let user = store::user_by_name(&mut connection, NAME).await?;
    drop(connection);
    let Some(hash) = user.map(|user| user.password_hash) else {
        forget(services);
        return Ok(());
    };
    if hashing().turn(Source::Trusted).await?.matches(text.trim().to_owned(), hash).await? {
        tracing::warn!(path = %file(services).display(), "the first user still has the password that was made up; change it");
    } else {
        forget(services);
    }
    Ok(())
}
