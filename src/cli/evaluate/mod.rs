//! `recotem evaluate`: fit on one file, evaluate on another.

mod field_worth;
mod new_items;
mod new_users;
mod sessions;

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::{Map, Value, json};

use super::item_options::ItemOptions;
use super::log_options::FitOptions;
use super::offline::{self, Stopwatch};
use super::user_options::NewUserOptions;
use crate::ml::algorithms::Recommender;
use crate::ml::evaluate::{Comparison, Evaluation, evaluate};
use crate::ml::interactions::InteractionLog;
use crate::ml::metrics::Metric;
use crate::ml::ranking::{Candidates, top_k};
use crate::ml::registry;
use crate::ml::sparse::Csr;
use crate::ml::splits::{Split, SplitConfig, SplitScheme, split};
use crate::ml::weights::{Weights, weighed_matrix};
use crate::platform::memory;

/// Length of the lists printed on request.
const LIST_LENGTH: usize = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Training interactions: .csv .tsv .json .jsonl .ndjson .parquet, plain or .gz .bz2 .xz .zst .zip
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Held-out interactions to evaluate on; --split and VMISKNN work without
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    test: Option<PathBuf>,
    /// Divides the training file instead: CI holds out items at random, TI those first seen after one moment; RG, TG, TU
    #[arg(long, value_name = "CI|TI|RG|TG|TU", value_parser = offline::parse_scheme)]
    split: Option<SplitScheme>,
    /// Without --test: share of the interactions, or for VMISKNN of the sessions, that is held out
    #[arg(long, value_name = "0..1", default_value_t = 0.1)]
    heldout_ratio: f64,
    /// With --split CI or TI: share of the items that is held out
    #[arg(long, value_name = "0..1", default_value_t = 0.2)]
    heldout_item_ratio: f64,
    #[command(flatten)]
    items: ItemOptions,
    #[command(flatten)]
    new_users: NewUserOptions,
    /// CSV file to write each user's quality for new items to
    #[arg(long, value_name = "FILE", requires = "items", conflicts_with = "users")]
    per_user: Option<PathBuf>,
    /// With --split CI or TI: measures how much worse new items are recommended without each column of --items
    #[arg(long, requires_all = ["items", "split"], conflicts_with_all = ["per_user", "lists"])]
    field_worth: bool,
    #[command(flatten)]
    fit: FitOptions,
    /// Length of the evaluated lists
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// Threads; one for each core by default
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of all randomness without a parameter of its own
    #[arg(long, default_value_t = offline::SEED)]
    seed: u64,
    /// Users whose ten best items are listed
    #[arg(long, value_name = "USER,USER", value_delimiter = ',')]
    lists: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The two files over the same users and items.
struct Data {
    log: InteractionLog,
    train: Csr,
    test: Csr,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.field_worth {
        return field_worth::run(&args);
    }
    if registry::learns_from_sessions(&args.fit.algorithm) {
        return sessions::run(&args);
    }
    if args.new_users.users.users.is_some() {
        return new_users::run(&args);
    }
    if args.items.items.is_some() {
        return new_items::run(&args);
    }
    if let Some(scheme) = args.split.filter(|scheme| scheme.holds_out_items()) {
        bail!("{scheme:?} holds out items, so it needs their features; give an item file with --items");
    }
    let info = registry::find(&args.fit.algorithm)?;
    offline::refuse_sessions(args.fit.session_column.as_deref())?;
    let (weights, params) = args.fit.log.weighing.weights()?.overridden(&args.fit.params)?;
    info.check(&params)?;
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let data = match (&args.test, args.split) {
        (Some(test), _) => read(&args, test, &weights)?,
        (None, Some(scheme)) => {
            let (log, split) = divide(&args, scheme, &weights)?;
            Data { train: split.weighed_train(&weights).into_owned(), test: split.held_out, log }
        }
        (None, None) => bail!("name the file of held-out interactions with --test, or divide with --split"),
    };
    let read_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let model = registry::fit(info.name, &params, &data.train, &context)?;
    let fit_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let evaluation = evaluate(&*model, &data.train, &data.test, args.cutoff as usize, &context)?;
    let evaluate_seconds = clock.seconds();
    let mut report = json!({
        "algorithm": info.name,
        "parameters": params.into_iter().chain(weights.to_params()).collect::<Map<String, Value>>(),
        "cutoff": args.cutoff,
        "n_users": data.log.n_users(),
        "n_items": data.log.n_items(),
        "train_nnz": data.train.nnz(),
        "test_nnz": data.test.nnz(),
        "read_seconds": read_seconds,
        "fit_seconds": fit_seconds,
        "evaluate_seconds": evaluate_seconds,
        "peak_rss_bytes": memory::peak_rss_bytes(),
        "metrics": metrics(&evaluation),
        "intervals": intervals(&evaluation),
        "segments": evaluation.segments(&data.train, &data.test)?,
    });
    if !args.lists.is_empty() {
        report["lists"] = Value::Object(lists(&args.lists, &data, &*model)?);
    }
    if args.json { offline::print_json(&report) } else { print(&report, &evaluation) }
}

