//! The cells of a field: a column of a table seen through the derivations.

use super::cells::{Cell, Told};
use super::dates::Numbers;
use super::derive::Step;
use super::spec::Field;
use super::table::{Column, FeatureTable, heap_of};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::ids::Ids;

/// Rows without derivations and long values between two checks whether to stop.
const UNCHECKED: u32 = 16;

/// Bytes of a value from which on it is long.
const LONG: usize = 1 << 10;

/// Where a field finds its values. A column that the table does not have is missing in each row.
pub(super) struct Source<'a> {
    pub field: &'a Field,
    /// How its numbers name moments, where it reads any.
    pub numbers: Numbers,
    ids: &'a Ids,
    values: Option<Column<'a>>,
    /// Each step, and the column it crosses with.
    steps: Vec<(&'a Step, Option<Column<'a>>)>,
    now_micros: i64,
    ctx: &'a Context,
}

impl<'a> Source<'a> {
    /// Finds the columns of a field in a table. Reading them stops when `ctx` says so.
    pub fn new(field: &'a Field, steps: &'a [Step], table: &'a FeatureTable, now_micros: i64, ctx: &'a Context) -> Self {
        let with_column = |step: &'a Step| match step {
            Step::Cross(with) => (step, table.column(with)),
            _ => (step, None),
        };
        Source {
            field,
            numbers: Numbers::default(),
            ids: table.ids(),
            values: table.column(&field.column),
            steps: steps.iter().map(with_column).collect(),
            now_micros,
            ctx,
        }
    }

    /// Decides how the numbers name moments, from the rows of training items.
    pub fn deciding_by(self, rows: &[Option<u32>]) -> Self {
        let Some(values) = self.values.filter(|_| self.field.reads_moments()) else { return self };
        let number = |row: &u32| Cell::of(values.get(*row)).ok()?.number().ok()?;
        Source { numbers: Numbers::of(rows.iter().flatten().filter_map(number)), ..self }
    }

    /// Reads numbers as was decided before.
    pub fn decided(self, numbers: Numbers) -> Self {
        Source { numbers, ..self }
    }

    /// Returns what `read` makes of the cell of a row. An error names column and id.
    pub fn read<T>(&self, row: u32, read: impl FnOnce(Cell<'a>) -> Told<T>) -> MlResult<T> {
        if self.is_dear(row) {
            self.ctx.check()?;
        }
        self.cell(row).and_then(read).map_err(|what| self.wrong(row, &what))
    }

    /// Returns what `read` makes of the cell of a row, as [`Self::read`] does. In a lenient field, a value that cannot be read is
    /// missing.
    pub fn read_one<T>(&self, row: u32, read: impl FnOnce(Cell<'a>) -> Told<Option<T>>) -> MlResult<Option<T>> {
        match self.read(row, read) {
            Err(MlError::BadInput(_)) if self.field.options.lenient == Some(true) => Ok(None),
            found => found,
        }
    }

    /// Creates the error of a value in a row.
    pub fn wrong(&self, row: u32, what: &str) -> MlError {
        MlError::BadInput(format!("column {:?}: id {:?} {what}", self.field.column, self.ids.get(row)))
    }

    /// Creates the error of a vector of the wrong width.
    pub fn wrong_width(&self, row: u32, found: usize, wanted: &str) -> MlError {
        let (column, id) = (&self.field.column, self.ids.get(row));
        MlError::BadInput(format!("column {column:?}: the vector of id {id:?} has {found} numbers, {wanted}"))
    }

    /// Creates an error about the whole column.
    pub fn flaw(&self, what: &str) -> MlError {
        MlError::BadInput(format!("column {:?} {what}", self.field.column))
    }

    /// Returns whether to check before a row: some take long, and the others are many.
    fn is_dear(&self, row: u32) -> bool {
        let is_long = |values: &Column<'_>| heap_of(values.get(row)) >= LONG;
        !self.steps.is_empty() || row.is_multiple_of(UNCHECKED) || self.values.as_ref().is_some_and(is_long)
    }

    fn cell(&self, row: u32) -> Told<Cell<'a>> {
        let Some(values) = self.values else { return Ok(Cell::Missing) };
        let mut cell = Cell::of(values.get(row))?;
        for (step, crossed) in &self.steps {
            let other = crossed.map_or(Ok(Cell::Missing), |values| Cell::of(values.get(row)))?;
            cell = step.apply(cell, other, (self.now_micros, self.numbers))?;
        }
        Ok(cell)
    }
}
