//! What is found out about a query before it runs.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::error::ConnectorError;
use super::query::{CursorKind, Query};
use super::statements::{Clock, Dialect, Statements};

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// A time without a zone.
    LocalTime,
    Date,
    Other,
}

/// A column of a table or of a statement.
#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    pub stores: Stores,
}

/// What the statements of a query depend on.
pub struct Prepared {
    pub dialect: Dialect,
    pub columns: Vec<Known>,
    /// The place whose time is stored without a zone, if it is not UTC.
    pub zone: Option<Tz>,
    /// The first moment of an aggregation over the last days.
    pub since: Option<DateTime<Utc>>,
}

impl Prepared {
    /// Passes the statements of a query to `write`.
    pub fn statements<T>(&self, query: &Query, write: impl FnOnce(&Statements<'_>) -> T) -> T {
        let expression = |name: &str| self.expression(name);
        let clock_of = |name: Option<&str>| name.map_or(Clock::Utc, |name| self.clock_of(name));
        let latest = query.aggregate.as_ref().and_then(|aggregate| aggregate.latest.first());
        let latest = latest.and_then(|name| query.column_named(name));
        write(&Statements {
            dialect: self.dialect,
            query,
            cursor_clock: clock_of(query.cursor.as_ref().map(|cursor| cursor.column.as_str())),
            expression: &expression,
            since: self.since.map(|since| (since, clock_of(latest))),
        })
    }

    /// Fails if a query reads times of which nothing says where they are from.
    pub fn refuse_times_without_zone(&self, query: &Query) -> Result<(), ConnectorError> {
        let cursor = query.cursor.iter().filter(|cursor| cursor.kind == CursorKind::Time);
        let is_local = |name: &&String| self.stores(name) == Stores::LocalTime;
        let cursors = cursor.map(|cursor| &cursor.column).filter(|name| self.stores(name) != Stores::Other);
        let found = query.columns.iter().map(|mapped| &mapped.column).filter(is_local).chain(cursors).next();
        match found {
            Some(name) => Err(ConnectorError::BadQuery(format!(
                "The column {name} stores times without a time zone. Enter time_zone in the connection, such as Asia/Tokyo or UTC."
            ))),
            None => Ok(()),
        }
    }

    /// Returns how a column stores times. Columns with a zone, and all of them where no place is set, are in UTC as the session is.
    fn clock_of(&self, name: &str) -> Clock {
        match (self.zone, self.stores(name)) {
            (Some(zone), Stores::LocalTime | Stores::Date) => Clock::Local(zone),
            _ => Clock::Utc,
        }
    }

    /// Returns the expression of a time of a place as a moment, in dialects that have one.
    fn expression(&self, name: &str) -> Option<String> {
        let zone = self.zone.filter(|_| self.dialect.has_zones && self.stores(name) == Stores::LocalTime)?;
        Some(format!("({} AT TIME ZONE '{}')", self.dialect.name(name), zone.name()))
    }

    fn stores(&self, name: &str) -> Stores {
        self.columns.iter().find(|column| column.name == name).map_or(Stores::Other, |column| column.stores)
    }
}
