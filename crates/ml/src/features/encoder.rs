//! Fitting a spec on training items, and encoding any items with it.

use std::ops::Range;

use super::blocks::in_blocks;
use super::dates::Numbers;
use super::derive::{MOST_PAIRS, Step};
use super::fitted::Fitted;
use super::scratch::Scratch;
use super::source::Source;
use super::spec::FeatureSpec;
use super::table::{FeatureTable, heap_of, listed};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// Bytes of a pattern in memory per byte of its size: it is held to be read in both directions, here and in the encoder.
const PATTERN_COPIES: u64 = 4;

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
    pub numbers: Numbers,
    pub fitted: Fitted,
}

impl Block {
    /// Returns the most entries of a cell, as [`Fitted::most_entries`] does.
    fn most_entries(&self, bytes: Option<usize>) -> usize {
        let is_crossed = self.steps.iter().any(|step| matches!(step, Step::Cross(_)));
        match bytes {
            Some(_) if is_crossed => self.fitted.width().min(MOST_PAIRS),
            bytes => self.fitted.most_entries(bytes),
        }
    }
}

impl PartialEq for Encoder {
    fn eq(&self, other: &Self) -> bool {
        let are_same = |(one, other): (&Block, &Block)| one.numbers == other.numbers && one.fitted == other.fitted;
        let fitted = self.blocks.len() == other.blocks.len() && self.blocks.iter().zip(&other.blocks).all(are_same);
        fitted && self.spec == other.spec && self.now_micros == other.now_micros
    }
}

impl Encoder {
    /// Learns from the rows of training items; `None` stands for an item without a row. Nothing else of the table is looked at.
    /// `now_micros` is the moment of training, against which ages are measured. Asks for the memory of each field.
    pub fn fit(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now_micros: i64,
        ctx: &Context,
    ) -> MlResult<Encoder> {
        let learnt = learn_fields(spec, table, rows, now_micros, ctx)?;
        Encoder::new(spec.clone(), now_micros, learnt.into_iter().collect::<MlResult<_>>()?)
    }

    /// Learns from the rows of training items as [`Encoder::fit`] does, and leaves out fields that are empty in all of them. Returns the
    /// numbers of the others in the spec as well; there may be none.
    pub fn fit_present(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now_micros: i64,
        ctx: &Context,
    ) -> MlResult<(Encoder, Vec<usize>)> {
        let learnt = learn_fields(spec, table, rows, now_micros, ctx)?;
        let present: Vec<usize> = (0..learnt.len()).filter(|field| learnt[*field].is_ok()).collect();
        let fields = present.iter().map(|field| spec.fields[*field].clone()).collect();
        let encoder = Encoder::new(FeatureSpec { fields }, now_micros, learnt.into_iter().flatten().collect())?;
        Ok((encoder, present))
    }

    /// Learns from the rows of training items and encodes rows, see [`Encoder::fit`] and [`Encoder::encode`].
    pub fn fit_and_encode(
        spec: &FeatureSpec,
        table: &FeatureTable,
        (trained, rows): (&[Option<u32>], &[Option<u32>]),
        now_micros: i64,
        ctx: &Context,
    ) -> MlResult<(Encoder, Csr)> {
        let encoder = Encoder::fit(spec, table, trained, now_micros, ctx)?;
        let encoded = encoder.encode(table, rows, &ctx.beside(encoder.heap_bytes()))?;
        Ok((encoder, encoded))
    }

    /// Lines the columns of all fields up.
    pub(super) fn new(spec: FeatureSpec, now_micros: i64, fitted: Vec<(Numbers, Fitted)>) -> MlResult<Self> {
        let mut n_columns = 0u32;
        let mut blocks = Vec::with_capacity(fitted.len());
        for ((numbers, fitted), steps) in fitted.into_iter().zip(steps_of(&spec)?) {
            let first = n_columns;
            let end = u32::try_from(fitted.width()).ok().and_then(|width| first.checked_add(width));
            n_columns = end.ok_or_else(|| MlError::BadInput("the fields have more than 4,294,967,295 columns".into()))?;
            blocks.push(Block { first, steps, numbers, fitted });
        }
        Ok(Encoder { spec, now_micros, blocks, n_columns })
    }

