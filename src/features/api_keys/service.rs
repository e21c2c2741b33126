//! Decisions about keys: how they are created and when they are valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::{ExposeSecret, SecretString};

use super::error::{ForeignOrigin, TooManyKeys};
use super::model::{ApiKey, stored};
use super::store::{self, Concerned, NewApiKey};
use super::traffic::{AppTraffic, Traffic};
use crate::features::accounts::{KeyGrant, Principal, Scope, principal_of};
use crate::platform::config::random_text;
use crate::platform::db::ReadError;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The prefix of every key; other values of the header are not API keys.
pub const PREFIX: &str = "rctm_";
const RANDOM_BYTES: usize = 48;

/// The SHA-256 hash by which a key is stored and found.
pub type Digest = [u8; 32];

/// Returns the digest of a key; `None` if the text is not an API key.
pub fn digest_of(key: &str) -> Option<Digest> {
    key.starts_with(PREFIX).then(|| hash_of(key))
}

fn hash_of(key: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref());
    digest
}

/// Creates a key for a project. Its text is shown to its creator once and never stored. Fails with 409 if the project already has
/// `most` keys that are not revoked; 0 sets no limit.
pub async fn create_for(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    user_id: i64,
    name: String,
    scopes: &[Scope],
    expires_at: Option<DateTime<Utc>>,
    most: u32,
) -> ApiResult<(ApiKey, SecretString)> {
    let random = random_text(RANDOM_BYTES).map_err(|error| ApiError::internal(&error))?;
    let key = SecretString::from(format!("{PREFIX}{}", random.expose_secret()));
    let row = NewApiKey {
        project_id,
        user_id,
        name,
        key_prefix: random.expose_secret().chars().take(8).collect(),
        key_hash: hash_of(key.expose_secret()).to_vec(),
        scopes: stored(scopes),
        expires_at,
    };
    let row = connection
        .transaction(async move |connection| -> ApiResult<ApiKey> {
            if most > 0 && store::lock_and_count_active(connection, project_id).await? >= i64::from(most) {
                return Err(TooManyKeys { most }.into());
            }
            store::insert(connection, row).await.map_err(named_twice)
        })
        .await?;
    Ok((row, key))
}

/// Returns the caller of a key; `None` if the text is not an API key. Fails with 401 if the key is not valid.
pub async fn authenticate(services: &Services, key: &str) -> ApiResult<Option<Principal>> {
    let Some(digest) = digest_of(key) else { return Ok(None) };
    let now = services.clock.now();
    let known = find(services, &digest).await.map_err(|error| ApiError::from(&error))?;
    let known = known.filter(|known| known.counts_at(now)).ok_or_else(ApiError::key_not_valid)?;
    if let Some(grant) = &known.principal.key {
        store::note_use(&mut *services.db.conn().await?, grant.id, now).await?;
    }
    Ok(Some(known.principal))
}

/// When this process last noted the use of each key. Callers that are recognised without a query would otherwise wait for the
/// database each time.
#[derive(Debug, Default)]
pub struct NotedUses(Mutex<HashMap<i64, DateTime<Utc>>>);

impl NotedUses {
    /// Records the use of a key, at most once a minute.
    pub async fn note(&self, services: &Services, key: i64) -> ApiResult<()> {
        let now = services.clock.now();
        {
            let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(&key).is_some_and(|at| now - *at < TimeDelta::minutes(1)) {
                return Ok(());
            }
            noted.insert(key, now);
        }
        Ok(store::note_use(&mut *services.db.conn().await?, key, now).await?)
    }
}

/// A key that was not revoked, with its caller.
#[derive(Debug, Clone)]
pub struct KnownKey {
    pub principal: Principal,
    pub expires_at: Option<DateTime<Utc>>,
    /// The app that uses the key.
    pub app: Option<AppOfKey>,
    /// Where its requests are counted: for apps, in processes that answer many.
    pub traffic: Option<Arc<AppTraffic>>,
}

