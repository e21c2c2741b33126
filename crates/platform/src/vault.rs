//! Secrets sealed for the database: AES-256-GCM under a key derived from the install's secret.
//! A sealed secret is bound to the place where it is stored. It does not open in another row, column or table, so write access to
//! the database does not let a project use the secret of another.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

/// The purpose of the derived key, so that no other use of the secret yields the same key.
const PURPOSE: &[u8] = b"recotem-vault-v1";

/// The first byte of secrets that this version seals.
const VERSION: u8 = 1;

/// Bytes that identify the key that sealed a secret.
const ID_LEN: usize = 4;

/// Bytes before the encrypted ones.
const HEAD_LEN: usize = 1 + ID_LEN + NONCE_LEN;

/// Why a secret cannot be sealed or opened. Says nothing about the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Sealed with a key that is not configured.
    #[error("The secret was sealed with another secret_key. Add that key to previous_secret_keys, or enter the secret again.")]
    UnknownKey,
    /// Changed, truncated, or stored in another place than it was sealed for.
    #[error("The sealed secret is damaged or was copied from another row. Enter it again.")]
    Damaged,
    /// The system returned no random bytes, or a key could not be created.
    #[error("The system could not encrypt the secret. Try again.")]
    Cryptography,
}

/// The place where a sealed secret is stored.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Table and column, such as `webhook_endpoints.secret_sealed`.
    pub column: &'a str,
    /// The row.
    pub row: i64,
    /// The project or organisation that the row belongs to, such as `project 7`.
    pub owner: &'a str,
}

impl Place<'_> {
    fn as_bytes(&self) -> Vec<u8> {
        format!("{}:{}:{}", self.column, self.row, self.owner).into_bytes()
    }
}

/// Seals and opens secrets.
pub struct Vault {
    present: VaultKey,
    former: Vec<VaultKey>,
}

struct VaultKey {
    id: [u8; ID_LEN],
    key: LessSafeKey,
}

impl VaultKey {
    fn derive(secret: &SecretString) -> Result<Self, VaultError> {
        let root = Salt::new(HKDF_SHA256, b"").extract(secret.expose_secret().as_bytes());
        let derived = root.expand(&[PURPOSE], &AES_256_GCM).map_err(|_| VaultError::Cryptography)?;
        let mut id = [0; ID_LEN];
        let print = root.expand(&[PURPOSE, b" id"], IdLength).map_err(|_| VaultError::Cryptography)?;
        print.fill(&mut id).map_err(|_| VaultError::Cryptography)?;
        Ok(Self { id, key: LessSafeKey::new(UnboundKey::from(derived)) })
    }
}

struct IdLength;

impl ring::hkdf::KeyType for IdLength {
    fn len(&self) -> usize {
        ID_LEN
    }
}

impl Vault {
    /// Creates the vault of an installation: the present secret seals, former ones only open.
    pub fn new(present: &SecretString, former: &[SecretString]) -> Result<Self, VaultError> {
        let former = former.iter().map(VaultKey::derive).collect::<Result<_, _>>()?;
        Ok(Self { present: VaultKey::derive(present)?, former })
    }

    /// Seals a secret for a place. Sealing it twice gives different bytes.
    pub fn seal(&self, secret: &SecretString, place: Place<'_>) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| VaultError::Cryptography)?;
        let mut encrypted = secret.expose_secret().as_bytes().to_vec();
        let bound_to = Aad::from(place.as_bytes());
        let nonce_of_key = Nonce::assume_unique_for_key(nonce);
        self.present
            .key
            .seal_in_place_append_tag(nonce_of_key, bound_to, &mut encrypted)
            .map_err(|_| VaultError::Cryptography)?;
        Ok([&[VERSION], &self.present.id[..], &nonce[..], &encrypted].concat())
    }

    /// Opens a secret that was sealed for a place, by the present key or a former one.
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<SecretString, VaultError> {
        let (head, encrypted) = sealed.split_at_checked(HEAD_LEN).ok_or(VaultError::Damaged)?;
        if head[0] != VERSION {
            return Err(VaultError::Damaged);
        }
        let key = self.key_of(&head[1..=ID_LEN]).ok_or(VaultError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + ID_LEN..]).map_err(|_| VaultError::Damaged)?;
        let mut opened = encrypted.to_vec();
        let plain = key.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut opened).map_err(|_| VaultError::Damaged)?;
        let text = std::str::from_utf8(plain).map_err(|_| VaultError::Damaged)?;
        Ok(SecretString::from(text))
    }

    /// Returns whether the present key sealed it; other secrets must be sealed again while their key is still configured.
    pub fn is_present(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&VERSION) && sealed.get(1..=ID_LEN) == Some(&self.present.id)
    }

    fn key_of(&self, id: &[u8]) -> Option<&VaultKey> {
        std::iter::once(&self.present).chain(&self.former).find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { column: "webhook_endpoints.secret_sealed", row: 7, owner: "project 3" };

    fn vault(present: &str, former: &[&str]) -> Vault {
        let former: Vec<SecretString> = former.iter().map(|secret| SecretString::from(*secret)).collect();
        Vault::new(&SecretString::from(present), &former).unwrap()
    }

    fn opened(vault: &Vault, sealed: &[u8], place: Place<'_>) -> Result<String, VaultError> {
        vault.open(sealed, place).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn a_secret_opens_where_it_was_sealed_and_nowhere_else() {
        let vault = vault("a secret of the install", &[]);
        let sealed = vault.seal(&SecretString::from("pä55word"), PLACE).unwrap();
        assert_eq!(opened(&vault, &sealed, PLACE).as_deref(), Ok("pä55word"));
        for elsewhere in [
            Place { row: 8, ..PLACE },
            Place { owner: "project 4", ..PLACE },
            Place { column: "data_sources.password_sealed", ..PLACE },
        ] {
            assert_eq!(opened(&vault, &sealed, elsewhere), Err(VaultError::Damaged), "{elsewhere:?}");
        }
    }

    #[test]
    fn nothing_of_the_secret_shows_and_no_two_seals_are_alike() {
        let vault = vault("a secret of the install", &[]);
        let seal = || vault.seal(&SecretString::from("visible"), PLACE).unwrap();
        assert_ne!(seal(), seal());
        assert!(!seal().windows(4).any(|part| b"visible".starts_with(part)));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let vault = vault("a secret of the install", &[]);
        let sealed = vault.seal(&SecretString::from("secret"), PLACE).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open(&changed, PLACE).is_err(), "byte {at}");
            assert!(vault.open(&sealed[..at], PLACE).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_former_secret_opens_and_the_present_one_seals() {
        let before = vault("the former secret", &[]);
        let sealed = before.seal(&SecretString::from("kept"), PLACE).unwrap();
        let after = vault("the present secret", &["the former secret"]);
        assert_eq!(opened(&after, &sealed, PLACE).as_deref(), Ok("kept"));
        assert!(before.is_present(&sealed) && !after.is_present(&sealed));
        assert_eq!(opened(&vault("the present secret", &[]), &sealed, PLACE), Err(VaultError::UnknownKey));
    }
}
