//! The derivations, as specs have them and ready to be applied.

use std::borrow::Cow;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::cells::{Cell, Told, number_text};
use super::dates::{DAY, Numbers};
use super::pattern::Pattern;

/// Most pairs that a cross makes of one item.
pub(super) const MOST_PAIRS: usize = 1000;

/// Most bytes of the pairs that a cross makes of one item: as many as those of the longest value of a file.
const MOST_PAIR_BYTES: usize = 256 << 10;

/// What stands between the two values of a pair.
const TIMES: &str = " × ";

/// A change of a value before it is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Derivation {
    /// Takes the part of a text that a regular expression matches: its first group, or the whole match.
    Extract {
        /// The regular expression.
        pattern: String,
    },
    /// Divides a text into several values.
    Split {
        /// What stands between them.
        separator: String,
    },
    /// Turns a number into the category of all numbers from a multiple of the width to the next.
    Bucket {
        /// Width of a bucket.
        width: f64,
    },
    /// Takes ln(1 + x) of a number.
    Log,
    /// Turns a date into its age in days at the moment of training.
    Age,
    /// Joins each value with each one of another column to the category `a × b`.
    Cross {
        /// The other column.
        with: String,
    },
}

/// A derivation whose regular expression is compiled.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Extract(Pattern),
    Split(String),
    Bucket(f64),
    Log,
    Age,
    Cross(String),
}

impl Step {
    /// Prepares a derivation; the error ends a sentence that begins with the column.
    pub fn of(derivation: &Derivation) -> Told<Step> {
        Ok(match derivation {
            Derivation::Extract { pattern } => Step::Extract(Pattern::of(pattern)?),
            Derivation::Split { separator } if separator.is_empty() => {
                return Err("split: the separator is empty".to_owned());
            }
            Derivation::Split { separator } => Step::Split(separator.clone()),
            Derivation::Bucket { width } if !(*width > 0.0 && width.is_finite()) => {
                return Err(format!("the width of a bucket is {width}; it must be positive"));
            }
            Derivation::Bucket { width } => Step::Bucket(*width),
            Derivation::Log => Step::Log,
            Derivation::Age => Step::Age,
            Derivation::Cross { with } => Step::Cross(with.clone()),
        })
    }

    /// Returns about how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Step::Extract(pattern) => pattern.bytes(),
            _ => 0,
        }
    }

    /// Applies the step to a cell; `other` is the cell of the column that is crossed with.
    pub fn apply<'a>(&self, cell: Cell<'a>, other: Cell<'a>, (now_micros, numbers): (i64, Numbers)) -> Told<Cell<'a>> {
        if cell == Cell::Missing {
            return Ok(Cell::Missing);
        }
        match self {
            Step::Extract(pattern) => {
                pattern.require_short(cell.bytes())?;
                each(cell, |text| Ok(extract(&pattern.regex, text).into_iter().collect()))
            }
            Step::Split(separator) => each(cell, |text| Ok(split(separator, text))),
            Step::Bucket(width) => each(cell, |text| {
                let number = Cell::Text(text).number()?;
                Ok(number.map(|value| bucket(value, *width)).into_iter().collect())
            }),
            Step::Log => match cell.number()? {
                Some(value) if value < 0.0 => Err(format!("has {value}, and negative numbers have no logarithm")),
                value => Ok(value.map_or(Cell::Missing, |value| Cell::Number(libm::log1p(value)))),
            },
            Step::Age => Ok(cell.moment(numbers)?.map_or(Cell::Missing, |moment| Cell::Number(age_in_days(moment, now_micros)))),
            Step::Cross(_) => cross(cell, other),
        }
    }
}

/// Returns the days from a moment to the moment of training.
pub(super) fn age_in_days(moment: i64, now_micros: i64) -> f64 {
    (now_micros as f64 - moment as f64) / DAY as f64
}

