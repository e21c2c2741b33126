//! The SQL of a query, in the dialects of the servers.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::bounds::local_bound;
use super::error::ConnectorError;
use super::query::{Aggregate, CursorKind, Mapped, Query, Source, Table, statement};
use super::window::Window;

/// The first and last years that every server can write.
const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;

/// How a server's SQL differs.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The mark around names.
    pub quote: char,
    /// Whether an expression tells the moment of a local time.
    pub has_zones: bool,
}

pub const POSTGRESQL: Dialect = Dialect { quote: '"', has_zones: true };
pub const MYSQL: Dialect = Dialect { quote: '`', has_zones: false };

/// How a column stores times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// With a zone, or in the zone of the session, which is UTC.
    #[default]
    Utc,
    /// Without a zone: in that of a place.
    Local(Tz),
}

/// Writes the statements of a query.
pub struct Statements<'a> {
    pub dialect: Dialect,
    pub query: &'a Query,
    /// How the cursor stores times.
    pub cursor_clock: Clock,
    /// The expressions of the columns, if they are more than their names.
    pub expression: &'a dyn Fn(&str) -> Option<String>,
    /// The first moment of an aggregation over the last days, and how its column stores times.
    pub since: Option<(DateTime<Utc>, Clock)>,
}

impl Dialect {
    /// Returns a name between quotes.
    pub fn name(self, name: &str) -> String {
        let quote = self.quote;
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }

    /// Returns a table with its schema.
    pub fn table(self, table: &Table) -> String {
        format!("{}.{}", self.name(&table.schema), self.name(&table.table))
    }

    /// Returns what follows FROM.
    pub fn from(self, source: &Source) -> Result<String, ConnectorError> {
        match source {
            Source::Table(table) => Ok(self.table(table)),
            // The line break ends a comment in which the statement may end.
            Source::Files(_) => Err(ConnectorError::BadQuery("A database holds no files. Name a table.".to_owned())),
            Source::Sql(text) => Ok(format!("({}\n) AS {}", statement(text)?, self.name("source"))),
        }
    }

    /// Returns a moment as a literal, for comparison with a column.
    pub fn time(self, moment: DateTime<Utc>, clock: Clock) -> Result<String, ConnectorError> {
        use chrono::Datelike;
        let local = match clock {
            Clock::Utc => moment.naive_utc(),
            Clock::Local(zone) => local_bound(moment, zone),
        };
        if !YEARS.contains(&local.year()) {
            return Err(ConnectorError::BadQuery(format!("{moment} is outside the years {} to {}.", YEARS.start(), YEARS.end())));
        }
        Ok(format!("TIMESTAMP '{}'", local.format("%Y-%m-%d %H:%M:%S%.6f")))
    }
}

