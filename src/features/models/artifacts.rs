//! Files of models: written whole with a detached signature, and never parsed before that signature holds.

use std::io::{self, Write};

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use crate::ml::artifact;
use crate::platform::blobs::{Blobs, Incoming};

/// Says what the derived key is for, so that no other use of the secret yields the same key.
const PURPOSE: &[u8] = b"recotem model artifacts v1";

/// The key that signs artifacts: derived from the install's secret, so that neither gives away the other.
pub struct SigningKey {
    /// Tells keys apart in signatures; says nothing about the key.
    pub id: String,
    bytes: Vec<u8>,
}

impl SigningKey {
    /// The key of an install.
    pub fn derive(secret: &SecretString) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let bytes = hmac::sign(&root, PURPOSE).as_ref().to_vec();
        let print = ring::digest::digest(&ring::digest::SHA256, &bytes);
        Self { id: hex::encode(&print.as_ref()[..4]), bytes }
    }

    fn sign(&self, bytes: &[u8]) -> String {
        artifact::sign(bytes, &self.bytes, &self.id)
    }

    fn verify(&self, bytes: &[u8], signature: &str) -> Result<(), ModelError> {
        artifact::verify(bytes, signature, &[(&self.id, &self.bytes)]).map_err(|error| ModelError::Untrusted(error.to_string()))
    }
}

/// A signed file that waits for its place.
#[derive(Debug)]
pub struct Staged {
    incoming: Incoming,
    pub stored: Stored,
}

/// What there is to know of a stored file.
#[derive(Debug, Clone)]
pub struct Stored {
    pub key: String,
    pub signature: String,
    pub size: u64,
}

/// Where the artifact of a model lies.
fn key_of(id: i64) -> String {
    format!("models/{id}.safetensors")
}

/// Where the signature beside an artifact lies.
fn signature_key(key: &str) -> String {
    format!("{key}.sig")
}

/// Signs an artifact and writes it out, not yet under its key.
pub fn stage(blobs: &Blobs, key: &SigningKey, id: i64, bytes: &[u8]) -> io::Result<Staged> {
    let stored = Stored { key: key_of(id), signature: key.sign(bytes), size: bytes.len() as u64 };
    let mut incoming = blobs.incoming()?;
    incoming.file.write_all(bytes)?;
    incoming.file.sync_all()?;
    Ok(Staged { incoming, stored })
}

/// Gives a staged artifact and its signature their keys. What an attempt that was cut off left there is replaced as
/// a whole, never written into.
pub fn keep(blobs: &Blobs, staged: Staged) -> io::Result<()> {
    blobs.keep(staged.incoming, &staged.stored.key)?;
    blobs.write(&signature_key(&staged.stored.key), staged.stored.signature.as_bytes())
}

/// Removes an artifact with its signature.
pub fn remove(blobs: &Blobs, key: &str) -> io::Result<()> {
    blobs.remove(key)?;
    blobs.remove(&signature_key(key))
}

/// The bytes of a model's artifact, once its size and signature hold. It is read into memory first:
/// a mapped file could change between the check and the use.
fn read(blobs: &Blobs, key: &SigningKey, model: &TrainedModel) -> Result<Vec<u8>, ModelError> {
    let (Some(place), Some(signature)) = (&model.storage_key, &model.signature) else {
        return Err(ModelError::without_file(model));
    };
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ModelError::Missing,
        _ => ModelError::Unreadable(error.to_string()),
    };
    let size = std::fs::metadata(blobs.path(place).map_err(missing)?).map_err(missing)?.len();
    if model.filesize.is_some_and(|expected| expected.unsigned_abs() != size) {
        return Err(ModelError::Untrusted(format!("the file has {size} bytes instead of {:?}", model.filesize)));
    }
    let bytes = blobs.read(place).map_err(missing)?;
    key.verify(&bytes, signature)?;
    Ok(bytes)
}

/// A model ready to recommend, with roughly the bytes it holds in memory.
pub fn open(blobs: &Blobs, key: &SigningKey, model: &TrainedModel) -> Result<(ReadyModel, u64), ModelError> {
    let bytes = read(blobs, key, model)?;
    let ready = ReadyModel::from_bytes(&bytes)?;
    // Dictionaries are not counted in the first; the file holds them once, as memory does.
    let held = ready.heap_bytes().max(bytes.len() as u64);
    Ok((ready, held))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::ml::algorithms;
    use crate::ml::context::Context;
    use crate::ml::interactions::InteractionLogBuilder;
    use serde_json::{Map, Value};

    /// A small artifact: "Sigur Rós" and "a/b c" know a few items.
    pub fn sample() -> artifact::TrainedModel {
        let mut builder = InteractionLogBuilder::new(false);
        for (user, item) in [("007", "x"), ("007", "y"), ("Sigur Rós", "x"), ("a/b c", "z")] {
            builder.push(user, item, None);
        }
        let log = builder.finish();
        let seen = log.to_csr();
        let model = algorithms::fit("TopPopRecommender", &Map::new(), &seen, &Context::new(0, 1)).unwrap();
        artifact::TrainedModel {
            algorithm: "TopPopRecommender".to_owned(),
            parameters: Map::new(),
            users: log.users,
            items: log.items,
            seen,
            model,
            metadata: Default::default(),
            derived: Default::default(),
        }
    }

    /// The row of a completed model.
    pub fn row(id: i64, stored: &Stored) -> TrainedModel {
        TrainedModel {
            id,
            configuration_id: 1,
            data_id: 1,
            status: "COMPLETED".to_owned(),
            error: None,
            storage_key: Some(stored.key.clone()),
            signature: Some(stored.signature.clone()),
            filesize: Some(stored.size as i64),
            engine_version: None,
            lineage: Value::Null,
            n_users: None,
            n_items: None,
            started_at: None,
            finished_at: None,
            ins_datetime: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_what_this_install_signed_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let key = SigningKey::derive(&"s".repeat(40).into());
        let bytes = sample().to_bytes();
        let staged = stage(&blobs, &key, 1, &bytes).unwrap();
        let stored = staged.stored.clone();
        assert!(matches!(open(&blobs, &key, &row(1, &stored)), Err(ModelError::Missing)));
        keep(&blobs, staged).unwrap();
        let model = row(1, &stored);
        let (ReadyModel::Matrix(opened), _) = open(&blobs, &key, &model).unwrap() else { panic!("another kind") };
        assert_eq!(opened.recommend_user("007", 10, true).unwrap(), [("z".to_owned(), 1.0)]);

        let other = SigningKey::derive(&"t".repeat(40).into());
        assert!(matches!(open(&blobs, &other, &model), Err(ModelError::Untrusted(_))));
        blobs.write(&stored.key, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(open(&blobs, &key, &model), Err(ModelError::Untrusted(_))));
        let mut altered = bytes.clone();
        *altered.last_mut().unwrap() ^= 1;
        blobs.write(&stored.key, &altered).unwrap();
        assert!(matches!(open(&blobs, &key, &model), Err(ModelError::Untrusted(_))));
        remove(&blobs, &stored.key).unwrap();
        assert!(matches!(open(&blobs, &key, &model), Err(ModelError::Missing)));
    }
}
