//! The kinds of the columns of item metadata: decided for each column once all its cells have been read, and used by everything
//! that reads them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::cells::{as_boolean_word, as_number, is_code, is_formatted_number, is_missing};

/// The number of example cells in a report.
const EXAMPLES: usize = 5;
/// The largest number of columns with examples: a list answers a hundred reports at once.
const COLUMNS_WITH_EXAMPLES: usize = 100;
/// The largest number of characters of an example.
const LONGEST_EXAMPLE: usize = 80;

/// The kind of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Mostly numbers. Other cells stay texts.
    Number,
    /// True or false, in any usual notation.
    Boolean,
    /// Mostly lists.
    List,
    /// Everything else, including codes such as 007.
    #[default]
    Text,
}

/// The interpretation of a column of item metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ColumnReport {
    name: String,
    kind: ColumnKind,
    /// Cells with a value.
    cells: u64,
    /// Cells of a column of numbers that are not numbers, including those that stand for a missing value.
    not_numbers: u64,
    /// Cells that look like numbers but have a currency or thousands separators, as in "$1,200". They are not compared as
    /// numbers.
    formatted_numbers: u64,
    /// The first distinct ones of either; only for the first columns that have any.
    examples: Vec<String>,
}

impl fmt::Display for ColumnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ColumnKind::Number => "numbers",
            ColumnKind::Boolean => "true or false",
            ColumnKind::List => "lists",
            ColumnKind::Text => "text",
        };
        write!(f, "{:?}: {kind}", self.name)?;
        let (about, n) = if self.not_numbers > 0 {
            ("are no numbers", self.not_numbers)
        } else {
            ("are numbers with a currency or separators, compared as text", self.formatted_numbers)
        };
        if n == 0 {
            return Ok(());
        }
        write!(f, "; {n} of {} cells {about}", self.cells)?;
        let before = |at| if at == 0 { ", for example " } else { ", " };
        self.examples.iter().enumerate().try_for_each(|(at, cell)| write!(f, "{}{cell:?}", before(at)))
    }
}

/// What is known of one column so far.
#[derive(Debug, Clone, Default)]
struct Seen {
    cells: u64,
    missing: u64,
    numbers: u64,
    /// Numbers whose notation would be lost.
    codes: u64,
    booleans: u64,
    lists: u64,
    formatted: u64,
    examples: Examples,
    formatted_examples: Examples,
}

#[derive(Debug, Clone, Default)]
struct Examples(Vec<String>);

impl Examples {
    fn add(&mut self, text: &str) {
        if self.0.len() < EXAMPLES {
            let text: String = text.chars().take(LONGEST_EXAMPLE).collect();
            if !self.0.contains(&text) {
                self.0.push(text);
            }
        }
    }
}

impl Seen {
    fn add(&mut self, value: &Value) {
        self.cells += 1;
        match value {
            Value::Number(_) => self.numbers += 1,
            Value::Bool(_) => self.booleans += 1,
            Value::Array(_) => self.lists += 1,
            Value::String(text) => self.add_text(text),
            _ => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        if let Some(number) = as_number(text) {
            let is_code = is_code(text, &number);
            *(if is_code { &mut self.codes } else { &mut self.numbers }) += 1;
            return;
        }
        self.examples.add(text);
        if is_missing(text) {
            self.missing += 1;
        } else if as_boolean_word(text).is_some() {
            self.booleans += 1;
        } else if is_formatted_number(text) {
            self.formatted += 1;
            self.formatted_examples.add(text);
        }
    }

    fn kind(&self) -> ColumnKind {
        let values = self.cells - self.missing;
        let most = |count: u64| count > values / 2;
        match () {
            () if most(self.lists) => ColumnKind::List,
            () if most(self.numbers) && self.codes == 0 => ColumnKind::Number,
            () if self.booleans > 0 && self.booleans == values => ColumnKind::Boolean,
            () => ColumnKind::Text,
        }
    }

    fn report(self, name: &str) -> ColumnReport {
        let kind = self.kind();
        let is_number = kind == ColumnKind::Number;
        ColumnReport {
            name: name.to_owned(),
            kind,
            cells: self.cells,
            not_numbers: if is_number { self.cells - self.numbers } else { 0 },
            formatted_numbers: self.formatted,
            examples: if is_number { self.examples.0 } else { self.formatted_examples.0 },
        }
    }
}

/// What is known of all columns so far.
#[derive(Debug, Default)]
pub struct Columns(Vec<Seen>);

impl Columns {
    /// Adds a cell to a column's counts.
    pub fn add(&mut self, column: usize, value: &Value) {
        if self.0.len() <= column {
            self.0.resize_with(column + 1, Seen::default);
        }
        if !value.is_null() {
            self.0[column].add(value);
        }
    }

