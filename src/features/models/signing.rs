//! The keys that sign artifacts, derived from the secrets of the installation.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::error::ModelError;
use crate::ml::artifact::{self, Verification};
use crate::ml::error::MlError;
use crate::platform::services::Services;

/// The purpose of the derived key, so that no other use of the secret yields the same key.
const PURPOSE: &[u8] = b"recotem model artifacts v1";

/// A key derived from a secret, so that neither reveals the other.
struct SigningKey {
    /// Identifies the key in signatures without revealing it.
    id: String,
    bytes: Vec<u8>,
}

impl SigningKey {
    fn derive(secret: &SecretString) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let bytes = hmac::sign(&root, PURPOSE).as_ref().to_vec();
        let print = ring::digest::digest(&ring::digest::SHA256, &bytes);
        Self { id: hex::encode(&print.as_ref()[..4]), bytes }
    }
}

/// The keys of an installation. The present one signs; signatures of earlier ones are accepted while their secrets are
/// configured.
pub struct Keyring {
    present: SigningKey,
    former: Vec<SigningKey>,
}

impl Keyring {
    /// Returns the keys of a running program.
    pub fn of(services: &Services) -> Self {
        Self::new(&services.secret, &services.settings.previous_secret_keys)
    }

    /// Derives the keys from these secrets.
    pub fn new(present: &SecretString, former: &[SecretString]) -> Self {
        Self { present: SigningKey::derive(present), former: former.iter().map(SigningKey::derive).collect() }
    }

    /// Returns a signature by the present key.
    pub fn sign(&self, bytes: &[u8]) -> String {
        artifact::sign(bytes, &self.present.bytes, &self.present.id)
    }

    /// Returns whether a signature names the present key.
    pub fn is_present(&self, signature: &str) -> bool {
        artifact::key_id(signature) == Some(&self.present.id)
    }

    /// Fails unless one of the keys made this signature for these bytes.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<(), ModelError> {
        artifact::verify(bytes, signature, &self.by_id()).map_err(untrusted)
    }

    /// Starts the check of a signature against bytes that arrive in parts.
    pub fn verification(&self, signature: &str) -> Result<Verification, ModelError> {
        Verification::new(signature, &self.by_id()).map_err(untrusted)
    }

    fn by_id(&self) -> Vec<(&str, &[u8])> {
        let keys = std::iter::once(&self.present).chain(&self.former);
        keys.map(|key| (key.id.as_str(), key.bytes.as_slice())).collect()
    }
}

/// Returns the error of a file that does not match its signature.
pub fn untrusted(error: MlError) -> ModelError {
    ModelError::Untrusted(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_signs_while_the_old_one_is_still_believed() {
        let secrets: [SecretString; 3] = ["a".repeat(32).into(), "b".repeat(32).into(), "c".repeat(32).into()];
        let [old, new, foreign] = &secrets;
        let signature = Keyring::new(old, &[]).sign(b"model");
        let both = Keyring::new(new, std::slice::from_ref(old));
        both.verify(b"model", &signature).unwrap();
        assert!(!both.is_present(&signature) && both.is_present(&both.sign(b"model")));
        assert!(both.verify(b"modem", &signature).is_err());
        assert!(Keyring::new(new, &[]).verify(b"model", &signature).is_err());
        assert!(Keyring::new(new, std::slice::from_ref(foreign)).verify(b"model", &signature).is_err());
        Keyring::new(new, &[]).verify(b"model", &both.sign(b"model")).unwrap();
    }
}
