//! Guessing what the columns of a table mean.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use foldhash::fast::RandomState;
use serde::Serialize;
use serde_json::Value;

use super::cells::Cell;
use super::dates::{self, Numbers};
use super::spec::{FeatureSpec, Field, FieldKind};
use super::table::FeatureTable;
use super::terms::likely_separator;

/// Most different values of a column that are counted; of more it is only known that there are more.
const MOST_DISTINCT: usize = 1 << 20;

/// Most numbers in lists that are counted: vectors hold many, and almost all differ.
const MOST_LISTED_NUMBERS: usize = 1 << 20;

/// A column of whole numbers with at most this many different ones holds codes rather than quantities.
const FEW_NUMBERS: usize = 12;

/// Rows from which on a column whose values all differ is taken for a name of the item.
const ENOUGH_ROWS: usize = 20;

/// Values of a category come back: on average at least this often.
const REPEATS: usize = 2;

/// A column of numbers, dates, vectors or lists may have one odd value in this many.
const PLAIN_FOR_ODD: usize = 20;

/// Words of a value, on average, from which on it is a text even where values come back.
const LONG_TEXT: usize = 5;

/// Parts of column names that tell a number that is a moment from one that is a quantity.
const TIME_NAMES: [&str; 6] = ["time", "date", "_at", "created", "updated", "released"];

/// What a column probably means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// Name of the column.
    pub column: String,
    /// Kind of its values; `None` when it should be left out.
    pub kind: Option<FieldKind>,
    /// Why.
    pub reason: Reason,
}

/// The reason for a guess. Its `Display` is a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum Reason {
    /// Left out: no row has a value.
    Empty,
    /// Left out: each row has the same value.
    Constant,
    /// Left out: each row has a value of its own.
    AllDifferent,
    /// Left out: the values are addresses.
    Links,
    /// Left out: the values have different forms, or are objects.
    Mixed,
    /// Vector: each value is a list of as many numbers.
    SameWidth {
        /// How many.
        width: u64,
        /// Values that are none, and are left out.
        odd: u64,
    },
    /// Time: each value is a date.
    Dates {
        /// Values that are none, and count as missing.
        odd: u64,
    },
    /// Time: each value is a number of days as spreadsheets write them.
    SpreadsheetDays {
        /// Values that are none, and count as missing.
        odd: u64,
    },
    /// Category: whole numbers of which there are few.
    FewNumbers,
    /// Number: each value is a number.
    Numbers {
        /// Values that are none, and count as missing.
        odd: u64,
    },
    /// Category: lists of values that come back in other rows.
    Lists,
    /// Category: values that come back in other rows.
    Repeated,
    /// Text: values of several words.
    Words,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Empty => f.write_str("no row has a value"),
            Reason::Constant => f.write_str("all rows have the same value, so it tells none from another"),
            Reason::AllDifferent => f.write_str("most rows have a value of their own, so it is a name and makes no two alike"),
            Reason::Links => f.write_str("the values are links"),
            Reason::Mixed => f.write_str("the values have different forms, or are JSON objects"),
            Reason::SameWidth { width, odd: 0 } => write!(f, "each value is a list of {width} numbers, as embeddings are"),
            Reason::SameWidth { width, odd } => {
                write!(f, "each value is a list of {width} numbers, as embeddings are, not counting {odd} that cannot be read")
            }
            Reason::Dates { odd: 0 } => f.write_str("each value is a date"),
            Reason::Dates { odd } => write!(f, "each value is a date, not counting {odd} that cannot be read"),
            Reason::SpreadsheetDays { odd: 0 } => f.write_str("each value is a date as the number of days in a spreadsheet"),
            Reason::SpreadsheetDays { odd } => {
                write!(f, "each value is a date as the number of days in a spreadsheet, not counting {odd} that cannot be read")
            }
            Reason::FewNumbers => f.write_str("whole numbers of which there are few, as codes are"),
            Reason::Numbers { odd: 0 } => f.write_str("each value is a number"),
            Reason::Numbers { odd } => write!(f, "each value is a number, not counting {odd} that cannot be read"),
            Reason::Lists => f.write_str("lists of values that come back in other rows"),
            Reason::Repeated => f.write_str("values that come back in other rows"),
            Reason::Words => f.write_str("most values differ and have words in common"),
        }
    }
}

/// Guesses the kind of each column.
pub fn guess(table: &FeatureTable) -> Vec<Guess> {
    table.by_column().iter().map(|(column, values)| Looks::of(values).guess(column)).collect()
}

impl FeatureSpec {
    /// Creates the spec of the columns that are not to be left out. A number or a date that cannot be read is then missing: the guess
    /// is about most of the values, and those of later items are not known yet.
    pub fn from_guesses(guesses: &[Guess]) -> FeatureSpec {
        let fields = guesses.iter().filter_map(|guess| Some(Field::lenient(guess.column.clone(), guess.kind?))).collect();
        FeatureSpec { fields }
    }
}

