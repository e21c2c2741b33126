//! The report on a run, its comparison with the runs before, and the guards that hold it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::model::{Guards, SchemaChange};
use crate::connectors::Window;
use crate::platform::wire_enum;

/// Runs before that a run is compared with.
pub const COMPARED: i64 = 7;

/// Fewer runs before say nothing of what is usual.
const FEWEST: usize = 3;

/// A shorter part of the usual window has too few rows for a comparison.
const SHORTEST: f64 = 0.5;

wire_enum! {
    /// What is compared.
    #[schema(as = SourceMeasure)]
    pub enum Measure {
        Rows = "rows",
        Users = "users",
        Items = "items",
        NullPercent = "null_percent",
    }
}

/// A column of the source, as it was when a run read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SourceColumn)]
pub struct Column {
    pub name: String,
    pub data_type: Option<String>,
}

/// A figure beside its median over the last seven runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SourceComparison)]
pub struct Compared {
    pub measure: Measure,
    pub value: f64,
    /// Null if there are too few runs before.
    pub median: Option<f64>,
}

/// What a run read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = SourceReport)]
pub struct Report {
    /// Rows that the source sent.
    pub rows: i64,
    pub rows_kept: i64,
    pub rows_rejected: i64,
    /// Rows of the source without a cursor.
    pub null_cursors: i64,
    /// Rows without an id.
    pub blank_ids: i64,
    pub users: Option<i64>,
    pub items: Option<i64>,
    pub time_min: Option<String>,
    pub time_max: Option<String>,
    /// The columns of the table; empty if a statement is read.
    pub columns: Vec<Column>,
    pub compared: Vec<Compared>,
    /// How many files were read, if files are.
    pub file_count: i64,
    /// The first hundred of them.
    pub files: Vec<String>,
    /// Files that the source no longer has and whose rows would be lost by this run.
    pub lost_files: Vec<String>,
    /// What else there is to know, in sentences.
    pub notes: Vec<String>,
}

impl Report {
    /// Adds what the preparation of the rows found.
    pub fn add_prepared(&mut self, prepared: &Value) {
        let number = |field: &str| prepared[field].as_i64();
        let text = |field: &str| prepared[field].as_str().map(str::to_owned);
        self.rows_kept = number("rows_kept").unwrap_or_default();
        self.rows_rejected += number("rejected").unwrap_or_default();
        self.blank_ids = number("blank_ids").unwrap_or_default();
        (self.users, self.items) = (number("users"), number("items"));
        (self.time_min, self.time_max) = (text("time_min"), text("time_max"));
    }

    /// Returns how many per cent of the rows lack an id, or of the source's rows a cursor, whichever is more.
    fn null_percent(&self) -> f64 {
        let percent = |part: i64, whole: i64| if whole > 0 { 100.0 * part as f64 / whole as f64 } else { 0.0 };
        percent(self.blank_ids, self.rows).max(percent(self.null_cursors, self.rows + self.null_cursors))
    }
}

/// An accepted run before.
#[derive(Debug, Clone)]
pub struct Past {
    pub report: Report,
    pub window: Option<Window>,
}

/// Compares a report with the runs before, the last one first, and returns why the run is held, in sentences.
pub fn judge(report: &mut Report, window: Option<Window>, guards: &Guards, past: &[Past], watched: &[&str]) -> Vec<String> {
    let usual = Usual::of(past, window);
    let median = |of: &dyn Fn(&Report) -> f64| {
        (past.len() >= FEWEST).then(|| median_of(past.iter().map(|past| of(&past.report)).collect())).flatten()
    };
    let count = |count: Option<i64>| count.unwrap_or_default() as f64;
    let mut compared = vec![
        Compared { measure: Measure::Rows, value: report.rows as f64, median: usual.as_ref().map(|usual| usual.rows) },
        Compared { measure: Measure::NullPercent, value: report.null_percent(), median: median(&Report::null_percent) },
    ];
    if report.users.is_some() {
        compared
            .insert(1, Compared { measure: Measure::Users, value: count(report.users), median: median(&|one| count(one.users)) });
        compared
            .insert(2, Compared { measure: Measure::Items, value: count(report.items), median: median(&|one| count(one.items)) });
    }
    report.compared = compared;
    let columns = past.first().map(|past| past.report.columns.as_slice()).unwrap_or_default();
    let mut problems: Vec<String> = few_rows(report, guards, usual.as_ref()).into_iter().collect();
    problems.extend(many_nulls(report, guards));
    problems.extend(changed_columns(columns, &report.columns, guards.schema_change, watched));
    problems
}

