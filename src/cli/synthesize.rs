//! `recotem synthesize`: synthetic interactions, to measure the cost of a number of rows.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::offline;
use crate::ml::synthetic::{SyntheticConfig, generate};

/// Share of a user's items that is held out, in percent; at least one item.
const HELD_OUT_PERCENT: usize = 10;

/// Fewer items would leave no room for tastes.
const FEWEST_ITEMS: usize = 256;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of interactions
    #[arg(long)]
    interactions: usize,
    /// Number of users; one for 140 interactions by default
    #[arg(long)]
    users: Option<usize>,
    /// Number of items; by default 27,000 for 20 million interactions, growing with the square root
    #[arg(long)]
    items: Option<usize>,
    /// Seed
    #[arg(long, default_value_t = offline::SEED)]
    seed: u64,
    /// CSV to write, with the columns user_id and item_id
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// CSV for a tenth of each user's interactions, held out to evaluate models
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let n = args.interactions;
    let config = SyntheticConfig {
        n_users: args.users.unwrap_or(n / 140).max(1),
        n_items: args.items.unwrap_or((27_000.0 * (n as f64 / 20e6).sqrt()) as usize).max(FEWEST_ITEMS),
        n_interactions: n,
        seed: args.seed,
    };
    let mut learnt = table(&args.output)?;
    let mut judged = args.held_out.as_deref().map(table).transpose()?;
    generate(config, |user, items| -> anyhow::Result<()> {
        let n_held_out = if judged.is_some() { (items.len() * HELD_OUT_PERCENT / 100).max(1).min(items.len() - 1) } else { 0 };
        let (held_out, rest) = items.split_at(n_held_out);
        write_rows(&mut learnt, user, rest)?;
        judged.as_mut().map_or(Ok(()), |table| write_rows(table, user, held_out))
    })?;
    learnt.flush()?;
    judged.map_or(Ok(()), |mut table| table.flush())?;
    println!("{} users, {} items, {n} interactions in {}", config.n_users, config.n_items, args.output.display());
    Ok(())
}

fn table(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut table = BufWriter::with_capacity(1 << 20, file);
    table.write_all(b"user_id,item_id\n")?;
    Ok(table)
}

fn write_rows(table: &mut BufWriter<File>, user: u32, items: &[u32]) -> anyhow::Result<()> {
    items.iter().try_for_each(|item| writeln!(table, "u{user},i{item}")).context("the interactions could not be written")
}
