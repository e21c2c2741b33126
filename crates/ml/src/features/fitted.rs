//! What each kind of field learns from the training items.

use super::blocks::in_blocks;
use super::cells::cut;
use super::dates::year_and_month;
use super::derive::age_in_days;
use super::number::Knots;
use super::scratch::{Entry, Scratch};
use super::source::Source;
use super::spec::FieldKind;
use super::terms::{How, Terms};
use super::vector::{self, WIDEST};
use super::vocabulary::{Counts, Vocabulary};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::tensors::{TensorReader, TensorWriter};

/// Years and months in fewer training items are dropped.
const MIN_COUNT: u32 = 2;

/// Bytes of a row while the numbers or dates of all are sorted.
const NUMBER_BYTES: u64 = 64;

/// A field that is ready to encode.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fitted {
    /// Text or category.
    Terms(Terms),
    Number(Knots),
    Time {
        age: Knots,
        calendar: Option<Vocabulary>,
    },
    Vector {
        width: usize,
    },
}

impl Fitted {
    /// Learns a field from training items, and why it has no columns, to follow the name of the column; `None` if it is empty in all
    /// of them.
    pub fn fit(
        source: &Source<'_>,
        rows: &[Option<u32>],
        now_micros: i64,
        ctx: &Context,
    ) -> MlResult<Option<(Self, Option<String>)>> {
        let fitted = match source.field.kind {
            FieldKind::Text | FieldKind::Category => {
                return Ok(Terms::fit(source, rows, ctx)?.map(|(terms, flaw)| (Fitted::Terms(terms), flaw)));
            }
            FieldKind::Number => fit_number(source, rows, ctx)?,
            FieldKind::Time => fit_time(source, rows, now_micros, ctx)?,
            FieldKind::Vector => vector::fit(source, rows, ctx)?.map(|width| Fitted::Vector { width }),
        };
        Ok(fitted.map(|fitted| (fitted, None)))
    }

    /// Returns why a field that is empty in all training items is refused.
    pub fn emptiness(source: &Source<'_>) -> MlError {
        match source.field.derive.is_empty() {
            true => {
                source.flaw("is empty in all rows of the training; leave it out, or check that the ids of the file are right")
            }
            false => source.flaw("is empty in all rows of the training after its derivations; check their patterns"),
        }
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        match self {
            Fitted::Terms(terms) => terms.vocabulary.len(),
            Fitted::Number(knots) => knots.width(),
            Fitted::Time { age, calendar } => age.width() + calendar.as_ref().map_or(0, Vocabulary::len),
            Fitted::Vector { width } => *width,
        }
    }

    /// Returns the bytes held on the heap, apart from a few numbers.
    pub fn heap_bytes(&self) -> u64 {
        match self {
            Fitted::Terms(terms) => terms.vocabulary.heap_bytes(),
            Fitted::Time { calendar: Some(calendar), .. } => calendar.heap_bytes(),
            Fitted::Number(_) | Fitted::Time { .. } | Fitted::Vector { .. } => 0,
        }
    }

    /// Returns the most entries of a cell: of one that is missing, or of one whose value has this many bytes on the heap.
    pub fn most_entries(&self, bytes: Option<usize>) -> usize {
        match (self, bytes) {
            (Fitted::Terms(terms), Some(bytes)) => terms.most_entries(bytes),
            (Fitted::Vector { width }, Some(_)) => *width,
            (Fitted::Terms(_) | Fitted::Vector { .. }, None) => 0,
            (Fitted::Number(knots), bytes) => knots.most_entries(bytes.is_none()),
            // A year and a month beside the age.
            (Fitted::Time { age, .. }, bytes) => age.most_entries(bytes.is_none()) + bytes.map_or(0, |_| 2),
        }
    }