impl Statements<'_> {
    /// Returns the statement that reads the rows of a window.
    pub fn select(&self, window: Option<Window>, limit: Option<u64>) -> Result<String, ConnectorError> {
        let conditions = self.conditions(window)?;
        let mut sql = format!("SELECT {} FROM {}{}", self.columns(), self.from()?, joined(&conditions));
        if let Some(aggregate) = &self.query.aggregate {
            sql.push_str(&self.group_by(aggregate));
        }
        if let Some(limit) = limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        Ok(sql)
    }

    /// Returns the statement that counts the rows of a window, before any aggregation.
    pub fn count(&self, window: Option<Window>) -> Result<String, ConnectorError> {
        Ok(format!("SELECT count(*) FROM {}{}", self.from()?, joined(&self.conditions(window)?)))
    }

    /// Returns the statement that counts the rows without a cursor; `None` if the query has none.
    pub fn count_nulls(&self) -> Result<Option<String>, ConnectorError> {
        let Some(cursor) = &self.query.cursor else { return Ok(None) };
        Ok(Some(format!("SELECT count(*) FROM {} WHERE {} IS NULL", self.from()?, self.dialect.name(&cursor.column))))
    }

    /// Returns the statement that reads the greatest cursor.
    pub fn newest(&self) -> Result<String, ConnectorError> {
        let cursor = self.query.cursor.as_ref().filter(|cursor| cursor.kind == CursorKind::Integer);
        let cursor = cursor.ok_or_else(|| ConnectorError::BadQuery("Only a cursor of integers has a newest one.".to_owned()))?;
        Ok(format!("SELECT max({}) FROM {}", self.dialect.name(&cursor.column), self.from()?))
    }

    fn from(&self) -> Result<String, ConnectorError> {
        self.dialect.from(&self.query.from)
    }

    fn columns(&self) -> String {
        if self.query.columns.is_empty() {
            return "*".to_owned();
        }
        let aggregate = self.query.aggregate.as_ref();
        let mut columns: Vec<String> = self.query.columns.iter().map(|mapped| self.column(mapped, aggregate)).collect();
        let count = aggregate.and_then(|aggregate| aggregate.count_as.as_deref());
        columns.extend(count.map(|name| format!("count(*) AS {}", self.dialect.name(name))));
        columns.join(", ")
    }

    fn column(&self, mapped: &Mapped, aggregate: Option<&Aggregate>) -> String {
        let holds = |names: &[String]| names.contains(&mapped.named);
        let plain = self.dialect.name(&mapped.column);
        let expression = match aggregate {
            Some(aggregate) if holds(&aggregate.sums) => format!("sum({plain})"),
            Some(aggregate) if holds(&aggregate.latest) => format!("max({})", self.expression_of(&mapped.column)),
            _ => self.expression_of(&mapped.column),
        };
        format!("{expression} AS {}", self.dialect.name(&mapped.named))
    }

    fn expression_of(&self, column: &str) -> String {
        (self.expression)(column).unwrap_or_else(|| self.dialect.name(column))
    }

    fn group_by(&self, aggregate: &Aggregate) -> String {
        let keys = self
            .query
            .columns
            .iter()
            .filter(|mapped| !aggregate.latest.contains(&mapped.named) && !aggregate.sums.contains(&mapped.named));
        let keys: Vec<String> = keys.map(|mapped| self.expression_of(&mapped.column)).collect();
        format!(" GROUP BY {}", keys.join(", "))
    }

    fn conditions(&self, window: Option<Window>) -> Result<Vec<String>, ConnectorError> {
        let mut found: Vec<String> = window.map(|window| self.range(window)).transpose()?.into_iter().collect();
        if let (Some((moment, clock)), Some(aggregate)) = (self.since, &self.query.aggregate) {
            let column = aggregate.latest.first().and_then(|name| self.query.column_named(name)).unwrap_or_default();
            found.push(format!("{} >= {}", self.dialect.name(column), self.dialect.time(moment, clock)?));
        }
        Ok(found)
    }

    fn range(&self, window: Window) -> Result<String, ConnectorError> {
        let cursor = self.query.cursor.as_ref();
        let cursor = cursor.ok_or_else(|| ConnectorError::BadQuery("Choose a cursor to read by window.".to_owned()))?;
        let literal = |value: i64| match cursor.kind {
            CursorKind::Integer => Ok(value.to_string()),
            CursorKind::Time => {
                let moment = DateTime::from_timestamp_micros(value);
                let moment = moment.ok_or_else(|| ConnectorError::BadQuery(format!("{value} is not a time.")))?;
                self.dialect.time(moment, self.cursor_clock)
            }
        };
        let name = self.dialect.name(&cursor.column);
        let mut range = format!("{name} < {}", literal(window.hi)?);
        if let Some(lo) = window.lo {
            range = format!("{name} >= {} AND {range}", literal(lo)?);
        }
        Ok(if cursor.with_nulls { format!("({range} OR {name} IS NULL)") } else { range })
    }
}

