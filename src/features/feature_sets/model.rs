//! Rows of feature sets, and the fields of bodies.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::features::datasets::sentence;
use crate::ml::features::FeatureSpec;
use crate::platform::http::body::{Choice, Convert, Flag, JsonObject, Nullable, Text};
use crate::platform::{request_fields, wire_enum};
use crate::schema::feature_sets;

const LONGEST_NAME: usize = 256;
const LONGEST_ITEM_ID: usize = 1_024;

wire_enum! {
    /// What the columns of a feature set are about.
    #[derive(Default)]
    #[schema(as = FeatureSetTarget)]
    pub enum Target {
        #[default]
        Items = "items",
    }
}

/// A version of a feature set.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = feature_sets)]
pub struct FeatureSet {
    pub id: i64,
    pub project_id: i64,
    pub created_by: Option<i64>,
    pub name: String,
    pub target: Target,
    pub version: i32,
    pub spec: Value,
    pub spec_sha256: String,
    pub is_current: bool,
    pub ins_datetime: DateTime<Utc>,
}

/// A version to be stored, but for its number.
#[derive(Debug, Insertable)]
#[diesel(table_name = feature_sets)]
pub struct NewVersion {
    pub project_id: i64,
    pub created_by: i64,
    pub name: String,
    pub target: Target,
    pub spec: Value,
    pub spec_sha256: String,
    pub is_current: bool,
}

/// The feature set that trainings and searches of a project use.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentSet {
    pub id: i64,
    pub name: String,
    pub version: i32,
    pub spec: FeatureSpec,
}

impl CurrentSet {
    /// Returns what the lineage of a model says about the set; the spec is in it, too.
    pub fn lineage(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "version": self.version })
    }
}

impl FeatureSet {
    /// Returns what its columns mean. Fails if another version of the program wrote it.
    pub fn to_engine(&self) -> serde_json::Result<FeatureSpec> {
        serde_json::from_value(self.spec.clone())
    }
}

/// A feature spec.
pub struct Spec;

impl Convert for Spec {
    type Output = FeatureSpec;

    fn convert(&self, value: &Value) -> Result<FeatureSpec, String> {
        let value = JsonObject::STORED.convert(value)?;
        FeatureSpec::from_json(&value).map_err(|fault| sentence(&fault))
    }

    fn unpack(value: &Value) -> Option<Value> {
        JsonObject::unpack(value)
    }

    fn described(&self) -> RefOr<Schema> {
        JsonObject::STORED.described()
    }
}

request_fields! {
    /// A new version of a feature set.
    pub struct SetFields {
        /// Saving under an existing name creates its next version.
        pub name: String => Text(LONGEST_NAME),
        pub target: Target = Target::default() => Choice(&[]),
        /// What each column means: `{"version": 1, "fields": [{"column", "kind", "weight", "derive", "options"}]}`.
        pub spec: FeatureSpec => Spec,
        /// Whether trainings and searches use this version from now on.
        pub is_current: bool = true => Flag,
    }
}

request_fields! {
    /// What can change about a version of a feature set.
    pub struct CurrentField {
        /// Whether trainings and searches use this version. The one they used before no longer is.
        pub is_current: bool => Flag,
    }
}

request_fields! {
    /// A spec to be shown at work.
    pub struct PreviewFields {
        /// As in a feature set.
        pub spec: FeatureSpec => Spec,
        /// The item whose neighbours are shown; the first that is shown by default.
        pub item_id: Option<String> = None => Nullable(Text(LONGEST_ITEM_ID)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(spec: Value) -> String {
        Spec.convert(&spec).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_spec_that_cannot_be_read_names_the_column() {
        let good = json!({ "version": 1, "fields": [{ "column": "colour", "kind": "category" }] });
        assert_eq!(Spec.convert(&good).unwrap().fields[0].column, "colour");
        let wrong = fault(json!({ "version": 1, "fields": [
            { "column": "colour", "kind": "category" }, { "column": "price", "kind": "number", "wieght": 2 }] }));
        assert!(wrong.starts_with("Column \"price\": unknown field `wieght`"), "{wrong}");
        let nameless = fault(json!({ "version": 1, "fields": [{ "kind": "number" }] }));
        assert!(nameless.starts_with("Field 1: missing field `column`"), "{nameless}");
        let later = fault(json!({ "version": 2, "fields": [] }));
        assert!(later.contains("version 2"), "{later}");
        assert!(fault(json!([])).contains("JSON object"));
        let long = "x".repeat(70_000);
        let large = fault(json!({ "version": 1, "fields": [{ "column": long, "kind": "text" }] }));
        assert!(large.contains("bytes"), "{large}");
    }
}
