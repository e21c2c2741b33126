//! Rows of API keys. The key itself is never stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::features::accounts::Scope;
use crate::platform::http::body::{FieldReader, Kept, Kind, Missing, Moment, Nullable, Text, Texts};
use crate::platform::http::timestamp;
use crate::platform::request_fields;
use crate::platform::words::Word;
use crate::schema::api_keys;

const LONGEST_NAME: usize = 256;

request_fields! {
    /// The fields of a key.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = ApiKeyFields)]
    pub struct KeyFields {
        pub name: String => Text(LONGEST_NAME),
        /// Some of `read`, `write`, `predict`.
        pub scopes: Vec<Scope> => Scopes,
        #[serde(serialize_with = "timestamp::option::serialize")]
        pub expires_at: Option<DateTime<Utc>> = None => Kept(Nullable(Moment)),
    }
}

/// A list of scopes.
struct Scopes;

impl Kind for Scopes {
    type Output = Vec<Scope>;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Vec<Scope>>) -> Vec<Scope> {
        let missing = match missing {
            Missing::Required => Missing::Required,
            Missing::Use(scopes) => Missing::Use(scopes.iter().map(Scope::to_string).collect()),
        };
        let words = fields.read(field, Texts::WORDS, missing);
        let scopes = scopes_of(words.iter().map(String::as_str));
        match &scopes {
            Err(unknown) => {
                fields.fault(field, format!("\"{unknown}\" is not a scope. Choose among: {}.", Scope::words().join(", ")));
            }
            Ok(scopes) if scopes.is_empty() => fields.fault(field, "Choose at least one scope."),
            Ok(_) => {}
        }
        scopes.unwrap_or_default()
    }

    fn schema(&self) -> RefOr<Schema> {
        Texts::WORDS.schema()
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    pub id: i64,
    pub project_id: i64,
    pub user_id: i64,
    pub name: String,
    /// The first characters after `rctm_`, which identify the key to its owner.
    pub key_prefix: String,
    pub scopes: Value,
    pub is_active: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    /// Predictions in a minute, where it may send fewer than others.
    pub requests_per_minute: Option<i32>,
}

/// Returns the scope of a word; 1.x's UI also uses `recommend` and `batch` for `predict`.
fn scope_of(word: &str) -> Option<Scope> {
    match word {
        "recommend" | "batch" => Some(Scope::Predict),
        _ => word.parse().ok(),
    }
}

/// Returns the scopes of words, each once and in their usual order, or the first unknown word.
pub fn scopes_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<Scope>, &'a str> {
    let asked = words.into_iter().map(|word| scope_of(word).ok_or(word)).collect::<Result<Vec<_>, _>>()?;
    Ok(Scope::ALL.iter().copied().filter(|scope| asked.contains(scope)).collect())
}

/// Returns scopes as a row holds them.
pub fn stored(scopes: &[Scope]) -> Value {
    scopes.iter().map(|scope| scope.wire()).collect()
}

impl ApiKey {
    /// Returns the fields of the key that callers can set.
    pub fn fields(&self) -> KeyFields {
        KeyFields { name: self.name.clone(), scopes: self.granted(), expires_at: self.expires_at }
    }

    /// Returns the scopes of the key. An unknown word grants nothing.
    pub fn granted(&self) -> Vec<Scope> {
        self.scopes.as_array().into_iter().flatten().filter_map(|word| scope_of(word.as_str()?)).collect()
    }
}
