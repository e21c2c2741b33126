//! The values that columns of two files share: the ids of items, or users, are what joins them.

use std::collections::{HashMap, HashSet};

use super::looks::Looks;

/// How two columns of ids fit together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Share of the different values of the first that the second has, too.
    pub exact: f64,
    /// The same if leading zeros and a final ".0" did not count.
    pub alike: f64,
}

/// Returns the share of the different values of a column that another has, too.
pub fn shared(of: &Looks, with: &Looks) -> f64 {
    share(of, of.values.keys().filter(|value| with.values.contains_key(*value)).count())
}

/// Compares the values of a column with those of another.
pub fn overlap(of: &Looks, with: &Looks) -> Overlap {
    let bare: HashSet<&str> = with.values.keys().map(|value| bare(value)).collect();
    let alike = of.values.keys().filter(|value| bare.contains(self::bare(value))).count();
    Overlap { exact: shared(of, with), alike: share(of, alike) }
}

fn share(of: &Looks, found: usize) -> f64 {
    found as f64 / of.distinct().max(1) as f64
}

/// Returns two values, one of each column, that are the same but for leading zeros or a final ".0".
pub fn unlike_pair<'a>(of: &'a Looks, with: &'a Looks) -> Option<(&'a str, &'a str)> {
    let mut ours: Vec<&String> = of.values.keys().filter(|value| !with.values.contains_key(*value)).collect();
    ours.sort();
    let mut theirs: HashMap<&str, &str> = HashMap::new();
    for other in with.values.keys() {
        theirs.entry(bare(other)).and_modify(|first| *first = (*first).min(other)).or_insert(other);
    }
    ours.into_iter().find_map(|value| Some((value.as_str(), *theirs.get(bare(value))?)))
}

/// Returns two values of a column that are the same but for leading zeros or a final ".0", the first of them in byte order.
pub fn padded_pair(looks: &Looks) -> Option<(&str, &str)> {
    let mut values: Vec<(&str, &str)> = looks.values.keys().map(|value| (bare(value), value.as_str())).collect();
    values.sort_unstable();
    values.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[0].1, pair[1].1))
}

/// Returns a number without leading zeros and a final ".0", and any other text unchanged.
fn bare(value: &str) -> &str {
    let text = value.trim();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    let kept = whole.trim_start_matches('0');
    if kept.is_empty() { "0" } else { kept }
}
