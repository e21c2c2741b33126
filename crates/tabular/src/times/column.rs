//! Interprets the numbers of a time column: decided for the column, since a single number is ambiguous.

use super::super::notes::Guess;
use super::civil::{self, First, FirstSample};
use super::{DAY, MICROS, TimeCell, days_of, parse_date_time, parse_integer, unix_float, unix_integer};

/// Numbers that are not Unix time and differ from it by their number of digits. Each number has one form at most.
const FORMS: [Guess; 9] = [
    Guess::YearToSecond,
    Guess::YearToMinute,
    Guess::YearToHour,
    Guess::YearMonthDay,
    Guess::YearMonth,
    Guess::Year,
    Guess::ExcelDays,
    Guess::WindowsTicks,
    Guess::DotnetTicks,
];

/// 1980-01-01: hardly any interactions were recorded before.
pub(in super::super) const FIRST_LIKELY: i64 = 3652 * DAY;

/// 2100-01-01.
const LAST_LIKELY: i64 = 47_482 * DAY;

/// 1970-01-01 in the days of spreadsheets.
const EXCEL_1970: i64 = 25_569;

/// 1970-01-01 in ticks since 1601.
const WINDOWS_1970: i64 = 116_444_736_000_000_000;

/// 1970-01-01 in ticks since the year 1.
const DOTNET_1970: i64 = 621_355_968_000_000_000;

const TICKS_PER_MICRO: i64 = 10;

/// The way in which the times of a column are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct TimeReading {
    /// Form of its numbers, if they are not Unix time.
    form: Option<Guess>,
    /// What comes first in its dates, where these leave it open.
    first: Option<First>,
}

impl TimeReading {
    /// Returns the moment in microseconds UTC, and the notation it was read in.
    pub fn read(self, cell: TimeCell<'_>) -> Option<(i64, Guess)> {
        match cell {
            TimeCell::Text(text) => self.read_text(text),
            TimeCell::Integer(value) => self.read_integer(value),
            TimeCell::Float(value) => self.read_float(value),
            TimeCell::Micros(value) => Some((value, Guess::Typed)),
        }
    }

    /// Returns the moment of a text in microseconds UTC, and the notation it was read in.
    pub fn read_text(self, text: &[u8]) -> Option<(i64, Guess)> {
        let text = text.trim_ascii();
        match text {
            [] => None,
            [_, _, _, _, b'-' | b'/', ..] => {
                parse_date_time(text).map(|time| (time, Guess::Text)).or_else(|| self.read_date(text))
            }
            _ => match parse_integer(text) {
                Some(value) => self.read_integer(value),
                None => match std::str::from_utf8(text).ok()?.parse() {
                    Ok(value) => self.read_float(value),
                    Err(_) => self.read_date(text),
                },
            },
        }
    }

    fn read_date(self, text: &[u8]) -> Option<(i64, Guess)> {
        civil::parse(text, self.first).map(|time| (time, Guess::Text))
    }

    fn read_integer(self, value: i64) -> Option<(i64, Guess)> {
        let Some(form) = self.form else { return unix(value) };
        if let Some(time) = read_as(form, value) {
            return Some((time, form));
        }
        // Another kind of number is accepted only if nothing contradicts it.
        unix(value).filter(|(time, _)| (FIRST_LIKELY..LAST_LIKELY).contains(time))
    }

    fn read_float(self, value: f64) -> Option<(i64, Guess)> {
        if value.fract() == 0.0 && value.abs() < 9e15 {
            return self.read_integer(value as i64);
        }
        if self.form == Some(Guess::ExcelDays) {
            return excel_days(value).map(|time| (time, Guess::ExcelDays));
        }
        Some((unix_float(value)?, unit(value.abs() as u64)))
    }
}

fn unix(value: i64) -> Option<(i64, Guess)> {
    Some((unix_integer(value)?, unit(value.unsigned_abs())))
}

fn unit(size: u64) -> Guess {
    match size {
        0..100_000_000_000 => Guess::UnixSeconds,
        100_000_000_000..100_000_000_000_000 => Guess::UnixMillis,
        100_000_000_000_000..100_000_000_000_000_000 => Guess::UnixMicros,
        _ => Guess::UnixNanos,
    }
}

