//! Findings counted while rows are read, and the notes written from them.

use super::notes::{ColumnNote, EXAMPLES_OF_NOTE, Guess, NoteKind};
use super::times::{FIRST_LIKELY, TimeReading, suspect};

/// Most distinct values that are kept, for guesses and as examples.
const KEPT: usize = 16;

/// Longest value that is kept whole.
const MAX_SHOWN: usize = 100;

/// Number of occurrences of a finding, and the first distinct values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub count: u64,
    values: Vec<String>,
}

impl Found {
    pub fn add(&mut self, value: &str) {
        self.count += 1;
        let shown = &value[..value.floor_char_boundary(MAX_SHOWN)];
        if self.values.len() < KEPT && !self.values.iter().any(|kept| kept == shown) {
            self.values.push(shown.to_owned());
        }
    }

    /// Adds the findings of the next part of the file.
    pub fn append(&mut self, part: Found) {
        self.count += part.count;
        for value in part.values {
            if self.values.len() < KEPT && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = &str> + Clone {
        self.values.iter().map(String::as_str)
    }

    pub fn note(&self, column: Option<&str>, kind: NoteKind, guess: Option<Guess>) -> Option<ColumnNote> {
        (self.count > 0).then(|| ColumnNote {
            column: column.map(str::to_owned),
            kind,
            count: self.count,
            examples: self.values.iter().take(EXAMPLES_OF_NOTE).cloned().collect(),
            guess,
        })
    }
}

/// Unusual findings in the ids of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IdFindings {
    look_missing: Found,
    pub missing: Found,
    with_spaces: Found,
    pub whole: Found,
    with_fraction: Found,
}

/// Words that programs write for a missing value, in lower case.
const MISSING_WORDS: [&str; 12] =
    ["null", "nan", "none", "n/a", "#n/a", "na", "<na>", "nil", "nat", "undefined", "(null)", "#null!"];

/// Returns whether an id may be one of these words, judged by its first byte and its length: ids come by the million.
fn may_be_missing(id: &[u8]) -> bool {
    match id.first().map(u8::to_ascii_lowercase) {
        Some(b'n') => id.len() <= 4,
        Some(b'u') => id.len() == 9,
        Some(b'#' | b'<' | b'(') => id.len() <= 6,
        _ => false,
    }
}

impl IdFindings {
    /// Checks an id that was kept. For most it suffices to check their ends.
    #[inline]
    pub fn look_at(&mut self, id: &str) {
        let bytes = id.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return };
        let spaced = |byte: &u8| *byte <= b' ' || *byte >= 0x80;
        let fraction = *last == b'0' && bytes.contains(&b'.');
        if fraction || spaced(first) || spaced(last) || may_be_missing(bytes) {
            self.look_closer(id);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_closer(&mut self, id: &str) {
        if MISSING_WORDS.iter().any(|word| word.eq_ignore_ascii_case(id)) {
            self.look_missing.add(id);
        }
        if id.trim().len() != id.len() {
            self.with_spaces.add(id);
        }
        if whole_number(id).is_some() {
            self.with_fraction.add(id);
        }
    }

    /// Counts a number with a fraction.
    pub fn fraction(&mut self, id: &str) {
        self.with_fraction.add(id);
    }

    pub fn append(&mut self, part: IdFindings) {
        self.look_missing.append(part.look_missing);
        self.missing.append(part.missing);
        self.with_spaces.append(part.with_spaces);
        self.whole.append(part.whole);
        self.with_fraction.append(part.with_fraction);
    }

    pub fn notes(&self, column: &str) -> impl Iterator<Item = ColumnNote> {
        let kinds = [
            (&self.look_missing, NoteKind::IdsLookMissing),
            (&self.missing, NoteKind::IdsMissing),
            (&self.with_spaces, NoteKind::IdsWithSpaces),
            (&self.whole, NoteKind::IdsReadAsWholeNumbers),
            (&self.with_fraction, NoteKind::IdsWithFraction),
        ];
        kinds.into_iter().filter_map(move |(found, kind)| found.note(Some(column), kind, None))
    }
}

/// Returns a number without its fraction, if that is all zeros: `1` of `1.0`.
pub(super) fn whole_number(text: &str) -> Option<&str> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is = |text: &str, byte: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(byte);
    (is(digits, u8::is_ascii_digit) && is(fraction, |byte| *byte == b'0')).then_some(whole)
}

/// Notations in which the times of a column were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TimeFindings {
    /// Findings by the notation that times were read in, in order of first occurrence.
    read_as: Vec<(Guess, Found)>,
    before: Found,
    after: Found,
}