/// Applies a step to each text of a cell.
fn each<'a>(cell: Cell<'a>, step: impl Fn(Cow<'a, str>) -> Told<Vec<Cow<'a, str>>>) -> Told<Cell<'a>> {
    let mut texts = match cell {
        Cell::Text(text) => step(text)?,
        several => {
            let mut made = Vec::new();
            for text in several.texts()? {
                made.extend(step(text)?);
            }
            made
        }
    };
    Ok(match texts.len() {
        0 => Cell::Missing,
        1 => texts.pop().map_or(Cell::Missing, Cell::text),
        _ => Cell::Texts(texts),
    })
}

fn extract<'a>(regex: &Regex, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
    let range = match regex.captures_len() {
        1 => regex.find(&text)?.range(),
        _ => regex.captures(&text)?.get(1)?.range(),
    };
    let found = part(text, range);
    if found.trim().is_empty() { None } else { Some(found) }
}

fn part(text: Cow<'_, str>, range: std::ops::Range<usize>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    }
}

fn split<'a>(separator: &str, text: Cow<'a, str>) -> Vec<Cow<'a, str>> {
    let keep = |part: &&str| !part.is_empty();
    match text {
        Cow::Borrowed(text) => text.split(separator).map(str::trim).filter(keep).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => text.split(separator).map(str::trim).filter(keep).map(|part| Cow::Owned(part.to_owned())).collect(),
    }
}

fn bucket(value: f64, width: f64) -> Cow<'static, str> {
    let mut text = String::new();
    number_text((value / width).floor() * width, &mut text);
    Cow::Owned(text)
}

fn cross<'a>(cell: Cell<'a>, other: Cell<'a>) -> Told<Cell<'a>> {
    let (ours, theirs) = (cell.texts()?, other.texts()?);
    if ours.len() * theirs.len() > MOST_PAIRS {
        return Err(format!(
            "has {} values to be crossed with {}; at most {MOST_PAIRS} pairs are made",
            ours.len(),
            theirs.len()
        ));
    }
    let bytes = bytes_of_pairs(&ours, &theirs);
    if bytes > MOST_PAIR_BYTES {
        return Err(format!(
            "has texts that take {bytes} bytes when they are crossed; at most {MOST_PAIR_BYTES} are made. Extract the part that \
             matters first"
        ));
    }
    let pairs = ours.iter().flat_map(|a| theirs.iter().map(move |b| Cow::Owned(format!("{a}{TIMES}{b}"))));
    let pairs: Vec<Cow<'a, str>> = pairs.collect();
    Ok(if pairs.is_empty() { Cell::Missing } else { Cell::Texts(pairs) })
}

