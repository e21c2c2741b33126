//! Texts and categories: which terms an item has.

use super::blocks::in_blocks;
use super::cells::{Cell, Told};
use super::derive::Derivation;
use super::growth::Growth;
use super::scratch::Scratch;
use super::source::Source;
use super::spec::{Field, FieldKind};
use super::vocabulary::{Counts, Vocabulary};
use super::words::each_term;
use crate::context::Context;
use crate::error::MlResult;

/// Terms in fewer training items are dropped, unless the field says otherwise.
const MIN_COUNT: u32 = 2;

/// Terms that are kept, unless the field says otherwise.
const MAX_TERMS: u32 = 30_000;

/// Bytes of terms that a thread counts before it asks for their memory.
const COUNTED: u64 = 256 << 10;

/// A column with as many values is not one of categories.
const TOO_MANY: usize = 100_000;

/// How many texts must hold a bar for it to be a separator: one in this many. A text never holds one by chance, and of lists
/// many have a single value.
const ONE_WITH_BAR: usize = 100;

/// How terms are found in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum How {
    /// Words, counted as often as they occur.
    Words {
        /// Whether two adjacent words are a term too.
        pairs: bool,
    },
    /// Whole values.
    Categories {
        /// What stands between the values of a text.
        separator: Option<String>,
    },
}

impl How {
    /// Calls `found` with each term of a cell.
    fn each(&self, cell: &Cell<'_>, scratch: &mut Scratch, found: &mut dyn FnMut(&str)) -> Told<()> {
        let Scratch { number, words, .. } = scratch;
        match self {
            How::Words { pairs } => cell.each_text(number, &mut |text, _| each_term(text, *pairs, words, found)),
            How::Categories { separator: None } => cell.each_text(number, &mut |text, _| found(text)),
            How::Categories { separator: Some(separator) } => cell.each_text(number, &mut |text, is_alone| match is_alone {
                true => text.split(separator.as_str()).map(str::trim).filter(|part| !part.is_empty()).for_each(&mut *found),
                false => found(text),
            }),
        }
    }
}

/// The terms of the training items.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    pub how: How,
    pub vocabulary: Vocabulary,
}

impl Terms {
    /// Learns the terms of training items, and why there are none; `None` if all values are missing.
    pub fn fit(source: &Source<'_>, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<(Self, Option<String>)>> {
        let field = source.field;
        let how = match field.kind {
            FieldKind::Text => How::Words { pairs: field.options.word_pairs.unwrap_or_default() },
            _ => How::Categories { separator: separator(source, rows, ctx)? },
        };
        let Some(mut counts) = count(source, &how, rows, ctx)? else { return Ok(None) };
        let n_values = counts.len();
        let min_count = field.options.min_count.unwrap_or(MIN_COUNT);
        counts.keep_from(min_count);
        let nothing_repeats = n_values >= TOO_MANY && counts.len() == 0;
        if field.kind == FieldKind::Category && (counts.len() >= TOO_MANY || nothing_repeats) {
            return Err(source.flaw(&format!(
                "has {n_values} different values, too many for categories; use kind \"text\" or leave the column out"
            )));
        }
        let most = field.options.max_terms.unwrap_or(MAX_TERMS) as usize;
        let flaw = (counts.len() == 0).then(|| says_nothing(field, n_values, min_count));
        Ok(Some((Terms { how, vocabulary: Vocabulary::of(counts, rows.len(), most)? }, flaw)))
    }

    /// Returns the most terms of a value with this many bytes, unless it is crossed with another one.
    pub fn most_entries(&self, bytes: usize) -> usize {
        // Between two terms stands something, if only where one character follows another that takes more bytes.
        let singles = bytes / 2 + 1;
        let most = if self.how == (How::Words { pairs: true }) { 2 * singles } else { singles };
        most.min(self.vocabulary.len())
    }

