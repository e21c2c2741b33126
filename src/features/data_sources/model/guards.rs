//! What a run must fulfil to be used without a user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::structured::Object;
use crate::platform::wire_enum;

wire_enum! {
    /// What happens if columns of the source change.
    #[derive(Default)]
    #[schema(as = SchemaChange)]
    pub enum SchemaChange {
        /// The run is held.
        #[default]
        Hold = "hold",
        /// New columns are read; other changes hold the run.
        AcceptNewColumns = "accept_new_columns",
    }
}

/// The conditions of a source. A run that breaks one is held: it is stored, and not used until a user accepts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = SourceGuards)]
pub struct Guards {
    /// The smallest number of rows.
    pub min_rows: Option<i64>,
    /// By how many per cent there may be fewer rows than usual: the median of the last seven windows, by their length.
    pub max_drop_percent: Option<f64>,
    /// How many per cent of the rows may lack an id or a cursor.
    pub max_null_percent: Option<f64>,
    pub schema_change: SchemaChange,
}

impl Default for Guards {
    fn default() -> Self {
        Self { min_rows: None, max_drop_percent: Some(50.0), max_null_percent: None, schema_change: SchemaChange::Hold }
    }
}

impl Object for Guards {
    fn check(&self) -> Result<(), String> {
        if self.min_rows.is_some_and(|rows| rows < 0) {
            return Err("min_rows may not be negative.".to_owned());
        }
        for (name, percent) in [("max_drop_percent", self.max_drop_percent), ("max_null_percent", self.max_null_percent)] {
            if percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
                return Err(format!("{name} is a number from 0 to 100, or null."));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_is_left_out_has_its_default() {
        let read = |text: &str| serde_json::from_str::<Guards>(text).map_err(|error| error.to_string());
        assert_eq!(read("{}"), Ok(Guards::default()));
        assert_eq!(read(r#"{"max_drop_percent": null}"#).unwrap().max_drop_percent, None);
        assert!(read(r#"{"min_row": 1}"#).is_err());
        for (percent, is_valid) in [(0.0, true), (100.0, true), (-0.1, false), (100.1, false)] {
            let guards = Guards { max_null_percent: Some(percent), ..Guards::default() };
            assert_eq!(guards.check().is_ok(), is_valid, "{percent}");
        }
        assert!(Guards { min_rows: Some(-1), ..Guards::default() }.check().is_err());
    }
}
