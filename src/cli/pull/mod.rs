//! `recotem pull`: the rows of a database or of files in one file, without a server.

mod files;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use indicatif::ProgressBar;

use files::{BucketArgs, Place};

use super::offline::Columns;
use super::server_of_tables::{AccessOptions, Server, outbound, parse_server};
use crate::connectors::{
    Aggregate, Connector, Cursor, CursorKind, FilesQuery, Local, Mapped, PullLimits, Pulled, Query, Settings, Source, Stop,
    Table, Window,
};

/// The ending of files that are written.
const ENDING: &str = ".csv.zst";

/// The name of the column with the number of rows of a pair.
const COUNT: &str = "interactions";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Server, user and database, such as postgres://reader@db.example.com/shop or mysql://reader@db.example.com/shop; or files, such
    /// as s3://bucket/events/dt={yyyy-mm-dd}/*.parquet, https://files.example.com/events.csv.gz or /srv/incoming/*.jsonl
    #[arg(long, value_name = "URL", value_parser = parse_connection)]
    connection: Connection,
    #[command(flatten)]
    bucket: BucketArgs,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    range: Range,
    /// File to write, which ends in .csv.zst
    #[arg(long, short, value_name = "FILE", value_parser = parse_output)]
    output: PathBuf,
}

/// What is read.
#[derive(Debug, clap::Args)]
struct Rows {
    /// Table or view of a database, with its schema
    #[arg(long, value_name = "NAME", conflicts_with = "sql_file")]
    table: Option<String>,
    /// File with one statement that begins with SELECT or WITH, in the place of a table
    #[arg(long, value_name = "FILE")]
    sql_file: Option<PathBuf>,
    #[command(flatten)]
    ids: Columns,
    /// Column of times
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,
    /// Another column; may be given several times
    #[arg(long = "column", value_name = "NAME")]
    columns: Vec<String>,
    /// Read all columns, as for a table of items
    #[arg(long, conflicts_with_all = ["time_column", "columns", "pairs"])]
    all_columns: bool,
    /// Let the server aggregate: one row for each user and item, with the latest time, the sums of the other columns and the number
    /// of rows
    #[arg(long)]
    pairs: bool,
    /// Aggregate only the last days, by the time column and the server's clock
    #[arg(long, value_name = "DAYS", requires = "pairs", requires = "time_column")]
    last_days: Option<u32>,
}

/// Which of the rows are read.
#[derive(Debug, clap::Args)]
struct Range {
    /// Column whose values grow with time, to read a range of it
    #[arg(long, value_name = "NAME")]
    cursor: Option<String>,
    /// First value of the cursor: an integer, YYYY-MM-DD or RFC 3339
    #[arg(long, value_name = "VALUE", requires = "cursor", value_parser = parse_bound)]
    since: Option<Bound>,
    /// First value that is not read; by default the server's clock minus --settle-seconds, or all integers
    #[arg(long, value_name = "VALUE", requires = "cursor", value_parser = parse_bound)]
    until: Option<Bound>,
    /// Age of rows that are complete: a transaction may commit a row this long after its time
    #[arg(long, value_name = "N", default_value_t = 600)]
    settle_seconds: u32,
    /// Read rows whose cursor is null, too
    #[arg(long, requires = "cursor")]
    with_nulls: bool,
    /// Most bytes of text to read; more is an error
    #[arg(long, value_name = "N", default_value_t = PullLimits::default().max_bytes)]
    max_bytes: u64,
}

/// What is read from.
#[derive(Debug, Clone)]
enum Connection {
    Server(Server),
    Files(Place),
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Time(DateTime<Utc>),
    Integer(i64),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(pull(&args))
}

