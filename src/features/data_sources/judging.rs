//! Compares a run with those before it.

use super::error::SourceError;
use super::model::{DataSource, Guards, SourceRun};
use super::quality::{self, COMPARED, Past, Report};
use super::service::ending::report_of;
use super::store::runs;
use super::windows;
use crate::platform::services::Services;

/// Completes the report of a run by a comparison with the runs before, and returns why the run is held, in sentences.
pub async fn judge_run(
    services: &Services,
    source: &DataSource,
    run: &SourceRun,
    report: &mut Report,
) -> Result<Vec<String>, SourceError> {
    let mut connection = services.db.conn().await?;
    let past = runs::with_rows(&mut connection, source.id, COMPARED + 1).await?;
    let former = runs::accepted(&mut connection, source.id, MOST_FORMER).await?;
    drop(connection);
    let past: Vec<Past> = past
        .iter()
        .filter(|past| past.id != run.id)
        .take(usize::try_from(COMPARED).unwrap_or_default())
        .map(|past| Past { report: report_of(past.report.as_ref()), window: past.window() })
        .collect();
    let mut guards = source.fields.guards();
    if !run.cause.moves() {
        // It has been judged when it was read for the first time.
        guards = Guards { min_rows: None, max_drop_percent: None, ..guards };
        let same = former.iter().find(|former| former.window() == run.window());
        report.notes.extend(same.and_then(|former| recovered(former, run, report)));
    }
    let query = source.fields.query();
    let watched = query.watched(&source.fields);
    let mut problems = quality::judge(report, run.window(), &guards, &past, &watched);
    problems.extend(lost(&report.lost_files));
    Ok(problems)
}

/// Says which files would be lost.
fn lost(files: &[String]) -> Option<String> {
    let (first, more) = (files.first()?, files.len() - 1);
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!(
        "The source no longer has {first}{others}, whose rows would be lost: they were read together with a file that has changed. Accept \
         the run to go on without them."
    ))
}

/// Accepted runs among which the former reading of a window is looked for.
const MOST_FORMER: i64 = 100;

/// Says what a second reading of a window found.
fn recovered(former: &SourceRun, run: &SourceRun, report: &Report) -> Option<String> {
    let window = windows::name(run.cursor_kind, run.window()?);
    match report.rows - former.rows_read {
        0 => None,
        1 => Some(format!("1 late row in the window {window} was recovered.")),
        more if more > 0 => Some(format!("{more} late rows in the window {window} were recovered.")),
        -1 => Some(format!("1 row of the window {window} has gone from the source.")),
        less => Some(format!("{} rows of the window {window} have gone from the source.", -less)),
    }
}
