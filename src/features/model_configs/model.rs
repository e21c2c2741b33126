//! A configuration's row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::{Map, Value};

use crate::schema::model_configurations;

/// An algorithm with its parameters.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = model_configurations)]
pub struct ModelConfiguration {
    pub id: i64,
    pub project_id: i64,
    /// Unique within the project, where there is one.
    pub name: Option<String>,
    /// The class name of the registry.
    pub recommender_class_name: String,
    pub parameters_json: Value,
    pub ins_datetime: DateTime<Utc>,
}

impl ModelConfiguration {
    /// The parameters as the engine takes them.
    pub fn parameters(&self) -> Map<String, Value> {
        self.parameters_json.as_object().cloned().unwrap_or_default()
    }
}

/// The part that may change.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = model_configurations, treat_none_as_null = true)]
pub struct ConfigurationFields {
    pub name: Option<String>,
    pub recommender_class_name: String,
    pub parameters_json: Value,
}
