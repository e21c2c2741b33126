//! `recotem train`: fit on all interactions of a file and keep the model.

mod sessions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::feature_files::{Features, ITEMS, USERS, tell};
use super::item_options::ItemOptions;
use super::log_options::FitOptions;
use super::offline::{self, Stopwatch};
use super::user_options::{UserOptions, takes_profiles};
use crate::ml::algorithms::{AlgorithmInfo, NewItems, TrainInput};
use crate::ml::artifact::{Described, NewRows, ProfiledUsers, TrainedModel};
use crate::ml::context::Context;
use crate::ml::interactions::InteractionLog;
use crate::ml::registry;
use crate::ml::weights::weighed_matrix;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Interactions: .csv .tsv .json .jsonl .ndjson .parquet, plain or .gz .bz2 .xz .zst .zip; ContentKNN works with --items alone
    #[arg(value_name = "INTERACTIONS")]
    interactions: Option<PathBuf>,
    #[command(flatten)]
    items: ItemOptions,
    #[command(flatten)]
    users: UserOptions,
    #[command(flatten)]
    fit: FitOptions,
    /// File to write the model to
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Threads; one for each core by default
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of all randomness without a parameter of its own
    #[arg(long, default_value_t = offline::SEED)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if registry::learns_from_sessions(&args.fit.algorithm) {
        return sessions::run(&args);
    }
    let info = registry::find(&args.fit.algorithm)?;
    offline::refuse_sessions(args.fit.session_column.as_deref())?;
    let (weights, params) = args.fit.log.weighing.weights()?.overridden(&args.fit.params)?;
    info.check(&params)?;
    let clock = Stopwatch::start();
    let mut log = read(&args, info)?;
    offline::warn_of_unknown_events(&log, &weights);
    let items = read_items(&args, info, &log)?;
    if let Some(items) = items.as_ref().filter(|_| log.items.is_empty()) {
        log.items = items.table.ids().clone();
    }
    let users = read_users(&args, info, &log)?;
    let seen = weighed_matrix(&log, &weights);
    let read_seconds = clock.seconds();
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let now = log.training_moment();
    let described =
        items.as_ref().map(|items| Described::new(&items.spec, &items.table, &log.items, now, &context)).transpose()?;
    let profiled = users.map(|users| ProfiledUsers::new(&users.spec, &users.table, &log.users, now, &context)).transpose()?;
    described.iter().for_each(|described| tell(&ITEMS, described.notes()));
    profiled.iter().for_each(|profiled| tell(&USERS, profiled.notes()));
    let input = described.as_ref().map_or_else(|| TrainInput::from(&seen), |described| described.input(&seen));
    let input = input.with_users(profiled.as_ref().map(ProfiledUsers::features));
    let model = registry::fit(info.name, &params, input, &context)?;
    let cold_start = described.map(|described| described.learn(info, &*model, &seen, &context)).transpose()?.flatten();
    let learn = |users: ProfiledUsers| users.learn(&*model, &seen, cold_start.as_deref(), &context);
    let profiles = profiled.map(learn).transpose()?.flatten();
    let fit_seconds = clock.seconds();
    let (n_users, n_items, nnz) = (log.n_users(), log.n_items(), seen.nnz());
    let metadata = BTreeMap::from([
        ("engine_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("seed".to_owned(), args.seed.to_string()),
    ]);
    let mut trained = TrainedModel {
        algorithm: info.name.to_owned(),
        parameters: params.into_iter().chain(weights.to_params()).collect(),
        users: log.users,
        items: log.items,
        seen,
        model,
        cold_start,
        profiles,
        metadata,
        derived: Default::default(),
    };
    if let Some(items) = items {
        trained = with_new_items(trained, &items, &context)?;
    }
    let n_new_items = trained.items.len() - n_items;
    let bytes = write_whole(&args.output, |out| trained.write_to(out))?;
    let report = json!({
        "algorithm": info.name,
        "parameters": trained.parameters,
        "n_users": n_users,
        "n_items": n_items,
        "n_new_items": n_new_items,
        "n_interactions": nnz,
        "takes_profiles": trained.takes_profiles(),
        "read_seconds": read_seconds,
        "fit_seconds": fit_seconds,
        "output": args.output,
        "bytes": bytes,
    });
    if args.json { offline::print_json(&report) } else { print(&report, &args.output) }
}