/// Reads a number in the given form; `None` if it cannot have that form.
fn read_as(form: Guess, value: i64) -> Option<i64> {
    match form {
        Guess::YearToSecond => calendar(value, 1, 1),
        Guess::YearToMinute => calendar(value, 100, 1),
        // Ten digits are Unix time, too, which is likelier than hours that long ago.
        Guess::YearToHour => calendar(value, 10_000, 1).filter(|time| *time >= FIRST_LIKELY),
        Guess::YearMonthDay => calendar(value, 1_000_000, 1),
        Guess::YearMonth => calendar(value, 100_000_000, 1_000_000),
        Guess::Year => calendar(value, 10_000_000_000, 101_000_000),
        Guess::ExcelDays => excel_days(value as f64),
        Guess::WindowsTicks => ticks(value, WINDOWS_1970),
        Guess::DotnetTicks => ticks(value, DOTNET_1970),
        _ => None,
    }
}

/// Reads the digits of a date and time, from the year on; `missing` is one unit of the last place given, and `first` is added for
/// the places that cannot be zero.
fn calendar(value: i64, missing: i64, first: i64) -> Option<i64> {
    let digits = value.checked_mul(missing)?.checked_add(if first == 1 { 0 } else { first })?;
    let place = |unit: i64, many: i64| digits / unit % many;
    let (year, month, day) = (digits / 10_000_000_000, place(100_000_000, 100), place(1_000_000, 100));
    let (hour, minute, second) = (place(10_000, 100), place(100, 100), place(1, 100));
    // The year 9999 is how some programs write "never".
    let likely = (1900..=2100).contains(&year) || year == 9999;
    if !likely || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_of(year, month, day)? * DAY + (hour * 3600 + minute * 60 + second) * MICROS)
}

/// Reads days of spreadsheets between 1980 and 2100, to milliseconds: they write no finer fractions.
fn excel_days(value: f64) -> Option<i64> {
    let likely = (FIRST_LIKELY / DAY + EXCEL_1970) as f64..(LAST_LIKELY / DAY + EXCEL_1970) as f64;
    if !likely.contains(&value) {
        return None;
    }
    let millis = ((value - EXCEL_1970 as f64) * 86_400_000.0).round();
    Some(millis as i64 * 1_000)
}

fn ticks(value: i64, of_1970: i64) -> Option<i64> {
    let time = value.checked_sub(of_1970)?.div_euclid(TICKS_PER_MICRO);
    (FIRST_LIKELY..LAST_LIKELY).contains(&time).then_some(time)
}

/// Counts which forms the first numbers of a column have.
#[derive(Debug, Default)]
pub(in super::super) struct TimeSample {
    numbers: u64,
    of_form: [u64; FORMS.len()],
    first: FirstSample,
}

impl TimeSample {
    /// Adds a value; those that are neither numbers nor dates are ignored.
    pub fn add(&mut self, cell: TimeCell<'_>) {
        let number = match cell {
            TimeCell::Text(text) => {
                let text = text.trim_ascii();
                self.first.add(text);
                let float = || std::str::from_utf8(text).ok()?.parse().ok();
                parse_integer(text).map(|value| value as f64).or_else(float).map(|about| (parse_integer(text), about))
            }
            TimeCell::Integer(value) => Some((Some(value), value as f64)),
            TimeCell::Float(value) => Some((None, value)),
            TimeCell::Micros(_) => None,
        };
        let Some((whole, about)) = number.filter(|(_, about)| about.is_finite()) else { return };
        self.numbers += 1;
        let whole = whole.or_else(|| (about.fract() == 0.0 && about.abs() < 9e15).then_some(about as i64));
        let is = |form: &Guess| match whole {
            Some(value) => read_as(*form, value).is_some(),
            None => *form == Guess::ExcelDays && excel_days(about).is_some(),
        };
        if let Some(at) = FORMS.iter().position(is) {
            self.of_form[at] += 1;
        }
    }

    /// Returns the form of nine in ten of the numbers, if it is not Unix time.
    pub fn form(&self) -> Option<Guess> {
        let most = |count: u64| count > 0 && count * 10 >= self.numbers * 9;
        FORMS.iter().zip(self.of_form).find(|(_, count)| most(*count)).map(|(form, _)| *form)
    }

    /// Returns how to read the column.
    pub fn decide(&self) -> TimeReading {
        TimeReading { form: self.form(), first: self.first.decide() }
    }
}

