//! `recotem evaluate --field-worth`: how much worse are new items recommended without each column of the item file?

use anyhow::bail;
use serde_json::{Map, Value};

use super::{Args, split_config};
use crate::cli::item_options::refuse_without_new_items;
use crate::cli::offline;
use crate::ml::field_worth::{Estimate, FieldWorth, SpecWorth, WorthData, WorthSettings, field_worth};
use crate::ml::registry;

/// Times that items are held out, others each time.
const FOLDS: u32 = 3;

pub fn run(args: &Args) -> anyhow::Result<()> {
    let info = registry::find_matrix(&args.fit.algorithm)?;
    offline::refuse_sessions(args.fit.session_column.as_deref())?;
    refuse_without_new_items(info)?;
    let Some(scheme) = args.split.filter(|scheme| scheme.holds_out_items()) else {
        bail!("--field-worth needs a split that holds out items; choose --split CI or TI")
    };
    let (weights, params) = args.fit.log.weighing.weights()?.overridden(&args.fit.params)?;
    info.check(&params)?;
    let params: Map<String, Value> = registry::starting_point(info.name).into_iter().chain(params).collect();
    let threads = offline::threads(args.threads);
    let context = offline::context(args.seed, threads);
    let log = offline::read_log(&args.train, &args.fit.log.read_options(), threads)?;
    offline::warn_of_unknown_events(&log, &weights);
    let Some(items) = args.items.read(&args.fit.log.columns.item_column, &log.items)? else {
        bail!("give an item file with --items")
    };
    let data = WorthData { log: &log, table: &items.table, spec: &items.spec, now_micros: log.training_moment() };
    let settings = WorthSettings {
        algorithm: info.name.to_owned(),
        params: params.into_iter().chain(weights.to_params()).collect(),
        split: split_config(args, scheme),
        n_folds: FOLDS,
        cutoff: args.cutoff as usize,
    };
    let found = field_worth(&data, &settings, &context, &mut |_, _| ())?;
    if args.json {
        return offline::print_json(&report(&settings, &found)?);
    }
    println!("{} {}", info.name, Value::Object(settings.params));
    print(&found);
    Ok(())
}

fn report(settings: &WorthSettings, found: &SpecWorth) -> anyhow::Result<Value> {
    let mut report = Map::new();
    report.insert("algorithm".to_owned(), settings.algorithm.clone().into());
    report.insert("parameters".to_owned(), settings.params.clone().into());
    if let Value::Object(found) = serde_json::to_value(found)? {
        report.extend(found);
    }
    Ok(Value::Object(report))
}

fn print(found: &SpecWorth) {
    println!("{} users, items held out {} times\n", found.n_users, found.n_folds);
    println!("{:<40}{:>30}", "new items", format!("ndcg@{}", found.cutoff));
    print_row("all columns", &level(&found.whole), "");
    for beside in &found.baselines {
        print_row(&beside.baseline.replace('_', " "), &level(&beside.quality), "");
    }
    println!("\n{:<40}{:>30}", "column", "worth");
    for field in &found.fields {
        print_row(&format!("{} ({})", field.column, field.kind.word()), &change(&field.worth), mark(field));
    }
}

fn print_row(name: &str, value: &str, mark: &str) {
    println!("{}", format!("{name:<40}{value:>30}   {mark}").trim_end());
}

fn level(estimate: &Estimate) -> String {
    let (low, high) = estimate.interval;
    format!("{:.4} ({low:.4} to {high:.4})", estimate.mean)
}

fn change(estimate: &Estimate) -> String {
    let (low, high) = estimate.interval;
    format!("{:+.4} ({low:+.4} to {high:+.4})", estimate.mean)
}

fn mark(field: &FieldWorth) -> &'static str {
    match (field.is_noise, field.worth.mean < 0.0) {
        (true, _) => "noise",
        (false, true) => "does harm",
        (false, false) => "",
    }
}
