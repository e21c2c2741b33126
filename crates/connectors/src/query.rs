//! What is read from a server: a table or a statement, with columns, a cursor and an aggregation.

use serde::{Deserialize, Serialize};

use super::error::ConnectorError;
use super::pattern::{FileFormat, Pattern};

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub table: String,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Table(Table),
    /// One statement that begins with SELECT or WITH.
    Sql(String),
    Files(FilesQuery),
}

/// Which files are read, of a connection to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesQuery {
    /// Names of files, one a line, in which `*`, `**` and dates stand for others.
    pub pattern: String,
    /// The format of all of them; otherwise the ending of each says it.
    pub format: Option<FileFormat>,
    /// The column without which a row is rejected.
    pub key_column: String,
}

/// A column that is read, and its name in the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub column: String,
    /// The name of the column in what is pulled.
    pub named: String,
}

recotem_platform::wire_enum! {
    /// What the values of a cursor are.
    #[derive(Default)]
    pub enum CursorKind {
        #[default]
        Time = "time",
        Integer = "integer",
    }
}

/// The column that windows are ranges of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub column: String,
    pub kind: CursorKind,
    /// Whether rows whose cursor is null are read with every window.
    pub with_nulls: bool,
}

/// An aggregation that the server computes: one row for each combination of the columns that are neither latest nor sums.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// Of these columns (names in the result), the greatest value is read.
    pub latest: Vec<String>,
    /// Of these columns, the sum is read.
    pub sums: Vec<String>,
    /// The name of one more column with the number of rows of each combination.
    pub count_as: Option<String>,
    /// Only rows of this many days before the server's clock, by the first of `latest`.
    pub last_days: Option<u32>,
}

/// What is read from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub from: Source,
    /// The columns to read; none for all of them under their own names.
    pub columns: Vec<Mapped>,
    pub cursor: Option<Cursor>,
    pub aggregate: Option<Aggregate>,
}

/// The longest statement, in bytes.
const LONGEST_SQL: usize = 64 << 10;

/// The largest number of columns that are read.
const MOST_COLUMNS: usize = 1_000;

impl Table {
    /// Reads `schema.table`. A name without a schema is in `default_schema`.
    pub fn parse(text: &str, default_schema: &str) -> Result<Self, ConnectorError> {
        let (schema, table) = text.trim().split_once('.').unwrap_or((default_schema, text.trim()));
        if schema.is_empty() || table.is_empty() {
            return Err(ConnectorError::BadQuery(format!(
                "\"{text}\" is not a table. Enter schema and name, such as public.events."
            )));
        }
        Ok(Self { schema: schema.to_owned(), table: table.to_owned() })
    }
}

impl Query {
    /// Returns the query of all columns and rows of a table.
    pub fn of_table(table: Table) -> Self {
        Self { from: Source::Table(table), columns: Vec::new(), cursor: None, aggregate: None }
    }

    /// Checks what can be checked without the server.
    pub fn check(&self) -> Result<(), ConnectorError> {
        let bad = |message: &str| Err(ConnectorError::BadQuery(message.to_owned()));
        if let Source::Sql(text) = &self.from {
            statement(text)?;
        }
        if let Source::Files(files) = &self.from {
            Pattern::parse(&files.pattern)?;
            if self.cursor.is_some() || self.aggregate.is_some() {
                return bad("Files are read as a whole: leave out cursor and aggregation.");
            }
        }
        if self.columns.len() > MOST_COLUMNS {
            return bad(&format!("Choose at most {MOST_COLUMNS} columns."));
        }
        let texts = self
            .columns
            .iter()
            .flat_map(|mapped| [&mapped.column, &mapped.named])
            .chain(self.cursor.iter().map(|cursor| &cursor.column));
        if texts.into_iter().any(|text| text.is_empty() || text.contains('\0')) {
            return bad("The name of a column is empty.");
        }
        match &self.aggregate {
            Some(aggregate) => self.check_aggregate(aggregate),
            None => Ok(()),
        }
    }

