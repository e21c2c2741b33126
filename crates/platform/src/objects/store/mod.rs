//! All stores behind one face.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::outbound::Outbound;

use super::answers::{Get, Listed, ObjectMeta, Reading};
use super::bucket::Bucket;
use super::error::ObjectError;
use super::folder::Folder;
use super::settings::StoreSettings;
use super::web::Web;
use super::writing::Writing;

/// The objects of one store. Cloning is cheap.
#[derive(Clone)]
pub struct Objects {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Bucket(Bucket),
    Web(Web),
    Folder(Folder),
}

impl Objects {
    /// Creates a client of a store, without a connection yet. `released` are the folders that the operator has released.
    pub fn open(
        settings: &StoreSettings,
        secret: Option<&SecretString>,
        outbound: &Outbound,
        released: &[PathBuf],
    ) -> Result<Self, ObjectError> {
        settings.check().map_err(ObjectError::InvalidSettings)?;
        let place = match settings {
            StoreSettings::S3(settings) => Place::Bucket(Bucket::s3(settings, secret, outbound)?),
            StoreSettings::Gcs(settings) => Place::Bucket(Bucket::gcs(settings, secret, outbound)?),
            StoreSettings::Azure(settings) => Place::Bucket(Bucket::azure(settings, secret, outbound)?),
            StoreSettings::Web(settings) => Place::Web(Web::open(settings, secret, outbound)?),
            StoreSettings::Folder(settings) => Place::Folder(Folder::open(settings, released)?),
        };
        Ok(Self { place })
    }

    /// Lists at most `most` objects and prefixes whose keys begin with `prefix`: those of one level, or all below it. A web server
    /// has only its own file.
    pub async fn list(&self, prefix: &str, is_one_level: bool, most: usize) -> Result<Listed, ObjectError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.list(prefix, is_one_level, most).await,
            Place::Web(web) => Ok(Listed { objects: vec![web.head("").await?], ..Listed::default() }),
            Place::Folder(folder) => folder.list(prefix, is_one_level, most).await,
        }
    }

    /// Returns what is known of an object.
    pub async fn head(&self, key: &str) -> Result<ObjectMeta, ObjectError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.head(key).await,
            Place::Web(web) => web.head(key).await,
            Place::Folder(folder) => folder.head(key).await,
        }
    }

    /// Begins to read an object.
    pub async fn get(&self, key: &str, get: Get) -> Result<Reading, ObjectError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.get(key, get).await,
            Place::Web(web) => web.get(key, get).await,
            Place::Folder(folder) => folder.get(key, get).await,
        }
    }

    /// Begins to write an object of a bucket, which appears when it is finished.
    pub fn put(&self, key: &str) -> Result<Writing, ObjectError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.put(key),
            Place::Web(_) => Err(ObjectError::ReadOnly("a web server")),
            Place::Folder(_) => Err(ObjectError::ReadOnly("a folder")),
        }
    }

    /// Removes an object of a bucket, if it is there.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.delete(key).await,
            Place::Web(_) => Err(ObjectError::ReadOnly("a web server")),
            Place::Folder(_) => Err(ObjectError::ReadOnly("a folder")),
        }
    }
}

#[cfg(test)]
mod tests;
