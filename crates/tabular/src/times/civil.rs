//! Dates as people write them: `22.06.2020`, `2020.06.22`, `2020年6月22日`, `22-Jun-2020`, and `22/06/2020` or `06/22/2020` where the
//! column tells which, each with or without a time of day.

use super::{Clock, Cursor, days_of, moment};

const MONTHS: [&[u8; 3]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// What comes first in dates such as `03/04/2020`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Day,
    Month,
}

/// A date whose year comes last.
#[derive(Debug, Clone, Copy)]
struct YearLast {
    first: i64,
    second: i64,
    year: i64,
    separator: u8,
}

/// Counts what comes first in dates whose separators leave it open.
#[derive(Debug, Default)]
pub(super) struct FirstSample {
    days: u64,
    months: u64,
}

impl FirstSample {
    /// Adds a text; only such dates are counted.
    pub fn add(&mut self, text: &[u8]) {
        let date = Cursor { text: text.trim_ascii() }.year_last();
        let Some(YearLast { first, second, .. }) = date.filter(|date| date.is_open()) else { return };
        self.days += u64::from(first > 12 && second <= 12);
        self.months += u64::from(first <= 12 && second > 12);
    }

    /// Returns what comes first, if some dates show it and none contradicts.
    pub fn decide(&self) -> Option<First> {
        match (self.days > 0, self.months > 0) {
            (true, false) => Some(First::Day),
            (false, true) => Some(First::Month),
            _ => None,
        }
    }
}

impl YearLast {
    /// Returns whether the separators leave open what comes first. Between dots, it is the day.
    fn is_open(&self) -> bool {
        self.separator != b'.'
    }

    fn days(self, first: Option<First>) -> Option<i64> {
        let first = if self.is_open() { first? } else { First::Day };
        match first {
            First::Day => days_of(self.year, self.second, self.first),
            First::Month => days_of(self.year, self.first, self.second),
        }
    }
}

/// Returns the moment of a date in microseconds UTC.
pub(super) fn parse(text: &[u8], first: Option<First>) -> Option<i64> {
    let mut rest = Cursor { text };
    let days = if text.get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit)) {
        rest.year_first()?
    } else if text.iter().any(u8::is_ascii_alphabetic) {
        rest.with_name_of_month().or_else(|| rest.restart(text).year_last()?.days(first))?
    } else {
        rest.year_last()?.days(first)?
    };
    let clock = if rest.text.is_empty() { Clock::default() } else { rest.clock(true)? };
    moment(days, &clock)
}

impl<'a> Cursor<'a> {
    fn restart(&mut self, text: &'a [u8]) -> &mut Self {
        self.text = text;
        self
    }

    fn eat_text(&mut self, text: &str) -> Option<()> {
        self.text = self.text.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// Reads `2020.06.22` or `2020年6月22日`.
    fn year_first(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let [after_year, after_month, after_day] =
            if self.text.starts_with(b".") { [".", ".", ""] } else { ["年", "月", "日"] };
        self.eat_text(after_year)?;
        let month = self.number_of(true)?;
        self.eat_text(after_month)?;
        let day = self.number_of(true)?;
        self.eat_text(after_day)?;
        days_of(year, month, day)
    }

    /// Reads `22.06.2020`, `22/06/2020` or `22-06-2020`.
    fn year_last(&mut self) -> Option<YearLast> {
        let (first, separator, second) = (self.number_of(true)?, self.one()?, self.number_of(true)?);
        if !matches!(separator, b'.' | b'/' | b'-') || self.one()? != separator {
            return None;
        }
        Some(YearLast { first, second, year: self.number(4)?, separator })
    }

    /// Reads `22-Jun-2020` or `22 June 2020`.
    fn with_name_of_month(&mut self) -> Option<i64> {
        let (day, separator) = (self.number_of(true)?, self.one()?);
        let letters = self.text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (name, rest) = self.text.split_at(letters);
        self.text = rest;
        let short = name.get(..3)?.to_ascii_lowercase();
        let month = MONTHS.iter().position(|month| month[..] == short[..])?;
        if !matches!(separator, b'-' | b' ' | b'/') || self.one()? != separator {
            return None;
        }
        days_of(self.number(4)?, month as i64 + 1, day)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TimeCell, TimeSample};

    /// Reads each value of a column.
    fn column(values: &[&str]) -> Vec<Option<i64>> {
        let mut sample = TimeSample::default();
        values.iter().for_each(|value| sample.add(TimeCell::Text(value.as_bytes())));
        let reading = sample.decide();
        values.iter().map(|value| reading.read_text(value.as_bytes()).map(|(time, _)| time / 1_000_000)).collect()
    }

    /// 2020-06-22.
    const DAY: i64 = 1_592_784_000;

    #[test]
    fn notations_with_one_meaning_are_read() {
        for text in [
            "22.06.2020",
            "22.6.2020",
            " 22.06.2020 ",
            "2020.06.22",
            "2020年06月22日",
            "2020年6月22日",
            "22-Jun-2020",
            "22 June 2020",
            "22/jun/2020",
            "22/06/2020",
            "06/22/2020",
            "22-06-2020",
        ] {
            assert_eq!(column(&[text]), [Some(DAY)], "{text}");
            let with_clock = format!("{} 6:43", text.trim());
            assert_eq!(column(&[&with_clock]), [Some(DAY + 6 * 3600 + 43 * 60)], "{with_clock}");
        }
        assert_eq!(column(&["22.06.2020 06:43:05+09:00"]), [Some(DAY + 6 * 3600 + 43 * 60 + 5 - 9 * 3600)]);
        assert_eq!(column(&["22/06/2020T06:43:00Z"]), [Some(DAY + 6 * 3600 + 43 * 60)]);
        assert_eq!(column(&["12/1/2020 8:26", "12/13/2020 8:26"])[0], Some(1_606_811_160));
    }

    #[test]
    fn the_column_tells_what_comes_first() {
        let first_of_february = 1_580_515_200;
        assert_eq!(column(&["01/02/2020", "22/06/2020"]), [Some(first_of_february), Some(DAY)]);
        assert_eq!(column(&["02/01/2020", "06/22/2020"]), [Some(first_of_february), Some(DAY)]);
        assert_eq!(column(&["01.02.2020"]), [Some(first_of_february)]);
        assert_eq!(column(&["01/02/2020", "03/04/2020"]), [None, None], "nothing tells");
        assert_eq!(column(&["22/06/2020", "06/22/2020"]), [None, None], "they contradict each other");
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "22.06.20",
            "31.02.2020",
            "22.06/2020",
            "22.06.20201",
            "22.06.2020x",
            "2020年06月",
            "2020年13月01日",
            "22-Foo-2020",
            "22-Ju-2020",
            "1.2.3",
            "22.06.2020 25:00",
            "June 22, 2020",
            "32/06/2020",
            "年月日",
        ] {
            assert_eq!(column(&[text]), [None], "{text}");
        }
    }
}