    /// Leaves the entries of a row in `scratch`, of length 1 altogether or none.
    pub fn encode(&self, source: &Source<'_>, row: u32, first: u32, now_micros: i64, scratch: &mut Scratch) -> MlResult<()> {
        scratch.entries.clear();
        match self {
            Fitted::Terms(terms) => source.read(row, |cell| terms.encode(&cell, first, scratch))?,
            Fitted::Number(knots) => knots.encode(source.read_one(row, |cell| cell.number())?, first, &mut scratch.entries),
            Fitted::Vector { width } => {
                vector::encode(source, row, (first, *width), &mut scratch.vector, &mut scratch.entries)?;
            }
            Fitted::Time { age, calendar } => {
                let moment = source.read_one(row, |cell| cell.moment(source.numbers))?;
                age.encode(moment.map(|moment| age_in_days(moment, now_micros)), first, &mut scratch.entries);
                if let (Some(calendar), Some(moment)) = (calendar, moment) {
                    normalise(&mut scratch.entries);
                    let start = scratch.entries.len();
                    encode_calendar(calendar, moment, first + age.width() as u32, &mut scratch.entries);
                    normalise(&mut scratch.entries[start..]);
                }
            }
        }
        normalise(&mut scratch.entries);
        Ok(())
    }

    /// Returns the name of a column, to follow that of the field.
    pub fn name(&self, at: usize) -> String {
        match self {
            Fitted::Terms(terms) => terms.name(at),
            Fitted::Number(knots) => knots.name(at),
            Fitted::Time { age, calendar: Some(calendar) } if at >= age.width() => {
                format!(":{}", calendar.term(at - age.width()))
            }
            Fitted::Time { age, .. } => format!(":age in days{}", age.name(at)),
            Fitted::Vector { .. } => format!("[{at}]"),
        }
    }

    /// Names what the entries of an item mean, given by column and value, where long terms are cut, and adds up the values of those that mean one thing
    /// together.
    pub fn meanings(&self, entries: &[(usize, f32)]) -> Vec<(String, f32)> {
        let (one, rest) = match self {
            Fitted::Terms(_) => (&[][..], entries),
            Fitted::Number(_) | Fitted::Vector { .. } => (entries, &[][..]),
            Fitted::Time { age, .. } => entries.split_at(entries.partition_point(|(at, _)| *at < age.width())),
        };
        let mut meanings = Vec::with_capacity(rest.len() + 1);
        if let [(first, _), ..] = one {
            let last = one.last().map_or(*first, |(at, _)| *at);
            meanings.push((self.range(*first, last), one.iter().map(|(_, value)| value).sum()));
        }
        meanings.extend(rest.iter().map(|(at, value)| (cut(self.term(*at)), *value)));
        meanings
    }

    fn range(&self, first: usize, last: usize) -> String {
        match self {
            Fitted::Number(knots) => knots.range(first, last),
            Fitted::Time { age, .. } => format!("age in days {}", age.range(first, last)),
            Fitted::Vector { width } => format!("vector of {width}"),
            Fitted::Terms(_) => String::new(),
        }
    }

    fn term(&self, at: usize) -> &str {
        match self {
            Fitted::Terms(terms) => terms.vocabulary.term(at),
            Fitted::Time { age, calendar: Some(calendar) } => calendar.term(at - age.width()),
            _ => "",
        }
    }

    /// Adds what was learnt, under names that begin with `name`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, name: &str) {
        match self {
            Fitted::Terms(terms) => {
                terms.vocabulary.save(out, &format!("{name}.terms"));
                if let How::Categories { separator: Some(separator) } = &terms.how {
                    out.metadata(&format!("{name}.separator"), separator);
                }
            }
            Fitted::Number(knots) => knots.save(out, name),
            Fitted::Time { age, calendar } => {
                age.save(out, name);
                if let Some(calendar) = calendar {
                    calendar.save(out, &format!("{name}.calendar"));
                }
            }
            Fitted::Vector { width } => out.u32s(&format!("{name}.width"), &[1], vec![*width as u32]),
        }
    }

    /// Reads what [`Self::save`] wrote of a field.
    pub fn load(field: &super::Field, input: &TensorReader<'_>, name: &str) -> MlResult<Self> {
        match field.kind {
            FieldKind::Text | FieldKind::Category => {
                let how = match field.kind {
                    FieldKind::Text => How::Words { pairs: field.options.word_pairs.unwrap_or_default() },
                    _ => {
                        let separator = input.all_metadata().get(&format!("{name}.separator")).cloned();
                        How::Categories { separator: separator.filter(|separator| !separator.is_empty()) }
                    }
                };
                let vocabulary = Vocabulary::load(input, &format!("{name}.terms"))?;
                Ok(Fitted::Terms(Terms { how, vocabulary }))
            }
            FieldKind::Number => Ok(Fitted::Number(Knots::load(input, name)?)),
            FieldKind::Time => {
                let calendar = match field.options.calendar {
                    Some(true) => Some(Vocabulary::load(input, &format!("{name}.calendar"))?),
                    _ => None,
                };
                Ok(Fitted::Time { age: Knots::load(input, name)?, calendar })
            }
            FieldKind::Vector => match input.u32s(&format!("{name}.width"))?.1[..] {
                [width] if (1..=WIDEST).contains(&(width as usize)) => Ok(Fitted::Vector { width: width as usize }),
                _ => Err(MlError::BadArtifact(format!("{name}.width is not one number from 1 to {WIDEST}"))),
            },
        }
    }
}

