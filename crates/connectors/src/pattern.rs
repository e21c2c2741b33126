//! Patterns of the names of files.

use regex::Regex;

use super::error::ConnectorError;

/// The longest pattern, in bytes, and the most lines of it.
const LONGEST: usize = 4_096;
const MOST_LINES: usize = 100;

recotem_platform::wire_enum! {
    /// The format of files whose ending does not say it.
    pub enum FileFormat {
        Csv = "csv",
        Tsv = "tsv",
        JsonLines = "jsonl",
        Json = "json",
        Parquet = "parquet",
    }
}

/// Names of files, in which signs stand for others: `*` for any within a folder, `?` for one, `**` for any folders, and `{yyyy-mm-dd}`
/// for a date. Each line is a pattern of its own.
#[derive(Debug, Clone)]
pub struct Pattern {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    text: String,
    /// What all names begin with.
    prefix: String,
    matcher: Regex,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, ConnectorError> {
        let bad = |message: String| Err(ConnectorError::BadQuery(message));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return bad("Enter the name of a file, or a pattern such as events/*.csv.".to_owned());
        }
        if text.len() > LONGEST || lines.len() > MOST_LINES {
            return bad(format!("Enter at most {LONGEST} characters in {MOST_LINES} lines."));
        }
        let lines: Result<_, _> = lines.into_iter().map(Line::parse).collect();
        Ok(Self { lines: lines.map_err(ConnectorError::BadQuery)? })
    }

    /// Returns whether a file has such a name. Names that begin with `_` or `.`, of files or folders, are those of unfinished or
    /// hidden files; they match only where the pattern says so before its first sign that stands for others.
    pub fn matches(&self, key: &str) -> bool {
        self.lines.iter().any(|line| line.matches(key))
    }

    /// Returns what the names of files begin with, one for each line, without those that another one covers.
    pub fn prefixes(&self) -> Vec<&str> {
        let mut prefixes: Vec<&str> = self.lines.iter().map(|line| line.prefix.as_str()).collect();
        prefixes.sort_unstable();
        prefixes.dedup_by(|longer, shorter| longer.starts_with(*shorter));
        prefixes
    }

    /// Returns the names themselves if nothing in them stands for others.
    pub fn names(&self) -> Option<Vec<&str>> {
        self.lines.iter().map(|line| (line.prefix == line.text).then_some(line.text.as_str())).collect()
    }
}

impl Line {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('/');
        let prefix = &text[..text.find(['*', '?', '{']).unwrap_or(text.len())];
        let mut expression = String::from("^");
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_at_start = rest.len() == text.len() || text[..text.len() - rest.len()].ends_with('/');
            let (translated, used) = match first {
                '*' if rest.starts_with("**/") && is_at_start => ("(?:[^/]+/)*".to_owned(), 3),
                '*' if rest.starts_with("**") => (".*".to_owned(), 2),
                '*' => ("[^/]*".to_owned(), 1),
                '?' => ("[^/]".to_owned(), 1),
                '{' => {
                    let end = rest.find('}').ok_or("A { in the pattern has no }.")?;
                    (date(&rest[1..end])?, end + 1)
                }
                other => (regex::escape(other.encode_utf8(&mut [0; 4])), other.len_utf8()),
            };
            expression.push_str(&translated);
            rest = &rest[used..];
        }
        expression.push('$');
        let matcher = Regex::new(&expression).map_err(|_| "The pattern is too complicated.".to_owned())?;
        Ok(Self { text: text.to_owned(), prefix: prefix.to_owned(), matcher })
    }

    fn matches(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(&self.prefix) else { return false };
        let begins_hidden = |part: &str| part.starts_with(['_', '.']);
        let is_after_slash = self.prefix.is_empty() || self.prefix.ends_with('/');
        let is_hidden = rest.split('/').enumerate().any(|(at, part)| (at > 0 || is_after_slash) && begins_hidden(part));
        !is_hidden && self.matcher.is_match(key)
    }
}

