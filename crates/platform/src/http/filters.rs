//! Exact-match filters from the query string. An empty value is no filter; a value of the wrong kind is a 400 naming it.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::ops::RangeInclusive;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web::Query};
use chrono::NaiveDate;

use super::error::{ApiError, ApiResult};
use crate::words::Word;

/// The query parameters of a request; of a repeated parameter the last one is used.
#[derive(Debug, Clone)]
pub struct Filters(HashMap<String, String>);

impl FromRequest for Filters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::from_query(request.query_string()))
    }
}

impl Filters {
    /// Reads a query string.
    pub fn from_query(query: &str) -> ApiResult<Self> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query).map(Query::into_inner).unwrap_or_default();
        // The database has no such text, so it could not be compared with anything.
        let nul = pairs.iter().find(|(_, value)| value.contains('\0')).map(|(name, _)| name.replace('\0', "\u{fffd}"));
        match nul {
            Some(name) => Err(ApiError::field(&name, "Null characters are not allowed.")),
            None => Ok(Self(pairs.into_iter().collect())),
        }
    }

    /// Returns a parameter as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Returns a parameter as an id.
    pub fn id(&self, name: &str) -> ApiResult<Option<i64>> {
        self.text(name).map(|text| text.trim().parse().map_err(|_| ApiError::field(name, "Enter a number."))).transpose()
    }

    /// Returns a parameter as a day.
    pub fn day(&self, name: &str) -> ApiResult<Option<NaiveDate>> {
        // The database does not accept days of five-digit years.
        let parse = |text: String| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
        let wrong = || ApiError::field(name, "Enter a day such as 2026-01-31.");
        self.text(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }

    /// Returns a parameter as a whole number within bounds, or `otherwise` without it.
    pub fn bounded(&self, name: &str, range: RangeInclusive<i32>, otherwise: i32) -> ApiResult<i32> {
        let Some(text) = self.text(name) else { return Ok(otherwise) };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| ApiError::field(name, format!("Enter a whole number from {} to {}.", range.start(), range.end())))
    }

    /// Returns whether a parameter, if present, is this id.
    pub fn id_is(&self, name: &str, id: i64) -> ApiResult<bool> {
        Ok(self.id(name)?.is_none_or(|wanted| wanted == id))
    }

    /// Returns whether a parameter, if present, is this text.
    pub fn text_is(&self, name: &str, text: Option<&str>) -> bool {
        self.text(name).is_none_or(|wanted| Some(wanted.as_str()) == text)
    }

    /// Returns a parameter as a flag; a value that is neither yes nor no is ignored, as clients expect.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// Returns a parameter as one of the words of an enum.
    pub fn choice<W: Word>(&self, name: &str) -> ApiResult<Option<W>> {
        let wrong = |word: String| format!("Select a valid choice. {word} is not one of the available choices.");
        self.text(name).map(|word| W::of(&word).map_err(|_| ApiError::field(name, wrong(word)))).transpose()
    }

    /// Returns whether a parameter, if there is one, is this word.
    pub fn choice_is(&self, name: &str, word: impl Word) -> bool {
        self.text_is(name, Some(word.wire()))
    }
}
