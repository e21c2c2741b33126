//! `recotem deliver`: lists from a file into a table of a database, without a server.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;

use super::server_of_tables::ServerOptions;
use crate::connectors::{PullLimits, Stop, Table, TableDelivery};
use crate::features::destinations::{ListKind, list_columns, table_columns};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Table with its schema, whose rows are replaced; it is created if it does not exist
    #[arg(long, value_name = "NAME")]
    table: String,
    /// File of lists to send, as recotem recommend or similar writes it with the ending .csv
    #[arg(long, value_name = "FILE")]
    lists: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(deliver(&args))
}

async fn deliver(args: &Args) -> anyhow::Result<()> {
    let mut file = File::open(&args.lists).with_context(|| format!("cannot read {}", args.lists.display()))?;
    let kind = kind_of(&file).with_context(|| format!("cannot use {}", args.lists.display()))?;
    file.rewind()?;
    let name = args.lists.file_name().unwrap_or_default().to_string_lossy();
    let delivery = TableDelivery {
        table: Table::parse(&args.table, args.server.default_schema())?,
        columns: table_columns(kind),
        comment: format!("Recotem: lists of the file {name}"),
        rows: Box::new(file),
    };
    let bar = ProgressBar::new_spinner();
    let progress = |_, bytes| bar.set_message(format!("{} MB", bytes / 1_000_000));
    let rows = args.server.open()?.deliver(delivery, &PullLimits::default(), &progress, &Stop::default()).await;
    bar.finish_and_clear();
    println!("{} rows in {}", rows?, args.table);
    Ok(())
}

/// Returns what the lists of a file are for, by its header.
fn kind_of(file: &File) -> anyhow::Result<ListKind> {
    let mut header = String::new();
    BufReader::new(std::io::Read::take(file, 1 << 10)).read_line(&mut header)?;
    let found = ListKind::ALL.iter().find(|kind| header.trim_end() == list_columns(**kind).join(","));
    match found {
        Some(kind) => Ok(*kind),
        None => bail!("its first line is not that of lists; write it with recotem recommend --all-users --output lists.csv"),
    }
}
