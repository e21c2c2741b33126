//! The steps of the demo, from a file to a prediction.

use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::client::Client;
use super::{Args, catalogue, report};
use crate::features::datasets::TrainingDataStatus;
use crate::features::models::ModelStatus;
use crate::features::tuning::{SearchStatus, TrialStatus};
use crate::platform::words::Word;

const ALGORITHMS: [&str; 5] =
    ["IALSRecommender", "CosineKNNRecommender", "RP3betaRecommender", "DenseSLIMRecommender", "TopPopRecommender"];
const CUTOFF: u32 = 20;
const SHOWN: usize = 5;
const POLL: Duration = Duration::from_millis(300);

/// A file to upload.
struct Upload {
    name: String,
    bytes: Vec<u8>,
    time_column: Option<String>,
}

/// Drives the whole flow and prints each step with its result.
pub async fn run(args: &Args, address: &str, password: &SecretString) -> anyhow::Result<()> {
    let mut client = Client::new(address)?;
    report::step("Server", &format!("ready on {address}"));
    client.log_in("admin", password.expose_secret()).await?;
    report::step("Log-in", "admin");
    let upload = read_upload(args)?;
    let project = create_project(&client, args, &upload).await?;
    let data = upload_data(&client, project, upload).await?;
    let job = start_tuning(&client, args, data).await?;
    report::open_page(address, password.expose_secret(), project, job);
    let job = watch_tuning(&client, job).await?;
    let model = wait_for_model(&client, &job).await?;
    let user = recommend(&client, model).await?;
    let key = create_key(&client, project).await?;
    let answer = client.predict(model, &key, json!({ "user_id": user, "cutoff": SHOWN })).await?;
    let items = answer["items"].as_array().map_or(0, Vec::len);
    if items == 0 {
        bail!("The inference endpoint returned no recommendations for user {user:?}.");
    }
    report::step("Inference", &format!("{items} items for user {user:?} with an API key"));
    report::finish(address, password.expose_secret(), project, model, &key, &user);
    Ok(())
}

fn read_upload(args: &Args) -> anyhow::Result<Upload> {
    match &args.data {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read.", path.display()))?;
            let name = path.file_name().and_then(|name| name.to_str()).context("The file needs a name.")?;
            Ok(Upload { name: name.to_owned(), bytes, time_column: args.time_column.clone() })
        }
        None => Ok(Upload {
            name: "sample-interactions.csv".to_owned(),
            bytes: catalogue::interactions_csv(),
            time_column: Some("timestamp".to_owned()),
        }),
    }
}

async fn create_project(client: &Client, args: &Args, upload: &Upload) -> anyhow::Result<i64> {
    let base = args.data.as_ref().map_or("Sample catalogue".to_owned(), |_| format!("Demo of {}", upload.name));
    let taken = client.get("project/?page_size=100").await?;
    let is_taken = |name: &str| taken["results"].as_array().into_iter().flatten().any(|project| project["name"] == name);
    let name =
        (1..).map(|n| if n == 1 { base.clone() } else { format!("{base} {n}") }).find(|name| !is_taken(name)).unwrap_or(base);
    let (user_column, item_column) = match args.data {
        Some(_) => (args.user_column.as_str(), args.item_column.as_str()),
        None => ("user_id", "item_id"),
    };
    let body = json!({ "name": name, "user_column": user_column, "item_column": item_column, "time_column": upload.time_column });
    let project = id_of(&client.post("project/", body).await?)?;
    report::step("Project", &name);
    Ok(project)
}

async fn upload_data(client: &Client, project: i64, upload: Upload) -> anyhow::Result<i64> {
    let (name, size) = (upload.name.clone(), upload.bytes.len());
    let mut data = client.upload(project, &upload.name, upload.bytes).await?;
    let id = id_of(&data)?;
    while status_of::<TrainingDataStatus>(&data)? == TrainingDataStatus::Preparing {
        tokio::time::sleep(POLL).await;
        data = client.get(&format!("training_data/{id}/")).await?;
    }
    if status_of::<TrainingDataStatus>(&data)? == TrainingDataStatus::Failed {
        bail!("The file could not be read: {}", data["error"]);
    }
    let report = &data["report"];
    let text = format!(
        "{name} ({size} bytes): {} rows kept, {} rejected, {} users, {} items",
        report["rows_kept"], report["rejected"], report["users"], report["items"]
    );
    report::step("Upload", &text);
    Ok(id)
}

