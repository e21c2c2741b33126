//! Regular expressions of specs, which come from outside: neither compiling nor searching may take long.
//!
//! A search takes time in proportion to the size of the expression times the length of the text. So the larger the expression,
//! the shorter the texts that it searches.

use regex::{Error, Regex, RegexBuilder};

use super::cells::Told;

/// Longest regular expression, in bytes.
const LONGEST_PATTERN: usize = 1000;

/// Sizes of compiled regular expressions, in bytes: each has the least that it fits into.
const SIZES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Most bytes of an expression times bytes of a text: about a second in the worst case.
const MOST_WORK: usize = 1 << 32;

/// Most bytes of what a search remembers for the next one.
const REMEMBERED: usize = 256 << 10;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub regex: Regex,
    size: usize,
}

impl Pattern {
    /// Compiles a regular expression; the error ends a sentence that begins with the column.
    pub fn of(pattern: &str) -> Told<Pattern> {
        if pattern.len() > LONGEST_PATTERN {
            return Err(format!("extract: the pattern is longer than {LONGEST_PATTERN} bytes"));
        }
        let mut too_big = None;
        for size in SIZES {
            match RegexBuilder::new(pattern).size_limit(size).dfa_size_limit(REMEMBERED).build() {
                Ok(regex) => return Ok(Pattern { regex, size }),
                Err(error @ Error::CompiledTooBig(_)) => too_big = Some(error),
                Err(error) => return Err(unusable(pattern, &error.to_string())),
            }
        }
        Err(unusable(pattern, &too_big.map(|error| error.to_string()).unwrap_or_default()))
    }

    /// Returns its bytes in memory, about.
    pub fn bytes(&self) -> usize {
        self.size
    }

    /// Returns the most bytes of text in a cell that it searches.
    pub fn longest_text(&self) -> usize {
        MOST_WORK / self.size
    }

    /// Fails if the texts of a cell have more bytes than it searches.
    pub fn require_short(&self, bytes: usize) -> Told<()> {
        let longest = self.longest_text();
        if bytes <= longest {
            return Ok(());
        }
        let pattern = self.regex.as_str();
        Err(format!(
            "has a text of {bytes} bytes, and extract looks for {pattern:?} in at most {longest}; simplify the pattern, in \
             particular repetitions as in {{0,1000}} and letters of all scripts as in \\w, or shorten the text"
        ))
    }
}

fn unusable(pattern: &str, error: &str) -> String {
    // The library draws the place in several lines; the last one says what is wrong.
    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("extract: {pattern:?} is not a regular expression that can be used: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_expressions_search_short_texts_only() {
        let usual = Pattern::of(r"\((\d{4})\)").unwrap();
        assert!(usual.longest_text() >= 64 << 10, "{}", usual.longest_text());
        let large = Pattern::of("(?:a{0,1000}){5}b").unwrap();
        assert!(large.longest_text() <= 16 << 10, "{}", large.longest_text());
        assert_eq!(large.require_short(large.longest_text()), Ok(()));
        let refused = large.require_short(large.longest_text() + 1).unwrap_err();
        assert!(refused.contains("shorten the text"), "{refused}");
    }

    #[test]
    fn expressions_without_a_meaning_or_bounds_are_refused() {
        for pattern in ["(", r"\w{1000}{1000}", &"a".repeat(LONGEST_PATTERN + 1)] {
            assert!(Pattern::of(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::of(&"a".repeat(LONGEST_PATTERN)).is_ok());
    }
}
