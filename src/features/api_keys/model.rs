//! A key's row. The key itself is never stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::features::accounts::Scope;
use crate::schema::api_keys;

/// An API key without its secret.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    pub id: i64,
    pub project_id: i64,
    pub user_id: i64,
    pub name: String,
    /// The first characters after `rctm_`, to tell keys apart.
    pub key_prefix: String,
    pub scopes: serde_json::Value,
    pub is_active: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

/// The scopes on the wire.
pub const SCOPES: [&str; 3] = ["read", "write", "predict"];

/// The scope a word on the wire stands for; 1.x's UI also said `recommend` and `batch` for `predict`.
pub fn scope_of(word: &str) -> Option<Scope> {
    match word {
        "read" => Some(Scope::Read),
        "write" => Some(Scope::Write),
        "predict" | "recommend" | "batch" => Some(Scope::Predict),
        _ => None,
    }
}

impl ApiKey {
    /// The scopes as words.
    pub fn scope_words(&self) -> Vec<String> {
        self.scopes.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    }
}
