//! Rows of model configurations.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::platform::http::body::{JsonObject, Nullable, Text};
use crate::platform::request_fields;
use crate::schema::model_configurations;

const LONGEST_NAME: usize = 256;
const LONGEST_CLASS_NAME: usize = 128;

request_fields! {
    /// The fields of a model configuration.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = model_configurations, treat_none_as_null = true)]
    #[schema(as = ModelConfigurationFields)]
    pub struct ConfigurationFields {
        /// Unique within its project.
        pub name: Option<String> = None => Nullable(Text(LONGEST_NAME)),
        /// One of the names in `/algorithms/`.
        pub recommender_class_name: String => Text(LONGEST_CLASS_NAME),
        #[schema(value_type = Object)]
        pub parameters_json: Value = json!({}) => JsonObject::STORED,
    }
}

/// An algorithm with its parameters.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = model_configurations)]
pub struct ModelConfiguration {
    pub id: i64,
    pub project_id: i64,
    #[diesel(embed)]
    pub fields: ConfigurationFields,
    pub ins_datetime: DateTime<Utc>,
}