    /// Decides the kind of each column, and returns the kinds with their reports.
    pub fn finish(mut self, names: &[String]) -> (Vec<ColumnKind>, Vec<ColumnReport>) {
        self.0.resize_with(names.len(), Seen::default);
        let columns = self.0.into_iter().zip(names);
        let (kinds, mut reports): (_, Vec<ColumnReport>) = columns.map(|(seen, name)| (seen.kind(), seen.report(name))).unzip();
        let with_examples = reports.iter_mut().filter(|report| !report.examples.is_empty());
        with_examples.skip(COLUMNS_WITH_EXAMPLES).for_each(|report| report.examples.clear());
        (kinds, reports)
    }
}

impl ColumnKind {
    /// Converts a cell to the kind of its column; `None` if it means a missing value.
    pub fn typed(self, value: Value) -> Option<Value> {
        let text = match (&value, self) {
            (Value::Null, _) => return None,
            (Value::String(text), Self::Number | Self::Boolean) => text,
            _ => return Some(value),
        };
        if is_missing(text) {
            return None;
        }
        let read = if self == Self::Number { as_number(text).map(Value::Number) } else { as_boolean_word(text).map(Value::Bool) };
        Some(read.unwrap_or(value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(cells: &[Value]) -> (ColumnKind, ColumnReport) {
        let mut columns = Columns::default();
        cells.iter().for_each(|cell| columns.add(0, cell));
        let (kinds, mut reports) = columns.finish(&["c".to_owned()]);
        (kinds[0], reports.remove(0))
    }

    fn texts(cells: &[&str]) -> Vec<Value> {
        cells.iter().map(|cell| json!(cell)).collect()
    }

    #[test]
    fn most_cells_decide_and_the_others_are_told() {
        let (kind, report) =
            seen(&texts(&["5", "9.5", " 12 ", "+19.99", "19.989999771118164", "N/A", "N/A", "on request", "$7"]));
        assert_eq!(kind, ColumnKind::Number);
        assert_eq!((report.cells, report.not_numbers, report.formatted_numbers), (9, 4, 1));
        assert_eq!(report.examples, ["N/A", "on request", "$7"]);
        let words = "\"c\": numbers; 4 of 9 cells are no numbers, for example \"N/A\", \"on request\", \"$7\"";
        assert_eq!(report.to_string(), words);
        let (kind, report) = seen(&texts(&["$5.00", "$1,200.00", "¥300", "5"]));
        assert_eq!((kind, report.not_numbers, report.formatted_numbers), (ColumnKind::Text, 0, 3));
        assert_eq!(report.examples, ["$5.00", "$1,200.00", "¥300"]);
        assert_eq!(seen(&[json!("5"), json!(7), json!(1.5)]).0, ColumnKind::Number, "numbers as JSON texts");
    }

    #[test]
    fn a_wide_table_shows_examples_of_its_first_columns() {
        let mut columns = Columns::default();
        for column in 0..=COLUMNS_WITH_EXAMPLES {
            columns.add(column, &json!("$5"));
        }
        let names: Vec<String> = (0..=COLUMNS_WITH_EXAMPLES).map(|column| format!("c{column}")).collect();
        let (_, reports) = columns.finish(&names);
        assert!(reports[..COLUMNS_WITH_EXAMPLES].iter().all(|report| report.examples == ["$5"]));
        let last = &reports[COLUMNS_WITH_EXAMPLES];
        assert_eq!((last.formatted_numbers, last.examples.len()), (1, 0));
        assert!(last.to_string().ends_with("compared as text"), "{last}");
    }

    #[test]
    fn codes_and_titles_stay_texts() {
        assert_eq!(seen(&texts(&["007", "12", "13"])).0, ColumnKind::Text);
        assert_eq!(seen(&texts(&["4912345678901234567", "12"])).0, ColumnKind::Text);
        assert_eq!(seen(&texts(&["1984", "Up", "Alien"])).0, ColumnKind::Text);
        assert_eq!(seen(&[]).0, ColumnKind::Text);
        assert_eq!(seen(&texts(&["NULL", ""])).0, ColumnKind::Text);
    }

    #[test]
    fn truth_has_many_words() {
        assert_eq!(seen(&texts(&["True", "FALSE", "N/A", "true"])).0, ColumnKind::Boolean);
        assert_eq!(seen(&[json!("t"), json!("f"), json!(true)]).0, ColumnKind::Boolean);
        assert_eq!(seen(&texts(&["1", "0"])).0, ColumnKind::Number);
        assert_eq!(seen(&texts(&["yes", "perhaps"])).0, ColumnKind::Text);
        assert_eq!(seen(&[json!(["a"]), json!("b"), json!([])]).0, ColumnKind::List);
    }

    #[test]
    fn cells_become_what_their_column_is() {
        let number = |text: &str| ColumnKind::Number.typed(json!(text));
        assert_eq!(number(" +19.99"), Some(json!(19.99)));
        assert_eq!(number("on request"), Some(json!("on request")));
        assert_eq!((number("N/A"), number(" ")), (None, None));
        assert_eq!(ColumnKind::Boolean.typed(json!("True")), Some(json!(true)));
        assert_eq!(ColumnKind::Text.typed(json!("5")), Some(json!("5")));
        assert_eq!(ColumnKind::Text.typed(Value::Null), None);
    }
}