/// What the values of a column look like.
#[derive(Default)]
pub(super) struct Looks {
    /// Values that are not missing.
    pub n: usize,
    lists: usize,
    /// Texts that stand for a missing number or date, such as `N/A`.
    unknown: usize,
    /// Texts and numbers that can be read as a number, a whole number, a day as 19950131, a date that is not a mere number, any date, a
    /// link.
    numbers: usize,
    whole: usize,
    days: usize,
    spreadsheet_days: usize,
    dates: usize,
    moments: usize,
    links: usize,
    /// Blanks between words.
    blanks: usize,
    objects: usize,
    texts: usize,
    bars: usize,
    commas: usize,
    /// How many lists of numbers alone there are, by their width.
    widths: BTreeMap<usize, usize>,
    /// Numbers in such lists that are counted among the different values.
    listed_numbers: usize,
    /// How often each value or element occurs, for the first [`MOST_DISTINCT`] of them.
    distinct: HashMap<Box<str>, u32, RandomState>,
    /// Values that are none of those; some may be the same.
    beyond: usize,
}

impl Looks {
    /// Looks at the values of a column, each given with how often it occurs.
    pub fn of<'v>(values: impl Iterator<Item = (&'v Value, usize)>) -> Looks {
        let mut looks = Looks::default();
        let mut number = String::new();
        for (value, times) in values {
            looks.look_at(value, times, &mut number);
        }
        looks
    }

    /// Returns what a column of this name, whose values look like this, probably means.
    pub fn guess(&self, column: &str) -> Guess {
        let (kind, reason) = self.verdict(column);
        Guess { column: column.to_owned(), kind, reason }
    }

    /// Returns the number of different values, and whether there are more than that.
    pub fn distinct(&self) -> (usize, bool) {
        (self.distinct.len(), self.beyond > 0)
    }

    /// Returns the number of different values, where all that are not counted are taken to differ.
    fn n_distinct(&self) -> usize {
        self.distinct.len() + self.beyond
    }

    fn look_at(&mut self, value: &Value, times: usize, number: &mut String) {
        let Ok(cell) = Cell::of(value) else {
            (self.n, self.objects) = (self.n + times, self.objects + times);
            return;
        };
        if cell == Cell::Missing {
            return;
        }
        self.n += times;
        let n_numbers = match &cell {
            Cell::Values(values) if values.iter().all(Value::is_number) => Some(values.len()),
            Cell::Text(text) if text.starts_with('[') => {
                serde_json::from_str::<Vec<f32>>(text).ok().map(|numbers| numbers.len()).filter(|n| *n > 0)
            }
            _ => None,
        };
        if let Some(width) = n_numbers {
            *self.widths.entry(width).or_default() += times;
            self.listed_numbers += width;
        }
        match &cell {
            Cell::Values(_) | Cell::Texts(_) => self.lists += times,
            Cell::Text(text) => self.look_at_text(text, &cell, times),
            _ => self.look_at_number(&cell, times),
        }
        if self.listed_numbers > MOST_LISTED_NUMBERS
            && let Some(width) = n_numbers
        {
            self.beyond += times * if matches!(cell, Cell::Text(_)) { 1 } else { width };
        } else {
            let (distinct, beyond) = (&mut self.distinct, &mut self.beyond);
            let counted = cell.each_text(number, &mut |text, _| {
                let is_full = distinct.len() == MOST_DISTINCT;
                match distinct.get_mut(text) {
                    Some(found) => *found += times as u32,
                    None if is_full => *beyond += times,
                    None => {
                        distinct.insert(text.into(), times as u32);
                    }
                }
            });
            self.objects += times * usize::from(counted.is_err());
        }
    }

    fn look_at_text(&mut self, text: &str, cell: &Cell<'_>, times: usize) {
        self.texts += times;
        self.blanks += times * text.bytes().filter(|byte| *byte == b' ').count();
        self.bars += times * usize::from(text.contains('|'));
        self.commas += times * usize::from(text.contains(','));
        self.links += times * usize::from(["http://", "https://"].iter().any(|start| text.starts_with(start)));
        if text.starts_with(|c: char| c.is_ascii_digit() || ['-', '+', '.', '?', 'n', 'N'].contains(&c)) {
            self.look_at_number(cell, times);
        }
    }

    fn look_at_number(&mut self, cell: &Cell<'_>, times: usize) {
        let value = cell.number_if_any();
        if value == Some(None) {
            self.unknown += times;
            return;
        }
        if let Some(Some(value)) = value {
            self.numbers += times;
            self.whole += times * usize::from(value.fract() == 0.0);
            self.days += times * usize::from(dates::is_day(value));
            self.spreadsheet_days += times * usize::from(dates::is_spreadsheet_day(value));
        }
        let is_other_number = matches!(value, Some(Some(number)) if !dates::may_be_moment(number));
        if !is_other_number && cell.moment_if_any(Numbers::BySize).is_some() {
            self.moments += times;
            self.dates += times * usize::from(value.is_none());
        }
    }

    fn verdict(&self, column: &str) -> (Option<FieldKind>, Reason) {
        let n_distinct = self.n_distinct();
        if self.n == 0 {
            return (None, Reason::Empty);
        }
        if let Some((&width, &n)) =
            self.widths.iter().max_by_key(|(_, n)| **n).filter(|(width, n)| **width > 1 && self.are_most(**n))
        {
            return (Some(FieldKind::Vector), Reason::SameWidth { width: width as u64, odd: self.odd(n) });
        }
        if self.objects > 0 {
            return (None, Reason::Mixed);
        }
        if self.lists > 0 {
            let vectors: usize = self.widths.values().sum();
            return match self.are_most(self.lists) && (vectors < self.lists || self.elements_come_back()) {
                true => (Some(FieldKind::Category), Reason::Lists),
                false => (None, Reason::Mixed),
            };
        }
        if n_distinct == 1 && self.n > 1 {
            return (None, Reason::Constant);
        }
        if self.unknown == self.n {
            return (None, Reason::Empty);
        }
        if self.are_most(self.numbers) || self.are_most(self.moments) {
            return self.of_numbers(column);
        }
        if self.links * 10 >= self.n * 9 {
            return (None, Reason::Links);
        }
        self.of_texts()
    }

    fn of_numbers(&self, column: &str) -> (Option<FieldKind>, Reason) {
        let name = column.to_lowercase();
        let is_named_time = TIME_NAMES.iter().any(|part| name.contains(part));
        let has_dates = self.dates * PLAIN_FOR_ODD > self.n - self.unknown;
        let are_days = self.numbers > 0 && self.days == self.numbers;
        // One other number shows that they are quantities.
        let are_moments = is_named_time && self.moments == self.numbers + self.dates;
        if self.are_most(self.moments) && (has_dates || are_days || are_moments) {
            return (Some(FieldKind::Time), Reason::Dates { odd: self.odd(self.moments) });
        }
        if is_named_time && self.spreadsheet_days == self.numbers && self.are_most(self.numbers) {
            return (Some(FieldKind::Time), Reason::SpreadsheetDays { odd: self.odd(self.numbers) });
        }
        let is_whole = self.whole == self.numbers;
        let is_id = name == "id" || name.ends_with("_id") || name.ends_with("code");
        if is_whole && is_id {
            return match self.n_distinct() * REPEATS > self.n {
                true => (None, Reason::AllDifferent),
                false => (Some(FieldKind::Category), Reason::Repeated),
            };
        }
        if is_whole && self.n_distinct() <= FEW_NUMBERS && self.n_distinct() * REPEATS <= self.n {
            return (Some(FieldKind::Category), Reason::FewNumbers);
        }
        (Some(FieldKind::Number), Reason::Numbers { odd: self.odd(self.numbers) })
    }

    /// Returns how many values are none of these, not counting those that stand for a missing one.
    fn odd(&self, these: usize) -> u64 {
        (self.n - self.unknown).saturating_sub(these) as u64
    }

    /// Returns whether all values but a few odd ones are among these.
    fn are_most(&self, these: usize) -> bool {
        self.odd(these) * PLAIN_FOR_ODD as u64 <= (self.n - self.unknown) as u64
    }

    fn of_texts(&self) -> (Option<FieldKind>, Reason) {
        if let Some(separator) = likely_separator(self.texts, self.bars, self.commas)
            && self.parts_come_back(separator)
        {
            return (Some(FieldKind::Category), Reason::Lists);
        }
        let n_distinct = self.n_distinct();
        if n_distinct * REPEATS <= self.n && self.blanks < LONG_TEXT * self.n {
            return (Some(FieldKind::Category), Reason::Repeated);
        }
        if n_distinct == self.n && self.blanks * 10 < self.n && self.n >= ENOUGH_ROWS && self.is_ascii() {
            return (None, Reason::AllDifferent);
        }
        (Some(FieldKind::Text), Reason::Words)
    }

    /// Returns whether the values, or elements of lists, occur twice or more on average.
    fn elements_come_back(&self) -> bool {
        let n_elements = self.distinct.values().map(|times| *times as usize).sum::<usize>() + self.beyond;
        self.n_distinct() * REPEATS <= n_elements
    }

    /// Returns whether no value is in a script that is written without blanks.
    fn is_ascii(&self) -> bool {
        self.distinct.keys().all(|value| value.is_ascii())
    }

    fn parts_come_back(&self, separator: &str) -> bool {
        let mut parts: HashMap<&str, (), RandomState> = HashMap::default();
        let mut n_parts = 0;
        for (value, times) in &self.distinct {
            for part in value.split(separator).map(str::trim).filter(|part| !part.is_empty()) {
                n_parts += *times as usize;
                parts.insert(part, ());
            }
        }
        parts.len() * REPEATS <= n_parts
    }
}
