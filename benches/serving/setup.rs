//! The program under test, started for real, with a trained model behind a slot.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use recotem::platform::outbound::install_cryptography;
use reqwest::multipart;
use serde_json::{Value, json};

use super::events;
use super::load::{Outcome, Request};

const PASSWORD: &str = "only for the length of a measurement";
/// Users of the requests, repeated in order.
const USERS: usize = 5_000;

/// A running server with one slot, and a key for requests.
pub struct Shop {
    child: Child,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    token: String,
    key: String,
    project: i64,
    /// Two models of the same data, to swap in the slot.
    models: [i64; 2],
    slot: i64,
    users: Vec<String>,
    pub address: String,
    pub artifact_bytes: u64,
    pub n_items: i64,
    _folder: tempfile::TempDir,
}

impl Shop {
    pub fn open(binary: &Path, interactions: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let users = users_of(interactions)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The server may close an idle connection between two calls.
        install_cryptography();
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        // Any error from here on ends the server with the shop.
        let child = Command::new(binary)
            .args(["serve", "--bind", &address, "--data-dir"])
            .arg(folder.path())
            .env("DEFAULT_ADMIN_PASSWORD", PASSWORD)
            .env("RECOTEM_THROTTLE__INFERENCE", "1000000000/sec")
            .env("RECOTEM_THROTTLE__USER", "100000/min")
            .env("RECOTEM_THROTTLE__EVENTS", "1000000/sec")
            .env("RECOTEM_OUTBOUND__ALLOW_HTTP", "true")
            .env("RECOTEM_OUTBOUND__ALLOW_NETWORKS", r#"["127.0.0.1"]"#)
            .env("RECOTEM_LOG_LEVEL", "warn")
            .env("RECOTEM_ACCESS_TOKEN_LIFETIME", "7200")
            .stdout(Stdio::null())
            .spawn()?;
        let mut shop = Self {
            child,
            runtime,
            http,
            token: String::new(),
            key: String::new(),
            project: 0,
            models: [0; 2],
            slot: 0,
            users,
            address,
            artifact_bytes: 0,
            n_items: 0,
            _folder: folder,
        };
        shop.wait_for("the server", |shop| Ok(shop.get("ping/").is_ok()))?;
        let credentials = json!({ "username": "admin", "password": PASSWORD });
        shop.token = shop.post("auth/login/", credentials)?["access"].as_str().unwrap_or_default().to_owned();
        shop.train(interactions)?;
        Ok(shop)
    }

    fn train(&mut self, interactions: &Path) -> anyhow::Result<()> {
        let project = json!({ "name": "bench", "user_column": "user_id", "item_column": "item_id" });
        self.project = id(&self.post("project/", project)?)?;
        let part = multipart::Part::bytes(std::fs::read(interactions)?).file_name("interactions.csv.gz");
        let form = multipart::Form::new().text("project", self.project.to_string()).part("file", part);
        let data = id(&self.send(self.http.post(self.url("training_data/")).multipart(form))?)?;
        self.wait_for("the data", |shop| {
            let data = shop.get(&format!("training_data/{data}/"))?;
            Ok(data["status"] != "preparing")
        })?;
        let parameters = json!({ "n_components": 64, "train_epochs": 16, "alpha0": 0.05, "reg": 0.002 });
        let configuration = json!({ "project": self.project, "name": "iALS-64", "recommender_class_name": "IALSRecommender",
            "parameters_json": parameters });
        let configuration = id(&self.post("model_configuration/", configuration)?)?;
        for place in 0..self.models.len() {
            let model = id(&self.post("trained_model/", json!({ "configuration": configuration, "data_loc": data }))?)?;
            self.models[place] = model;
            self.wait_for("training", |shop| {
                let model = shop.get(&format!("trained_model/{model}/"))?;
                if model["status"] == "FAILED" {
                    bail!("training failed: {}", model["error"]);
                }
                Ok(model["status"] == "COMPLETED")
            })?;
        }
        let model = self.get(&format!("trained_model/{}/", self.models[0]))?;
        self.artifact_bytes = model["filesize"].as_u64().unwrap_or_default();
        self.n_items = model["n_items"].as_i64().unwrap_or_default();
        let slot = json!({ "project": self.project, "name": "main", "trained_model": self.models[0], "weight": 100 });
        self.slot = id(&self.post("deployment_slot/", slot)?)?;
        let key = json!({ "project": self.project, "name": "bench", "scopes": ["predict"] });
        self.key = self.post("api_keys/", key)?["key"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// Returns a request for ten items for each of many users.
    pub fn singles(&self) -> Vec<Request> {
        self.singles_with(&self.key)
    }

    fn singles_with(&self, key: &str) -> Vec<Request> {
        self.users.iter().map(|user| self.request(key, "", &json!({ "user_id": user, "cutoff": 10 }))).collect()
    }

    /// Registers an app and a webhook that is sent each of its lists, and returns the same requests with the key of the app.
    pub fn singles_of_app(&self, receiver: &str) -> anyhow::Result<Vec<Request>> {
        let app = self.post("app/", json!({ "project": self.project, "name": "shop" }))?;
        let url = format!("http://{receiver}/");
        let webhook = json!({ "project": self.project, "app": app["id"], "url": url, "topics": ["recommendation.served"] });
        self.post("webhook_endpoint/", webhook)?;
        Ok(self.singles_with(app["key"].as_str().context("the app has no key")?))
    }

    /// Returns requests for `size` users at once.
    pub fn batches(&self, size: usize) -> Vec<Request> {
        self.users
            .chunks_exact(size)
            .map(|users| self.request(&self.key, "/batch", &json!({ "user_ids": users, "cutoff": 10 })))
            .collect()
    }

    fn request(&self, key: &str, action: &str, body: &Value) -> Request {
        // A batch is for one model; singles go through the project's slots, as a shop's do.
        let path = if action.is_empty() { format!("project/{}", self.project) } else { format!("{}{action}", self.models[0]) };
        events::request(&self.address, key, &format!("/inference/predict/{path}"), body)
    }

    /// Returns requests that report `count` events, `size` at once; with ids of the client unless `name` is empty.
    pub fn events(&self, size: usize, count: usize, name: &str) -> Vec<Request> {
        let path = if size == 1 { "/api/v1/conversion_event/" } else { "/api/v1/conversion_event/batch/" };
        let starts = (0..count).step_by(size);
        let body = |start: usize| events::body(self.project, self.slot, &self.users, start..start + size, name);
        starts.map(|start| events::request(&self.address, &self.key, path, &body(start))).collect()
    }

    /// Returns the number of stored events.
    pub fn stored_events(&self) -> anyhow::Result<i64> {
        self.get("conversion_event/?page_size=1")?["count"].as_i64().context("the events are not counted")
    }

    /// Swaps the slot's model back and forth, twice a second, while `work` runs.
    pub fn swap_while(&self, work: impl FnOnce() -> anyhow::Result<Outcome> + Send) -> anyhow::Result<Outcome> {
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            let mut turn = 0;
            while !working.is_finished() {
                turn += 1;
                let body = json!({ "trained_model": self.models[turn % 2] });
                self.send(self.http.patch(self.url(&format!("deployment_slot/{}/", self.slot))).json(&body))?;
                std::thread::sleep(Duration::from_millis(500));
            }
            working.join().unwrap_or_else(|_| bail!("the load stopped"))
        })
    }

    /// Sends the second model a copy of the requests while `work` runs, and returns how many requests were logged and compared.
    pub fn shadow_while(&self, work: impl FnOnce() -> anyhow::Result<Outcome>) -> anyhow::Result<(Outcome, i64)> {
        let slot = json!({ "project": self.project, "name": "shadow", "trained_model": self.models[1], "is_shadow": true });
        let slot = id(&self.post("deployment_slot/", slot)?)?;
        let outcome = work()?;
        let found = self.get(&format!("deployment_slot/{slot}/comparison/"))?;
        Ok((outcome, found["requests"].as_i64().context("nothing was compared")?))
    }

    /// Returns the memory of the server's process, without its database's.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1_024)
    }

    fn wait_for(&self, what: &str, done: impl Fn(&Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(600) {
            if done(self)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("{what}: not within ten minutes")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.address)
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.http.get(self.url(path)))
    }

    fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(self.http.post(self.url(path)).json(&body))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, text) = (response.status(), response.text().await?);
            if !status.is_success() {
                bail!("{status}: {text}");
            }
            Ok(serde_json::from_str(&text)?)
        })
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // A gentle end, so that its PostgreSQL ends with it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn id(body: &Value) -> anyhow::Result<i64> {
    body["id"].as_i64().with_context(|| format!("there is no id in {body}"))
}

fn free_address() -> anyhow::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Returns users of the file, spread over all of it.
fn users_of(interactions: &Path) -> anyhow::Result<Vec<String>> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(interactions)?).read_to_string(&mut text)?;
    let users: BTreeSet<&str> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let step = (users.len() / USERS).max(1);
    Ok(users.into_iter().step_by(step).take(USERS).map(str::to_owned).collect())
}
