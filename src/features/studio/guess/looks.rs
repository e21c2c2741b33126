//! What the values of a column look like.

use std::collections::HashMap;

use serde_json::Value;

use super::head::Head;
use crate::ml::features::{ColumnSummary, FeatureTable, FeatureTableBuilder, FieldKind, summarize};
use crate::platform::tabular::{ReadTimes, Stop, TabularError, read_times};

/// Values shown of a column.
const SAMPLES: usize = 5;

/// Characters shown of a value.
pub const LONGEST_SAMPLE: usize = 80;

/// The share of values that must be of a form for the column to be of that form.
const MOST: f64 = 0.95;

/// Ends of the addresses of pictures.
const PICTURES: [&str; 7] = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".svg"];

/// A column of the first rows.
#[derive(Debug)]
pub struct Looks {
    pub name: String,
    /// Rows that were read.
    pub rows: usize,
    /// Values that are neither missing nor blank.
    pub present: usize,
    /// How often each value occurs, written as in the file.
    pub values: HashMap<String, u32>,
    pub samples: Vec<String>,
    /// What it would describe items by, if it did.
    pub kind: Option<FieldKind>,
    /// Why.
    pub why: String,
    /// How an import would read its values as times.
    pub times: ReadTimes,
    numbers: usize,
    whole: usize,
    links: usize,
    pictures: usize,
    letters: usize,
    blanks: usize,
}

impl Looks {
    /// Returns the number of different values.
    pub fn distinct(&self) -> usize {
        self.values.len()
    }

    /// Returns the share of rows with a value.
    pub fn coverage(&self) -> f64 {
        self.present as f64 / self.rows.max(1) as f64
    }

    /// Returns whether no value occurs twice.
    pub fn is_unique(&self) -> bool {
        self.present > 0 && self.distinct() == self.present
    }

    /// Returns whether values come back, as those of a party to interactions do.
    pub fn repeats(&self) -> bool {
        self.distinct() < self.present
    }

    /// Returns whether most values are those of an earlier row.
    pub fn comes_back(&self) -> bool {
        self.distinct() * 2 < self.present
    }

    fn are_most(&self, these: usize) -> bool {
        self.present > 0 && these as f64 >= MOST * self.present as f64
    }

    /// Returns whether the values are numbers.
    pub fn are_numbers(&self) -> bool {
        self.are_most(self.numbers)
    }

    /// Returns whether an import reads the values as times: dates, or most of any where the name says so, such as seconds since 1970.
    pub fn are_times(&self, is_named: bool) -> bool {
        let is_read = if is_named { self.times.read * 2 > self.present } else { self.are_most(self.times.read) };
        is_read && (is_named || self.are_dates())
    }

    /// Returns whether the values look like dates, even if no import reads them.
    pub fn are_dates(&self) -> bool {
        self.kind == Some(FieldKind::Time) || self.are_most(self.times.dates)
    }

    /// Returns whether the values are addresses of pictures, or any where the name says so.
    pub fn are_pictures(&self, is_named: bool) -> bool {
        self.are_most(self.pictures) || is_named && self.are_most(self.links)
    }

    /// Returns whether the values may be ids: whole numbers or short texts without blanks, hardly ever missing.
    pub fn may_be_ids(&self) -> bool {
        let is_number = self.are_numbers();
        let mean = self.letters as f64 / self.present.max(1) as f64;
        self.coverage() >= MOST
            && self.distinct() > 1
            && (!is_number || self.are_most(self.whole))
            && self.links == 0
            && mean <= 64.0
            && self.blanks * 4 <= self.present
    }

    /// Returns whether the values are texts to be read.
    pub fn are_texts(&self) -> bool {
        self.present > 0 && !self.are_numbers() && self.links * 2 < self.present && self.kind != Some(FieldKind::Time)
    }

    /// Returns the average number of characters.
    pub fn length(&self) -> f64 {
        self.letters as f64 / self.present.max(1) as f64
    }

    fn look_at(&mut self, text: String) {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return;
        }
        self.present += 1;
        self.letters += trimmed.chars().count();
        self.blanks += usize::from(trimmed.contains(char::is_whitespace));
        if let Ok(number) = trimmed.parse::<f64>()
            && number.is_finite()
        {
            self.numbers += 1;
            self.whole += usize::from(number.fract() == 0.0);
        }
        if trimmed.starts_with("http://") || trimmed.starts_with("https://") {
            self.links += 1;
            let path = trimmed.split(['?', '#']).next().unwrap_or_default().to_lowercase();
            self.pictures += usize::from(PICTURES.iter().any(|end| path.ends_with(end)));
        }
        if self.samples.len() < SAMPLES && !self.values.contains_key(&text) {
            self.samples.push(text.chars().take(LONGEST_SAMPLE).collect());
        }
        *self.values.entry(text).or_default() += 1;
    }
}

/// Looks at each column of the first rows, until `stop`.
pub fn look(head: &Head, stop: &Stop) -> Result<Vec<Looks>, TabularError> {
    let summaries = summarize(&table_of(head));
    let columns = head.columns.iter().zip(summaries).enumerate();
    let looks = |(at, (name, summary)): (usize, (&String, ColumnSummary))| {
        stop.check()?;
        let mut looks = empty(name, head.rows.len(), summary);
        let texts: Vec<String> = head.rows.iter().filter_map(|row| row.get(at).and_then(text_of)).collect();
        looks.times = read_times(texts.iter().map(String::as_str));
        texts.into_iter().for_each(|text| looks.look_at(text));
        Ok(looks)
    };
    columns.map(looks).collect()
}

fn empty(name: &str, rows: usize, summary: ColumnSummary) -> Looks {
    Looks {
        name: name.to_owned(),
        rows,
        present: 0,
        values: HashMap::new(),
        samples: Vec::new(),
        kind: summary.guess.kind,
        why: summary.why,
        times: ReadTimes::default(),
        numbers: 0,
        whole: 0,
        links: 0,
        pictures: 0,
        letters: 0,
        blanks: 0,
    }
}

/// Returns the rows as the engine describes items.
fn table_of(head: &Head) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(head.columns.clone());
    for (number, row) in head.rows.iter().enumerate() {
        let cells = row.iter().enumerate().filter(|(_, value)| !value.is_null()).map(|(at, value)| (at, value.clone()));
        builder.push(&number.to_string(), cells);
    }
    builder.finish().0
}

/// Returns a value as an import would read it; `None` if it is missing.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
