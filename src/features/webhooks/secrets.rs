//! The secrets that sign messages: how they are created and stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use crate::platform::vault::{Place, Vault, VaultError};

/// The prefix of every secret.
pub const PREFIX: &str = "whsec_";
const RANDOM_BYTES: usize = 32;
const SHOWN: usize = 4;

/// The column that a secret is sealed for.
#[derive(Debug, Clone, Copy)]
pub enum Kept {
    Present,
    Previous,
}

/// Returns a new secret: 256 random bits.
pub fn fresh() -> Result<SecretString, VaultError> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::Cryptography)?;
    Ok(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes))))
}

/// Returns the last characters of a secret, by which its owner tells it from others.
pub fn hint_of(secret: &SecretString) -> String {
    let text = secret.expose_secret().trim_end_matches('=');
    let last = text.char_indices().rev().nth(SHOWN - 1).map_or(0, |(start, _)| start);
    format!("…{}", &text[last..])
}

/// Seals a secret for its endpoint.
pub fn seal(vault: &Vault, secret: &SecretString, kept: Kept, endpoint: i64, project: i64) -> Result<Vec<u8>, VaultError> {
    let owner = format!("project {project}");
    vault.seal(secret, Place { column: column_of(kept), row: endpoint, owner: &owner })
}

/// Opens the secret of an endpoint.
pub fn open(vault: &Vault, sealed: &[u8], kept: Kept, endpoint: i64, project: i64) -> Result<SecretString, VaultError> {
    let owner = format!("project {project}");
    vault.open(sealed, Place { column: column_of(kept), row: endpoint, owner: &owner })
}

fn column_of(kept: Kept) -> &'static str {
    match kept {
        Kept::Present => "webhook_endpoints.secret_sealed",
        Kept::Previous => "webhook_endpoints.previous_secret_sealed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_random_and_shown_by_their_end() {
        let (first, second) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(first.expose_secret(), second.expose_secret());
        let bytes = STANDARD.decode(first.expose_secret().strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(bytes.len(), RANDOM_BYTES);
        assert_eq!(hint_of(&SecretString::from("whsec_abcdefgh=")), "…efgh");
        assert_eq!(hint_of(&SecretString::from("abc")), "…abc");
    }
}
