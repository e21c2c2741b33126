//! `recotem evaluate` with features of the items: how well does a model recommend items that are new to it?

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::{Args, difference_json, metrics, told};
use crate::cli::feature_files::{ITEMS, tell};
use crate::cli::item_options::refuse_without_new_items;
use crate::cli::offline::{self, Stopwatch};
use crate::ml::cold_start::{ColdBaseline, WarmSide};
use crate::ml::context::Context;
use crate::ml::evaluate::{ByNovelty, Comparison, Evaluation};
use crate::ml::interactions::InteractionLog;
use crate::ml::metrics::Metric;
use crate::ml::registry;
use crate::ml::splits::Split;
use crate::platform::memory;

/// The metric that a model and a baseline are compared by.
const COMPARED: Metric = Metric::Ndcg;

/// A baseline and what it reaches.
struct Beside {
    baseline: ColdBaseline,
    quality: ByNovelty,
    /// The model less the baseline, for cold items.
    difference: Option<Comparison>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let info = registry::find_matrix(&args.fit.algorithm)?;
    offline::refuse_sessions(args.fit.session_column.as_deref())?;
    if !args.lists.is_empty() {
        bail!("--lists does not work together with --items and --split; use `recotem recommend` on a model");
    }
    let (weights, params) = args.fit.log.weighing.weights()?.overridden(&args.fit.params)?;
    info.check(&params)?;
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let (log, split) = super::read_or_divide(args, &weights)?;
    if split.has_cold_items() {
        refuse_without_new_items(info)?;
    }
    let split = describe(args, &log, split, &context)?;
    let read_seconds = clock.seconds();
    let train = split.weighed_train(&weights);
    let side = WarmSide::new(&split, &train)?;
    let clock = Stopwatch::start();
    let model = registry::fit(info.name, &params, side.input(), &context)?;
    let fit_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let cutoff = args.cutoff as usize;
    let quality = side.judge(&*model, cutoff, &context)?;
    let evaluate_seconds = clock.seconds();
    let baselines = ColdBaseline::ALL.map(|baseline| -> anyhow::Result<Beside> {
        let beside = side.judge_baseline(baseline, cutoff, &context)?;
        let difference =
            quality.cold.as_ref().zip(beside.cold.as_ref()).and_then(|(ours, theirs)| ours.compare(theirs, COMPARED));
        Ok(Beside { baseline, quality: beside, difference })
    });
    let baselines = baselines.into_iter().collect::<anyhow::Result<Vec<Beside>>>()?;
    if let Some(path) = &args.per_user {
        write_per_user(path, &log, &quality).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if !args.json {
        println!("{} {}", info.name, Value::Object(params));
        print(&split, &quality, &baselines, args.cutoff);
        return Ok(());
    }
    offline::print_json(&json!({
        "algorithm": info.name,
        "parameters": params.into_iter().chain(weights.to_params()).collect::<Map<String, Value>>(),
        "cutoff": args.cutoff,
        "n_users": log.n_users(),
        "n_items": log.n_items(),
        "n_cold_items": log.n_items() - split.n_warm,
        "n_features": split.item_features().map_or(0, |features| features.n_cols),
        "train_nnz": split.train.nnz(),
        "test_nnz": split.held_out.nnz(),
        "read_seconds": read_seconds,
        "fit_seconds": fit_seconds,
        "evaluate_seconds": evaluate_seconds,
        "peak_rss_bytes": memory::peak_rss_bytes(),
        "cold": part(quality.cold.as_ref()),
        "warm": part(quality.warm.as_ref()),
        "mixed": part(Some(&quality.mixed)),
        "cold_share": quality.cold_share,
        "cold_share_interval": [quality.cold_share_interval.0, quality.cold_share_interval.1],
        "baselines": baselines.iter().map(baseline_json).collect::<Map<String, Value>>(),
    }))
}

fn describe(args: &Args, log: &InteractionLog, split: Split, context: &Context) -> anyhow::Result<Split> {
    let Some(items) = args.items.read(&args.fit.log.columns.item_column, &log.items)? else {
        bail!("this split holds out items, so it needs their features; give an item file with --items")
    };
    let split = split.with_item_features(&items.spec, &items.table, &log.items, log.training_moment(), context)?;
    tell(&ITEMS, split.item_notes());
    Ok(split)
}

fn part(evaluation: Option<&Evaluation>) -> Value {
    let Some(evaluation) = evaluation else { return Value::Null };
    json!({
        "n_users": evaluation.users.len(),
        "metrics": metrics(evaluation),
        "intervals": super::intervals(evaluation),
    })
}

fn baseline_json(beside: &Beside) -> (String, Value) {
    let value = json!({
        "cold": part(beside.quality.cold.as_ref()),
        "warm": part(beside.quality.warm.as_ref()),
        "mixed": part(Some(&beside.quality.mixed)),
        "cold_share": beside.quality.cold_share,
        "model_less_baseline": difference_json(beside.difference, COMPARED),
    });
    (beside.baseline.as_str().to_owned(), value)
}

/// Writes the quality for each user with held-out cold items.
fn write_per_user(path: &Path, log: &InteractionLog, quality: &ByNovelty) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_path(path)?;
    out.write_record(["user_id", "cold_ndcg", "cold_recall"])?;
    if let Some(cold) = &quality.cold {
        for (user, found) in cold.users.iter().zip(&cold.per_user) {
            let value = |metric| found.get(metric).unwrap_or_default().to_string();
            out.write_record([log.users.get(*user), &value(Metric::Ndcg), &value(Metric::Recall)])?;
        }
    }
    out.flush()?;
    Ok(())
}

fn print(split: &Split, quality: &ByNovelty, baselines: &[Beside], cutoff: u32) {
    let n_items = split.train.n_cols;
    println!("{n_items} items, {} of them new to the model\n", n_items - split.n_warm);
    let headings = ["cold", "warm", "mixed"];
    println!("{:<26}{}", format!("ndcg@{cutoff}"), headings.map(|heading| format!("{heading:>30}")).concat());
    print_row("the model", quality);
    for beside in baselines {
        print_row(&beside.baseline.as_str().replace('_', " "), &beside.quality);
    }
    let (low, high) = quality.cold_share_interval;
    println!("\nPlaces of new items in mixed lists: {:.3}   95 % {low:.3} to {high:.3}", quality.cold_share);
    for beside in baselines {
        let Some(found) = beside.difference else { continue };
        let name = beside.baseline.as_str().replace('_', " ");
        println!("New items: {}", told(&found, &name));
    }
}

fn print_row(name: &str, quality: &ByNovelty) {
    let cell = |evaluation: Option<&Evaluation>| match evaluation {
        None => format!("{:>30}", "–"),
        Some(evaluation) => {
            let (low, high) = evaluation.interval(COMPARED).unwrap_or_default();
            format!("{:>30}", format!("{:.4} ({low:.4} to {high:.4})", evaluation.get(COMPARED)))
        }
    };
    println!("{name:<26}{}{}{}", cell(quality.cold.as_ref()), cell(quality.warm.as_ref()), cell(Some(&quality.mixed)));
}
