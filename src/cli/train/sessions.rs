//! `recotem train` of an algorithm that learns from sessions.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::bail;
use serde_json::json;

use super::{Args, write_whole};
use crate::cli::offline::{self, Stopwatch};
use crate::ml::registry;
use crate::ml::sessions::{self, SessionModel, Sessions};
use crate::ml::weights::weighed_matrix;

pub fn run(args: &Args) -> anyhow::Result<()> {
    registry::find(sessions::NAME)?.check(&args.fit.params)?;
    let weighing = &args.fit.log.weighing;
    let weights = weighing.weights()?;
    let options = args.fit.session_options(weighing.event_column.as_deref())?;
    let Some(interactions) = &args.interactions else { bail!("{} learns from sessions; name their file", sessions::NAME) };
    let log = offline::read_log(interactions, &options, offline::threads(args.threads))?;
    offline::warn_of_unknown_events(&log, &weights);
    let history = Sessions::from_log(&weights.counted(&log))?;
    let weighed = (!weights.is_neutral()).then(|| weighed_matrix(&log, &weights));
    let context = offline::context(args.seed, offline::threads(args.threads));
    let clock = Stopwatch::start();
    let mut model = SessionModel::fit(args.fit.params.clone(), log.items, &history, &context)?;
    if let Some(weighed) = &weighed {
        model = model.with_popularity_of(weighed)?;
    }
    let fit_seconds = clock.seconds();
    model.metadata = BTreeMap::from([("engine_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    let bytes = write_whole(&args.output, |out| out.write_all(&model.to_bytes()))?;
    let (n_sessions, n_items, n) = (history.len(), history.n_items(), history.n_interactions());
    if args.json {
        return offline::print_json(&json!({
            "algorithm": sessions::NAME,
            "parameters": args.fit.params,
            "n_sessions": n_sessions,
            "n_items": n_items,
            "n_interactions": n,
            "fit_seconds": fit_seconds,
            "output": args.output,
            "bytes": bytes,
        }));
    }
    println!("{}: {n_sessions} sessions, {n_items} items, {n} interactions, fitted in {fit_seconds:.2} s", sessions::NAME);
    println!("{} ({bytes} bytes)", args.output.display());
    Ok(())
}