    fn check_aggregate(&self, aggregate: &Aggregate) -> Result<(), ConnectorError> {
        let bad = |message: String| Err(ConnectorError::BadQuery(message));
        if let Some(name) = aggregate.latest.iter().chain(&aggregate.sums).find(|name| self.column_named(name).is_none()) {
            return bad(format!("The aggregation names {name}, which is not among the columns."));
        }
        if self.columns.len() <= aggregate.latest.len() + aggregate.sums.len() {
            return bad("Choose the columns to aggregate by.".to_owned());
        }
        match aggregate.last_days {
            Some(0) => bad("Enter at least 1 day.".to_owned()),
            Some(_) if aggregate.latest.is_empty() => bad("The last days need a column of times.".to_owned()),
            _ => Ok(()),
        }
    }

    /// Returns the column that has a name in the result.
    pub(super) fn column_named(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|mapped| mapped.named == name).map(|mapped| mapped.column.as_str())
    }
}

/// Returns a statement without blanks and a semicolon at its end, if it begins as a query does. The server checks the rest: it is
/// asked to prepare the statement alone before the statement is put into another one.
pub(super) fn statement(text: &str) -> Result<&str, ConnectorError> {
    let text = text.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let begins_with = |word: &str| {
        let start = text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        start && !text[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
    };
    if text.len() > LONGEST_SQL {
        return Err(ConnectorError::BadQuery(format!("The statement is longer than {LONGEST_SQL} bytes.")));
    }
    if text.contains('\0') || !(begins_with("SELECT") || begins_with("WITH")) {
        return Err(ConnectorError::BadQuery("Enter one statement that begins with SELECT or WITH.".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_begins_as_a_query_does() {
        assert_eq!(statement(" select 1 ;\n; ").unwrap(), "select 1");
        assert_eq!(statement("WITH x AS (SELECT 1) SELECT * FROM x").unwrap(), "WITH x AS (SELECT 1) SELECT * FROM x");
        for wrong in ["", "DELETE FROM x", "selection", "/* */ DELETE", "SELECT\0 1", "(SELECT 1)", "WITHOUT x"] {
            assert!(statement(wrong).is_err(), "{wrong}");
        }
        let longest = format!("SELECT {}", "1".repeat(LONGEST_SQL - 7));
        assert!(statement(&longest).is_ok() && statement(&(longest + "1")).is_err());
    }

    #[test]
    fn a_table_may_come_without_its_schema() {
        let table = |text| Table::parse(text, "public").map(|table| (table.schema, table.table)).ok();
        assert_eq!(table("shop.events"), Some(("shop".into(), "events".into())));
        assert_eq!(table("events"), Some(("public".into(), "events".into())));
        assert_eq!((table(""), table("shop."), table(".events")), (None, None, None));
    }

    #[test]
    fn an_aggregation_names_columns_of_the_result() {
        let mapped = |name: &str| Mapped { column: format!("{name}_column"), named: name.to_owned() };
        let mut query = Query::of_table(Table { schema: "s".into(), table: "t".into() });
        query.columns = vec![mapped("user"), mapped("time")];
        let check = |aggregate: Aggregate| Query { aggregate: Some(aggregate), ..query.clone() }.check().is_ok();
        let latest =
            |names: &[&str]| Aggregate { latest: names.iter().map(|name| (*name).to_owned()).collect(), ..Aggregate::default() };
        assert!(check(latest(&["time"])));
        assert!(check(Aggregate { last_days: Some(30), ..latest(&["time"]) }));
        assert!(!check(latest(&["moment"])));
        assert!(!check(latest(&["user", "time"])));
        assert!(!check(Aggregate { last_days: Some(30), ..latest(&[]) }));
        assert!(!check(Aggregate { last_days: Some(0), ..latest(&["time"]) }));
    }
}