    /// Appends the entries of a cell to those in `scratch`. Terms that no training item had are left out.
    pub fn encode(&self, cell: &Cell<'_>, first: u32, scratch: &mut Scratch) -> Told<()> {
        let mut codes = std::mem::take(&mut scratch.codes);
        codes.clear();
        let told = self.how.each(cell, scratch, &mut |term| codes.extend(self.vocabulary.find(term)));
        codes.sort_unstable();
        for same in codes.chunk_by(|a, b| a == b) {
            let times = match self.how {
                How::Words { .. } if same.len() > 1 => 1.0 + libm::log(same.len() as f64),
                _ => 1.0,
            };
            scratch.entries.push((first + same[0], times * self.vocabulary.idf(same[0])));
        }
        scratch.codes = codes;
        told
    }

    /// Returns the name of a column, to follow that of the field.
    pub fn name(&self, at: usize) -> String {
        let sign = if matches!(self.how, How::Words { .. }) { ':' } else { '=' };
        format!("{sign}{}", self.vocabulary.term(at))
    }
}

/// Says why a field has no terms, to follow the name of its column.
fn says_nothing(field: &Field, n_values: usize, min_count: u32) -> String {
    let what = if field.kind == FieldKind::Text { "words" } else { "values" };
    let why = match n_values {
        0 => format!("has no {what}"),
        1 => format!("has one value, which is in fewer than {min_count} rows of the training"),
        n => format!("has {n} different {what}, and none is in at least {min_count} rows of the training"),
    };
    format!("{why}, so it makes no two alike; leave the column out")
}

fn count(source: &Source<'_>, how: &How, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<Counts>> {
    let growth = Growth::of(ctx, "the terms of item features");
    let parts = in_blocks(rows, ctx, |first, rows| {
        let (mut counts, mut scratch, mut is_empty) = (Counts::default(), Scratch::default(), true);
        let mut asked = 0;
        for (at, row) in rows.iter().enumerate() {
            let Some(row) = *row else { continue };
            source.read(row, |cell| {
                is_empty &= cell == Cell::Missing;
                how.each(&cell, &mut scratch, &mut |term| counts.add(term, first + at))
            })?;
            if counts.bytes() - asked >= COUNTED {
                growth.add(counts.bytes() - asked)?;
                asked = counts.bytes();
            }
        }
        growth.add(counts.bytes() - asked)?;
        Ok((counts, is_empty))
    })?;
    let is_empty = parts.iter().all(|(_, is_empty)| *is_empty);
    let counts = parts.into_iter().map(|(counts, _)| counts).reduce(Counts::with).unwrap_or_default();
    Ok(if is_empty { None } else { Some(counts) })
}

/// Returns the separator that a field names, or the one that the values of training items have.
fn separator(source: &Source<'_>, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<String>> {
    if let Some(given) = &source.field.options.separator {
        return Ok(if given.is_empty() { None } else { Some(given.clone()) });
    }
    if is_divided(source.field) {
        return Ok(None);
    }
    let parts = in_blocks(rows, ctx, |_, rows| {
        let mut tally = [0usize; 3];
        let mut number = String::new();
        for row in rows.iter().flatten() {
            source.read(*row, |cell| {
                cell.each_text(&mut number, &mut |text, is_alone| {
                    let found = [true, text.contains('|'), text.contains(',')];
                    tally.iter_mut().zip(found).for_each(|(n, found)| *n += usize::from(found && is_alone));
                })
            })?;
        }
        Ok(tally)
    })?;
    let [texts, bars, commas] = parts.iter().fold([0; 3], |sum, part| std::array::from_fn(|at| sum[at] + part[at]));
    Ok(likely_separator(texts, bars, commas).map(str::to_owned))
}

/// Returns what separates the values of texts of which some hold bars and some commas.
pub(super) fn likely_separator(texts: usize, bars: usize, commas: usize) -> Option<&'static str> {
    if bars * ONE_WITH_BAR >= texts.max(1) {
        return Some("|");
    }
    (commas * 2 > texts).then_some(",")
}

/// Returns whether a derivation has divided the values already.
fn is_divided(field: &Field) -> bool {
    field.derive.iter().any(|step| matches!(step, Derivation::Split { .. } | Derivation::Cross { .. }))
}