/// The app that uses a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppOfKey {
    pub id: i64,
    /// Origins of the web pages that may use the key; empty if that is not checked.
    pub allowed_origins: Vec<String>,
}

impl From<(i64, Vec<String>)> for AppOfKey {
    fn from((id, allowed_origins): (i64, Vec<String>)) -> Self {
        Self { id, allowed_origins }
    }
}

impl KnownKey {
    /// Returns the id of the key.
    pub fn id(&self) -> Option<i64> {
        self.principal.key.as_ref().map(|key| key.id)
    }

    /// Returns the key with its requests counted among the others.
    pub fn counted_in(self, traffic: &Traffic) -> Self {
        Self { traffic: self.app.as_ref().map(|app| traffic.of(app.id)), ..self }
    }

    /// Fails with 403 if the request comes from a web page that may not use the key. Programs other than browsers name no origin.
    pub fn admit_origin(&self, origin: Option<&str>) -> ApiResult<()> {
        let allowed = self.app.as_ref().map_or(&[][..], |app| &app.allowed_origins);
        match origin {
            Some(origin) if !allowed.is_empty() && !allowed.iter().any(|one| one == origin) => {
                Err(ForeignOrigin(origin.to_owned()).into())
            }
            _ => Ok(()),
        }
    }

    /// Returns whether browsers may show answers to pages of an origin.
    pub fn shows_to(&self, origin: &str) -> bool {
        self.app.as_ref().is_some_and(|app| app.allowed_origins.iter().any(|one| one == origin))
    }

    /// Returns whether it has not expired yet.
    pub fn counts_at(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Returns a key as stored, expired or not; `None` if there is none, it was revoked, or its creator is deactivated.
pub async fn find(services: &Services, digest: &Digest) -> Result<Option<KnownKey>, ReadError> {
    let mut connection = services.db.conn().await?;
    let Some((row, user, organisation, app)) = store::by_hash(&mut connection, digest).await? else { return Ok(None) };
    let grant = grant_of(&row, organisation);
    let principal = principal_of(&mut connection, user, Some(grant)).await?;
    Ok(Some(KnownKey { principal, expires_at: row.expires_at, app: app.map(AppOfKey::from), traffic: None }))
}

/// Returns the valid keys with their digests: those that changes concern, or all, but at most `most`.
pub async fn usable(services: &Services, concerned: Option<&Concerned>, most: i64) -> Result<Vec<(Digest, KnownKey)>, ReadError> {
    let mut connection = services.db.conn().await?;
    let mut makers: HashMap<i64, Principal> = HashMap::new();
    let mut usable = Vec::new();
    for (row, hash, user, organisation, app) in store::usable(&mut connection, concerned, most).await? {
        let Ok(digest) = Digest::try_from(hash) else { continue };
        let maker = match makers.get(&user.id) {
            Some(maker) => maker.clone(),
            None => principal_of(&mut connection, user, None).await?,
        };
        makers.entry(maker.user.id).or_insert_with(|| maker.clone());
        let principal = Principal { key: Some(grant_of(&row, organisation)), ..maker };
        let app = app.map(AppOfKey::from);
        usable.push((digest, KnownKey { principal, expires_at: row.expires_at, app, traffic: None }));
    }
    Ok(usable)
}

fn grant_of(row: &ApiKey, organisation_id: i64) -> KeyGrant {
    let (prefix, scopes) = (row.key_prefix.clone(), row.granted());
    let requests_per_minute = row.requests_per_minute.and_then(|most| usize::try_from(most).ok());
    KeyGrant { id: row.id, prefix, project_id: row.project_id, organisation_id, scopes, requests_per_minute }
}

/// Turns a duplicate name of a key within a project into a 400.
pub fn named_twice(error: diesel::result::Error) -> ApiError {
    match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
            ApiError::non_field("An API key with this name already exists for this project.")
        }
        other => other.into(),
    }
}
