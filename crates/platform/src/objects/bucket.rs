//! S3, Google Cloud Storage and Azure, by the library `object_store`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureCredential, MicrosoftAzureBuilder, split_sas};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig, StaticCredentialProvider};
use secrecy::{ExposeSecret, SecretString};

use crate::outbound::Outbound;

use super::answers::{Get, Listed, ObjectMeta, Reading, plain};
use super::error::ObjectError;
use super::service_account;
use super::settings::{AzureSettings, GcsSettings, S3Settings};
use super::transport::Transport;
use super::writing::Writing;

/// The server of Google, which no key file replaces.
const GOOGLE: &str = "https://storage.googleapis.com";

/// Objects that are asked for at once.
const PAGE: usize = 1_000;

/// What the library can do with each of the three.
trait Store: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Store for T {}

/// A bucket or a container.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn Store>,
    name: String,
}

impl Bucket {
    pub fn s3(settings: &S3Settings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ObjectError> {
        let key = match (&settings.access_key_id, secret) {
            (Some(id), Some(secret)) => Some((id.clone(), secret.expose_secret().trim().to_owned())),
            (None, None) => None,
            (Some(_), None) => return Err(ObjectError::InvalidSecret("enter the secret access key, or no access key at all")),
            (None, Some(_)) => return Err(ObjectError::InvalidSecret("enter the id of the access key beside it")),
        };
        let is_signed = key.is_some();
        let (key_id, secret_key) = key.unwrap_or_default();
        let credential = AwsCredential { key_id, secret_key, token: None };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(!is_in_path(settings))
            .with_credentials(Arc::new(StaticCredentialProvider::new(credential)))
            .with_skip_signature(!is_signed)
            // A part is signed as it is: the connection is encrypted, and its bytes are not read twice.
            .with_unsigned_payload(true)
            .with_retry(retries())
            .with_http_connector(Transport(outbound.clone()));
        if let Some(endpoint) = &settings.endpoint {
            outbound.policy().read_url(endpoint).map_err(|refusal| ObjectError::Outbound(refusal.into()))?;
            builder = builder.with_endpoint(endpoint_of(settings, endpoint));
        }
        let store = builder.build().map_err(|error| ObjectError::of_store(&error, &settings.bucket))?;
        Ok(Self { store: Arc::new(store), name: settings.bucket.clone() })
    }

    pub fn gcs(settings: &GcsSettings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ObjectError> {
        let endpoint = settings.endpoint.as_deref().unwrap_or(GOOGLE);
        outbound.policy().read_url(endpoint).map_err(|refusal| ObjectError::Outbound(refusal.into()))?;
        let builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&settings.bucket)
            .with_base_url(endpoint.trim_end_matches('/'))
            .with_retry(retries())
            .with_http_connector(Transport(outbound.clone()));
        let builder = match secret {
            Some(secret) => builder.with_service_account_key(service_account::reduced(secret.expose_secret())?),
            // Given credentials keep the library from looking for others.
            None => builder
                .with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: String::new() })))
                .with_skip_signature(true),
        };
        let wrong_key = |_| ObjectError::InvalidSecret("the private key in the key file cannot be read");
        let store = builder.build().map_err(wrong_key)?;
        Ok(Self { store: Arc::new(store), name: settings.bucket.clone() })
    }

    pub fn azure(settings: &AzureSettings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ObjectError> {
        let credential = match secret {
            Some(secret) => azure_credential(secret.expose_secret().trim())?,
            None => AzureCredential::BearerToken(String::new()),
        };
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&settings.account)
            .with_container_name(&settings.container)
            .with_credentials(Arc::new(StaticCredentialProvider::new(credential)))
            .with_skip_signature(secret.is_none())
            .with_retry(retries())
            .with_http_connector(Transport(outbound.clone()));
        if let Some(endpoint) = &settings.endpoint {
            outbound.policy().read_url(endpoint).map_err(|refusal| ObjectError::Outbound(refusal.into()))?;
            builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        let store = builder.build().map_err(|error| ObjectError::of_store(&error, &settings.container))?;
        Ok(Self { store: Arc::new(store), name: settings.container.clone() })
    }

    /// Lists at most `most` objects and prefixes whose keys begin with `prefix`; of one level, or all below it.
    pub async fn list(&self, prefix: &str, is_one_level: bool, most: usize) -> Result<Listed, ObjectError> {
        let (mut listed, mut token) = (Listed::default(), None);
        loop {
            let room = most - listed.objects.len() - listed.prefixes.len();
            let options = PaginatedListOptions {
                delimiter: is_one_level.then(|| "/".into()),
                max_keys: Some((room + 1).min(PAGE)),
                page_token: token.take(),
                ..PaginatedListOptions::default()
            };
            let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
            let page = self.store.list_paginated(prefix, options).await;
            let page = page.map_err(|error| ObjectError::of_store(&error, &self.name))?;
            listed.prefixes.extend(page.result.common_prefixes.iter().map(|prefix| format!("{prefix}/")));
            listed.objects.extend(page.result.objects.into_iter().map(meta));
            token = page.page_token;
            if listed.objects.len() + listed.prefixes.len() > most || (token.is_some() && room == 0) {
                listed.is_cut = true;
                listed.prefixes.truncate(most);
                listed.objects.truncate(most - listed.prefixes.len());
                return Ok(listed);
            }
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Returns what is known of an object.
    pub async fn head(&self, key: &str) -> Result<ObjectMeta, ObjectError> {
        let found = self.store.head(&path_of(key)?).await;
        found.map(meta).map_err(|error| ObjectError::of_store(&error, key))
    }

    /// Begins to read an object.
    pub async fn get(&self, key: &str, get: Get) -> Result<Reading, ObjectError> {
        let options =
            GetOptions { range: get.range.map(GetRange::Bounded), if_match: get.if_match.clone(), ..GetOptions::default() };
        let found = self.store.get_opts(&path_of(key)?, options).await;
        let found = found.map_err(|error| ObjectError::of_store(&error, key))?;
        if get.if_match.as_deref().is_some_and(|etag| found.meta.e_tag.as_deref().map(plain) != Some(plain(etag))) {
            return Err(ObjectError::Changed(key.to_owned()));
        }
        let expected = found.range.end - found.range.start;
        let described = meta(found.meta.clone());
        let of = key.to_owned();
        let interrupted = move |error| match ObjectError::of_store(&error, &of) {
            ObjectError::Outbound(_) | ObjectError::Protocol(_) => ObjectError::Interrupted(of.clone()),
            other => other,
        };
        Ok(Reading::new(described, Some(expected), found.into_stream().map_err(interrupted).boxed()))
    }

    /// Begins to write an object, which appears when it is finished.
    pub fn put(&self, key: &str) -> Result<Writing, ObjectError> {
        let store: Arc<dyn ObjectStore> = self.store.clone();
        Ok(Writing::new(store, path_of(key)?, key))
    }

    /// Removes an object, if it is there.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.store.delete(&path_of(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ObjectError::of_store(&error, key)),
        }
    }
}

