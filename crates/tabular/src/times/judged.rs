//! Which values of a column are read as its times.

use super::super::notes::Guess;
use super::{SAMPLED, TimeCell, TimeSample};

/// How an import would read the values of a column as times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadTimes {
    /// Values that are read.
    pub read: usize,
    /// Those of them that are written as dates, rather than as numbers.
    pub dates: usize,
    /// Values that are not read.
    pub unread: usize,
    /// The first of these.
    pub example: Option<String>,
}

/// Reads the first values of a column, in their order, as an import reads its times. Blank ones are not counted.
pub fn read_times<'v>(values: impl Iterator<Item = &'v str> + Clone) -> ReadTimes {
    let mut sample = TimeSample::default();
    values.clone().take(SAMPLED).for_each(|value| sample.add(TimeCell::Text(value.as_bytes())));
    let reading = sample.decide();
    let mut times = ReadTimes::default();
    for value in values.filter(|value| !value.trim_ascii().is_empty()) {
        match reading.read_text(value.as_bytes()) {
            Some((_, notation)) => {
                times.read += 1;
                times.dates += usize::from(notation == Guess::Text);
            }
            None => {
                times.unread += 1;
                times.example.get_or_insert_with(|| value.to_owned());
            }
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_as_an_import_reads_them() {
        let of = |values: &[&str]| read_times(values.iter().copied());
        assert_eq!(of(&["20200102", "1577923200", ""]), ReadTimes { read: 2, ..ReadTimes::default() });
        let mixed = of(&["22/06/2020", "01/02/2020", "soon", "later"]);
        assert_eq!(mixed, ReadTimes { read: 2, dates: 2, unread: 2, example: Some("soon".to_owned()) });
        assert_eq!(of(&["01/02/2020"]).example.as_deref(), Some("01/02/2020"));
    }
}
