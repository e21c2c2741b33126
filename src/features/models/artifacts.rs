//! Files of models: written as a whole with a detached signature, and parsed only after the signature was verified.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use super::signing::{Keyring, untrusted};
use super::training::MODEL_ID;
use crate::ml::artifact::{self, Verification};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::memory::Promise;

/// A signed file that is written but not yet stored under its key.
#[derive(Debug)]
pub struct Staged {
    incoming: Incoming,
    pub stored: Stored,
}

/// The key, signature and size of a stored file.
#[derive(Debug, Clone)]
pub struct Stored {
    pub key: String,
    pub signature: String,
    pub size: u64,
}

/// Returns the key of a model's artifact.
fn key_of(id: i64) -> String {
    format!("models/{id}.safetensors")
}

/// Returns the key of the signature of an artifact.
fn signature_key(key: &str) -> String {
    format!("{key}.sig")
}

/// Signs an artifact and writes it, not yet under its key.
pub fn stage(blobs: &Blobs, keys: &Keyring, id: i64, bytes: &[u8]) -> io::Result<Staged> {
    let stored = Stored { key: key_of(id), signature: keys.sign(bytes), size: bytes.len() as u64 };
    let mut incoming = blobs.incoming()?;
    incoming.file.write_all(bytes)?;
    incoming.file.sync_all()?;
    Ok(Staged { incoming, stored })
}

/// Stores a staged artifact and its signature under their keys. Files of an attempt that was cut off are replaced as a whole,
/// never overwritten in place.
pub fn keep(blobs: &Blobs, staged: Staged) -> io::Result<()> {
    blobs.keep(staged.incoming, &staged.stored.key)?;
    keep_signature(blobs, &staged.stored.key, &staged.stored.signature)
}

/// Stores the signature next to an artifact, unless it exists already.
pub fn keep_signature(blobs: &Blobs, key: &str, signature: &str) -> io::Result<()> {
    let place = signature_key(key);
    if blobs.read(&place).is_ok_and(|there| there == signature.as_bytes()) {
        return Ok(());
    }
    blobs.write(&place, signature.as_bytes())
}

/// Removes an artifact and its signature.
pub fn remove(blobs: &Blobs, key: &str) -> io::Result<()> {
    blobs.remove(key)?;
    blobs.remove(&signature_key(key))
}

/// Returns the bytes of a model's artifact after checking its size, its signature and the model id in it. The file is read into
/// memory first: a mapped file could change between the check and the use.
pub fn read(blobs: &Blobs, keys: &Keyring, model: &TrainedModel) -> Result<Vec<u8>, ModelError> {
    let (mut file, size, signature) = sized(blobs, model)?;
    let mut bytes = Vec::new();
    let size = usize::try_from(size).map_err(|_| ModelError::NoMemory)?;
    bytes.try_reserve_exact(size).map_err(|_| ModelError::NoMemory)?;
    file.read_to_end(&mut bytes).map_err(unread)?;
    keys.verify(&bytes, signature)?;
    require_owner(&bytes, model.id)?;
    Ok(bytes)
}

/// The file of a model after the same checks, to be sent.
pub struct VerifiedFile {
    file: File,
    size: u64,
    /// Has seen no bytes yet.
    verification: Verification,
}

impl VerifiedFile {
    /// Returns the file, its size, and a check for each part that is read from it. The check fails at the last part if the bytes
    /// are no longer those that were verified.
    pub fn into_parts(self) -> (File, u64, impl FnMut(&[u8]) -> io::Result<()> + 'static) {
        let Self { file, size, mut verification } = self;
        let mut left = size;
        let check = move |part: &[u8]| {
            verification.update(part);
            left = left.saturating_sub(part.len() as u64);
            if left > 0 {
                return Ok(());
            }
            verification.check().map_err(|error| {
                tracing::error!(%error, "the file of a model changed while it was sent");
                io::Error::new(io::ErrorKind::InvalidData, error.to_string())
            })
        };
        (file, size, check)
    }
}

/// Returns the file of a model's artifact after the same checks, in constant memory.
pub fn open_file(blobs: &Blobs, keys: &Keyring, model: &TrainedModel) -> Result<VerifiedFile, ModelError> {
    let (mut file, size, signature) = sized(blobs, model)?;
    let verification = keys.verification(signature)?;
    let header = verified_header(&mut file, verification.clone())?;
    require_owner(&header, model.id)?;
    file.rewind().map_err(unread)?;
    Ok(VerifiedFile { file, size, verification })
}

/// The largest number of bytes of a header that are kept; those of real files are far smaller.
const LARGEST_HEADER: usize = 16 << 20;

/// Bytes of a file that are read at once.
const PART: usize = 256 << 10;