/// Returns the model with the items of a file that it was not trained on. Reports on standard error which are left out.
fn with_new_items(trained: TrainedModel, items: &Features, context: &Context) -> anyhow::Result<TrainedModel> {
    let NewRows { items, unreadable, n_unknown } = trained.new_rows_of(&items.table, context)?;
    if unreadable.n > 0 {
        eprintln!("{}, because a value cannot be read:", left_out(unreadable.n));
        unreadable.examples.iter().for_each(|what| eprintln!("  {what}"));
    }
    if n_unknown > 0 {
        eprintln!("{}: no value of theirs occurs in the items that the model was trained on.", left_out(n_unknown));
    }
    match items {
        Some(new) => Ok(trained.with_new_items(new, context)?),
        None => Ok(trained),
    }
}

fn left_out(n: usize) -> String {
    if n == 1 { "one new item is left out".to_owned() } else { format!("{n} new items are left out") }
}

fn print(report: &Value, output: &Path) -> anyhow::Result<()> {
    let number = |name: &str| report[name].as_u64().unwrap_or_default();
    println!(
        "{}: {} users, {} items, {} interactions, fitted in {:.2} s",
        report["algorithm"].as_str().unwrap_or_default(),
        number("n_users"),
        number("n_items"),
        number("n_interactions"),
        report["fit_seconds"].as_f64().unwrap_or_default()
    );
    if number("n_new_items") > 0 {
        println!("{} items without interactions can be recommended by their features", number("n_new_items"));
    }
    if report["takes_profiles"] == true {
        println!("new users can be recommended to by their features");
    }
    println!("{} ({} bytes)", output.display(), number("bytes"));
    Ok(())
}

/// Reads the interactions; without a file of them there are none.
fn read(args: &Args, info: &AlgorithmInfo) -> anyhow::Result<InteractionLog> {
    let columns = args.fit.log.read_options();
    match &args.interactions {
        Some(path) => offline::read_log(path, &columns, offline::threads(args.threads)),
        None if args.items.items.is_some() && info.new_items() == NewItems::ByFeatures => {
            Ok(offline::builder_for(&columns).finish())
        }
        None => bail!("name the file of interactions; only ContentKNN learns without one, from the item file that --items names"),
    }
}

/// Reads the item file; `None` without one, and for an algorithm that cannot use it.
fn read_items(args: &Args, info: &AlgorithmInfo, log: &InteractionLog) -> anyhow::Result<Option<Features>> {
    if args.items.items.is_some() && info.new_items() == NewItems::Never {
        eprintln!("{} cannot recommend items that it was not trained on; the item file is not used.", info.name);
        return Ok(None);
    }
    args.items.read(&args.fit.log.columns.item_column, &log.items)
}

/// Reads the user file; `None` without one, and for an algorithm that cannot use it.
fn read_users(args: &Args, info: &AlgorithmInfo, log: &InteractionLog) -> anyhow::Result<Option<Features>> {
    if args.users.users.is_some() && log.users.is_empty() {
        bail!("--users needs interactions, from which it is learnt what users with these features like");
    }
    if args.users.users.is_some() && !takes_profiles(info) {
        eprintln!("{} cannot recommend by profile; the user file is not used.", info.name);
        return Ok(None);
    }
    args.users.read(&args.fit.log.columns.user_column, &log.users)
}

/// Writes to a file beside the target first, so that an interrupted run never leaves half a model under its name. Returns the
/// bytes written.
fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> anyhow::Result<u64> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let written = || {
        let mut out = BufWriter::new(File::create(&beside)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        std::fs::rename(&beside, path)?;
        Ok::<u64, io::Error>(file.metadata()?.len())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