impl TimeFindings {
    /// Counts a time that was read; `shown` returns it as it was written.
    #[inline]
    pub fn add<'a>(&mut self, time: i64, read_as: Guess, latest: i64, shown: impl FnOnce() -> std::borrow::Cow<'a, str>) {
        match self.read_as.iter_mut().find(|(known, _)| *known == read_as) {
            Some((_, found)) if (FIRST_LIKELY..=latest).contains(&time) => found.count += 1,
            _ => self.add_unusual(time, read_as, latest, &shown()),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_unusual(&mut self, time: i64, read_as: Guess, latest: i64, shown: &str) {
        match self.read_as.iter_mut().find(|(known, _)| *known == read_as) {
            Some((_, found)) => found.count += 1,
            None => {
                let mut found = Found::default();
                found.add(shown);
                self.read_as.push((read_as, found));
            }
        }
        if time < FIRST_LIKELY {
            self.before.add(shown);
        } else if time > latest {
            self.after.add(shown);
        }
    }

    pub fn append(&mut self, part: TimeFindings) {
        for (read_as, mut found) in part.read_as {
            match self.read_as.iter_mut().find(|(known, _)| *known == read_as) {
                Some((_, known)) => {
                    // One example is enough, the first.
                    found.values.clear();
                    known.append(found);
                }
                None => self.read_as.push((read_as, found)),
            }
        }
        self.before.append(part.before);
        self.after.append(part.after);
    }

    pub fn notes(&self, column: &str, reading: TimeReading) -> impl Iterator<Item = ColumnNote> {
        let read = self.read_as.iter().filter_map(|(guess, found)| found.note(Some(column), NoteKind::TimesRead, Some(*guess)));
        let unlikely = [(&self.before, NoteKind::TimesBefore1980), (&self.after, NoteKind::TimesAfterUpload)];
        let suspected = unlikely
            .into_iter()
            .filter_map(move |(found, kind)| found.note(Some(column), kind, suspect(found.values(), reading)));
        read.chain(suspected).collect::<Vec<_>>().into_iter()
    }
}

/// Most ids with spaces that are compared with the others, so that a file of nothing else takes no more memory than it has.
const MOST_COMPARED: usize = 1_000_000;

/// Counts the ids of a column that equal others of it except for surrounding spaces.
pub fn differ_in_spaces<'a>(column: &str, ids: impl Iterator<Item = &'a str> + Clone) -> Option<ColumnNote> {
    let spaced = ids.clone().filter(|id| id.trim().len() != id.len()).take(MOST_COMPARED);
    let mut trimmed: std::collections::HashMap<&str, Vec<&str>> = std::collections::HashMap::new();
    spaced.for_each(|id| trimmed.entry(id.trim()).or_default().push(id));
    if trimmed.is_empty() {
        return None;
    }
    let plain: std::collections::HashSet<&str> = ids.filter(|id| trimmed.contains_key(id)).collect();
    let mut twins: Vec<&str> = Vec::new();
    for (id, spaced) in trimmed {
        // Without an id that has no spaces, the first one takes its place.
        let others = spaced.len() - usize::from(!plain.contains(id));
        twins.extend(&spaced[spaced.len() - others..]);
    }
    twins.sort_unstable();
    let mut found = Found::default();
    twins.iter().for_each(|id| found.add(id));
    found.note(Some(column), NoteKind::IdsDifferInSpaces, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_only_in_spaces_are_counted() {
        let count = |ids: &[&str]| differ_in_spaces("u", ids.iter().copied()).map(|note| (note.count, note.examples));
        assert_eq!(count(&["a", "b"]), None);
        assert_eq!(count(&[" a", "b"]), None);
        assert_eq!(count(&["a", "a ", " b", "b  ", "c"]), Some((2, vec!["a ".to_owned(), "b  ".to_owned()])));
    }

    #[test]
    fn every_word_for_a_missing_value_is_looked_at() {
        for word in MISSING_WORDS.into_iter().flat_map(|word| [word.to_owned(), word.to_uppercase()]) {
            let mut findings = IdFindings::default();
            findings.look_at(&word);
            assert_eq!(findings.look_missing.count, 1, "{word}");
        }
        let mut findings = IdFindings::default();
        ["u1", "user-1", "nobody", "n1", "#hash-tag", "10", "undefined1"].iter().for_each(|id| findings.look_at(id));
        assert_eq!(findings, IdFindings::default());
    }

    #[test]
    fn whole_numbers_lose_their_zeros() {
        for (text, whole) in
            [("1.0", Some("1")), ("-12.000", Some("-12")), ("1.5", None), ("1", None), (".0", None), ("a.0", None), ("1.", None)]
        {
            assert_eq!(whole_number(text), whole, "{text}");
        }
    }
}