fn joined(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

#[cfg(test)]
mod tests {
    use super::super::query::Cursor;
    use super::*;

    fn query(with_nulls: bool, kind: CursorKind) -> Query {
        let mapped = |column: &str, named: &str| Mapped { column: column.to_owned(), named: named.to_owned() };
        Query {
            columns: vec![
                mapped("we\"ird", "user_id"),
                mapped("sku", "item_id"),
                mapped("at", "time"),
                mapped("amount", "weight"),
            ],
            cursor: Some(Cursor { column: "at".to_owned(), kind, with_nulls }),
            ..Query::of_table(Table { schema: "shop".to_owned(), table: "events".to_owned() })
        }
    }

    fn statements(query: &Query, cursor_clock: Clock) -> Statements<'_> {
        Statements { dialect: POSTGRESQL, query, cursor_clock, expression: &|_| None, since: None }
    }

    const FROM: &str = "FROM \"shop\".\"events\"";
    const COLUMNS: &str = "\"we\"\"ird\" AS \"user_id\", \"sku\" AS \"item_id\", \"at\" AS \"time\", \"amount\" AS \"weight\"";

    #[test]
    fn a_window_is_half_open() {
        let query = query(false, CursorKind::Time);
        let window = Window { lo: Some(1_000_000), hi: 2_000_001 };
        let range = "\"at\" >= TIMESTAMP '1970-01-01 00:00:01.000000' AND \"at\" < TIMESTAMP '1970-01-01 00:00:02.000001'";
        let statements = statements(&query, Clock::Utc);
        assert_eq!(statements.select(Some(window), None).unwrap(), format!("SELECT {COLUMNS} {FROM} WHERE {range}"));
        assert_eq!(statements.count(Some(window)).unwrap(), format!("SELECT count(*) {FROM} WHERE {range}"));
        assert_eq!(statements.count_nulls().unwrap().unwrap(), format!("SELECT count(*) {FROM} WHERE \"at\" IS NULL"));
        assert_eq!(statements.select(None, Some(5)).unwrap(), format!("SELECT {COLUMNS} {FROM} LIMIT 5"));
        assert!(statements.newest().is_err());
        assert!(statements.select(Some(Window { lo: None, hi: i64::MAX }), None).is_err());
    }

    #[test]
    fn integers_and_nulls_may_be_read() {
        let query = query(true, CursorKind::Integer);
        let statements = statements(&query, Clock::Utc);
        let sql = statements.count(Some(Window { lo: Some(-5), hi: 10 })).unwrap();
        assert_eq!(sql, format!("SELECT count(*) {FROM} WHERE (\"at\" >= -5 AND \"at\" < 10 OR \"at\" IS NULL)"));
        let first = statements.count(Some(Window { lo: None, hi: 10 })).unwrap();
        assert_eq!(first, format!("SELECT count(*) {FROM} WHERE (\"at\" < 10 OR \"at\" IS NULL)"));
        assert_eq!(statements.newest().unwrap(), format!("SELECT max(\"at\") {FROM}"));
    }

    #[test]
    fn times_of_a_place_are_compared_in_its_time() {
        let query = query(false, CursorKind::Time);
        let hour = DateTime::from_timestamp(3_600, 0).unwrap();
        let sql = statements(&query, Clock::Local(Tz::Asia__Tokyo)).count(Some(Window::of_times(None, hour))).unwrap();
        assert_eq!(sql, format!("SELECT count(*) {FROM} WHERE \"at\" < TIMESTAMP '1970-01-01 10:00:00.000000'"));
    }

    #[test]
    fn pairs_are_aggregated_by_the_server() {
        let mut query = query(false, CursorKind::Time);
        query.aggregate = Some(Aggregate {
            latest: vec!["time".to_owned()],
            sums: vec!["weight".to_owned()],
            count_as: Some("times".to_owned()),
            last_days: Some(1),
        });
        let since = Some((DateTime::from_timestamp(0, 0).unwrap(), Clock::Utc));
        let sql = Statements { since, ..statements(&query, Clock::Utc) }.select(None, None).unwrap();
        let wanted = format!(
            "SELECT \"we\"\"ird\" AS \"user_id\", \"sku\" AS \"item_id\", max(\"at\") AS \"time\", sum(\"amount\") AS \"weight\", \
             count(*) AS \"times\" {FROM} WHERE \"at\" >= TIMESTAMP '1970-01-01 00:00:00.000000' GROUP BY \"we\"\"ird\", \"sku\""
        );
        assert_eq!(sql, wanted);
    }

    #[test]
    fn names_of_mysql_are_quoted_in_its_way() {
        let mut query = query(false, CursorKind::Integer);
        query.columns.truncate(1);
        query.columns[0].column = "we`ird\"".to_owned();
        let sql = Statements { dialect: MYSQL, ..statements(&query, Clock::Utc) }.select(Some(Window { lo: None, hi: 5 }), None);
        assert_eq!(sql.unwrap(), "SELECT `we``ird\"` AS `user_id` FROM `shop`.`events` WHERE `at` < 5");
    }

    #[test]
    fn a_statement_is_put_between_brackets() {
        let source = Source::Sql("SELECT 1 -- one;".to_owned());
        assert_eq!(POSTGRESQL.from(&source).unwrap(), "(SELECT 1 -- one\n) AS \"source\"");
    }
}