/// Reads a whole file once, and returns its start with the header if the signature is right.
fn verified_header(file: &mut File, mut verification: Verification) -> Result<Vec<u8>, ModelError> {
    let mut header = Vec::new();
    let mut read_to = |file: &mut File, end: usize| {
        let missing = end.min(LARGEST_HEADER).saturating_sub(header.len());
        file.take(missing as u64).read_to_end(&mut header).map_err(unread)?;
        Ok::<_, ModelError>(header.first_chunk().copied())
    };
    let length = read_to(file, artifact::HEADER_START)?;
    if let Some(end) = length.and_then(artifact::header_end) {
        read_to(file, end)?;
    }
    verification.update(&header);
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part) {
            Ok(0) => break,
            Ok(length) => verification.update(part.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
    verification.check().map_err(untrusted)?;
    Ok(header)
}

/// Opens the file of a model, and returns it with its size and signature if the size is right.
fn sized<'m>(blobs: &Blobs, model: &'m TrainedModel) -> Result<(File, u64, &'m str), ModelError> {
    let (Some(place), Some(signature)) = (&model.storage_key, &model.signature) else {
        return Err(ModelError::without_file(model));
    };
    let file = blobs.open_file(place).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    if let Some(expected) = model.filesize.filter(|expected| expected.unsigned_abs() != size) {
        return Err(ModelError::Untrusted(format!("the file has {size} bytes instead of {expected}")));
    }
    Ok((file, size, signature.as_str()))
}

/// Classifies an error of reading a file.
fn unread(error: io::Error) -> ModelError {
    match error.kind() {
        io::ErrorKind::NotFound => ModelError::Missing,
        io::ErrorKind::OutOfMemory => ModelError::NoMemory,
        // A link, or not a regular file: nothing that this program wrote.
        io::ErrorKind::InvalidData => ModelError::Untrusted(error.to_string()),
        _ => ModelError::Unreadable(error.to_string()),
    }
}

/// Fails if a file was signed for another model. An attacker who can write to both the folder and the database, but does not have
/// the key, could otherwise replace this model by another one and its signature.
fn require_owner(bytes: &[u8], id: i64) -> Result<(), ModelError> {
    let owner = artifact::metadata_entry(bytes, MODEL_ID)?;
    if owner.as_deref() == Some(id.to_string().as_str()) {
        return Ok(());
    }
    Err(ModelError::Untrusted(format!("the file is that of model {}", owner.as_deref().unwrap_or("nobody"))))
}

/// Returns a model ready to recommend and roughly its bytes in memory, which are reserved before the file is read.
pub fn open(blobs: &Blobs, keys: &Keyring, model: &TrainedModel, memory: &Promise) -> Result<(ReadyModel, u64), ModelError> {
    let (loaded, file_bytes) = load(blobs, keys, model, memory)?;
    Ok(prepared(loaded, file_bytes))
}

/// Reads a model and the size of its file.
pub fn load(blobs: &Blobs, keys: &Keyring, model: &TrainedModel, memory: &Promise) -> Result<(ReadyModel, u64), ModelError> {
    // Room for the file's bytes and the model made of them.
    let needed = model.filesize.map_or(0, i64::unsigned_abs).saturating_mul(2);
    memory.raise_to(needed).map_err(|shortage| {
        tracing::error!(model = model.id, %shortage, "a model is not loaded");
        ModelError::NoMemory
    })?;
    let bytes = read(blobs, keys, model)?;
    Ok((ReadyModel::from_bytes(&bytes)?, bytes.len() as u64))
}

