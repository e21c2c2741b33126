//! Columns of times: as their names say, and as an import would read them.

use super::super::mapping::Role;
use super::columns::Found;
use super::head::Head;
use super::looks::{LONGEST_SAMPLE, Looks, text_of};
use super::names::{EXACT, fit};
use super::report::{GuessedFile, Severity};
use crate::platform::tabular;

/// Why a column is not used whose name says that it has times.
pub const NOT_READ: &str = "its name says that it has times, but its values cannot be read as times";

/// Returns whether the times of a file remain unknown without a column: its name says that it has them, they cannot be read, and no
/// other column has such a name.
pub fn is_lost(looks: &Looks, columns: &[Looks], roles: &[(Role, Found)]) -> bool {
    let has_others = roles.iter().any(|(role, found)| *role == Role::Time && fit(&columns[found.at].name, Role::Time) > 0.0);
    !has_others && looks.present > 0 && is_named(looks) && !looks.are_times(true)
}

/// Returns whether the name of a column says that it has times; a name that only contains such a name needs digits in the values.
fn is_named(looks: &Looks) -> bool {
    let named = fit(&looks.name, Role::Time);
    let has_digits = || looks.samples.iter().any(|sample| sample.contains(|letter: char| letter.is_ascii_digit()));
    named >= EXACT || named > 0.0 && has_digits()
}

/// Says what is wrong with the times of interactions.
pub fn say_about_times(file: &mut GuessedFile, columns: &[Looks], roles: &[(Role, Found)]) {
    if let Some((_, found)) = roles.iter().find(|(role, _)| *role == Role::Time) {
        say_left_out(file, &columns[found.at]);
    }
    let has_times = roles.iter().any(|(role, _)| *role == Role::Time);
    for (at, looks) in columns.iter().enumerate() {
        let is_free = roles.iter().all(|(_, found)| found.at != at);
        let is_unread = !has_times && looks.are_dates() && !looks.are_times(false);
        if is_free && (is_unread || is_lost(looks, columns, roles)) {
            let example = looks.times.example.as_deref().unwrap_or_default();
            file.problem(Some(&looks.name), Severity::Warning, unread(example));
        }
    }
}

fn say_left_out(file: &mut GuessedFile, looks: &Looks) {
    let (name, blank) = (Some(looks.name.as_str()), looks.rows - looks.present);
    if blank > 0 {
        let text = format!("{blank} of {} rows have no value here and are left out.", looks.rows);
        file.problem(name, Severity::Warning, text);
    }
    if let Some(example) = &looks.times.example {
        let (unread, example) = (looks.times.unread, shortened(example));
        let text =
            format!("{unread} of {} rows are left out, since they have no time that can be read, but \"{example}\".", looks.rows);
        file.problem(name, Severity::Warning, text);
    }
}

/// Returns what is wrong with a column as one of times, if none of its first values can be read.
pub fn unread_column(head: &Head, column: &str) -> Option<String> {
    let at = head.columns.iter().position(|name| name == column)?;
    let values: Vec<String> = head.rows.iter().filter_map(|row| row.get(at).and_then(text_of)).collect();
    let times = tabular::read_times(values.iter().map(String::as_str));
    times.example.filter(|_| times.read == 0).map(|example| unread(&example))
}

fn unread(example: &str) -> String {
    let example = shortened(example);
    format!(
        "\"{example}\" cannot be read as a time. Write times as 2020-01-31, 2020-01-31 13:05:00, 31.01.2020 or Unix time; 01/02/2020 is read where another of the first rows, such as 31/01/2020, shows which number is the day. Or give this column the role \"ignored\"."
    )
}

fn shortened(example: &str) -> String {
    example.chars().take(LONGEST_SAMPLE).collect()
}
