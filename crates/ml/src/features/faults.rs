//! Values that cannot be read, where they are left out rather than refused.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The values of a field that were left out. Threads add to it in any order; what it says does not depend on that.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    rows: BTreeSet<u32>,
    /// What is wrong with the first of the rows.
    first: String,
}

impl Faults {
    /// Adds the value of a row, with a sentence that names column and id.
    pub fn add(&self, row: u32, what: &str) {
        let mut found = self.found();
        if found.rows.first().is_none_or(|first| row < *first) {
            what.clone_into(&mut found.first);
        }
        found.rows.insert(row);
    }

    /// Returns what is wrong with the first value; `None` without any.
    pub fn first(&self) -> Option<String> {
        let found = self.found();
        (!found.rows.is_empty()).then(|| found.first.clone())
    }

    /// Returns a sentence about the values; `None` without any.
    pub fn sentence(&self) -> Option<String> {
        let (first, n) = (self.first()?, self.found().rows.len());
        Some(match n {
            1 => format!("{first}; this value is left out"),
            2 => format!("{first}; this value and one other of the column are left out"),
            n => format!("{first}; this value and {} others of the column are left out", n - 1),
        })
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows that were left out because a value of theirs cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub n: usize,
    /// What is wrong with the first ones.
    pub examples: Vec<String>,
}

impl LeftOut {
    /// Most examples.
    const SHOWN: usize = 3;

    /// Adds a row.
    pub(super) fn add(&mut self, what: String) {
        self.n += 1;
        if self.examples.len() < Self::SHOWN {
            self.examples.push(what);
        }
    }

    /// Adds the rows that follow.
    pub(super) fn append(&mut self, after: LeftOut) {
        self.n += after.n;
        self.examples.extend(after.examples.into_iter().take(Self::SHOWN - self.examples.len()));
    }
}
