//! `recotem tune`: search over algorithms and parameters, in memory.

mod leaderboard;
mod search;

use std::path::PathBuf;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use super::feature_files::{ITEMS, USERS, tell};
use super::item_options::{ItemOptions, refuse_without_new_items};
use super::log_options::LogOptions;
use super::offline::{self, Stopwatch, parse_scheme};
use super::user_options::{NewUserOptions, refuse_new_items, refuse_without_profiles};
use crate::ml::algorithms::{AlgorithmInfo, NewItems};
use crate::ml::metrics::Metric;
use crate::ml::registry;
use crate::ml::splits::{NewUsers, Split, SplitConfig, SplitScheme, UserFeatures, split};
use crate::ml::trials;
use crate::ml::tuning::{Pruner, Sampler, Study};
use crate::ml::weights::Weights;
use crate::platform::memory::Memory;
use search::{Limits, Search};

/// The most popular items: searched only on request, always on the leaderboard.
const BASELINE: &str = "TopPopRecommender";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Interactions: .csv .tsv .json .jsonl .ndjson .parquet, plain or .gz .bz2 .xz .zst .zip
    #[arg(value_name = "INTERACTIONS")]
    interactions: PathBuf,
    #[command(flatten)]
    log: LogOptions,
    /// Also search the half-life, and the weights of event types around those given
    #[arg(long)]
    search_weights: bool,
    /// RG: random per user; TG: everything after one moment; TU: the last interactions of each user; with --items also
    /// CI: items at random; TI: items first seen after one moment
    #[arg(long, value_name = "RG|TG|TU|CI|TI", default_value = "RG", value_parser = parse_scheme)]
    split: SplitScheme,
    #[command(flatten)]
    items: ItemOptions,
    #[command(flatten)]
    new_users: NewUserOptions,
    /// Share of interactions that is held out
    #[arg(long, default_value_t = 0.1)]
    heldout_ratio: f64,
    /// With CI or TI: share of the items that is held out
    #[arg(long, default_value_t = 0.2)]
    heldout_item_ratio: f64,
    /// Share of users that are tested
    #[arg(long, default_value_t = 1.0)]
    test_user_ratio: f64,
    /// Algorithms to search; all of them by default
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    algorithms: Vec<String>,
    /// Method to choose parameters
    #[arg(long, value_name = "tpe|random", default_value = "tpe", value_parser = parse_sampler)]
    sampler: Sampler,
    /// Which trials of algorithms that learn in epochs are given up: those below the median of the finished ones at the
    /// same epoch, or all but the best third (asynchronous successive halving)
    #[arg(long, value_name = "median|halving|none", default_value = "median", value_parser = parse_pruner)]
    pruner: Pruner,
    /// Trials
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    n_trials: u32,
    /// Largest number of trials of single algorithms; the others share the rest
    #[arg(long, value_name = "NAME=N,...", value_delimiter = ',', value_parser = parse_budget)]
    trials_per_algorithm: Vec<(&'static str, u32)>,
    /// Metric to improve
    #[arg(long, default_value = "ndcg")]
    metric: Metric,
    /// Length of the evaluated lists
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// Seconds after which no trial starts and running ones are stopped
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Time limit of a single trial, in seconds
    #[arg(long, value_name = "SECONDS")]
    trial_timeout: Option<f64>,
    /// Memory of all workers in total; a trial that does not fit is skipped. By default, and at most, what the machine has
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    memory_budget_mb: Option<u64>,
    /// Seed of split and search; with one worker the same seed gives the same search
    #[arg(long, default_value_t = offline::SEED)]
    seed: u64,
    /// Trials that run at once; they share the threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,
    /// Threads of all workers in total; one for each core by default
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_sampler(text: &str) -> Result<Sampler, String> {
    match text {
        "tpe" => Ok(Sampler::Tpe),
        "random" => Ok(Sampler::Random),
        _ => Err("expected tpe or random".to_owned()),
    }
}

fn parse_pruner(text: &str) -> Result<Pruner, String> {
    match text {
        "median" => Ok(Pruner::Median),
        "halving" => Ok(Pruner::Halving),
        "none" => Ok(Pruner::None),
        _ => Err("expected median, halving or none".to_owned()),
    }
}

/// Reads the class name of an algorithm and a number of trials.
fn parse_budget(text: &str) -> Result<(&'static str, u32), String> {
    let (name, trials) = text.split_once('=').ok_or("expected an algorithm and a number of trials, such as IALS=10")?;
    let info = registry::find_matrix(name.trim()).map_err(|error| error.to_string())?;
    let trials = trials.trim().parse().map_err(|_| format!("{trials:?} is not a number of trials"))?;
    Ok((info.name, trials))
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let config = SplitConfig {
        scheme: args.split,
        heldout_ratio: args.heldout_ratio,
        heldout_item_ratio: args.heldout_item_ratio,
        test_user_ratio: args.test_user_ratio,
        random_seed: args.seed,
        ..SplitConfig::default()
    };
    config.validate(args.log.time.time_column.is_some())?;
    if !args.metric.higher_is_better() {
        bail!("{} is better when it is smaller, so it cannot be searched for; choose another metric", args.metric);
    }
    let weights = args.log.weighing.weights()?;
    let clock = Stopwatch::start();
    let columns = args.log.read_options();
    let log = offline::read_log(&args.interactions, &columns, offline::threads(args.threads))?;
    offline::warn_of_unknown_events(&log, &weights);
    let read_seconds = clock.seconds();
    let counted = weights.counted(&log);
    let mut split = split(&counted, &config)?;
    if args.search_weights || !weights.is_neutral() {
        split = split.with_evidence(&counted);
    }
    if let Some(items) = args.items.read(&args.log.columns.item_column, &log.items)? {
        let context = offline::context(args.seed, offline::threads(args.threads));
        split = split.with_item_features(&items.spec, &items.table, &log.items, log.training_moment(), &context)?;
        tell(&ITEMS, split.item_notes());
    } else if config.scheme.holds_out_items() {
        bail!("{:?} holds out items, so it needs their features; give an item file with --items", config.scheme);
    }
    if let Some(users) = args.new_users.users.read(&args.log.columns.user_column, &log.users)? {
        refuse_new_items(config.scheme)?;
        let context = offline::context(args.seed, offline::threads(args.threads));
        let known = UserFeatures { spec: &users.spec, table: &users.table, users: &log.users, now: log.training_moment() };
        split = split.with_new_users(args.new_users.new_user_ratio, known, &context)?;
        split.new_users().into_iter().for_each(|new| tell(&USERS, new.notes()));
    }
    let study = study(&args, &weights, &split)?;
    let search = Search::new(&split, study, weights, limits(&args), progress(&args));
    let baselines = search.run_baselines()?;
    search.run()?;
    let report = leaderboard::Report {
        metric: args.metric,
        cutoff: args.cutoff,
        split: config,
        n_users: log.n_users(),
        n_items: log.n_items(),
        n_interactions: split.train.nnz() + split.held_out.nnz(),
        n_judged_users: split.new_users().map_or(split.test_users.len(), NewUsers::n_new),
        read_seconds,
        seconds: clock.seconds(),
        baselines,
        trials: search.into_trials(),
    };
    if args.json { offline::print_json(&report.to_json()) } else { report.print() }
}

fn study(args: &Args, weights: &Weights, split: &Split) -> anyhow::Result<Study> {
    let names = algorithm_names(&args.algorithms, split)?;
    let study = match args.search_weights {
        true => trials::study_with_weights(&names, args.sampler, args.seed, weights, split.days_covered())?,
        false => trials::study(&names, args.sampler, args.seed)?,
    };
    let study = study.with_pruner(args.pruner);
    let mut budgets = args.trials_per_algorithm.iter();
    Ok(budgets.try_fold(study, |study, (name, trials)| study.with_budget(name, *trials))?)
}

fn algorithm_names(asked: &[String], split: &Split) -> anyhow::Result<Vec<&'static str>> {
    let is_searched = |info: &&AlgorithmInfo| match info.new_items() {
        NewItems::Never => info.name != BASELINE && !split.has_cold_items() && split.new_users().is_none(),
        NewItems::ByMap => true,
        NewItems::ByFeatures => split.item_features().is_some(),
    };
    if asked.is_empty() {
        return Ok(registry::matrix_algorithms().filter(is_searched).map(|info| info.name).collect());
    }
    let mut names: Vec<&'static str> = Vec::new();
    for name in asked {
        let info = registry::find_matrix(name.trim())?;
        if split.has_cold_items() {
            refuse_without_new_items(info)?;
        }
        if split.new_users().is_some() {
            refuse_without_profiles(info)?;
        }
        if !names.contains(&info.name) {
            names.push(info.name);
        }
    }
    Ok(names)
}

fn limits(args: &Args) -> Limits {
    let workers = args.workers.min(args.n_trials);
    let budget = [args.memory_budget_mb.map(|mb| mb << 20), Memory::of_machine().available()].into_iter().flatten().min();
    Limits {
        metric: args.metric,
        cutoff: args.cutoff as usize,
        n_trials: args.n_trials,
        timeout: args.timeout,
        trial_timeout: args.trial_timeout,
        memory_per_worker: budget.map(|bytes| bytes / u64::from(workers)),
        seed: args.seed,
        workers,
        threads_per_worker: (offline::threads(args.threads) / workers as usize).max(1),
    }
}

/// Creates a progress bar on standard error, which indicatif hides when that is no terminal.
fn progress(args: &Args) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(args.n_trials));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {elapsed}, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