/// The rows that are usual for a window.
struct Usual {
    rows: f64,
    /// Whether the window is long enough to be compared.
    is_comparable: bool,
}

impl Usual {
    /// Returns the usual rows of windows of this length; `None` if there are too few of them.
    fn of(past: &[Past], window: Option<Window>) -> Option<Self> {
        let length = |window: Option<Window>| window.and_then(|window| Some((window.hi - window.lo?) as f64));
        let Some(window) = window else {
            let rows = median_of(past.iter().map(|past| past.report.rows as f64).collect()).filter(|_| past.len() >= FEWEST)?;
            return Some(Self { rows, is_comparable: true });
        };
        let own = length(Some(window))?;
        let bounded: Vec<(f64, f64)> = past
            .iter()
            .filter_map(|past| Some((past.report.rows as f64, length(past.window)?)))
            .filter(|one| one.1 > 0.0)
            .collect();
        if bounded.len() < FEWEST {
            return None;
        }
        let rate = median_of(bounded.iter().map(|(rows, length)| rows / length).collect())?;
        let usual_length = median_of(bounded.iter().map(|(_, length)| *length).collect())?;
        // To a hundredth: the lengths are large.
        let rows = (rate * own * 100.0).round() / 100.0;
        Some(Self { rows, is_comparable: own >= usual_length * SHORTEST })
    }
}

/// Returns the middle of some figures; `None` without any.
fn median_of(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        1 => figures.get(middle).copied(),
        _ => Some(f64::midpoint(*figures.get(middle.checked_sub(1)?)?, *figures.get(middle)?)),
    }
}

fn few_rows(report: &Report, guards: &Guards, usual: Option<&Usual>) -> Option<String> {
    if let Some(least) = guards.min_rows.filter(|least| report.rows < *least) {
        return Some(format!("{} rows came; the source expects at least {least} (min_rows).", report.rows));
    }
    let (allowed, usual) = (guards.max_drop_percent?, usual.filter(|usual| usual.is_comparable && usual.rows > 0.0)?);
    let drop = 100.0 * (1.0 - report.rows as f64 / usual.rows);
    (drop > allowed).then(|| {
        let (rows, usual) = (report.rows, usual.rows.round());
        format!(
            "{rows} rows came, {drop:.0} % fewer than the {usual} that are usual; {allowed} % are allowed (max_drop_percent)."
        )
    })
}

fn many_nulls(report: &Report, guards: &Guards) -> Option<String> {
    let (percent, allowed) = (report.null_percent(), guards.max_null_percent?);
    (percent > allowed)
        .then(|| format!("{percent:.1} % of the rows lack an id or a cursor; {allowed} % are allowed (max_null_percent)."))
}

