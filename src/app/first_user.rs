//! The first user of an install, and how an operator gets the password that was generated for it.

use std::io::IsTerminal;

use secrecy::ExposeSecret;

use super::boot::BootError;
use crate::features::accounts::first_user;
use crate::platform::services::Services;

/// Creates `admin` on an install without users. A generated password is printed to a terminal; where the output is stored, as in
/// a service's journal, it is written to a file that only its owner may read, and that is removed once the password was changed.
/// Returns whether there is a new user.
pub async fn ensure(services: &Services) -> Result<bool, BootError> {
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
            first_user::keep(services, &password).map_err(|cause| BootError::FirstPassword { path: path.clone(), cause })?;
            let path = path.display();
            println!("The first user is \"admin\" with the password in {path}. Change it after log-in; this deletes the file.");
        }
    }
    Ok(true)
}
