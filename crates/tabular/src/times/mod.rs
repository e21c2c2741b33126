//! Times in their usual notations, to microseconds UTC.
//!
//! Unix time in any unit, `YYYY-MM-DD`, `YYYY-MM-DD HH:MM[:SS[.fraction]]`, RFC 3339, the dates of `civil`, and the forms of `column`.
//! A time without an offset is read as UTC.

mod cell;
mod civil;
mod column;
mod judged;

pub(super) use cell::TimeCell;
pub(super) use column::{FIRST_LIKELY, TimeReading, TimeSample, suspect};
pub use judged::{ReadTimes, read_times};

/// Rows that are read ahead to decide the notation of times.
pub(super) const SAMPLED: usize = 2_000;

const MICROS: i64 = 1_000_000;

/// Microseconds of a day.
const DAY: i64 = 86_400 * MICROS;

/// Reads Unix time in a unit that follows from its magnitude: seconds up to the year 5138, then milli-, micro-, nanoseconds.
fn unix_integer(value: i64) -> Option<i64> {
    match value.unsigned_abs() {
        0..100_000_000_000 => value.checked_mul(MICROS),
        100_000_000_000..100_000_000_000_000 => value.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(value),
        _ => Some(value.div_euclid(1_000)),
    }
}

/// Reads as [`unix_integer`] does, for numbers with a fraction.
fn unix_float(value: f64) -> Option<i64> {
    let micros = match value.abs() {
        v if v < 1e11 => value * 1e6,
        v if v < 1e14 => value * 1e3,
        v if v < 1e17 => value,
        v if v < 9e18 => value / 1e3,
        _ => return None,
    };
    Some(micros.round() as i64)
}

fn parse_integer(text: &[u8]) -> Option<i64> {
    let (digits, negative) = match text {
        [b'-', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    if digits.is_empty() || digits.len() > 18 && digits.len() != 19 {
        return None;
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    Some(if negative { -value } else { value })
}

fn parse_date_time(text: &[u8]) -> Option<i64> {
    let mut rest = Cursor { text };
    let year = rest.number(4)?;
    let separator = rest.one()?;
    // Spreadsheets write 2020/1/2, without zeros.
    let short = separator == b'/';
    let month = rest.number_of(short)?;
    if rest.one()? != separator {
        return None;
    }
    let day = rest.number_of(short)?;
    let days = days_of(year, month, day)?;
    let clock = if rest.text.is_empty() { Clock::default() } else { rest.clock(short)? };
    moment(days, &clock)
}

/// Returns a time of a day in microseconds UTC.
fn moment(days: i64, clock: &Clock) -> Option<i64> {
    (days * 86_400 + clock.seconds).checked_mul(MICROS)?.checked_add(clock.micros)
}

#[derive(Default)]
struct Clock {
    /// Seconds since midnight UTC.
    seconds: i64,
    micros: i64,
}

struct Cursor<'a> {
    text: &'a [u8],
}

impl Cursor<'_> {
    fn one(&mut self) -> Option<u8> {
        let (&first, rest) = self.text.split_first()?;
        self.text = rest;
        Some(first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.first() == Some(&byte);
        if found {
            self.text = &self.text[1..];
        }
        found
    }

    /// Reads exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.text.split_at_checked(digits)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.text = rest;
        Some(head.iter().fold(0, |n, &d| n * 10 + i64::from(d - b'0')))
    }

    /// Reads two digits, or one if `short` allows it.
    fn number_of(&mut self, short: bool) -> Option<i64> {
        match self.number(2) {
            None if short => self.number(1),
            found => found,
        }
    }

    /// Reads `HH:MM[:SS[.fraction]][offset]` after a separator, to the end.
    fn clock(&mut self, short: bool) -> Option<Clock> {
        if !matches!(self.one()?, b'T' | b't' | b' ') {
            return None;
        }
        let (hour, colon, minute) = (self.number_of(short)?, self.eat(b':'), self.number(2)?);
        let second = if self.eat(b':') { self.number(2)? } else { 0 };
        // 60 is a leap second; it falls on the next minute.
        if !colon || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let micros = if self.eat(b'.') || self.eat(b',') { self.fraction()? } else { 0 };
        let offset = self.offset()?;
        Some(Clock { seconds: hour * 3600 + minute * 60 + second - offset, micros })
    }

    /// Reads a decimal fraction of any length in microseconds; finer digits are dropped.
    fn fraction(&mut self) -> Option<i64> {
        let n = self.text.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.text.split_at(n);
        self.text = rest;
        let micros = (0..6).fold(0, |v, i| v * 10 + digits.get(i).map_or(0, |d| i64::from(d - b'0')));
        (n > 0).then_some(micros)
    }

    /// Reads seconds east of Greenwich: nothing, Z, UTC, ±HH, ±HHMM or ±HH:MM, to the end.
    fn offset(&mut self) -> Option<i64> {
        let text = self.text.trim_ascii_start();
        let sign = match text.first() {
            None => return Some(0),
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return matches!(text, b"Z" | b"z" | b"UTC").then_some(0),
        };
        let mut rest = Cursor { text: &text[1..] };
        let hours = rest.number(2)?;
        rest.eat(b':');
        let minutes = if rest.text.is_empty() { 0 } else { rest.number(2)? };
        (rest.text.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// Returns the days since 1970-01-01 in the Gregorian calendar; `None` for a day that does not exist.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years counted from March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<i64> {
        TimeReading::default().read_text(text.as_bytes()).map(|(time, _)| time)
    }

    #[test]
    fn unix_time_is_told_apart_by_magnitude() {
        let expected = Some(881_250_949 * MICROS);
        for text in ["881250949", "881250949000", "881250949000000", "881250949000000000", " 881250949 ", "881250949.0"] {
            assert_eq!(at(text), expected, "{text}");
        }
        assert_eq!(at("881250949.25"), Some(881_250_949_250_000));
        assert_eq!(at("0"), Some(0));
        assert_eq!(at("-1"), Some(-MICROS));
        assert_eq!(at("8.8e8"), Some(880_000_000 * MICROS));
    }

    #[test]
    fn dates_and_clocks() {
        let noon = Some(1_582_977_600 * MICROS);
        for text in [
            "2020-02-29 12:00:00",
            "2020-02-29T12:00:00Z",
            "2020-02-29T12:00",
            "2020-02-29T21:00:00+09:00",
            "2020-02-29 12:00:00.000 UTC",
            "2020-02-29T07:30:00.0-0430",
            "2020/02/29 12:00:00",
            "2020/2/29 12:00",
        ] {
            assert_eq!(at(text), noon, "{text}");
        }
        assert_eq!(at("2020/2/9 3:05"), Some((18_301 * 86_400 + 3 * 3600 + 300) * MICROS));
        assert_eq!(at("1970-01-01"), Some(0));
        assert_eq!(at("1969-12-31 23:59:59.5"), Some(-500_000));
        assert_eq!(at("2020-02-29T12:00:00.1234567Z"), noon.map(|t| t + 123_456));
    }

    #[test]
    fn nonsense_is_not_a_time() {
        for text in [
            "",
            " ",
            "soon",
            "2021-02-29",
            "2020-13-01",
            "2020-00-10",
            "2020-01-01 25:00:00",
            "2020-01-01Tx",
            "20200101T",
            "2020-01/01",
            "2020-01-01 10:00:00+25:00",
            "nan",
            "inf",
            "1e30",
            "99999999999999999999",
            "--5",
            "12:00",
            "2020-1-1",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
