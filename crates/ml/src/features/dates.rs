//! Dates in the forms in which files hold them, as microseconds UTC.

use std::ops::Range;

const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400 * SECOND;

/// 1970-01-01 in the days of spreadsheets.
const SPREADSHEET_1970: f64 = 25_569.0;

/// From 1980 to 2100 in the days of spreadsheets.
const LIKELY_SPREADSHEET_DAYS: Range<f64> = 29_221.0..73_051.0;

/// From 1908 to 2199 in the days of spreadsheets. Lower numbers may be years.
const SPREADSHEET_DAYS: Range<f64> = 3_000.0..109_575.0;

/// 1980-01-01.
const FIRST_LIKELY: i64 = 3652 * DAY;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// How the numbers of a column name moments: decided for the column, since a single number is ambiguous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As [`of_number`] reads them.
    #[default]
    BySize,
    /// In the same way, though most of them are neither years, nor days, nor Unix time since 1973.
    Unlikely,
    /// Days as spreadsheets write them: 43831 is 2020-01-01.
    SpreadsheetDays,
}

impl Numbers {
    /// Decides by nine in ten of the numbers of a column.
    pub fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let (mut n, mut days, mut unlikely) = (0usize, 0usize, 0usize);
        for value in numbers {
            n += 1;
            days += usize::from(is_spreadsheet_day(value));
            unlikely += usize::from(!may_be_moment(value));
        }
        let most = |count: usize| count > 0 && count * 10 >= n * 9;
        match (most(days), most(unlikely)) {
            (true, _) => Numbers::SpreadsheetDays,
            (false, true) => Numbers::Unlikely,
            (false, false) => Numbers::BySize,
        }
    }

    /// Returns the moment that a number names, in microseconds UTC.
    pub fn moment(self, value: f64) -> Option<i64> {
        match self {
            Numbers::BySize | Numbers::Unlikely => of_number(value),
            Numbers::SpreadsheetDays if SPREADSHEET_DAYS.contains(&value) => {
                // To milliseconds: spreadsheets write no finer fractions.
                Some(((value - SPREADSHEET_1970) * 86_400_000.0).round() as i64 * 1_000)
            }
            // Another kind of number is accepted only if nothing contradicts it.
            Numbers::SpreadsheetDays => {
                of_number(value).filter(|moment| *moment >= FIRST_LIKELY || (1_000.0..3_000.0).contains(&value))
            }
        }
    }

    /// Returns the word for it in a model; `None` for the usual way.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Numbers::BySize => None,
            Numbers::Unlikely => Some("unlikely"),
            Numbers::SpreadsheetDays => Some("spreadsheet_days"),
        }
    }

    /// Returns what a word means.
    pub fn of_word(word: Option<&str>) -> Option<Self> {
        [Numbers::BySize, Numbers::Unlikely, Numbers::SpreadsheetDays].into_iter().find(|numbers| numbers.word() == word)
    }

    /// Returns what should be known of how dates are read.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Numbers::BySize => None,
            Numbers::Unlikely => {
                Some("The numbers are read as seconds since 1970, which is unlikely. Write dates as 2020-01-31.")
            }
            Numbers::SpreadsheetDays => Some("The numbers are read as days of a spreadsheet: 43831 is 2020-01-01."),
        }
    }
}

/// Returns whether a number is a day between 1980 and 2100 as spreadsheets write it.
pub(super) fn is_spreadsheet_day(value: f64) -> bool {
    LIKELY_SPREADSHEET_DAYS.contains(&value)
}

/// Returns whether a number is the size of a year, of a day as 19950131, or of Unix time since 1973.
pub(super) fn may_be_moment(value: f64) -> bool {
    (1000.0..3000.0).contains(&value) || (1e7..3e7).contains(&value) || value >= 1e8
}