/// A name with dots does not match the certificate of Amazon's hosts.
fn is_in_path(settings: &S3Settings) -> bool {
    settings.path_style || (settings.endpoint.is_none() && settings.bucket.contains('.'))
}

/// Returns the endpoint as the library wants it: with the bucket in the host, unless it goes into the path.
fn endpoint_of(settings: &S3Settings, endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !settings.path_style => format!("{scheme}://{}.{host}", settings.bucket),
        _ => endpoint.to_owned(),
    }
}

fn azure_credential(secret: &str) -> Result<AzureCredential, ObjectError> {
    let wrong = ObjectError::InvalidSecret("enter an access key, or a shared access signature, which contains sig=");
    if secret.contains("sig=") {
        return split_sas(secret.trim_start_matches('?')).map(AzureCredential::SASToken).map_err(|_| wrong);
    }
    AzureAccessKey::try_new(secret).map(AzureCredential::AccessKey).map_err(|_| wrong)
}

/// A short failure of a store is not noticed; a longer one is the business of the job.
fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 3.0 };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(60) }
}

fn path_of(key: &str) -> Result<Path, ObjectError> {
    Path::parse(key).map_err(|_| ObjectError::InvalidKey(key.to_owned()))
}

fn meta(found: object_store::ObjectMeta) -> ObjectMeta {
    ObjectMeta { key: found.location.to_string(), size: Some(found.size), etag: found.e_tag, modified: Some(found.last_modified) }
}