/// Scales entries to length 1.
fn normalise(entries: &mut [Entry]) {
    let length = entries.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        entries.iter_mut().for_each(|(_, value)| *value /= length);
    }
}

/// Returns what `read` finds in the training items that have a row, and whether it is missing in any of them.
fn present<T: Send>(
    rows: &[Option<u32>],
    ctx: &Context,
    read: impl Fn(u32) -> MlResult<Option<T>> + Sync,
) -> MlResult<(Vec<T>, bool)> {
    ctx.require_memory("the numbers of item features", rows.len() as u64 * NUMBER_BYTES)?;
    let parts =
        in_blocks(rows, ctx, |_, rows| rows.iter().flatten().map(|row| read(*row)).collect::<MlResult<Vec<Option<T>>>>())?;
    let has_missing = parts.iter().flatten().any(Option::is_none);
    Ok((parts.into_iter().flatten().flatten().collect(), has_missing))
}

fn fit_number(source: &Source<'_>, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<Fitted>> {
    let options = &source.field.options;
    let (values, has_missing) = present(rows, ctx, |row| {
        source.read_one(row, |cell| match cell.number()? {
            Some(value) if value < 0.0 && options.log == Some(true) => {
                Err(format!("has {value}, and negative numbers have no logarithm; leave the option log out"))
            }
            value => Ok(value),
        })
    })?;
    if values.is_empty() {
        return Ok(None);
    }
    Ok(Some(Fitted::Number(Knots::fit(values, has_missing, options.log, options.knots))))
}

fn fit_time(source: &Source<'_>, rows: &[Option<u32>], now_micros: i64, ctx: &Context) -> MlResult<Option<Fitted>> {
    let options = &source.field.options;
    let (moments, has_missing) = present(rows, ctx, |row| source.read_one(row, |cell| cell.moment(source.numbers)))?;
    if moments.is_empty() {
        return Ok(None);
    }
    let ages = moments.iter().map(|moment| age_in_days(*moment, now_micros)).collect();
    let age = Knots::fit(ages, has_missing, options.log, options.knots);
    let calendar = match options.calendar {
        Some(true) => Some(fit_calendar(&moments, rows.len())?),
        _ => None,
    };
    Ok(Some(Fitted::Time { age, calendar }))
}

/// Returns the categories of a moment, in byte order.
fn calendar_terms(moment: i64) -> [String; 2] {
    let (year, month) = year_and_month(moment);
    [format!("month={month:02}"), format!("year={year}")]
}

fn fit_calendar(moments: &[i64], n_rows: usize) -> MlResult<Vocabulary> {
    let mut counts = Counts::default();
    for (row, moment) in moments.iter().enumerate() {
        calendar_terms(*moment).iter().for_each(|term| counts.add(term, row));
    }
    counts.keep_from(MIN_COUNT);
    Vocabulary::of(counts, n_rows, usize::MAX)
}

fn encode_calendar(calendar: &Vocabulary, moment: i64, first: u32, out: &mut Vec<Entry>) {
    let known = calendar_terms(moment).into_iter().filter_map(|term| calendar.find(&term));
    out.extend(known.map(|at| (first + at, calendar.idf(at))));
}
