//! The rules of which module may import which.

use std::sync::LazyLock;

use crate::paths::{Source, crate_paths};

/// Slices in import order, as `src/features/mod.rs` lists them: each may use those before it.
pub static SLICES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../src/features/mod.rs").lines();
    lines.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
});

/// Modules of the engine in import order.
const ML: [&str; 32] = [
    "error",
    "normal",
    "idle",
    "pools",
    "ids",
    "search_space",
    "metrics",
    "simd",
    "sparse",
    "context",
    "linalg",
    "tensors",
    "ranking",
    "diversity",
    "lists",
    "interactions",
    "weights",
    "features",
    "synthetic",
    "splits",
    "tuning",
    "algorithms",
    "item_index",
    "evaluate",
    "sessions",
    "registry",
    "cold_start",
    "field_worth",
    "new_users",
    "trials",
    "other_data",
    "artifact",
];

/// Modules of the platform in import order.
const PLATFORM: [&str; 27] = [
    "words",
    "whole_file",
    "children",
    "clock",
    "nearest",
    "private",
    "open_files",
    "vault",
    "memory",
    "places",
    "shares",
    "disk",
    "blobs",
    "embedded_postgres",
    "config",
    "compute",
    "outbound",
    "objects",
    "db",
    "known",
    "outbox",
    "queue",
    "services",
    "mail",
    "http",
    "computing",
    "telemetry",
];

/// Modules of the connectors in import order.
const CONNECTORS: [&str; 20] = [
    "kind",
    "window",
    "error",
    "answers",
    "bounds",
    "certificates",
    "settings",
    "tls",
    "pattern",
    "query",
    "delivery",
    "statements",
    "prepared",
    "output",
    "rows",
    "testing",
    "postgresql",
    "mysql",
    "files",
    "connector",
];

/// Modules of the composition in import order.
const APP: [&str; 19] = [
    "jobs",
    "subscriptions",
    "headers",
    "spa",
    "answers",
    "app_requests",
    "draining",
    "worker_processes",
    "meta",
    "policy",
    "api_docs",
    "throttling",
    "addresses",
    "authentication",
    "full_disk",
    "routes",
    "roles",
    "first_user",
    "boot",
];

/// The layers whose modules have an order: each may import those before it.
pub const ORDERS: [(&str, &[&str]); 4] = [("ml", &ML), ("platform", &PLATFORM), ("connectors", &CONNECTORS), ("app", &APP)];

/// The layers that are crates of their own, in `crates/`; cargo keeps them from importing what is above them.
pub const CRATES: [&str; 4] = ["ml", "tabular", "platform", "connectors"];

/// Files of a slice that no other slice may import: other slices use its `mod.rs`.
const PRIVATE_FILES: [&str; 6] = ["model", "store", "service", "routes", "jobs", "error"];

/// A file that outgrows this becomes a folder.
pub const LONGEST_FILE: usize = 400;

/// Words that a layer or a kind of file must not contain, and why.
const FORBIDDEN: [(&str, &[&str], &str); 6] = [
    (
        "ml",
        &["std::fs", "std::env", "std::net", "tokio", "diesel", "actix", "reqwest", "chrono", "SystemTime", "async fn"],
        "the engine knows no files, environment, network, database, clock or async",
    ),
    ("platform", &["recommender::"], "the platform knows no recommender"),
    ("connectors", &["recommender", "recotem_ml", "actix"], "the connectors know tables, and neither recommenders nor requests"),
    ("routes", &["diesel::", "diesel_async"], "a route leaves the database to the store"),
    ("service", &["actix_web", "actix_ws", "actix_multipart"], "a service is also called by jobs and the command line"),
    ("jobs", &["actix_web", "actix_ws", "actix_multipart"], "a job has no request"),
];

/// SQL and its builders.
const SQL: [&str; 4] = ["diesel::prelude", "RunQueryDsl", "sql_query", "crate::schema"];

/// Returns every rule that the file breaks, as a line to print.
pub fn violations(source: &Source) -> Vec<String> {
    let module = source.module();
    let mut found: Vec<String> = crate_paths(source)
        .iter()
        .filter_map(|path| wrong_way(&module, path).map(|why| format!("src/{}: crate::{path}: {why}", source.file)))
        .collect();
    found.extend(forbidden_words(source, &module));
    found
}

/// Returns the imports of a file from modules that come after its own in their layer, as lines to print.
pub fn out_of_order(source: &Source) -> Vec<String> {
    let module = source.module();
    let [layer, own, ..] = module[..] else { return Vec::new() };
    let order = ORDERS.iter().find(|(ordered, _)| *ordered == layer).map_or(&[][..], |(_, order)| *order);
    let later: Vec<&str> = order.iter().copied().skip_while(|name| *name != own).skip(1).collect();
    let is_later = |path: &&String| later.iter().any(|name| path.split("::").take(2).eq([layer, *name]));
    crate_paths(source).iter().filter(is_later).map(|path| format!("{}: {path} comes after {own}", source.file)).collect()
}

fn wrong_way(module: &[&str], path: &str) -> Option<String> {
    let target: Vec<&str> = path.split("::").collect();
    let layer = *module.first()?;
    let allowed: &[&str] = match layer {
        "ml" => &["ml"],
        "tabular" => &["tabular"],
        "platform" => &["platform"],
        "connectors" => &["connectors"],
        "features" => &["features", "connectors", "platform", "ml", "schema"],
        "app" => &["app", "features", "platform"],
        _ => return None,
    };
    let from_layer = ["ml", "tabular", "platform", "connectors", "features", "app", "cli", "schema"].contains(&target[0]);
    if from_layer && !allowed.contains(&target[0]) {
        return Some(format!("{layer} may import only {}", allowed.join(", ")));
    }
    match (layer, module.get(1), target.as_slice()) {
        ("features", Some(slice), ["features", other, rest @ ..]) if slice != other => wrong_slice(slice, other, rest),
        _ => None,
    }
}

fn wrong_slice(slice: &str, other: &str, rest: &[&str]) -> Option<String> {
    let place = |name: &str| SLICES.iter().position(|known| *known == name);
    if place(other) >= place(slice) {
        return Some(format!("{slice} comes before {other}"));
    }
    let file = rest.first().filter(|name| PRIVATE_FILES.contains(name))?;
    Some(format!("{other}'s {file} is private; use what its mod.rs offers"))
}

fn forbidden_words(source: &Source, module: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut forbid = |words: &[&str], why: &str| {
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            found.push(format!("src/{}: {word}: {why}", source.file));
        }
    };
    let in_slice = module.first() == Some(&"features");
    for (place, words, why) in FORBIDDEN {
        let applies = if in_slice { module.get(2) == Some(&place) } else { module.first() == Some(&place) };
        if applies {
            forbid(words, why);
        }
    }
    if in_slice && !module[1..].iter().any(|part| ["store", "model"].contains(part)) {
        forbid(&SQL, "SQL lives in store.rs, the shape of rows in model.rs");
    }
    found
}