async fn start_tuning(client: &Client, args: &Args, data: i64) -> anyhow::Result<i64> {
    let split = json!({ "scheme": "RG", "heldout_ratio": 0.2, "test_user_ratio": 1.0, "random_seed": 42 });
    let split = id_of(&client.post("split_config/", split).await?)?;
    let evaluation = id_of(&client.post("evaluation_config/", json!({ "target_metric": "ndcg", "cutoff": CUTOFF })).await?)?;
    let job = json!({
        "data": data, "split": split, "evaluation": evaluation, "n_trials": args.n_trials, "n_tasks_parallel": 2,
        "random_seed": 42, "tried_algorithms_json": ALGORITHMS, "train_after_tuning": true,
    });
    let job = id_of(&client.post("parameter_tuning_job/", job).await?)?;
    report::step("Tuning", &format!("{} trials over {} algorithms", args.n_trials, ALGORITHMS.len()));
    Ok(job)
}

async fn watch_tuning(client: &Client, id: i64) -> anyhow::Result<Value> {
    let mut seen = 0;
    loop {
        let job = client.get(&format!("parameter_tuning_job/{id}/")).await?;
        let trials = client.get(&format!("parameter_tuning_job/{id}/trials/")).await?;
        let finished: Vec<&Value> =
            trials.as_array().into_iter().flatten().filter(|trial| trial["status"] != TrialStatus::Running.wire()).collect();
        if finished.len() > seen {
            seen = finished.len();
            report::progress(seen, &job);
        }
        match status_of(&job)? {
            SearchStatus::Completed => {
                report::leaderboard(&trials, &job);
                return Ok(job);
            }
            SearchStatus::Failed | SearchStatus::Cancelled => {
                bail!("The tuning job ended as {}: {}", job["status"], job["error"])
            }
            SearchStatus::Pending | SearchStatus::Running => tokio::time::sleep(POLL).await,
        }
    }
}

async fn wait_for_model(client: &Client, job: &Value) -> anyhow::Result<i64> {
    let id = job["tuned_model"].as_i64().context("The tuning job produced no model.")?;
    loop {
        let model = client.get(&format!("trained_model/{id}/")).await?;
        match status_of(&model)? {
            ModelStatus::Completed => {
                report::step("Model", &format!("{} trained, {} bytes", model["recommender_class_name"], model["filesize"]));
                return Ok(id);
            }
            ModelStatus::Failed => bail!("Training failed: {}", model["error"]),
            ModelStatus::Pending | ModelStatus::Running => tokio::time::sleep(POLL).await,
        }
    }
}

async fn recommend(client: &Client, model: i64) -> anyhow::Result<String> {
    let sample = client.get(&format!("trained_model/{model}/sample_recommendation_raw/")).await?;
    let user = sample["user_id"].as_str().context("The model knows no user.")?.to_owned();
    report::recommendations(&user, &sample);
    Ok(user)
}

async fn create_key(client: &Client, project: i64) -> anyhow::Result<String> {
    let body = json!({ "project": project, "name": "demo", "scopes": ["predict"] });
    let key = client.post("api_keys/", body).await?;
    report::step("API key", "created, for predictions only");
    Ok(key["key"].as_str().context("The API key is missing from the answer.")?.to_owned())
}

fn status_of<S: Word>(answer: &Value) -> anyhow::Result<S> {
    S::of(answer["status"].as_str().unwrap_or_default()).with_context(|| format!("There is no status in {answer}"))
}

fn id_of(answer: &Value) -> anyhow::Result<i64> {
    answer["id"].as_i64().with_context(|| format!("There is no id in {answer}"))
}