/// Returns the form that values outside the likely times could have, if not the one they were read in.
pub(in super::super) fn suspect<'a>(values: impl Iterator<Item = &'a str> + Clone, reading: TimeReading) -> Option<Guess> {
    let mut sample = TimeSample::default();
    values.clone().for_each(|value| sample.add(TimeCell::Text(value.as_bytes())));
    if let Some(form) = sample.form() {
        return Some(form).filter(|form| reading.form != Some(*form));
    }
    let numbers: Option<Vec<f64>> = values.map(|value| value.trim().parse().ok()).collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty() && reading.form.is_none())?;
    let all = |is: fn(f64) -> bool| numbers.iter().all(|value| is(*value));
    // Days since 1970 that are between 1980 and 2070.
    if all(|value| (3_652.0..36_500.0).contains(&value) && value.fract() == 0.0) {
        return Some(Guess::UnixDays);
    }
    all(|value| (0.0..1e9).contains(&value)).then_some(Guess::SinceStart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(values: &[&str]) -> TimeReading {
        let mut sample = TimeSample::default();
        values.iter().for_each(|value| sample.add(TimeCell::Text(value.as_bytes())));
        sample.decide()
    }

    fn at(values: &[&str]) -> Vec<Option<(i64, Guess)>> {
        let reading = reading(values);
        values.iter().map(|value| reading.read_text(value.as_bytes())).collect()
    }

    const SECOND_OF_JANUARY: i64 = 18_263 * DAY;

    #[test]
    fn dates_in_digits_are_dates() {
        let morning = SECOND_OF_JANUARY + (3 * 3600 + 4 * 60 + 5) * MICROS;
        for (text, time, form) in [
            ("20200102", SECOND_OF_JANUARY, Guess::YearMonthDay),
            ("20200102.0", SECOND_OF_JANUARY, Guess::YearMonthDay),
            ("202001", SECOND_OF_JANUARY - DAY, Guess::YearMonth),
            ("2020", SECOND_OF_JANUARY - DAY, Guess::Year),
            ("2020010203", SECOND_OF_JANUARY + 3 * 3600 * MICROS, Guess::YearToHour),
            ("202001020304", morning - 5 * MICROS, Guess::YearToMinute),
            ("20200102030405", morning, Guess::YearToSecond),
            ("43832", SECOND_OF_JANUARY, Guess::ExcelDays),
            ("43832.5", SECOND_OF_JANUARY + DAY / 2, Guess::ExcelDays),
            ("132223968000000000", SECOND_OF_JANUARY, Guess::WindowsTicks),
            ("637135200000000000", SECOND_OF_JANUARY, Guess::DotnetTicks),
            ("1577923200", SECOND_OF_JANUARY, Guess::UnixSeconds),
            ("1931082200", 1_931_082_200 * MICROS, Guess::UnixSeconds),
            ("1577923200000", SECOND_OF_JANUARY, Guess::UnixMillis),
            ("1577923200000000", SECOND_OF_JANUARY, Guess::UnixMicros),
            ("1577923200000000000", SECOND_OF_JANUARY, Guess::UnixNanos),
            ("2020-01-02", SECOND_OF_JANUARY, Guess::Text),
        ] {
            assert_eq!(at(&[text]), [Some((time, form))], "{text}");
        }
    }

    #[test]
    fn the_column_decides_and_not_the_value() {
        let mut days = vec!["20200102"; 20];
        days.push("20200230");
        days.push("1577923200");
        let read = at(&days);
        assert_eq!(read[0], Some((SECOND_OF_JANUARY, Guess::YearMonthDay)));
        assert_eq!(read[20], None, "the 30th of February");
        assert_eq!(read[21], Some((SECOND_OF_JANUARY, Guess::UnixSeconds)));
        let mixed = at(&["1577923200", "20200102"]);
        assert_eq!(mixed[1], Some((20_200_102 * MICROS, Guess::UnixSeconds)));
        let since_start: Vec<String> = (0..3000).map(|second| second.to_string()).collect();
        assert_eq!(reading(&since_start.iter().map(String::as_str).collect::<Vec<_>>()), TimeReading::default());
    }

    #[test]
    fn unlikely_times_are_guessed_at() {
        let suspect = |values: &[&str]| suspect(values.iter().copied(), TimeReading::default());
        assert_eq!(suspect(&["20200102", "20200103"]), Some(Guess::YearMonthDay));
        assert_eq!(suspect(&["18262", "18263"]), Some(Guess::UnixDays));
        assert_eq!(suspect(&["0", "1", "250000"]), Some(Guess::SinceStart));
        assert_eq!(suspect(&["1960-01-02"]), None);
    }
}
