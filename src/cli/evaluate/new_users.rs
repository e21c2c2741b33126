//! `recotem evaluate` with features of the users: how well does a model recommend to users that are new to it?

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::{Args, difference_json, metrics, told};
use crate::cli::feature_files::{ITEMS, USERS, tell};
use crate::cli::offline::{self, Stopwatch};
use crate::cli::user_options::{refuse_new_items, refuse_without_profiles};
use crate::ml::algorithms::TrainInput;
use crate::ml::context::Context;
use crate::ml::evaluate::{Comparison, Evaluation};
use crate::ml::interactions::InteractionLog;
use crate::ml::metrics::Metric;
use crate::ml::new_users::{ForNewUsers, judge};
use crate::ml::registry;
use crate::ml::splits::{NewUsers, Split, UserFeatures};
use crate::ml::weights::Weights;
use crate::platform::memory;

/// The metric that lists are compared by.
const COMPARED: Metric = Metric::Ndcg;

pub fn run(args: &Args) -> anyhow::Result<()> {
    let info = registry::find_matrix(&args.fit.algorithm)?;
    offline::refuse_sessions(args.fit.session_column.as_deref())?;
    refuse_without_profiles(info)?;
    if !args.lists.is_empty() {
        bail!("--lists does not work together with --users; use `recotem recommend` on a model");
    }
    args.split.map_or(Ok(()), refuse_new_items)?;
    let (weights, params) = args.fit.log.weighing.weights()?.overridden(&args.fit.params)?;
    info.check(&params)?;
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let (log, split) = read(args, &weights, &context)?;
    let columns = &args.fit.log.columns;
    let users = args.new_users.users.read(&columns.user_column, &log.users)?.context("name the user file with --users")?;
    let known = UserFeatures { spec: &users.spec, table: &users.table, users: &log.users, now: log.training_moment() };
    let new = NewUsers::choose(&split, args.new_users.new_user_ratio, known, &context)?;
    tell(&USERS, new.notes());
    let others = new.others(&split.weighed_train(&weights));
    let read_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let input = TrainInput { interactions: &others, items: split.item_features(), users: Some(new.features()) };
    let model = registry::fit(info.name, &params, input, &context)?;
    let fit_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let Some(quality) = judge(&new, &*model, &others, &split.train, args.cutoff as usize, &context)? else {
        bail!("{} cannot recommend by profile", info.name)
    };
    let evaluate_seconds = clock.seconds();
    if !args.json {
        println!("{} {}", info.name, Value::Object(params));
        println!("{} users, {} of them new to the model\n", log.n_users(), new.n_new());
        print(&quality, args.cutoff);
        return Ok(());
    }
    offline::print_json(&json!({
        "algorithm": info.name,
        "parameters": params.into_iter().chain(weights.to_params()).collect::<Map<String, Value>>(),
        "cutoff": args.cutoff,
        "n_users": log.n_users(),
        "n_new_users": new.n_new(),
        "n_items": log.n_items(),
        "n_features": new.n_features(),
        "train_nnz": others.nnz(),
        "test_nnz": new.n_held_out(),
        "read_seconds": read_seconds,
        "fit_seconds": fit_seconds,
        "evaluate_seconds": evaluate_seconds,
        "peak_rss_bytes": memory::peak_rss_bytes(),
        "profile": part(Some(&quality.profile)),
        "popular": part(Some(&quality.popular)),
        "history": part(quality.history.as_ref()),
        "profile_and_history": part(quality.both.as_ref()),
        "profile_less_popular": difference_json(quality.profile.compare(&quality.popular, COMPARED), COMPARED),
        "both_less_history": difference_json(by_both(&quality), COMPARED),
    }))
}

/// Reads two files, or divides one. Items with features are described for the models that learn from these.
fn read(args: &Args, weights: &Weights, context: &Context) -> anyhow::Result<(InteractionLog, Split)> {
    let (log, split) = super::read_or_divide(args, weights)?;
    let Some(items) = args.items.read(&args.fit.log.columns.item_column, &log.items)? else { return Ok((log, split)) };
    let split = split.with_item_features(&items.spec, &items.table, &log.items, log.training_moment(), context)?;
    tell(&ITEMS, split.item_notes());
    Ok((log, split))
}

/// Compares what profile and history reach together with the history alone.
fn by_both(quality: &ForNewUsers) -> Option<Comparison> {
    quality.both.as_ref()?.compare(quality.history.as_ref()?, COMPARED)
}

fn part(evaluation: Option<&Evaluation>) -> Value {
    let Some(evaluation) = evaluation else { return Value::Null };
    json!({
        "n_users": evaluation.users.len(),
        "metrics": metrics(evaluation),
        "intervals": super::intervals(evaluation),
    })
}

fn print(quality: &ForNewUsers, cutoff: u32) {
    println!("{:<26}{:>30}{:>10}", format!("ndcg@{cutoff}"), "new users", "users");
    let rows = [
        ("by profile", Some(&quality.profile)),
        ("most popular", Some(&quality.popular)),
        ("by history", quality.history.as_ref()),
        ("by profile and history", quality.both.as_ref()),
    ];
    for (name, evaluation) in rows {
        let Some(evaluation) = evaluation else { continue };
        let (low, high) = evaluation.interval(COMPARED).unwrap_or_default();
        let value = format!("{:.4} ({low:.4} to {high:.4})", evaluation.get(COMPARED));
        println!("{name:<26}{value:>30}{:>10}", evaluation.users.len());
    }
    println!();
    if let Some(found) = quality.profile.compare(&quality.popular, COMPARED) {
        println!("New users by profile: {}", told(&found, "the most popular items"));
    }
    if let Some(found) = by_both(quality) {
        println!("New users by profile and history: {}", told(&found, "the history alone"));
    }
}
