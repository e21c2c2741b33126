//! The output of the demo.

use serde_json::Value;

use crate::features::tuning::TrialStatus;

/// Prints one finished step.
pub fn step(name: &str, result: &str) {
    println!("  ✓ {name:<10} {result}");
}

/// Prints where to watch the search while it runs.
pub fn open_page(address: &str, password: &str, project: i64, job: i64) {
    println!("    Watch it: {}/projects/{project}/tuning/{job} (user admin, password {password})", for_browsers(address));
}

/// Prints the progress of the search.
pub fn progress(finished: usize, job: &Value) {
    let best = job["best_score"].as_f64().map_or("–".to_owned(), |score| format!("{score:.4}"));
    println!(
        "    {finished:>4} of {} trials, best {}@{} so far {best}",
        job["n_trials"],
        text(&job["target_metric"]),
        job["cutoff"]
    );
}

/// Prints the best trials, beside the score of popularity alone.
pub fn leaderboard(trials: &Value, job: &Value) {
    let mut rows: Vec<&Value> =
        trials.as_array().into_iter().flatten().filter(|trial| trial["status"] == TrialStatus::Completed.wire()).collect();
    rows.sort_by(|a, b| b["score"].as_f64().unwrap_or_default().total_cmp(&a["score"].as_f64().unwrap_or_default()));
    step("Best", &format!("{}@{}", text(&job["target_metric"]), job["cutoff"]));
    for trial in rows.iter().take(5) {
        let interval = format!("[{:.4}, {:.4}]", number(&trial["interval"][0]), number(&trial["interval"][1]));
        println!("      {:.4} {interval}  {}  {}", number(&trial["score"]), text(&trial["algorithm"]), trial["parameters"]);
    }
    println!("      {:.4}                   popularity alone", number(&job["baseline_score"]));
}

/// Prints a list of recommendations.
pub fn recommendations(user: &str, sample: &Value) {
    step("Preview", &format!("for user {user:?}"));
    for item in sample["recommendations"].as_array().into_iter().flatten().take(5) {
        println!("      {:>9.4}  {}", number(&item["score"]), text(&item["item_id"]));
    }
}

/// Prints what to do next.
pub fn finish(address: &str, password: &str, project: i64, model: i64, key: &str, user: &str) {
    let body = serde_json::json!({ "user_id": user, "cutoff": 5 }).to_string().replace('\'', "'\\''");
    println!("\nOpen     {}/projects/{project}/models/{model}", for_browsers(address));
    println!("Log in   admin / {password}");
    println!(
        "Or call  curl -s {address}/inference/predict/{model} -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d '{body}'\n"
    );
}

/// Returns the address for browsers, which tie cookies to the host name; people know this one.
fn for_browsers(address: &str) -> String {
    address.replace("127.0.0.1", "localhost")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
