//! The cells of a field: a column of a table seen through the derivations.

use serde_json::Value;

use super::cells::{Cell, Told};
use super::derive::Step;
use super::spec::Field;
use super::table::FeatureTable;
use crate::error::{MlError, MlResult};
use crate::ids::Ids;

/// Where a field finds its values. A column that the table does not have is missing in each row.
pub(super) struct Source<'a> {
    pub field: &'a Field,
    ids: &'a Ids,
    values: Option<&'a [Value]>,
    /// Each step, and the column it crosses with.
    steps: Vec<(&'a Step, Option<&'a [Value]>)>,
    now_micros: i64,
}

impl<'a> Source<'a> {
    /// Finds the columns of a field in a table.
    pub fn new(field: &'a Field, steps: &'a [Step], table: &'a FeatureTable, now_micros: i64) -> Self {
        let with_column = |step: &'a Step| match step {
            Step::Cross(with) => (step, table.column(with)),
            _ => (step, None),
        };
        Source {
            field,
            ids: table.ids(),
            values: table.column(&field.column),
            steps: steps.iter().map(with_column).collect(),
            now_micros,
        }
    }

    /// Returns what `read` makes of the cell of a row. An error names column and id.
    pub fn read<T>(&self, row: u32, read: impl FnOnce(Cell<'a>) -> Told<T>) -> MlResult<T> {
        self.cell(row).and_then(read).map_err(|what| self.wrong(row, &what))
    }

    /// Creates the error of a value in a row.
    pub fn wrong(&self, row: u32, what: &str) -> MlError {
        MlError::BadInput(format!("column {:?}: item {:?} {what}", self.field.column, self.ids.get(row)))
    }

    /// Creates the error of a vector of the wrong width.
    pub fn wrong_width(&self, row: u32, found: usize, wanted: &str) -> MlError {
        let (column, id) = (&self.field.column, self.ids.get(row));
        MlError::BadInput(format!("column {column:?}: the vector of item {id:?} has {found} numbers, {wanted}"))
    }

    /// Creates an error about the whole column.
    pub fn flaw(&self, what: &str) -> MlError {
        MlError::BadInput(format!("column {:?} {what}", self.field.column))
    }

    fn cell(&self, row: u32) -> Told<Cell<'a>> {
        let Some(values) = self.values else { return Ok(Cell::Missing) };
        let mut cell = Cell::of(&values[row as usize])?;
        for (step, crossed) in &self.steps {
            let other = crossed.map_or(Ok(Cell::Missing), |values| Cell::of(&values[row as usize]))?;
            cell = step.apply(cell, other, self.now_micros)?;
        }
        Ok(cell)
    }
}