/// Returns the moment that a text names.
///
/// Reads RFC 3339, `1995-01-31`, `1995-01-31 12:30:00`, `1995/01/31`, `1995-01`, `31-Jan-1995`, and the numbers that
/// `numbers` reads. A time without an offset is UTC.
pub(super) fn of_text(text: &str, numbers: Numbers) -> Option<i64> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    if let Some(date) = of_english(text) {
        return Some(date);
    }
    let bytes = text.as_bytes();
    if bytes.len() >= 7 && matches!(bytes[4], b'-' | b'/') {
        return of_iso(text);
    }
    numbers.moment(text.parse().ok()?)
}

/// Returns the moment that a number names: a year from 1000 to 2999, a day as 19950131, or Unix time in seconds, milliseconds
/// or microseconds, told apart by their size.
fn of_number(value: f64) -> Option<i64> {
    if !value.is_finite() || value.abs() >= 1e17 {
        return None;
    }
    if value.fract() == 0.0 && value >= 1000.0 {
        let whole = value as i64;
        if whole < 3000 {
            return days(whole, 1, 1).map(|days| days * DAY);
        }
        if let Some(day) = of_eight_digits(whole) {
            return Some(day);
        }
    }
    let unit = match value.abs() {
        size if size < 1e11 => 1e6,
        size if size < 1e14 => 1e3,
        _ => 1.0,
    };
    Some((value * unit) as i64)
}

/// Returns the moment that a number of eight digits such as 19950131 names, if there is such a day.
fn of_eight_digits(whole: i64) -> Option<i64> {
    if !(10_000_000..30_000_000).contains(&whole) {
        return None;
    }
    days(whole / 10_000, whole / 100 % 100, whole % 100).map(|days| days * DAY)
}

/// Returns whether a number is a day of the last or this century, as 19950131.
pub(super) fn is_day(value: f64) -> bool {
    value.fract() == 0.0 && (19_000_101.0..=20_991_231.0).contains(&value) && of_eight_digits(value as i64).is_some()
}

/// Returns year and month of a moment.
pub(super) fn year_and_month(micros: i64) -> (i64, u32) {
    // The civil calendar counted in eras of 400 years that begin on the first of March.
    let shifted = micros.div_euclid(DAY) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32)
}

/// Returns the days from 1970-01-01 to a date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Returns a number written with up to nine digits and nothing else.
fn digits(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Reads `31-Jan-1995` and `31 January 1995`.
fn of_english(text: &str) -> Option<i64> {
    let mut parts = text.split(['-', ' ']);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let short = month.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == short)? as i64 + 1;
    days(digits(year)?, month, digits(day)?).map(|days| days * DAY)
}

/// Reads dates that begin with the year, with or without a time of day.
fn of_iso(text: &str) -> Option<i64> {
    let mark = &text[4..5];
    let (year, month) = (digits(&text[..4])?, digits(text.get(5..7)?)?);
    let Some(rest) = text.get(7..).filter(|rest| !rest.is_empty()) else {
        return days(year, month, 1).map(|days| days * DAY);
    };
    let rest = rest.strip_prefix(mark)?;
    let date = days(year, month, digits(rest.get(..2)?)?)? * DAY;
    match rest.get(2..)? {
        "" => Some(date),
        time => Some(date + of_clock(time.strip_prefix(['T', 't', ' '])?)?),
    }
}

/// Reads a time of day: hours and minutes, with or without seconds, a fraction and an offset from UTC.
fn of_clock(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], of_offset(&text[at..])?),
        None => (text, 0),
    };
    let mut parts = clock.trim_end().splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (second, fraction) = parts.next().map(|second| second.split_once('.').unwrap_or((second, ""))).unwrap_or(("0", ""));
    let second = digits(second)?;
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    Some((hour * 3600 + minute * 60 + second) * SECOND + micros - offset)
}

