//! The columns to read from a file, and their positions in it.

use super::error::TabularError;
use super::stop::Stop;

/// Columns to read, and the limits.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Column of user ids.
    pub user_column: String,
    /// Column of item ids.
    pub item_column: String,
    /// Column of times, if there is one.
    pub time_column: Option<String>,
    /// Column of event types (such as `view` or `purchase`), if there is one.
    pub event_column: Option<String>,
    /// Limit of expanded data, in bytes.
    pub max_expanded_bytes: u64,
    /// Limit of one field, in bytes.
    pub max_field_bytes: usize,
    /// Bytes of text that a thread takes at a time, if several threads read.
    pub block_bytes: usize,
    /// Time of the upload, in microseconds UTC; times after it are counted.
    pub uploaded_at: Option<i64>,
    /// Ends the reading early.
    pub stop: Stop,
}

impl ReadOptions {
    /// Creates options without event types; expanded data may take 16 GiB, a field 1 MiB and a block 1 MiB.
    pub fn new(user_column: impl Into<String>, item_column: impl Into<String>, time_column: Option<String>) -> Self {
        ReadOptions {
            user_column: user_column.into(),
            item_column: item_column.into(),
            time_column,
            event_column: None,
            max_expanded_bytes: 16 << 30,
            max_field_bytes: 1 << 20,
            block_bytes: 1 << 20,
            uploaded_at: None,
            stop: Stop::default(),
        }
    }

    /// Returns the names of the columns to read.
    pub(super) fn wanted(&self) -> Wanted<&str> {
        Wanted {
            user: &self.user_column,
            item: &self.item_column,
            time: self.time_column.as_deref(),
            event: self.event_column.as_deref(),
        }
    }
}

/// One value for each column that is read: its name, or its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted<T> {
    pub user: T,
    pub item: T,
    pub time: Option<T>,
    pub event: Option<T>,
}

impl<T: Copy> Wanted<T> {
    /// Iterates over all existing values.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        [Some(self.user), Some(self.item), self.time, self.event].into_iter().flatten()
    }

    /// Replaces each value by the result of `f`.
    pub fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Wanted<U>, E> {
        Ok(Wanted {
            user: f(self.user)?,
            item: f(self.item)?,
            time: self.time.map(&mut f).transpose()?,
            event: self.event.map(&mut f).transpose()?,
        })
    }
}

impl<'a> Wanted<&'a str> {
    /// Returns the names without repeats, and the index of each column among them.
    pub fn distinct(self) -> (Vec<&'a str>, Wanted<usize>) {
        let mut names: Vec<&str> = Vec::new();
        let place = |name| {
            let known = names.iter().position(|n| *n == name);
            Ok::<_, std::convert::Infallible>(known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }))
        };
        let Ok(places) = self.try_map(place);
        (names, places)
    }
}

/// Returns the indices of `wanted` in `columns`.
pub(super) fn locate(columns: &[String], wanted: Wanted<&str>) -> Result<Wanted<usize>, TabularError> {
    wanted.try_map(|name| {
        let mut places = columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => Err(TabularError::RepeatedColumn { column: name.to_owned() }),
            (None, _) => Err(TabularError::MissingColumn { column: name.to_owned(), available: columns.to_vec() }),
        }
    })
}