fn read(args: &Args, test: &Path, weights: &Weights) -> anyhow::Result<Data> {
    let threads = offline::threads(args.threads);
    let options = args.fit.log.read_options();
    let mut builder = offline::builder_for(&options);
    offline::read_into(&mut builder, &args.train, &options, threads)?;
    let n_train = builder.n_rows();
    offline::read_into(&mut builder, test, &options, threads)?;
    let log = offline::finish(builder, threads);
    offline::warn_of_unknown_events(&log, weights);
    let matrix = |rows: std::ops::Range<usize>| {
        Csr::from_pairs(log.n_users(), log.n_items(), &log.user_codes[rows.clone()], &log.item_codes[rows])
    };
    let test = matrix(n_train..log.n_rows())?;
    let train =
        if weights.is_neutral() { matrix(0..n_train)? } else { weighed_matrix(&log.filtered(|row| row < n_train), weights) };
    Ok(Data { log, train, test })
}

/// Reads the training file and divides it.
fn divide(args: &Args, scheme: SplitScheme, weights: &Weights) -> anyhow::Result<(InteractionLog, Split)> {
    let options = args.fit.log.read_options();
    let log = offline::read_log(&args.train, &options, offline::threads(args.threads))?;
    offline::warn_of_unknown_events(&log, weights);
    let counted = weights.counted(&log);
    let divided = split(&counted, &split_config(args, scheme))?;
    let divided = if weights.is_neutral() { divided } else { divided.with_evidence(&counted) };
    drop(counted);
    Ok((log, divided))
}

fn split_config(args: &Args, scheme: SplitScheme) -> SplitConfig {
    SplitConfig {
        scheme,
        heldout_ratio: args.heldout_ratio,
        heldout_item_ratio: args.heldout_item_ratio,
        random_seed: args.seed,
        ..SplitConfig::default()
    }
}

/// Reads two files, or divides one.
fn read_or_divide(args: &Args, weights: &Weights) -> anyhow::Result<(InteractionLog, Split)> {
    let Some(scheme) = args.split else {
        let Some(test) = &args.test else { bail!("name the file of held-out interactions with --test, or divide with --split") };
        let data = read(args, test, weights)?;
        return Ok((data.log, Split::of_sides(data.train, data.test, args.seed)?));
    };
    divide(args, scheme, weights)
}

/// Says how something did beside another.
fn told(found: &Comparison, other: &str) -> String {
    let how = if found.tied {
        "tied with"
    } else if found.difference > 0.0 {
        "better than"
    } else {
        "worse than"
    };
    let (low, high) = found.interval;
    format!("{how} {other} ({:+.4}, 95 % {low:+.4} to {high:+.4})", found.difference)
}

fn difference_json(found: Option<Comparison>, metric: Metric) -> Value {
    let Some(found) = found else { return Value::Null };
    json!({
        "metric": metric.as_str(),
        "difference": found.difference,
        "interval": [found.interval.0, found.interval.1],
        "tied": found.tied,
    })
}

pub fn metrics(evaluation: &Evaluation) -> Map<String, Value> {
    evaluation.metrics.iter().map(|(metric, value)| (metric.as_str().to_owned(), json!(value))).collect()
}

fn intervals(evaluation: &Evaluation) -> Map<String, Value> {
    evaluation.intervals().iter().map(|(metric, (low, high))| (metric.as_str().to_owned(), json!([low, high]))).collect()
}

fn lists(users: &[String], data: &Data, model: &dyn Recommender) -> anyhow::Result<Map<String, Value>> {
    let mut lists = Map::new();
    for id in users {
        let Some(user) = data.log.users.find(id) else { bail!("there is no user {id:?} in either file") };
        let mut scores = vec![0.0; data.log.n_items()];
        model.score_users(&[user], &data.train, &mut scores)?;
        let seen = data.train.row_indices(user as usize);
        let best = top_k(&scores, LIST_LENGTH, &Candidates { seen, ..Candidates::default() });
        lists.insert(id.clone(), best.iter().map(|(item, score)| json!([data.log.items.get(*item), score])).collect());
    }
    Ok(lists)
}

fn print(report: &Value, evaluation: &Evaluation) -> anyhow::Result<()> {
    println!("{} {}", report["algorithm"].as_str().unwrap_or_default(), report["parameters"]);
    println!(
        "{} users, {} items, {} training interactions, {} held out",
        report["n_users"], report["n_items"], report["train_nnz"], report["test_nnz"]
    );
    let seconds = |name: &str| report[name].as_f64().unwrap_or_default();
    println!(
        "read {:.2} s, fit {:.2} s, evaluated {:.2} s\n",
        seconds("read_seconds"),
        seconds("fit_seconds"),
        seconds("evaluate_seconds")
    );
    let intervals = evaluation.intervals();
    for (metric, value) in &evaluation.metrics {
        let interval = intervals.get(metric).map(|(low, high)| format!("   95 % {low:.6} to {high:.6}")).unwrap_or_default();
        println!("{:<20} {value:>12.6}{interval}", format!("{metric}@{}", evaluation.cutoff));
    }
    for (of, what) in [("activity", "users"), ("popularity", "items")] {
        println!();
        for segment in report["segments"][of].as_array().into_iter().flatten() {
            print_segment(segment, what, evaluation.cutoff);
        }
    }
    for (user, list) in report["lists"].as_object().into_iter().flatten() {
        println!("\n{user}: {list}");
    }
    Ok(())
}

fn print_segment(segment: &Value, what: &str, cutoff: usize) {
    let metric = |name: &str| segment["metrics"][name].as_f64().unwrap_or_default();
    println!(
        "{:<6} {:>8} {what} with {} to {} interactions: ndcg@{cutoff} {:.6}, recall@{cutoff} {:.6} over {} users",
        segment["name"].as_str().unwrap_or_default(),
        segment["size"].as_u64().unwrap_or_default(),
        segment["interactions"][0],
        segment["interactions"][1],
        metric("ndcg"),
        metric("recall"),
        segment["n_users"]
    );
}