/// Computes what the first list needs, and roughly the bytes in memory.
pub fn prepared(model: ReadyModel, file_bytes: u64) -> (ReadyModel, u64) {
    model.prepare();
    // `heap_bytes` does not include dictionaries; the file holds them once, as memory does.
    let held = model.heap_bytes().max(file_bytes);
    (model, held)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::features::models::ModelStatus;
    use crate::ml::context::Context;
    use crate::ml::interactions::InteractionLogBuilder;
    use crate::ml::registry;
    use crate::platform::memory::Memory;
    use serde_json::{Map, Value};

    /// Builds a small artifact of model 1 with the users "007", "Sigur Rós" and "a/b c".
    pub fn sample() -> artifact::TrainedModel {
        fitted(&[("007", "x"), ("007", "y"), ("Sigur Rós", "x"), ("a/b c", "z")])
    }

    /// Builds an artifact of model 1 from these users and items.
    pub fn fitted(interactions: &[(&str, &str)]) -> artifact::TrainedModel {
        let mut builder = InteractionLogBuilder::new(false);
        for (user, item) in interactions {
            builder.push(user, item, None);
        }
        let log = builder.finish();
        let seen = log.to_csr();
        let model = registry::fit("TopPopRecommender", &Map::new(), &seen, &Context::new(0, 1)).unwrap();
        artifact::TrainedModel {
            algorithm: "TopPopRecommender".to_owned(),
            parameters: Map::new(),
            users: log.users,
            items: log.items,
            seen,
            model,
            cold_start: None,
            profiles: None,
            metadata: [(MODEL_ID.to_owned(), "1".to_owned())].into(),
            derived: Default::default(),
        }
    }

    /// Returns the row of a completed model.
    pub fn row(id: i64, stored: &Stored) -> TrainedModel {
        TrainedModel {
            id,
            configuration_id: 1,
            data_id: 1,
            status: ModelStatus::Completed,
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

    /// Returns the store and the keys of an install, the bytes of a model, and the model staged there.
    fn staged_sample() -> (tempfile::TempDir, Blobs, Keyring, Vec<u8>, Staged) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let keys = Keyring::new(&"s".repeat(40).into(), &[]);
        let bytes = sample().to_bytes();
        let staged = stage(&blobs, &keys, 1, &bytes).unwrap();
        (folder, blobs, keys, bytes, staged)
    }

    #[test]
    fn only_what_this_install_signed_is_opened() {
        let (_folder, blobs, keys, bytes, staged) = staged_sample();
        let stored = staged.stored.clone();
        let memory = |bytes| Memory::of_bytes(bytes).promise();
        assert!(matches!(super::open(&blobs, &keys, &row(1, &stored), &memory(1 << 30)), Err(ModelError::Missing)));
        keep(&blobs, staged).unwrap();
        let model = row(1, &stored);
        let open = |blobs: &Blobs, keys: &Keyring, model: &TrainedModel| open(blobs, keys, model, &memory(1 << 30));
        assert!(matches!(super::open(&blobs, &keys, &model, &memory(10)), Err(ModelError::NoMemory)));
        let (ReadyModel::Matrix(opened), _) = open(&blobs, &keys, &model).unwrap() else { panic!("another kind") };
        assert_eq!(opened.recommend_user("007", 10, true).unwrap(), [("z".to_owned(), 1.0)]);

        let other = Keyring::new(&"t".repeat(40).into(), &[]);
        assert!(matches!(open(&blobs, &other, &model), Err(ModelError::Untrusted(_))));
        blobs.write(&stored.key, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(open(&blobs, &keys, &model), Err(ModelError::Untrusted(_))));
        let mut altered = bytes.clone();
        *altered.last_mut().unwrap() ^= 1;
        blobs.write(&stored.key, &altered).unwrap();
        assert!(matches!(open(&blobs, &keys, &model), Err(ModelError::Untrusted(_))));
        // Row and file of another model, both as they were signed.
        blobs.write(&stored.key, &bytes).unwrap();
        assert!(matches!(open(&blobs, &keys, &row(2, &stored)), Err(ModelError::Untrusted(_))));
        remove(&blobs, &stored.key).unwrap();
        assert!(matches!(open(&blobs, &keys, &model), Err(ModelError::Missing)));
    }

    #[test]
    fn only_what_this_install_signed_is_sent_even_if_it_changes_after_the_check() {
        let (_folder, blobs, keys, bytes, staged) = staged_sample();
        let stored = staged.stored.clone();
        keep(&blobs, staged).unwrap();
        let model = row(1, &stored);
        let send = |meanwhile: &dyn Fn()| -> io::Result<Vec<u8>> {
            let (file, size, mut check) = open_file(&blobs, &keys, &model).unwrap().into_parts();
            meanwhile();
            let (mut sent, mut file) = (Vec::new(), file.take(size));
            loop {
                let mut part = Vec::new();
                if (&mut file).take(100).read_to_end(&mut part)? == 0 {
                    return Ok(sent);
                }
                check(&part)?;
                sent.extend(part);
            }
        };
        assert_eq!(send(&|| {}).unwrap(), bytes);
        let flip = || {
            let mut altered = bytes.clone();
            *altered.last_mut().unwrap() ^= 1;
            // In place, as the file store never writes.
            std::fs::write(blobs.path(&stored.key).unwrap(), altered).unwrap();
        };
        assert_eq!(send(&flip).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(matches!(open_file(&blobs, &keys, &model), Err(ModelError::Untrusted(_))));
        for short in [0, 7, 8, 20] {
            blobs.write(&stored.key, &bytes[..short]).unwrap();
            let unsized_row = TrainedModel { filesize: None, ..model.clone() };
            assert!(matches!(open_file(&blobs, &keys, &unsized_row), Err(ModelError::Untrusted(_))), "{short}");
        }
        blobs.write(&stored.key, &bytes).unwrap();
        assert!(matches!(open_file(&blobs, &keys, &row(2, &stored)), Err(ModelError::Untrusted(_))));
    }
}