fn of_offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return (text.len() == 1).then_some(0),
    };
    let (hours, minutes) = match text[1..].split_once(':') {
        Some((hours, minutes)) => (digits(hours)?, digits(minutes)?),
        None if text.len() == 5 => (digits(&text[1..3])?, digits(&text[3..])?),
        None => (digits(&text[1..])?, 0),
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Option<i64> {
        super::of_text(text, Numbers::BySize)
    }

    #[test]
    fn the_column_decides_what_its_numbers_mean() {
        let decided = |numbers: &[f64]| Numbers::of(numbers.iter().copied());
        let mostly = |one: f64, other: f64| decided(&[[one; 9].as_slice(), &[other]].concat());
        assert_eq!(decided(&[43_831.0, 43_832.5]), Numbers::SpreadsheetDays);
        assert_eq!(mostly(43_831.0, 1995.0), Numbers::SpreadsheetDays);
        assert_eq!(mostly(20_200_105.0, 43_831.0), Numbers::BySize);
        assert_eq!(decided(&[43_831.0, 20_200_105.0]), Numbers::BySize);
        assert_eq!(decided(&[18_262.0, 18_263.0]), Numbers::Unlikely);
        assert_eq!(decided(&[]), Numbers::BySize);
        let read = |value: f64| Numbers::SpreadsheetDays.moment(value);
        let new_year_2020 = 18_262 * DAY;
        assert_eq!((read(43_831.0), read(43_831.5)), (Some(new_year_2020), Some(new_year_2020 + DAY / 2)));
        assert_eq!(read(10_000.0), of_text("1927-05-18"));
        assert_eq!((read(1995.0), read(20_200_101.0)), (of_text("1995-01-01"), Some(new_year_2020)));
        assert_eq!((read(5.0), read(2_999_999.0)), (None, None));
        assert_eq!(super::of_text("43831", Numbers::SpreadsheetDays), Some(new_year_2020));
        for numbers in [Numbers::BySize, Numbers::Unlikely, Numbers::SpreadsheetDays] {
            assert_eq!(Numbers::of_word(numbers.word()), Some(numbers));
        }
        assert_eq!(Numbers::of_word(Some("moons")), None);
    }

    #[test]
    fn all_forms_of_a_moment_agree() {
        // 1995-01-31 is day 9161.
        let day = 9161 * DAY;
        for text in ["1995-01-31", "19950131", "31-Jan-1995", "31-jan-1995", "31 January 1995", "1995/01/31", " 1995-01-31 "] {
            assert_eq!(of_text(text), Some(day), "{text}");
        }
        let noon = day + 12 * 3600 * SECOND;
        for text in [
            "1995-01-31T12:00:00Z",
            "1995-01-31 12:00:00",
            "1995-01-31 12:00",
            "1995-01-31T21:00:00+09:00",
            "1995-01-31T07:30:00.000-0430",
            "791553600",
            "791553600000",
            "791553600000000",
        ] {
            assert_eq!(of_text(text), Some(noon), "{text}");
        }
        assert_eq!(of_text("1995-01-31T12:00:00.25Z"), Some(noon + SECOND / 4));
        assert_eq!(of_text("1995-01"), Some((9161 - 30) * DAY));
        assert_eq!(of_number(1995.0), of_text("1995-01-01"));
        assert_eq!(of_number(0.0), Some(0));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "soon",
            "1995-02-29",
            "1995-13-01",
            "1995-00-01",
            "1995-01-31T25:00:00Z",
            "1995-01-31x",
            "31-Foo-1995",
            "NaN",
            "inf",
            "1995-01-31T12:00:00+99:00",
            "1995-1",
            "１９９５-01-31",
            "-",
            "1995-01-31T",
            "1e40",
            "+",
            "1995--01-31",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn days_of_eight_digits_are_told_from_other_numbers() {
        assert!([19_000_101.0, 20_240_229.0, 20_991_231.0].into_iter().all(is_day));
        assert!(![19_990_132.0, 20_230_229.0, 10_010_101.0, 21_000_101.0, 20_200_101.5, f64::NAN].into_iter().any(is_day));
    }

    #[test]
    fn calendars_agree_in_both_directions() {
        for (year, month, day) in [(1970, 1, 1), (2000, 2, 29), (1900, 3, 1), (1969, 12, 31), (2024, 12, 31), (1600, 1, 1)] {
            let days = days(year, month, day).unwrap();
            assert_eq!(year_and_month(days * DAY + DAY - 1), (year, month as u32));
        }
        assert_eq!(days(2000, 3, 1), Some(11_017));
    }
}