    fn heap_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.fitted.heap_bytes()).sum()
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
    /// in all rows. Asks for the memory first.
    pub fn encode(&self, table: &FeatureTable, rows: &[Option<u32>], ctx: &Context) -> MlResult<Csr> {
        require_rows(table, rows)?;
        self.require_any_column(table)?;
        ctx.require_memory("the features of items", self.bytes_to_encode(table, rows))?;
        let with_source = |(block, field)| -> (&Block, Source<'_>) {
            let block: &Block = block;
            (block, Source::new(field, &block.steps, table, self.now_micros, ctx).decided(block.numbers))
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

    /// Returns about how many bytes it takes at most to encode rows: their entries, in parts and then joined.
    pub(super) fn bytes_to_encode(&self, table: &FeatureTable, rows: &[Option<u32>]) -> u64 {
        const ENTRY: u64 = 8;
        const IN_PARTS_AND_JOINED: u64 = 2;
        let blocks: Vec<(&str, &Block)> = self.spec.fields.iter().map(|field| field.column.as_str()).zip(&self.blocks).collect();
        let of_missing: usize = self.blocks.iter().map(|block| block.most_entries(None)).sum();
        let readers: Vec<Vec<&Block>> = table
            .columns()
            .iter()
            .map(|column| blocks.iter().filter(|(read, _)| read == column).map(|(_, block)| *block).collect())
            .collect();
        let sizes: Vec<usize> = table.values().iter().map(heap_of).collect();
        let of_cell = |&(column, value): &(u32, u32)| {
            let more = |block: &&Block| block.most_entries(Some(sizes[value as usize])).saturating_sub(block.most_entries(None));
            readers[column as usize].iter().map(more).sum::<usize>()
        };
        let of_row = |row: &u32| of_missing + table.cells(*row).iter().map(of_cell).sum::<usize>();
        let entries: usize = rows.iter().flatten().map(of_row).sum();
        (entries as u64 * ENTRY + (rows.len() * size_of::<usize>()) as u64) * IN_PARTS_AND_JOINED
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

    /// Returns the first row of a table, as [`Self::encode`] does, where a value that cannot be read counts as missing; and for
    /// each field of the spec whether its value means something to the encoder.
    pub fn encode_readable(&self, table: &FeatureTable) -> (Csr, Vec<bool>) {
        let (nothing, ctx) = (FeatureTable::one("", &serde_json::Map::new()), Context::new(0, 1));
        let table = if table.n_rows() == 0 { &nothing } else { table };
        let (mut part, mut scratch) = (Part::default(), Scratch::default());
        let mut is_known = Vec::with_capacity(self.blocks.len());
        for (block, field) in self.blocks.iter().zip(&self.spec.fields) {
            let start = part.indices.len();
            // So that a value which cannot be read is told from one that is not given.
            let strict = field.strict();
            let mut encode = |table: &FeatureTable| {
                let source = Source::new(&strict, &block.steps, table, self.now_micros, &ctx).decided(block.numbers);
                self.encode_row(&[(block, source)], 0, &mut part, &mut scratch).is_ok()
            };
            let can_be_read = encode(table);
            if !can_be_read {
                encode(&nothing);
            }
            let has_value = table.column(&field.column).is_some_and(|values| !values.get(0).is_null());
            is_known.push(can_be_read && has_value && part.indices.len() > start);
        }
        part.ends.push(part.indices.len());
        (joined(vec![part], 1, self.n_columns()), is_known)
    }

    /// Returns for each field of the spec whether it reads a column.
    pub fn readers_of(&self, column: &str) -> Vec<bool> {
        let crosses = |block: &Block| block.steps.iter().any(|step| matches!(step, Step::Cross(with) if with == column));
        self.blocks.iter().zip(&self.spec.fields).map(|(block, field)| field.column == column || crosses(block)).collect()
    }

    fn require_any_column(&self, table: &FeatureTable) -> MlResult<()> {
        let mut wanted = self.spec.fields.iter().map(|field| &field.column);
        if self.blocks.is_empty() || table.columns().is_empty() || wanted.any(|column| table.columns().contains(column)) {
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

    /// Returns what should be known of how the field with this number in the spec is read. Panics when there is no such field, as
    /// indexing does.
    pub fn warning(&self, field: usize) -> Option<&'static str> {
        self.blocks[field].numbers.warning()
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

/// Learns every field of a spec, and asks for the memory of each. A field that is empty in all rows has an error of its own.
fn learn_fields(
    spec: &FeatureSpec,
    table: &FeatureTable,
    rows: &[Option<u32>],
    now_micros: i64,
    ctx: &Context,
) -> MlResult<Vec<MlResult<(Numbers, Fitted)>>> {
    spec.validate()?;
    spec.require_columns(table.columns())?;
    require_rows(table, rows)?;
    let steps = steps_of(spec)?;
    let mut held = steps.iter().flatten().map(Step::bytes).sum::<usize>() as u64 * PATTERN_COPIES;
    let mut learnt = Vec::with_capacity(spec.fields.len());
    for (field, steps) in spec.fields.iter().zip(steps) {
        let beside = ctx.beside(held);
        let source = Source::new(field, &steps, table, now_micros, &beside).deciding_by(rows);
        let fitted = Fitted::fit(&source, rows, now_micros, &beside)?;
        held += fitted.as_ref().map_or(0, Fitted::heap_bytes);
        learnt.push(fitted.map(|fitted| (source.numbers, fitted)).ok_or_else(|| Fitted::emptiness(&source)));
    }
    Ok(learnt)
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
