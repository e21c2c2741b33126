//! Rows of apps and of their use.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use url::{Origin, Url};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::platform::http::body::{Convert, Flag, Text, Texts};
use crate::platform::request_fields;
use crate::schema::{app_usage, apps};

const LONGEST_NAME: usize = 200;
const MOST_ORIGINS: usize = 50;
const LONGEST_ORIGIN: usize = 256;

request_fields! {
    /// The fields of an app.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = apps)]
    #[schema(as = AppFields)]
    pub struct AppFields {
        /// Unique within its project.
        pub name: String => Text(LONGEST_NAME),
        /// Web pages that may use the key, such as `https://shop.example.com`. Without any, browsers show the answers to no page.
        pub allowed_origins: Vec<String> = Vec::new() => Origins,
        /// An app that is switched off loses its key. It needs a new one when it is switched on again.
        pub is_active: bool = true => Flag,
    }
}

/// A list of origins of web pages.
struct Origins;

impl Origins {
    const TEXTS: Texts = Texts { most: MOST_ORIGINS, longest: LONGEST_ORIGIN };
}

impl Convert for Origins {
    type Output = Vec<String>;

    fn convert(&self, value: &Value) -> Result<Vec<String>, String> {
        let texts = Self::TEXTS.convert(value)?;
        let mut origins = texts.iter().map(|text| origin_of(text)).collect::<Result<Vec<_>, _>>()?;
        origins.sort_unstable();
        origins.dedup();
        Ok(origins)
    }

    fn unpack(value: &Value) -> Option<Value> {
        Texts::unpack(value)
    }

    fn described(&self) -> RefOr<Schema> {
        Self::TEXTS.described()
    }
}

/// Returns an origin as browsers send it.
fn origin_of(text: &str) -> Result<String, String> {
    let wrong =
        || format!("\"{text}\" is not the origin of a web page. Enter one such as https://shop.example.com, without a path.");
    let url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.origin() {
        origin @ Origin::Tuple(..) if is_bare && ["http", "https"].contains(&url.scheme()) => Ok(origin.ascii_serialization()),
        _ => Err(wrong()),
    }
}

/// A program of others that uses the predictions of a project.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = apps)]
pub struct App {
    pub id: i64,
    pub project_id: i64,
    pub api_key_id: Option<i64>,
    #[diesel(embed)]
    pub fields: AppFields,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An app to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = apps)]
pub struct NewApp {
    pub project_id: i64,
    pub api_key_id: Option<i64>,
    #[diesel(embed)]
    pub fields: AppFields,
}

/// The use of an app on one day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = app_usage)]
#[schema(as = AppUsageDay)]
pub struct DayOfUse {
    pub day: NaiveDate,
    /// Predictions and reports of events.
    pub requests: i64,
    /// Items in the lists that were answered.
    pub items: i64,
    /// Requests that were refused or failed.
    pub errors: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for (text, wanted) in [
            ("https://Shop.Example.com", "https://shop.example.com"),
            ("https://shop.example.com/", "https://shop.example.com"),
            ("https://shop.example.com:443", "https://shop.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(origin_of(text).as_deref(), Ok(wanted), "{text}");
        }
        for wrong in ["shop.example.com", "https://shop.example.com/a", "https://a@b.c", "file:///x", "null", "*", "ftp://x.y"] {
            assert!(origin_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_may_be_so_many_origins_and_no_more() {
        let list = |count: usize| Value::from((0..count).map(|n| format!("https://shop{n}.example.com")).collect::<Vec<_>>());
        assert_eq!(Origins.convert(&list(MOST_ORIGINS)).map(|origins| origins.len()), Ok(MOST_ORIGINS));
        assert!(Origins.convert(&list(MOST_ORIGINS + 1)).is_err());
    }
}
