//! The secrets of connections, sealed for the database.

use secrecy::SecretString;

use crate::platform::vault::{Place, Vault, VaultError};

const COLUMN: &str = "data_connections.secret_sealed";

/// Seals the secret of a connection of an organisation.
pub fn seal(vault: &Vault, secret: &SecretString, connection: i64, organisation: i64) -> Result<Vec<u8>, VaultError> {
    let owner = format!("organisation {organisation}");
    vault.seal(secret, Place { column: COLUMN, row: connection, owner: &owner })
}

/// Opens the secret of a connection of an organisation.
pub fn open(vault: &Vault, sealed: &[u8], connection: i64, organisation: i64) -> Result<SecretString, VaultError> {
    let owner = format!("organisation {organisation}");
    vault.open(sealed, Place { column: COLUMN, row: connection, owner: &owner })
}
