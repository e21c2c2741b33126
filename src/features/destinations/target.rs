//! Where the lists of a destination go on the server of a connection.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::connectors::{Table, refuse_name};
use crate::platform::http::body::{Convert, JsonObject};

/// Where lists go on the server of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DestinationTarget)]
pub struct DeliveryTarget {
    /// A table with its schema, such as `public.lists`, whose rows are replaced. It is created if it does not exist.
    pub table: String,
}

impl DeliveryTarget {
    /// Reads what a row stores.
    pub fn stored(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    /// Returns the table.
    pub fn table(&self) -> Result<Table, String> {
        let table = self.table.trim();
        let names = table.split_once('.').filter(|(schema, name)| !schema.trim().is_empty() && !name.trim().is_empty());
        match names {
            Some((schema, name)) => {
                let table = Table { schema: schema.trim().to_owned(), table: name.trim().to_owned() };
                refuse_name(&table).map(|()| table)
            }
            None => Err(format!("\"{table}\" is not a table. Enter schema and name, such as public.lists.")),
        }
    }
}

/// The kind of the field.
pub struct TargetField;

impl Convert for TargetField {
    type Output = Value;

    fn convert(&self, value: &Value) -> Result<Value, String> {
        let value = JsonObject::STORED.convert(value)?;
        let target: DeliveryTarget = serde_json::from_value(value).map_err(|error| format!("This is not valid: {error}."))?;
        let table = target.table()?;
        Ok(serde_json::json!(DeliveryTarget { table: format!("{}.{}", table.schema, table.table) }))
    }

    fn unpack(value: &Value) -> Option<Value> {
        JsonObject::unpack(value)
    }

    fn described(&self) -> RefOr<Schema> {
        DeliveryTarget::schema()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_a_table_with_its_schema() {
        let read = |value: Value| TargetField.convert(&value);
        assert_eq!(read(json!({ "table": " shop.lists " })), Ok(json!({ "table": "shop.lists" })));
        for wrong in
            [json!({}), json!({ "table": "lists" }), json!({ "table": ".lists" }), json!({ "table": "a.b", "view": "c" })]
        {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        let named = |length: usize| read(json!({ "table": format!("s.{}", "t".repeat(length)) }));
        assert!(named(50).is_ok() && named(51).is_err());
        assert_eq!(read(json!({ "table": "shop . lists" })), Ok(json!({ "table": "shop.lists" })));
        assert!(read(json!({ "table": "shop.lists_recotem_old" })).is_err());
    }
}