/// Translates a date such as `yyyy-mm-dd`.
fn date(text: &str) -> Result<String, String> {
    let parts =
        [("yyyy", "[0-9]{4}"), ("mm", "(?:0[1-9]|1[0-2])"), ("dd", "(?:0[1-9]|[12][0-9]|3[01])"), ("hh", "(?:[01][0-9]|2[0-3])")];
    let (mut expression, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if let Some((name, translated)) = parts.iter().find(|(name, _)| rest.starts_with(name)) {
            expression.push_str(translated);
            rest = &rest[name.len()..];
        } else if matches!(first, '-' | '_' | '/' | '.') {
            expression.push_str(&regex::escape(&rest[..1]));
            rest = &rest[1..];
        } else {
            return Err(format!("\"{{{text}}}\" is not a date. Write it as {{yyyy-mm-dd}}, {{yyyymmdd}} or {{hh}}."));
        }
    }
    if expression.is_empty() { Err("A date in the pattern is empty: write {yyyy-mm-dd}.".to_owned()) } else { Ok(expression) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched<'a>(pattern: &str, keys: &[&'a str]) -> Vec<&'a str> {
        let pattern = Pattern::parse(pattern).unwrap();
        keys.iter().copied().filter(|key| pattern.matches(key)).collect()
    }

    const KEYS: [&str; 9] = [
        "a.csv",
        "events/a.csv",
        "events/b.parquet",
        "events/dt=2026-11-30/p0.parquet",
        "events/dt=2026-13-30/p0.parquet",
        "events/dt=2026-11-30/_SUCCESS",
        "events/_temporary/0/p0.parquet",
        "events/dt=2026-11-30/hh=07/p1.parquet",
        "events/.part.csv",
    ];

    #[test]
    fn signs_stand_for_others_within_a_folder() {
        assert_eq!(matched("*.csv", &KEYS), ["a.csv"]);
        assert_eq!(matched("/events/*", &KEYS), ["events/a.csv", "events/b.parquet"]);
        assert_eq!(matched("events/?.csv", &KEYS), ["events/a.csv"]);
        assert_eq!(matched("**/*.csv", &KEYS), ["a.csv", "events/a.csv"]);
        assert_eq!(matched("a.csv\nevents/b.*", &KEYS), ["a.csv", "events/b.parquet"]);
        assert_eq!(matched("a+csv", &KEYS), [] as [&str; 0]);
        assert_eq!(matched("events/_temporary/0/*", &KEYS), ["events/_temporary/0/p0.parquet"]);
    }

    #[test]
    fn dates_are_dates() {
        let of_day = "events/dt={yyyy-mm-dd}/*.parquet";
        assert_eq!(matched(of_day, &KEYS), ["events/dt=2026-11-30/p0.parquet"]);
        assert_eq!(matched("events/dt={yyyy-mm-dd}/hh={hh}/*", &KEYS), ["events/dt=2026-11-30/hh=07/p1.parquet"]);
        let all = ["events/b.parquet", "events/dt=2026-11-30/p0.parquet", "events/dt=2026-13-30/p0.parquet"];
        assert_eq!(matched("events/**.parquet", &KEYS), [&all[..], &[KEYS[7]]].concat());
        assert_eq!(Pattern::parse(of_day).unwrap().prefixes(), ["events/dt="]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in ["", " \n ", "a{", "a{}", "a{date}", "a{yyyy mm}"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Pattern::parse(&"x".repeat(LONGEST)).is_ok() && Pattern::parse(&"x".repeat(LONGEST + 1)).is_err());
        assert!(Pattern::parse(&"x\n".repeat(MOST_LINES)).is_ok() && Pattern::parse(&"x\n".repeat(MOST_LINES + 1)).is_err());
        assert_eq!(Pattern::parse("a.csv\nb/c.csv").unwrap().names(), Some(vec!["a.csv", "b/c.csv"]));
        assert_eq!(Pattern::parse("a/*\na/b/*\nc").unwrap().prefixes(), ["a/", "c"]);
        assert_eq!(Pattern::parse("a/*").unwrap().names(), None);
    }
}
