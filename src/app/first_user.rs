//! The first user of an installation, and how an operator gets the password that was generated for it.

use std::io::IsTerminal;
use std::path::PathBuf;

use secrecy::ExposeSecret;

use crate::features::accounts::{AccountError, first_user};
use crate::platform::services::Services;

/// Why there is no first user, or none who can log in.
#[derive(Debug, thiserror::Error)]
pub enum FirstUserError {
    #[error("The first user could not be created: {0}")]
    Account(#[from] AccountError),
    /// The password exists only in the file that could not be written.
    #[error(
        "The password of the first user could not be written to {}: {cause}. Create another superuser with \
         `recotem create-superuser --username NAME`.",
        .path.display()
    )]
    Password { path: PathBuf, cause: std::io::Error },
}

/// Creates `admin` on an installation without users. A generated password is printed to a terminal; where the output is stored,
/// as in a service's journal, it is written to a file that only its owner may read, and that is removed once the password was
/// changed. Returns whether a user was created.
pub async fn ensure(services: &Services) -> Result<bool, FirstUserError> {
    match first_user::ensure(services).await? {
        first_user::Made::NoUser => {
            first_user::forget_changed(services).await?;
            return Ok(false);
        }
        first_user::Made::WithConfigured => {}
        first_user::Made::WithRandom(password) if std::io::stdout().is_terminal() => {
            println!("The first user is \"admin\" with the password: {}", password.expose_secret());
            println!("It is shown only now. Change it after logging in.");
        }
        first_user::Made::WithRandom(password) => {
            let path = first_user::file(services);
            let fault = |cause| FirstUserError::Password { path: path.clone(), cause };
            first_user::keep(services, &password).map_err(fault)?;
            let path = path.display();
            println!("The first user is \"admin\" with the password in {path}. Change it after log-in; this deletes the file.");
        }
    }
    Ok(true)
}
