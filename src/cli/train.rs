//! `recotem train`: fit on all interactions of a file and keep the model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::offline::{self, Columns, Stopwatch};
use crate::ml::algorithms;
use crate::ml::artifact::TrainedModel;
use crate::ml::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Interactions: .csv .tsv .json .jsonl .ndjson .parquet, plain or .gz .bz2 .xz .zst .zip
    #[arg(value_name = "INTERACTIONS")]
    interactions: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// Class name or short form, for example IALSRecommender or IALS
    #[arg(long, value_name = "NAME")]
    algorithm: String,
    /// Parameters as a JSON object; what is not given has its default
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = offline::parse_params)]
    params: Map<String, Value>,
    /// Where to write the model
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Threads; one for each core by default
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of whatever is random and has no parameter of its own
    #[arg(long, default_value_t = offline::SEED)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let info = algorithms::find(&args.algorithm)?;
    info.check(&args.params)?;
    let log = offline::read_log(&args.interactions, &args.columns, None, offline::threads(args.threads))?;
    let seen = log.to_csr();
    let context = Context::new(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let model = algorithms::fit(info.name, &args.params, &seen, &context)?;
    let fit_seconds = clock.seconds();
    let (n_users, n_items, nnz) = (log.n_users(), log.n_items(), seen.nnz());
    let metadata = BTreeMap::from([
        ("engine_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("seed".to_owned(), args.seed.to_string()),
    ]);
    let trained = TrainedModel {
        algorithm: info.name.to_owned(),
        parameters: args.params.clone(),
        users: log.users,
        items: log.items,
        seen,
        model,
        metadata,
    };
    let bytes = trained.to_bytes();
    write_whole(&args.output, &bytes)?;
    if args.json {
        return offline::print_json(&json!({
            "algorithm": info.name,
            "parameters": args.params,
            "n_users": n_users,
            "n_items": n_items,
            "n_interactions": nnz,
            "fit_seconds": fit_seconds,
            "output": args.output,
            "bytes": bytes.len(),
        }));
    }
    println!("{}: {n_users} users, {n_items} items, {nnz} interactions, fitted in {fit_seconds:.2} s", info.name);
    println!("{} ({} bytes)", args.output.display(), bytes.len());
    Ok(())
}

/// Writes beside the target first, so that an interrupted run never leaves half a model under its name.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
