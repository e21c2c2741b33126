//! Rows of endpoints.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::message::ErrorCode;
use crate::features::projects::Topic;
use crate::platform::http::body::{
    FieldReader, Flag, Id, Integer, Kind, Missing, NamedSchemas, Nullable, Text, TextOrBlank, Texts,
};
use crate::platform::words::Word;
use crate::platform::{request_fields, wire_enum};
use crate::schema::{webhook_endpoints, webhook_lanes};

const LONGEST_URL: usize = 2_048;
const LONGEST_DESCRIPTION: usize = 500;

wire_enum! {
    /// Why an endpoint is switched off.
    #[schema(as = WebhookDisabledReason)]
    pub enum DisabledReason {
        /// It answered 410.
        Gone = "gone",
        /// For days every delivery failed.
        Failing = "failing",
        User = "user",
    }
}

request_fields! {
    /// The fields of an endpoint.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = webhook_endpoints, treat_none_as_null = true)]
    #[schema(as = WebhookEndpointFields)]
    pub struct EndpointFields {
        /// Where messages are sent to: `https://`, unless the operator allows others.
        pub url: String => Text(LONGEST_URL),
        /// The app whose answers it gets; null for those of all apps. Other topics are about the whole project.
        #[serde(rename = "app")]
        pub app_id: Option<i64> = None => Nullable(Id),
        pub description: String = String::new() => TextOrBlank(LONGEST_DESCRIPTION),
        /// What it is told; empty for everything except `recommendation.served`.
        pub topics: Vec<Topic> = Vec::new() => Topics,
        pub is_active: bool = true => Flag,
        /// The largest number of messages in a second; null for no limit.
        pub rate_per_second: Option<i32> = None => Nullable(Integer(1..=1_000)),
    }
}

/// A list of topics that an endpoint may choose.
struct Topics;

impl Kind for Topics {
    type Output = Vec<Topic>;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Vec<Topic>>) -> Vec<Topic> {
        let missing = match missing {
            Missing::Required => Missing::Required,
            Missing::Use(topics) => Missing::Use(topics.iter().map(Topic::to_string).collect()),
        };
        let words = fields.read(field, Texts::WORDS, missing);
        let mut topics = Vec::new();
        for word in &words {
            match word.parse::<Topic>() {
                // Each endpoint gets its own tests.
                Ok(Topic::WebhookTest) => {}
                Ok(topic) if topics.contains(&topic) => {}
                Ok(topic) => topics.push(topic),
                Err(_) => {
                    fields.fault(field, format!("\"{word}\" is not a topic. Choose among: {}.", Topic::words().join(", ")));
                }
            }
        }
        topics
    }

    fn schema(&self) -> RefOr<Schema> {
        ArrayBuilder::new().items(Ref::from_schema_name(Topic::name())).into()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        schemas.push((Topic::name().into_owned(), Topic::schema()));
    }
}

/// An address that is told what happens in a project.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = webhook_endpoints)]
pub struct Endpoint {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: EndpointFields,
    pub disabled_reason: Option<DisabledReason>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub secret_hint: String,
    pub secret_changed_at: DateTime<Utc>,
    pub previous_until: Option<DateTime<Utc>>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Endpoint {
    /// Returns whether it is told about a topic of its project.
    pub fn wants(&self, topic: Topic) -> bool {
        match self.fields.topics.as_slice() {
            [] => topic != Topic::RecommendationServed,
            chosen => chosen.contains(&topic),
        }
    }
}

/// An endpoint to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = webhook_endpoints)]
pub struct NewEndpoint {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: EndpointFields,
    pub disabled_reason: Option<DisabledReason>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub secret_sealed: Vec<u8>,
    pub secret_hint: String,
}

/// How deliveries to an endpoint go.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_lanes)]
pub struct Lane {
    pub endpoint_id: i64,
    /// No message is sent to it before.
    pub paused_until: Option<DateTime<Utc>>,
    pub failures_in_row: i32,
    pub failing_since: Option<DateTime<Utc>>,
    pub failed_messages: i64,
    pub last_attempt_at: Option<DateTime<Utc>>,
    pub last_status_code: Option<i32>,
    pub last_error_code: Option<ErrorCode>,
}

/// What a delivery needs to know of its endpoint.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_endpoints)]
pub struct Target {
    pub id: i64,
    pub project_id: i64,
    pub url: String,
    pub rate_per_second: Option<i32>,
    pub secret_sealed: Vec<u8>,
    pub previous_secret_sealed: Option<Vec<u8>>,
    pub previous_until: Option<DateTime<Utc>>,
}
