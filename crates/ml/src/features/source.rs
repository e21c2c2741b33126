//! The cells of a field: a column of a table seen through the derivations.

use super::blocks::in_blocks;
use super::cells::{Cell, Told};
use super::dates::Numbers;
use super::derive::Step;
use super::faults::Faults;
use super::spec::{Field, FieldKind};
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
    /// Takes the values that cannot be read, which then count as missing. `None` where they are refused.
    faults: Option<&'a Faults>,
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
            faults: None,
            ctx,
        }
    }

    /// Takes values that cannot be read for missing and adds them to `faults`; refuses them where that is `None`.
    pub fn leaving_out(self, faults: Option<&'a Faults>) -> Self {
        Source { faults, ..self }
    }

    /// Returns the latest of the moments whose age is encoded; `None` if no row has one that can be read.
    pub fn latest(&self, rows: &[Option<u32>]) -> MlResult<Option<i64>> {
        let age = self.steps.iter().position(|(step, _)| matches!(step, Step::Age));
        let n_steps = match (self.field.kind, age) {
            (_, Some(at)) => at,
            (FieldKind::Time, None) => self.steps.len(),
            _ => return Ok(None),
        };
        let moment = |row: &u32| self.cell_after(*row, n_steps).ok()?.moment(self.numbers).ok()?;
        let parts = in_blocks(rows, self.ctx, |_, rows| Ok(rows.iter().flatten().filter_map(moment).max()))?;
        Ok(parts.into_iter().flatten().max())
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

    /// Returns what `read` makes of the cell of a row. An error names column and id. Where values are left out, one that cannot be
    /// read is missing.
    pub fn read<T>(&self, row: u32, mut read: impl FnMut(Cell<'a>) -> Told<T>) -> MlResult<T> {
        match self.read_strictly(row, &mut read) {
            Err(MlError::BadInput(what)) => {
                self.refuse(row, what)?;
                read(Cell::Missing).map_err(|what| self.wrong(row, &what))
            }
            found => found,
        }
    }

    /// Leaves the value of a row out, where that is done, and refuses it otherwise.
    pub fn refuse(&self, row: u32, what: String) -> MlResult<()> {
        match self.faults {
            Some(faults) => {
                faults.add(row, &what);
                Ok(())
            }
            None => Err(MlError::BadInput(what)),
        }
    }

    fn read_strictly<T>(&self, row: u32, read: impl FnOnce(Cell<'a>) -> Told<T>) -> MlResult<T> {
        if self.is_dear(row) {
            self.ctx.check()?;
        }
        self.cell(row).and_then(read).map_err(|what| self.wrong(row, &what))
    }

    /// Returns what `read` makes of the cell of a row, as [`Self::read`] does. In a lenient field, a value that cannot be read is
    /// missing.
    pub fn read_one<T>(&self, row: u32, read: impl FnMut(Cell<'a>) -> Told<Option<T>>) -> MlResult<Option<T>> {
        if self.field.options.lenient != Some(true) {
            return self.read(row, read);
        }
        match self.read_strictly(row, read) {
            Err(MlError::BadInput(_)) => Ok(None),
            found => found,
        }
    }

    /// Creates the error of a value in a row.
    pub fn wrong(&self, row: u32, what: &str) -> MlError {
        MlError::BadInput(format!("column {:?}: id {:?} {what}", self.field.column, self.ids.get(row)))
    }

    /// Refuses a vector of the wrong width, as [`Self::refuse`] does.
    pub fn refuse_width(&self, row: u32, found: usize, wanted: &str) -> MlResult<()> {
        let (column, id) = (&self.field.column, self.ids.get(row));
        let numbers = if found == 1 { "number" } else { "numbers" };
        self.refuse(row, format!("column {column:?}: the vector of id {id:?} has {found} {numbers}, {wanted}"))
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
        self.cell_after(row, self.steps.len())
    }

    /// Returns the cell of a row after the first steps.
    fn cell_after(&self, row: u32, n_steps: usize) -> Told<Cell<'a>> {
        let Some(values) = self.values else { return Ok(Cell::Missing) };
        let mut cell = Cell::of(values.get(row))?;
        for (step, crossed) in &self.steps[..n_steps] {
            let other = crossed.map_or(Ok(Cell::Missing), |values| Cell::of(values.get(row)))?;
            cell = step.apply(cell, other, (self.now_micros, self.numbers))?;
        }
        Ok(cell)
    }
}