/// Returns what has changed about the columns that matter, in sentences. Without `watched` columns all matter.
fn changed_columns(before: &[Column], now: &[Column], policy: SchemaChange, watched: &[&str]) -> Vec<String> {
    if before.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let matters = |column: &&Column| watched.is_empty() || watched.contains(&column.name.as_str());
    let mut changes = Vec::new();
    for column in before.iter().filter(matters) {
        match now.iter().find(|other| other.name == column.name) {
            None => changes.push(format!("The column {} is gone.", column.name)),
            Some(other) if other.data_type != column.data_type => {
                let type_of = |column: &Column| column.data_type.clone().unwrap_or_else(|| "of another type".to_owned());
                changes.push(format!("The column {} was {} and is {}.", column.name, type_of(column), type_of(other)));
            }
            Some(_) => {}
        }
    }
    if policy == SchemaChange::Hold {
        let is_new = |column: &&Column| !before.iter().any(|other| other.name == column.name);
        changes.extend(now.iter().filter(matters).filter(is_new).map(|column| format!("The column {} is new.", column.name)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn day(number: i64) -> Option<Window> {
        Some(Window { lo: Some(number * DAY), hi: (number + 1) * DAY })
    }

    fn report(rows: i64) -> Report {
        Report { rows, rows_kept: rows, users: Some(rows / 2), items: Some(9), ..Report::default() }
    }

    fn week(rows: i64) -> Vec<Past> {
        (0..7).map(|number| Past { report: report(rows + number), window: day(number) }).collect()
    }

    fn problems(rows: i64, window: Option<Window>, past: &[Past]) -> Vec<String> {
        judge(&mut report(rows), window, &Guards::default(), past, &[])
    }

    #[test]
    fn a_drop_against_the_usual_rows_is_a_problem() {
        let past = week(1_000);
        assert_eq!(problems(502, day(8), &past), Vec::<String>::new());
        let dropped = problems(500, day(8), &past);
        assert_eq!(dropped, ["500 rows came, 50 % fewer than the 1003 that are usual; 50 % are allowed (max_drop_percent)."]);
        assert_eq!(problems(0, day(8), &past).len(), 1);
        assert!(problems(0, day(8), &past[..2]).is_empty(), "two days say nothing");
        assert!(problems(0, Some(Window { lo: None, hi: 1 }), &past).is_empty(), "nor do they of everything before");
    }

    #[test]
    fn windows_are_compared_by_their_length() {
        let past = week(1_000);
        let two_days = Some(Window { lo: Some(8 * DAY), hi: 10 * DAY });
        assert_eq!(problems(1_000, two_days, &past).len(), 1, "a half is missing");
        assert!(problems(1_010, two_days, &past).is_empty());
        let minutes = Some(Window { lo: Some(8 * DAY), hi: 8 * DAY + 300_000_000 });
        assert!(problems(0, minutes, &past).is_empty(), "five minutes of a night have few rows");
        let snapshots: Vec<Past> = week(1_000).into_iter().map(|past| Past { window: None, ..past }).collect();
        assert_eq!(problems(500, None, &snapshots).len(), 1);
    }

    #[test]
    fn what_is_usual_is_shown_beside_what_came() {
        let mut shown = report(600);
        judge(&mut shown, day(8), &Guards::default(), &week(1_000), &[]);
        let figures: Vec<(Measure, f64, Option<f64>)> =
            shown.compared.iter().map(|one| (one.measure, one.value, one.median)).collect();
        assert_eq!(figures[0], (Measure::Rows, 600.0, Some(1_003.0)));
        assert_eq!(figures[1], (Measure::Users, 300.0, Some(501.0)));
        assert_eq!(figures[3], (Measure::NullPercent, 0.0, Some(0.0)));
    }

    #[test]
    fn guards_hold_at_their_bound_and_not_before() {
        let guards = |min_rows, max_null_percent| Guards { min_rows, max_null_percent, ..Guards::default() };
        let judged = |rows: i64, blank_ids: i64, null_cursors: i64, guards: &Guards| {
            judge(&mut Report { blank_ids, null_cursors, ..report(rows) }, day(1), guards, &[], &[]).len()
        };
        assert_eq!((judged(10, 0, 0, &guards(Some(10), None)), judged(9, 0, 0, &guards(Some(10), None))), (0, 1));
        assert_eq!((judged(100, 5, 0, &guards(None, Some(5.0))), judged(100, 6, 0, &guards(None, Some(5.0)))), (0, 1));
        assert_eq!((judged(95, 0, 5, &guards(None, Some(5.0))), judged(94, 0, 6, &guards(None, Some(5.0)))), (0, 1));
    }

    #[test]
    fn only_columns_that_are_read_matter() {
        let column = |name: &str, data_type: &str| Column { name: name.to_owned(), data_type: Some(data_type.to_owned()) };
        let before = [column("u", "text"), column("i", "integer"), column("x", "text")];
        let changes = |now: &[Column], policy, watched: &[&str]| changed_columns(&before, now, policy, watched);
        let hold = SchemaChange::Hold;
        assert!(changes(&before, hold, &[]).is_empty());
        let now = [column("u", "text"), column("i", "text"), column("y", "text")];
        let all = ["The column i was integer and is text.", "The column x is gone.", "The column y is new."];
        assert_eq!(changes(&now, hold, &[]), all);
        assert_eq!(changes(&now, SchemaChange::AcceptNewColumns, &[]), all[..2]);
        assert_eq!(changes(&now, hold, &["u", "i"]), all[..1]);
        assert!(changes(&[], hold, &[]).is_empty(), "a statement has no columns of its own");
    }
}
