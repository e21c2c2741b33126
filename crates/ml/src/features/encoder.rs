//! Fitting a spec on training items, and encoding any items with it.

use std::ops::Range;

use serde_json::{Map, Value};

use super::blocks::in_blocks;
use super::dates::Numbers;
use super::derive::{MOST_PAIRS, Step};
use super::faults::{Faults, LeftOut};
use super::fitted::Fitted;
use super::learning::{FieldNote, Learnt, require_rows, steps_of};
use super::parts::{Part, joined};
use super::scratch::Scratch;
use super::source::Source;
use super::spec::FeatureSpec;
use super::table::{FeatureTable, heap_of, listed};
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
    /// What the training should tell; empty for an encoder that was read from a model.
    notes: Vec<FieldNote>,
}

/// What becomes of a row with a value that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    /// It is an error.
    Refused,
    /// The value is missing.
    Missing,
    /// The row is empty.
    LeftOut,
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
    /// `now` is the moment in microseconds against which ages are measured; without one, the latest date of the rows. Asks for the
    /// memory of each field. Refuses values that cannot be read, and rows of which no field says anything.
    pub fn fit(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<Encoder> {
        Encoder::of_all_fields(spec, Learnt::from(spec, table, rows, (now.into(), false), ctx)?)
    }

    /// Learns from the rows of training items as [`Encoder::fit`] does. A value that cannot be read is missing, and
    /// [`Encoder::notes`] says so; a field without any other value is refused.
    pub fn fit_readable(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<Encoder> {
        Encoder::of_all_fields(spec, Learnt::from(spec, table, rows, (now.into(), true), ctx)?)
    }

    fn of_all_fields(spec: &FeatureSpec, learnt: Learnt) -> MlResult<Encoder> {
        let Learnt { fields, now_micros, notes } = learnt;
        let mut encoder = Encoder::new(spec.clone(), now_micros, fields.into_iter().collect::<MlResult<_>>()?)?;
        if encoder.n_columns == 0
            && let Some(note) = notes.first()
        {
            return Err(MlError::BadInput(note.text.clone()));
        }
        encoder.notes = notes;
        Ok(encoder)
    }

    /// Learns from the rows of training items as [`Encoder::fit_readable`] does, and leaves out fields that are empty in all of them.
    /// Returns the numbers of the others in the spec as well; there may be none.
    pub fn fit_present(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<(Encoder, Vec<usize>)> {
        let Learnt { fields: learnt, now_micros, .. } = Learnt::from(spec, table, rows, (now.into(), true), ctx)?;
        let present: Vec<usize> = (0..learnt.len()).filter(|field| learnt[*field].is_ok()).collect();
        let fields = present.iter().map(|field| spec.fields[*field].clone()).collect();
        let encoder = Encoder::new(FeatureSpec { fields }, now_micros, learnt.into_iter().flatten().collect())?;
        Ok((encoder, present))
    }

    /// Learns from the rows of training items, see [`Encoder::fit_readable`], and encodes rows, in which a value that cannot be read
    /// is missing too.
    pub fn fit_and_encode(
        spec: &FeatureSpec,
        table: &FeatureTable,
        (trained, rows): (&[Option<u32>], &[Option<u32>]),
        now: impl Into<Option<i64>>,
        ctx: &Context,
    ) -> MlResult<(Encoder, Csr)> {
        let encoder = Encoder::fit_readable(spec, table, trained, now, ctx)?;
        let encoded = encoder.encode_what_can_be_read(table, rows, &ctx.beside(encoder.heap_bytes()))?;
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
        Ok(Encoder { spec, now_micros, blocks, n_columns, notes: Vec::new() })
    }

    /// Returns the bytes held on the heap, apart from a few numbers.
    pub fn heap_bytes(&self) -> u64 {
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
    /// in all rows. Asks for the memory first. Refuses values that cannot be read.
    pub fn encode(&self, table: &FeatureTable, rows: &[Option<u32>], ctx: &Context) -> MlResult<Csr> {
        Ok(self.encode_as(table, rows, Unreadable::Refused, ctx)?.0)
    }

    /// Encodes rows as [`Self::encode`] does. A value that cannot be read is missing.
    pub fn encode_what_can_be_read(&self, table: &FeatureTable, rows: &[Option<u32>], ctx: &Context) -> MlResult<Csr> {
        Ok(self.encode_as(table, rows, Unreadable::Missing, ctx)?.0)
    }

    /// Encodes rows as [`Self::encode`] does. One with a value that cannot be read is left out: its row is empty.
    pub fn encode_readable_rows(&self, table: &FeatureTable, rows: &[Option<u32>], ctx: &Context) -> MlResult<(Csr, LeftOut)> {
        self.encode_as(table, rows, Unreadable::LeftOut, ctx)
    }

    fn encode_as(
        &self,
        table: &FeatureTable,
        rows: &[Option<u32>],
        unreadable: Unreadable,
        ctx: &Context,
    ) -> MlResult<(Csr, LeftOut)> {
        require_rows(table, rows)?;
        self.require_any_column(table)?;
        ctx.require_memory("the features of items", self.bytes_to_encode(table, rows))?;
        let ignored = Faults::default();
        let with_source = |(block, field)| -> (&Block, Source<'_>) {
            let block: &Block = block;
            let source = Source::new(field, &block.steps, table, self.now_micros, ctx).decided(block.numbers);
            (block, source.leaving_out((unreadable == Unreadable::Missing).then_some(&ignored)))
        };
        let sources: Vec<(&Block, Source<'_>)> = self.blocks.iter().zip(&self.spec.fields).map(with_source).collect();
        let parts = in_blocks(rows, ctx, |_, rows| {
            let (mut part, mut scratch) = (Part::default(), Scratch::default());
            for row in rows {
                if let Some(row) = *row {
                    let start = part.indices.len();
                    match self.encode_row(&sources, row, &mut part, &mut scratch) {
                        Err(MlError::BadInput(what)) if unreadable == Unreadable::LeftOut => part.leave_out(start, what),
                        encoded => encoded?,
                    }
                }
                part.ends.push(part.indices.len());
            }
            Ok(part)
        })?;
        Ok(joined(parts, rows.len(), self.n_columns()))
    }

    /// Returns what the training should tell: of values that were left out, and of fields that say nothing.
    pub fn notes(&self) -> &[FieldNote] {
        &self.notes
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
        let (nothing, ctx) = (FeatureTable::one("", &Map::new()), Context::new(0, 1));
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
        (joined(vec![part], 1, self.n_columns()).0, is_known)
    }

    /// Returns why a row is left out of the new items: a value that cannot be read, or that it says nothing known. `None` for a row
    /// that is not.
    pub fn fault_of(&self, id: &str, values: &Map<String, Value>) -> Option<String> {
        let table = FeatureTable::one(id, values);
        let found = self.encode_readable_rows(&table, &[Some(0)], &Context::new(0, 1));
        // An error is that of a row without any of the columns.
        let (encoded, mut left_out) = found.unwrap_or_else(|_| (Csr::empty(1, 0), LeftOut::default()));
        match left_out.examples.pop() {
            None if encoded.nnz() == 0 => Some("no value of it occurs in the items that the model was trained on".to_owned()),
            fault => fault,
        }
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
    pub fn warning(&self, field: usize) -> Option<String> {
        let numbers = self.blocks[field].numbers.warning().map(str::to_owned);
        let notes = self.notes.iter().filter(|note| note.field == field).map(|note| sentence(&note.text));
        numbers.into_iter().chain(notes).reduce(|all, one| format!("{all} {one}"))
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

/// Returns a text as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), rest.as_str()))
}
