//! Decisions about keys: how they are made and when they count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use secrecy::{ExposeSecret, SecretString};

use super::model::{ApiKey, scope_of};
use super::store::{self, NewApiKey};
use crate::features::accounts::{KeyGrant, Principal, Scope, active_user, principal_of};
use crate::platform::config::random_text;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Every key begins so; anything else in the header is not one of ours.
pub const PREFIX: &str = "rctm_";
const RANDOM_BYTES: usize = 48;

fn hash_of(key: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref().to_vec()
}

/// Makes a key for a project; the text is shown to its maker once and never stored.
pub async fn create_for(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    user_id: i64,
    name: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
) -> ApiResult<(ApiKey, SecretString)> {
    let random = random_text(RANDOM_BYTES).map_err(|error| ApiError::internal(&error))?;
    let key = SecretString::from(format!("{PREFIX}{}", random.expose_secret()));
    let row = NewApiKey {
        project_id,
        user_id,
        name,
        key_prefix: random.expose_secret().chars().take(8).collect(),
        key_hash: hash_of(key.expose_secret()),
        scopes: scopes.into(),
        expires_at,
    };
    let row = store::insert(connection, row).await.map_err(named_twice)?;
    Ok((row, key))
}

/// The caller behind a key; none when the text is not one of our keys, 401 when it is one that does not count.
pub async fn authenticate(services: &Services, key: &str) -> ApiResult<Option<Principal>> {
    let Some(known) = look_up(services, key).await? else { return Ok(None) };
    let now = services.clock.now();
    if !known.counts_at(now) {
        return Err(ApiError::key_not_valid());
    }
    if let Some(grant) = &known.principal.key {
        store::note_use(&mut *services.db.conn().await?, grant.id, now).await?;
    }
    Ok(Some(known.principal))
}

/// When this process has last noted the use of a key: for callers that are known without asking the database, who would
/// otherwise have to wait for it each time.
#[derive(Debug, Default)]
pub struct NotedUses(Mutex<HashMap<i64, DateTime<Utc>>>);

impl NotedUses {
    /// Notes the use of a key, at most once a minute.
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

/// A key that was not revoked, and whom it stands for.
#[derive(Debug, Clone)]
pub struct KnownKey {
    pub principal: Principal,
    pub expires_at: Option<DateTime<Utc>>,
}

impl KnownKey {
    /// Whether it has not expired.
    pub fn counts_at(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// A key as it stands in the database, whether or not it has expired; none when the text is not one of our keys, 401
/// when nobody has it or it was revoked.
pub async fn look_up(services: &Services, key: &str) -> ApiResult<Option<KnownKey>> {
    if !key.starts_with(PREFIX) {
        return Ok(None);
    }
    let refused = || ApiError::key_not_valid();
    let mut connection = services.db.conn().await?;
    let row = store::by_hash(&mut connection, &hash_of(key)).await?.filter(|row| row.is_active).ok_or_else(refused)?;
    let user = active_user(&mut connection, row.user_id).await?.ok_or_else(refused)?;
    let scopes: Vec<Scope> = row.scope_words().iter().filter_map(|word| scope_of(word)).collect();
    let grant = KeyGrant { id: row.id, prefix: row.key_prefix, project_id: row.project_id, scopes };
    let principal = principal_of(&mut connection, user, Some(grant)).await?;
    Ok(Some(KnownKey { principal, expires_at: row.expires_at }))
}

/// A name that the project already has for a key is the caller's mistake.
pub fn named_twice(error: diesel::result::Error) -> ApiError {
    match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
            ApiError::non_field("This project already has an API key with this name.")
        }
        other => other.into(),
    }
}
