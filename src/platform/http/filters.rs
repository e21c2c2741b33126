//! Exact-match filters from the query string. An empty value is no filter; a value of the wrong kind is a 400 naming it.

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web::Query};

use super::error::{ApiError, ApiResult};

/// The query parameters of a request; of a parameter given twice, the last counts.
#[derive(Debug, Clone)]
pub struct Filters(HashMap<String, String>);

impl FromRequest for Filters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let pairs = pairs.map(Query::into_inner).unwrap_or_default();
        // The database has no such text, so nothing could be compared with it.
        let nul = pairs.iter().find(|(_, value)| value.contains('\0')).map(|(name, _)| name.replace('\0', "\u{fffd}"));
        ready(match nul {
            Some(name) => Err(ApiError::field(&name, "Null characters are not allowed.")),
            None => Ok(Self(pairs.into_iter().collect())),
        })
    }
}

impl Filters {
    /// A parameter as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A parameter as an id.
    pub fn id(&self, name: &str) -> ApiResult<Option<i64>> {
        self.text(name).map(|text| text.trim().parse().map_err(|_| ApiError::field(name, "Enter a number."))).transpose()
    }

    /// A parameter as a flag; a value that is neither yes nor no is ignored, as clients expect.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// A parameter out of a set of words.
    pub fn choice(&self, name: &str, known: &[&str]) -> ApiResult<Option<String>> {
        match self.text(name) {
            Some(text) if !known.contains(&text.as_str()) => {
                Err(ApiError::field(name, format!("Select a valid choice. {text} is not one of the available choices.")))
            }
            other => Ok(other),
        }
    }
}
