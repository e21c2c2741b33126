//! Serialisation of secrets among settings: their values are never written.

use secrecy::SecretString;
use serde::Serializer;

const HIDDEN: &str = "[hidden]";

/// Writes only whether there is a secret.
pub(super) fn hidden<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some(HIDDEN),
        None => serializer.serialize_none(),
    }
}

/// Writes only the number of secrets.
pub(super) fn all_hidden<S: Serializer>(secrets: &[SecretString], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(|_| HIDDEN))
}
