//! What a source reads: a table or a statement, and the meaning of its columns.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::structured::Object;
use crate::connectors::{FileFormat, Pattern};

const LONGEST_COLUMN: usize = 256;
const MOST_COLUMNS: usize = 200;

/// Which files a source reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFilesQuery {
    /// Names of files, one a line: `*` stands for any text within a folder, `**` for any folders, `{yyyy-mm-dd}` for a date.
    pub pattern: String,
    /// The format of all of them; null if their endings say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
}

/// What a source reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceQuery {
    /// A table or view with its schema, such as `public.events`. One of this, `sql` and `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// One statement that begins with SELECT or WITH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// The files of a folder, a web server or an object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<SourceFilesQuery>,
    /// The column of the source by its role: `user`, `item`, `time` and `event`; others keep their role as name. Of items and users
    /// only the one with the ids is needed: without others, all columns are read.
    #[serde(default, deserialize_with = "without_blanks")]
    pub columns: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<SourceAggregate>,
}

/// What the source computes before it sends rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceAggregate {
    /// Whether one row of each user and item is read, with the latest time.
    #[serde(default)]
    pub pairs: bool,
    /// Only rows of so many days before now.
    #[serde(default)]
    pub last_days: Option<u32>,
}

/// Reads the columns by role, without those that have none.
fn without_blanks<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    let sent = BTreeMap::<String, Option<String>>::deserialize(input)?;
    let named = sent.into_iter().filter_map(|(role, column)| Some((role, column?.trim().to_owned())));
    Ok(named.filter(|(_, column)| !column.is_empty()).collect())
}

impl Object for SourceQuery {
    fn check(&self) -> Result<(), String> {
        match (&self.table, &self.sql, &self.files) {
            (Some(_), None, None) | (None, Some(_), None) => {}
            (None, None, Some(files)) => {
                Pattern::parse(&files.pattern).map_err(|error| error.to_string())?;
            }
            _ => return Err("Name either a table, a statement (sql) or files.".to_owned()),
        }
        if self.columns.len() > MOST_COLUMNS {
            return Err(format!("Choose at most {MOST_COLUMNS} columns."));
        }
        let too_long = |text: &&String| text.chars().count() > LONGEST_COLUMN;
        match self.columns.iter().flat_map(|(role, column)| [role, column]).find(too_long) {
            Some(_) => Err(format!("The name of a column has more than {LONGEST_COLUMN} characters.")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(value: serde_json::Value) -> Result<SourceQuery, String> {
        let read: SourceQuery = serde_json::from_value(value).map_err(|error| error.to_string())?;
        read.check().map(|()| read)
    }

    #[test]
    fn a_query_is_a_table_or_a_statement() {
        let columns = json!({ "user": " who ", "item": "what", "time": null, "event": "" });
        let read = query(json!({ "table": "public.events", "columns": columns })).unwrap();
        assert_eq!(read.columns, BTreeMap::from([("user".into(), "who".into()), ("item".into(), "what".into())]));
        let files = |pattern: &str| query(json!({ "files": { "pattern": pattern }, "columns": {} }));
        assert!(files("dt={yyyy-mm-dd}/*.parquet").is_ok() && files("dt={day}/*").is_err() && files("").is_err());
        for wrong in [json!({}), json!({ "table": "a", "sql": "SELECT 1" }), json!({ "table": "a", "view": "b" })] {
            assert!(query(wrong.clone()).is_err(), "{wrong}");
        }
        let named = |length: usize| query(json!({ "table": "t", "columns": { "user": "c".repeat(length) } }));
        assert!(named(LONGEST_COLUMN).is_ok() && named(LONGEST_COLUMN + 1).is_err());
        let many = |count: usize| {
            let columns: BTreeMap<String, String> = (0..count).map(|n| (format!("r{n}"), format!("c{n}"))).collect();
            query(json!({ "table": "t", "columns": columns }))
        };
        assert!(many(MOST_COLUMNS).is_ok() && many(MOST_COLUMNS + 1).is_err());
    }
}
