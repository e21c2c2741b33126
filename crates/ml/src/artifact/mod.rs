//! A trained model as one safetensors file with a detached signature.

mod batch;
mod cold_start;
mod derived;
mod explain;
mod hybrid;
mod profile;
mod recommend;

use std::collections::BTreeMap;
use std::io::{self, Write};

use ring::hmac;
use serde_json::{Map, Value};

use crate::algorithms::Recommender;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::ids::Ids;
use crate::registry;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

pub use self::batch::{BATCH_BYTES_PER_THREAD, ListBlock, Subjects, in_blocks};
pub use self::cold_start::{Addition, ColdStart, Described, NewItems, NewRows, item_encoder};
pub use self::derived::Derived;
pub use self::hybrid::{Anchors, Person};
pub use self::profile::{ProfiledUsers, Profiles};
pub use crate::lists::{Reasons, Recommendations, Wanted};

const FORMAT: &str = "recotem-model-v1";
/// Format of models that know features of items or users: programs that do not know these refuse the file.
const FORMAT_WITH_FEATURES: &str = "recotem-model-v2";
/// Prefix of the caller's metadata in the file.
const EXTRA: &str = "meta.";

/// Everything needed to recommend: dictionaries, what users have seen, and the fitted model.
pub struct TrainedModel {
    /// Class name of the algorithm.
    pub algorithm: String,
    /// Its parameters, as they were given.
    pub parameters: Map<String, Value>,
    /// Users of the model.
    pub users: Ids,
    /// Items of the model: those it was trained on, then those it was not.
    pub items: Ids,
    /// Items that each user has interacted with.
    pub seen: Csr,
    /// The fitted model.
    pub model: Box<dyn Recommender>,
    /// What is needed to recommend items that it was not trained on, if their features are known.
    pub cold_start: Option<Box<ColdStart>>,
    /// What is needed to recommend to users by their features.
    pub profiles: Option<Box<Profiles>>,
    /// Entries that the caller keeps with the model, by name.
    pub metadata: BTreeMap<String, String>,
    /// Data derived from the other fields.
    pub derived: Derived,
}

impl std::fmt::Debug for TrainedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainedModel")
            .field("algorithm", &self.algorithm)
            .field("n_users", &self.users.len())
            .field("n_items", &self.items.len())
            .finish_non_exhaustive()
    }
}

impl TrainedModel {
    /// Returns the file as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.container().finish()
    }

    /// Writes the file. Beyond the model it holds only small parts in memory.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.container().write_to(out)
    }

    fn container(&self) -> TensorWriter<'_> {
        let mut out = TensorWriter::default();
        let has_features = self.cold_start.is_some() || self.profiles.is_some();
        out.metadata("format", if has_features { FORMAT_WITH_FEATURES } else { FORMAT });
        out.metadata("algorithm", &self.algorithm);
        out.metadata("parameters", &Value::Object(self.parameters.clone()).to_string());
        for (key, value) in &self.metadata {
            out.metadata(&format!("{EXTRA}{key}"), value);
        }
        out.ids("users", &self.users);
        out.first_ids("items", &self.items, self.n_trained_items());
        out.csr_of_width("seen", &self.seen, self.n_trained_items());
        self.model.save(&mut out);
        if let Some(cold_start) = &self.cold_start {
            cold_start.save(&mut out);
        }
        if let Some(profiles) = &self.profiles {
            profiles.save(&mut out, self.cold_start.as_deref());
        }
        out
    }

    /// Reads a file. For any input bytes it returns a consistent model or an error.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        let input = TensorReader::open(bytes)?;
        let has_features = input.metadata("format")? == FORMAT_WITH_FEATURES;
        if !has_features {
            input.require_metadata("format", FORMAT)?;
        }
        let algorithm = input.metadata("algorithm")?.to_owned();
        let parameters = match serde_json::from_str(input.metadata("parameters")?) {
            Ok(Value::Object(parameters)) => parameters,
            _ => return Err(MlError::BadArtifact("parameters are not a JSON object".into())),
        };
        let extra = |(key, value): (&String, &String)| Some((key.strip_prefix(EXTRA)?.to_owned(), value.clone()));
        let metadata = input.all_metadata().iter().filter_map(extra).collect();
        let (users, items) = (input.ids("users")?, input.ids("items")?);
        let seen = input.csr_shaped("seen", users.len(), items.len())?;
        let model = registry::find_matrix(&algorithm)?.load(&input, users.len(), items.len())?;
        let (mut cold_start, mut profiles) = (None, None);
        if has_features {
            cold_start = ColdStart::load(&input, &*model)?.map(Box::new);
            profiles = Profiles::load(&input, &*model, cold_start.as_deref())?.map(Box::new);
        }
        if has_features && cold_start.is_none() && profiles.is_none() {
            return Err(MlError::BadArtifact(format!("{FORMAT_WITH_FEATURES} without features of items or users")));
        }
        let derived = Derived::default();
        let trained = TrainedModel { algorithm, parameters, users, items, seen, model, cold_start, profiles, metadata, derived };
        // On the calling thread: a server loads models beside its requests.
        trained.extended(&Context::new(0, 1))
    }
}