/// Returns the bytes of all pairs of two lists, of at most [`MOST_PAIRS`].
fn bytes_of_pairs(ours: &[Cow<'_, str>], theirs: &[Cow<'_, str>]) -> usize {
    let bytes = |texts: &[Cow<'_, str>]| texts.iter().map(|text| text.len()).sum::<usize>();
    bytes(ours) * theirs.len() + bytes(theirs) * ours.len() + ours.len() * theirs.len() * TIMES.len()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn derive(steps: Value, value: &Value, other: &Value) -> Told<Vec<String>> {
        let derivations: Vec<Derivation> = serde_json::from_value(steps).unwrap();
        let mut cell = Cell::of(value)?;
        for derivation in &derivations {
            cell = Step::of(derivation)?.apply(cell, Cell::of(other)?, (10 * DAY, Numbers::BySize))?;
        }
        Ok(cell.texts()?.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn derivations_give_what_is_written_beside_them() {
        let year = json!([{"extract": {"pattern": "\\((\\d{4})\\)"}}, {"bucket": {"width": 5}}]);
        for (steps, value, wanted) in [
            (year.clone(), json!("Toy Story (1995)"), vec!["1995"]),
            (year.clone(), json!("Heat (1998)"), vec!["1995"]),
            (year, json!("No year"), vec![]),
            (json!([{"extract": {"pattern": "[a-z]+"}}]), json!("12 abc def"), vec!["abc"]),
            (json!([{"extract": {"pattern": "a(b)?"}}]), json!("a"), vec![]),
            (json!([{"split": {"separator": ";"}}]), json!("a; b ;;c"), vec!["a", "b", "c"]),
            (json!([{"split": {"separator": ";"}}, {"extract": {"pattern": "\\d"}}]), json!("a1;b;c3"), vec!["1", "3"]),
            (json!([{"bucket": {"width": 10}}]), json!(-1), vec!["-10"]),
            (json!([{"bucket": {"width": 0.5}}]), json!("1.75"), vec!["1.5"]),
            (json!(["log"]), json!(0), vec!["0"]),
            (json!(["age"]), json!("1970-01-03"), vec!["8"]),
            (json!(["age", {"bucket": {"width": 7}}]), json!("1970-01-03 12:00"), vec!["7"]),
        ] {
            assert_eq!(derive(steps.clone(), &value, &Value::Null).unwrap(), wanted, "{steps} of {value}");
        }
        let crossed = derive(json!([{"cross": {"with": "b"}}]), &json!(["x", "y"]), &json!([1, 2]));
        assert_eq!(crossed.unwrap(), ["x × 1", "x × 2", "y × 1", "y × 2"]);
        assert_eq!(derive(json!([{"cross": {"with": "b"}}]), &json!("x"), &Value::Null), Ok(vec![]));
    }

    #[test]
    fn wrong_values_are_refused_with_a_reason() {
        for (steps, value, wanted) in [
            (json!(["log"]), json!(-2), "has -2, and negative numbers have no logarithm"),
            (json!(["log"]), json!("x"), "not a number"),
            (json!(["age"]), json!("x"), "not a date"),
            (json!([{"bucket": {"width": 1}}]), json!("x"), "not a number"),
            (json!([{"extract": {"pattern": "\\w{1000}{1000}"}}]), json!("x"), "is not a regular expression that can be used"),
        ] {
            let found = derive(steps, &value, &Value::Null).unwrap_err();
            assert!(found.contains(wanted), "{found}");
        }
    }

    #[test]
    fn pairs_are_limited_in_bytes() {
        let crossed = |bytes: usize| {
            let texts: Vec<String> = vec!["t".repeat(bytes / 4); 2];
            derive(json!([{"cross": {"with": "b"}}]), &json!(texts), &json!(texts))
        };
        // Four pairs of two texts each.
        let of_pairs = |bytes: usize| 4 * (2 * (bytes / 4) + TIMES.len());
        let longest = (MOST_PAIR_BYTES / 8 - TIMES.len() / 2) * 4;
        assert!(of_pairs(longest) <= MOST_PAIR_BYTES && of_pairs(longest + 4) > MOST_PAIR_BYTES);
        assert_eq!(crossed(longest).unwrap().len(), 4);
        let refused = crossed(longest + 4).unwrap_err();
        assert!(refused.contains("when they are crossed; at most 262144 are made"), "{refused}");
    }

    #[test]
    fn crossing_a_text_with_itself_again_and_again_ends_in_words() {
        let steps: Vec<Value> = (0..20).map(|_| json!({"cross": {"with": "b"}})).collect();
        let refused = derive(json!(steps), &json!("t".repeat(100_000)), &json!("t".repeat(100_000))).unwrap_err();
        assert!(refused.contains("when they are crossed"), "{refused}");
    }

    #[test]
    fn a_large_expression_refuses_a_long_text_however_it_is_divided() {
        let extract = json!([{"extract": {"pattern": "(?:a{0,1000}){5}b"}}]);
        for long in [json!("a".repeat(60_000)), json!(vec!["a".repeat(600); 100])] {
            let refused = derive(extract.clone(), &long, &Value::Null).unwrap_err();
            assert!(refused.contains("has a text of 60000 bytes"), "{refused}");
        }
        assert_eq!(derive(extract, &json!("aab"), &Value::Null).unwrap(), ["aab"]);
    }
}