async fn pull(args: &Args) -> anyhow::Result<()> {
    let query = query(args)?;
    let local = match &args.connection {
        Connection::Files(place) => place.local(),
        Connection::Server(_) => Local::default(),
    };
    let connector = Connector::open_with(&settings(args)?, args.access.secret()?.as_ref(), &outbound()?, &local)?;
    let window = window(args, &connector, &query).await?;
    if window.is_some_and(Window::is_empty) {
        bail!("--since is not before the end of the range, so there is nothing to read");
    }
    let limits = PullLimits { max_bytes: args.range.max_bytes, ..PullLimits::default() };
    #[allow(clippy::disallowed_methods, reason = "the duration is printed only")]
    let started = Instant::now();
    let unfinished = args.output.with_extension("zst.part");
    let file = File::create(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
    let bar = ProgressBar::new_spinner();
    let progress = |rows, bytes| bar.set_message(format!("{rows} rows, {} MB", bytes / 1_000_000));
    let pulled = connector.pull(&query, window, Box::new(file), &limits, &progress, &Stop::default()).await;
    bar.finish_and_clear();
    let pulled = match pulled {
        Ok(pulled) => pulled,
        Err(error) => {
            let _ = std::fs::remove_file(&unfinished);
            return Err(error.into());
        }
    };
    std::fs::rename(&unfinished, &args.output).with_context(|| format!("cannot write {}", args.output.display()))?;
    report(args, &pulled, window, started.elapsed().as_secs_f64());
    Ok(())
}

/// Says what was read, and warns of what was not.
fn report(args: &Args, pulled: &Pulled, window: Option<Window>, seconds: f64) {
    let Pulled { rows, bytes, packed_bytes, null_cursors, rejected } = pulled;
    println!("{rows} rows ({bytes} bytes, {packed_bytes} compressed) in {}, in {seconds:.1} s", args.output.display());
    let next = window.map(|window| shown(window.hi, kind(&args.range)));
    if let (Some(next), Some(cursor)) = (next, &args.range.cursor) {
        println!("{cursor} is read up to {next}; continue with --since {next}");
    }
    if *null_cursors > 0 && !args.range.with_nulls {
        eprintln!("{null_cursors} rows without a value of the cursor were not read; --with-nulls reads them");
    }
    if *rejected > 0 {
        eprintln!("{rejected} rows were left out, since a cell is longer than {} bytes", PullLimits::default().max_cell);
    }
}

/// Returns a value of a cursor as --since accepts it.
fn shown(value: i64, kind: CursorKind) -> String {
    let time = DateTime::from_timestamp_micros(value).filter(|_| kind == CursorKind::Time);
    time.map_or_else(|| value.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    match &args.connection {
        Connection::Files(place) => Ok(place.settings(&args.bucket)),
        Connection::Server(server) => args.access.settings(server),
    }
}

fn query(args: &Args) -> anyhow::Result<Query> {
    let Rows { table, sql_file, ids, time_column, columns, all_columns, pairs, last_days } = &args.rows;
    let from = match (&args.connection, table, sql_file) {
        (Connection::Files(_), None, None) if *all_columns => {
            bail!("name the columns of files, since all of them may differ from file to file");
        }
        (Connection::Files(place), None, None) => {
            let key_column = ids.user_column.clone();
            Source::Files(FilesQuery { pattern: place.pattern.clone(), format: None, key_column })
        }
        (Connection::Files(_), ..) => bail!("files have no tables: leave out --table and --sql-file"),
        (_, _, Some(path)) => {
            Source::Sql(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        (Connection::Server(server), Some(table), None) => Source::Table(Table::parse(table, server.default_schema())?),
        (Connection::Server(_), None, None) => bail!("name the table (--table), or a statement (--sql-file)"),
    };
    let names = [&ids.user_column, &ids.item_column].into_iter().chain(time_column).chain(columns);
    let mapped = names.map(|name| Mapped { column: name.clone(), named: name.clone() });
    let aggregate = pairs.then(|| Aggregate {
        latest: time_column.iter().cloned().collect(),
        sums: columns.clone(),
        count_as: Some(COUNT.to_owned()),
        last_days: *last_days,
    });
    let cursor = args.range.cursor.as_ref().map(|column| Cursor {
        column: column.clone(),
        kind: kind(&args.range),
        with_nulls: args.range.with_nulls,
    });
    let query = Query { from, columns: if *all_columns { Vec::new() } else { mapped.collect() }, cursor, aggregate };
    query.check()?;
    Ok(query)
}

/// Returns what the values of the cursor are, by its bounds.
fn kind(range: &Range) -> CursorKind {
    match range.since.or(range.until) {
        Some(Bound::Integer(_)) => CursorKind::Integer,
        _ => CursorKind::Time,
    }
}

/// Returns the range to read; `None` for everything.
async fn window(args: &Args, connector: &Connector, query: &Query) -> anyhow::Result<Option<Window>> {
    let Range { since, until, settle_seconds, .. } = &args.range;
    if args.range.cursor.is_none() {
        return Ok(None);
    }
    let settled = TimeDelta::seconds(i64::from(*settle_seconds));
    Ok(Some(match (since, until) {
        (Some(Bound::Time(since)), Some(Bound::Time(until))) => Window::of_times(Some(*since), *until),
        (None, Some(Bound::Time(until))) => Window::of_times(None, *until),
        (Some(Bound::Time(since)), None) => Window::of_times(Some(*since), connector.now().await? - settled),
        (None, None) => Window::of_times(None, connector.now().await? - settled),
        (Some(Bound::Integer(since)), Some(Bound::Integer(until))) => Window { lo: Some(*since), hi: *until },
        (None, Some(Bound::Integer(until))) => Window { lo: None, hi: *until },
        (Some(Bound::Integer(since)), None) => {
            let newest = connector.newest(query).await?;
            Window { lo: Some(*since), hi: newest.map_or(*since, |newest| newest.saturating_add(1)).max(*since) }
        }
        _ => bail!("--since and --until are of different kinds: give two integers or two times"),
    }))
}

fn parse_connection(text: &str) -> Result<Connection, String> {
    match files::parse(text) {
        Some(place) => place.map(Connection::Files),
        None => parse_server(text).map(Connection::Server),
    }
}

fn parse_bound(text: &str) -> Result<Bound, String> {
    let date = || text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0)).map(|time| time.and_utc());
    if let Ok(integer) = text.parse() {
        return Ok(Bound::Integer(integer));
    }
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok().or_else(date);
    time.map(Bound::Time)
        .ok_or_else(|| "expected an integer, a date such as 2026-11-28, or a time such as 2026-11-28T10:00:00Z".to_owned())
}

fn parse_output(text: &str) -> Result<PathBuf, String> {
    match text.ends_with(ENDING) && Path::new(text).file_name().is_some_and(|name| name.len() > ENDING.len()) {
        true => Ok(PathBuf::from(text)),
        false => Err(format!("expected a file name that ends in {ENDING}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_an_integer_or_a_time() {
        let time = |text: &str| Ok(Bound::Time(text.parse().unwrap()));
        assert_eq!(parse_bound("17"), Ok(Bound::Integer(17)));
        assert_eq!(parse_bound("2026-11-28"), time("2026-11-28T00:00:00Z"));
        assert_eq!(parse_bound("2026-11-28T10:00:00.5+09:00"), time("2026-11-28T01:00:00.5Z"));
        assert!(parse_bound("yesterday").is_err() && parse_bound("2026-11-28 10:00").is_err());
    }

    #[test]
    fn the_name_of_the_file_says_what_is_in_it() {
        assert!(parse_output("parts/a.csv.zst").is_ok());
        assert!(parse_output(".csv.zst").is_err() && parse_output("a.csv").is_err() && parse_output("a.parquet").is_err());
    }

    #[test]
    fn what_is_printed_is_accepted_again() {
        let micros = 1_795_000_000_123_456;
        let text = shown(micros, CursorKind::Time);
        assert_eq!(parse_bound(&text), Ok(Bound::Time(DateTime::from_timestamp_micros(micros).unwrap())));
        assert_eq!(shown(micros, CursorKind::Integer), micros.to_string());
    }
}