/// Returns an entry of [`TrainedModel::metadata`] from a file without reading the rest; `None` when there is no such entry.
pub fn metadata_entry(bytes: &[u8], key: &str) -> MlResult<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__", default)]
        metadata: BTreeMap<String, String>,
    }
    let bad = |what: &dyn std::fmt::Display| MlError::BadArtifact(format!("the header cannot be read: {what}"));
    let end = bytes.first_chunk().and_then(|length| header_end(*length));
    let header = end.and_then(|end| bytes.get(HEADER_START..end)).ok_or_else(|| bad(&"it is cut off"))?;
    let mut header: Header = serde_json::from_slice(header).map_err(|error| bad(&error))?;
    Ok(header.metadata.remove(&format!("{EXTRA}{key}")))
}

/// Where the header of a file starts, after its length.
pub const HEADER_START: usize = size_of::<u64>();

/// Returns where the header of a file with these first bytes ends.
pub fn header_end(start: [u8; HEADER_START]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(start)).ok()?.checked_add(HEADER_START)
}

/// Version of the signature's format.
const SIGNATURE_VERSION: &str = "v1";

/// Returns a detached signature, `v1:<key id>:<hex of HMAC-SHA256>`. The key id must not contain a colon.
pub fn sign(bytes: &[u8], key: &[u8], key_id: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes);
    format!("{SIGNATURE_VERSION}:{key_id}:{}", hex::encode(tag))
}

/// Returns the id of the key that a detached signature names; `None` when the signature is malformed.
pub fn key_id(signature: &str) -> Option<&str> {
    signature.strip_prefix(SIGNATURE_VERSION)?.strip_prefix(':')?.split(':').next()
}

/// Checks a detached signature with the key it names; old keys stay in `keys` until their files are gone.
pub fn verify(bytes: &[u8], signature: &str, keys: &[(&str, &[u8])]) -> MlResult<()> {
    let mut verification = Verification::new(signature, keys)?;
    verification.update(bytes);
    verification.check()
}

fn bad_signature(what: &str) -> MlError {
    MlError::BadArtifact(format!("signature {what}"))
}

/// The check of a detached signature against bytes that arrive in parts.
#[derive(Debug, Clone)]
pub struct Verification {
    key: hmac::Key,
    seen: hmac::Context,
    tag: Vec<u8>,
}

impl Verification {
    /// Starts the check of a signature, before any bytes, with the key that it names.
    pub fn new(signature: &str, keys: &[(&str, &[u8])]) -> MlResult<Self> {
        let mut parts = signature.trim_end().splitn(3, ':');
        let (version, key_id, tag) = (parts.next(), parts.next(), parts.next());
        let (Some(SIGNATURE_VERSION), Some(key_id), Some(tag)) = (version, key_id, tag) else {
            return Err(bad_signature("is not of the form v1:<key id>:<tag>"));
        };
        let tag = hex::decode(tag).map_err(|_| bad_signature("is not hexadecimal"))?;
        let key = keys.iter().find(|(id, _)| *id == key_id);
        let key = key.ok_or_else(|| bad_signature("names a key that is not configured"))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.1);
        Ok(Self { seen: hmac::Context::with_key(&key), key, tag })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen.update(bytes);
    }

    /// Fails unless the signature is that of the bytes so far.
    pub fn check(&self) -> MlResult<()> {
        let found = self.seen.clone().sign();
        // Comparing signatures of the two tags takes the same time wherever the tags differ.
        hmac::verify(&self.key, found.as_ref(), hmac::sign(&self.key, &self.tag).as_ref())
            .map_err(|_| bad_signature("does not match: the file was changed or signed with another key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_name_their_key_and_catch_changes() {
        let signature = sign(b"model", b"secret", "k1");
        let keys: &[(&str, &[u8])] = &[("k0", b"old"), ("k1", b"secret")];
        verify(b"model", &signature, keys).unwrap();
        assert!(verify(b"modem", &signature, keys).is_err());
        assert!(verify(b"model", &signature, &keys[..1]).is_err());
        assert!(verify(b"model", "v1:k1:zz", keys).is_err());
        assert!(verify(b"model", "", keys).is_err());
        let mut in_parts = Verification::new(&signature, keys).unwrap();
        in_parts.update(b"mod");
        assert!(in_parts.check().is_err());
        in_parts.update(b"el");
        in_parts.check().unwrap();
        assert_eq!((key_id(&signature), key_id("v2:k1:00"), key_id("")), (Some("k1"), None, None));
    }
}
