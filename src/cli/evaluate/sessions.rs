//! `recotem evaluate` of an algorithm that learns from sessions: does it predict the last item of a session?

use anyhow::bail;
use serde_json::json;

use super::Args;
use crate::cli::offline::{self, Stopwatch};
use crate::ml::registry;
use crate::ml::sessions::{self, SessionEvaluation, Sessions, VmisKnn};
use crate::platform::memory;

pub fn run(args: &Args) -> anyhow::Result<()> {
    if !args.lists.is_empty() {
        bail!("--lists needs users, which {} does not know; use `recotem recommend --session` on a model", sessions::NAME);
    }
    registry::find(sessions::NAME)?.check(&args.fit.params)?;
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let (history, later) = read(args)?;
    let read_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let model = VmisKnn::fit(&args.fit.params, &history, &context)?;
    let fit_seconds = clock.seconds();
    let clock = Stopwatch::start();
    let found = sessions::evaluate(&model, &later, args.cutoff as usize, &context)?;
    let evaluate_seconds = clock.seconds();
    if !args.json {
        println!("{} training sessions, {} test sessions, {} items", history.len(), found.n_sessions, history.n_items());
        println!("read {read_seconds:.2} s, fit {fit_seconds:.2} s, evaluated {evaluate_seconds:.2} s\n");
        print(&found);
        return Ok(());
    }
    offline::print_json(&json!({
        "algorithm": sessions::NAME,
        "parameters": args.fit.params,
        "cutoff": args.cutoff,
        "n_sessions": history.len(),
        "n_items": history.n_items(),
        "train_interactions": history.n_interactions(),
        "test_sessions": found.n_sessions,
        "read_seconds": read_seconds,
        "fit_seconds": fit_seconds,
        "evaluate_seconds": evaluate_seconds,
        "peak_rss_bytes": memory::peak_rss_bytes(),
        "metrics": { "hit": found.hit_rate, "mrr": found.mrr },
        "intervals": { "hit": found.hit_rate_interval, "mrr": found.mrr_interval },
        "baseline": { "hit": found.baseline_hit_rate, "mrr": found.baseline_mrr },
    }))
}

fn print(found: &SessionEvaluation) {
    let rows = [
        ("hit", found.hit_rate, found.hit_rate_interval, found.baseline_hit_rate),
        ("mrr", found.mrr, found.mrr_interval, found.baseline_mrr),
    ];
    for (metric, value, (low, high), baseline) in rows {
        let name = format!("{metric}@{}", found.cutoff);
        println!("{name:<17} {value:>12.6}   95 % {low:.6} to {high:.6}   most popular items {baseline:.6}");
    }
}

/// Reads the sessions to learn from and to evaluate on: of two files, or those of one file divided by time.
fn read(args: &Args) -> anyhow::Result<(Sessions, Sessions)> {
    let options = args.fit.session_options(None)?;
    let threads = offline::threads(args.threads);
    let mut builder = offline::builder_for(&options);
    offline::read_into(&mut builder, &args.train, &options, threads)?;
    let n_train = builder.n_rows();
    let Some(test) = &args.test else {
        return Ok(Sessions::from_log(&offline::finish(builder, threads))?.split_latest(args.heldout_ratio)?);
    };
    offline::read_into(&mut builder, test, &options, threads)?;
    let all = offline::finish(builder, threads);
    let (earlier, later) = (all.filtered(|row| row < n_train), all.filtered(|row| row >= n_train));
    Ok((Sessions::from_log(&earlier)?, Sessions::from_log(&later)?))
}
