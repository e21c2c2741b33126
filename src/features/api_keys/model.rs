//! A key's row. The key itself is never stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

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
    pub scopes: Value,
    pub is_active: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
}

/// Returns the scope that a word stands for; 1.x's UI also says `recommend` and `batch` for `predict`.
fn scope_of(word: &str) -> Option<Scope> {
    match word {
        "recommend" | "batch" => Some(Scope::Predict),
        _ => word.parse().ok(),
    }
}

/// Returns the scopes that words stand for, each once and in their usual order, or the first word that stands for none.
pub fn scopes_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<Scope>, &'a str> {
    let asked = words.into_iter().map(|word| scope_of(word).ok_or(word)).collect::<Result<Vec<_>, _>>()?;
    Ok(Scope::ALL.iter().copied().filter(|scope| asked.contains(scope)).collect())
}

/// Returns scopes as a row holds them.
pub fn stored(scopes: &[Scope]) -> Value {
    scopes.iter().map(|scope| scope.wire()).collect()
}

impl ApiKey {
    /// What the key may be used for. A word that is no scope allows nothing.
    pub fn granted(&self) -> Vec<Scope> {
        self.scopes.as_array().into_iter().flatten().filter_map(|word| scope_of(word.as_str()?)).collect()
    }
}
