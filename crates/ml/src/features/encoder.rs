//! Fitting a spec on training items, and encoding any items with it.

use std::ops::Range;

use super::blocks::in_blocks;
use super::derive::Step;
use super::fitted::Fitted;
use super::scratch::Scratch;
use super::source::Source;
use super::spec::FeatureSpec;
use super::table::{FeatureTable, listed};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// A spec with all that was learnt from the rows of training items.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub(super) spec: FeatureSpec,
    /// The moment of training, in microseconds UTC.
    pub(super) now_micros: i64,
    /// One for each field of the spec.
    pub(super) blocks: Vec<Block>,
    n_columns: u32,
}

/// The columns of one field.
#[derive(Debug, Clone)]
pub(super) struct Block {
    first: u32,
    steps: Vec<Step>,
    pub fitted: Fitted,
}

impl PartialEq for Encoder {
    fn eq(&self, other: &Self) -> bool {
        let fitted = self.blocks.iter().map(|block| &block.fitted).eq(other.blocks.iter().map(|block| &block.fitted));
        fitted && self.spec == other.spec && self.now_micros == other.now_micros
    }
}

impl Encoder {
    /// Learns from the rows of training items; `None` stands for an item without a row. Nothing else of the table is looked at.
    /// `now_micros` is the moment of training, against which ages are measured.
    pub fn fit(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now_micros: i64,
        ctx: &Context,
    ) -> MlResult<Encoder> {
        spec.validate()?;
        spec.require_columns(table.columns())?;
        require_rows(table, rows)?;
        let mut fitted = Vec::with_capacity(spec.fields.len());
        for (field, steps) in spec.fields.iter().zip(steps_of(spec)?) {
            let source = Source::new(field, &steps, table, now_micros);
            fitted.push(Fitted::fit(&source, rows, now_micros, ctx)?);
        }
        Encoder::new(spec.clone(), now_micros, fitted)
    }

    /// Lines the columns of all fields up.
    pub(super) fn new(spec: FeatureSpec, now_micros: i64, fitted: Vec<Fitted>) -> MlResult<Self> {
        let mut n_columns = 0u32;
        let mut blocks = Vec::with_capacity(fitted.len());
        for (fitted, steps) in fitted.into_iter().zip(steps_of(&spec)?) {
            let first = n_columns;
            let end = u32::try_from(fitted.width()).ok().and_then(|width| first.checked_add(width));
            n_columns = end.ok_or_else(|| MlError::BadInput("the fields have more than 4,294,967,295 columns".into()))?;
            blocks.push(Block { first, steps, fitted });
        }
        Ok(Encoder { spec, now_micros, blocks, n_columns })
    }

    /// Returns the number of columns of what is encoded.
    pub fn n_columns(&self) -> usize {
        self.n_columns as usize
    }

    /// Returns the spec.
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// Returns a row for each of `rows`, empty for `None`. The columns of a field have the field's weight as their length, or
    /// are all zero when the item has nothing that a training item had. A column that the table does not have counts as missing
    /// in all rows.
    pub fn encode(&self, table: &FeatureTable, rows: &[Option<u32>], ctx: &Context) -> MlResult<Csr> {
        require_rows(table, rows)?;
        self.require_any_column(table)?;
        let with_source = |(block, field)| -> (&Block, Source<'_>) {
            let block: &Block = block;
            (block, Source::new(field, &block.steps, table, self.now_micros))
        };
        let sources: Vec<(&Block, Source<'_>)> = self.blocks.iter().zip(&self.spec.fields).map(with_source).collect();
        let parts = in_blocks(rows, ctx, |_, rows| {
            let (mut part, mut scratch) = (Part::default(), Scratch::default());
            for row in rows {
                if let Some(row) = *row {
                    self.encode_row(&sources, row, &mut part, &mut scratch)?;
                }
                part.ends.push(part.indices.len());
            }
            Ok(part)
        })?;
        Ok(joined(parts, rows.len(), self.n_columns()))
    }

    fn encode_row(&self, sources: &[(&Block, Source<'_>)], row: u32, part: &mut Part, scratch: &mut Scratch) -> MlResult<()> {
        for (block, source) in sources {
            block.fitted.encode(source, row, block.first, self.now_micros, scratch)?;
            let weight = f64::from(source.field.weight);
            part.indices.extend(scratch.entries.iter().map(|(column, _)| *column));
            part.values.extend(scratch.entries.iter().map(|(_, value)| (value * weight) as f32));
        }
        Ok(())
    }

    fn require_any_column(&self, table: &FeatureTable) -> MlResult<()> {
        let mut wanted = self.spec.fields.iter().map(|field| &field.column);
        if table.columns().is_empty() || wanted.any(|column| table.columns().contains(column)) {
            return Ok(());
        }
        let wanted: Vec<&String> = self.spec.fields.iter().map(|field| &field.column).collect();
        let found = listed(table.columns());
        Err(MlError::BadInput(format!("the model was trained with columns {}; the given ones are {found}", listed(&wanted))))
    }

    /// Returns the columns of the field with this number in the spec. Panics when there is no such field, as indexing does.
    pub fn field_columns(&self, field: usize) -> Range<usize> {
        let Block { first, fitted, .. } = &self.blocks[field];
        let first = *first as usize;
        first..first + fitted.width()
    }

    /// Returns the meaning of a column, such as `genres=Comedy` or `title:toy`. Panics when there is no such column, as indexing
    /// does.
    pub fn column_name(&self, at: usize) -> String {
        let block = self.blocks.partition_point(|block| block.first as usize <= at) - 1;
        let Block { first, fitted, .. } = &self.blocks[block];
        format!("{}{}", self.spec.fields[block].column, fitted.name(at - *first as usize))
    }

    /// Returns the meaning of each column.
    pub fn column_names(&self) -> Vec<String> {
        (0..self.n_columns()).map(|at| self.column_name(at)).collect()
    }
}

/// Some encoded rows.
#[derive(Default)]
struct Part {
    /// Where each row ends.
    ends: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

fn joined(parts: Vec<Part>, n_rows: usize, n_cols: usize) -> Csr {
    let nnz = parts.iter().map(|part| part.indices.len()).sum();
    let mut indptr = Vec::with_capacity(n_rows + 1);
    indptr.push(0);
    let (mut indices, mut values) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
    for part in parts {
        let start = indices.len();
        indptr.extend(part.ends.iter().map(|end| start + end));
        indices.extend_from_slice(&part.indices);
        values.extend_from_slice(&part.values);
    }
    Csr { n_rows, n_cols, indptr, indices, values }
}

fn steps_of(spec: &FeatureSpec) -> MlResult<Vec<Vec<Step>>> {
    let of_field = |field: &super::Field| {
        let steps: Result<Vec<Step>, String> = field.derive.iter().map(Step::of).collect();
        steps.map_err(|what| MlError::BadInput(format!("column {:?}: {what}", field.column)))
    };
    spec.fields.iter().map(of_field).collect()
}

fn require_rows(table: &FeatureTable, rows: &[Option<u32>]) -> MlResult<()> {
    match rows.iter().flatten().find(|row| **row as usize >= table.n_rows()) {
        Some(row) => Err(MlError::BadInput(format!("row {row} is outside a table of {} rows", table.n_rows()))),
        None => Ok(()),
    }
}
