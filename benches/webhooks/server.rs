//! The program under test, started for real.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use recotem::platform::outbound::install_cryptography;
use reqwest::{Method, multipart};
use serde_json::{Value, json};

const PASSWORD: &str = "only for the length of a measurement";
const DATA: &str = "user,item\na,x\na,y\nb,x\nb,z\nc,y\n";

/// A running server, and its administrator.
pub struct Server {
    child: Child,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    token: String,
    address: String,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn start(binary: &Path) -> anyhow::Result<Self> {
        install_cryptography();
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let child = Command::new(binary)
            .args(["serve", "--bind", &address, "--data-dir"])
            .arg(folder.path())
            .env("DEFAULT_ADMIN_PASSWORD", PASSWORD)
            .env("RECOTEM_THROTTLE__USER", "100000000/min")
            .env("RECOTEM_THROTTLE__RECOMMENDATION", "100000/min")
            .env("RECOTEM_OUTBOUND__ALLOW_HTTP", "true")
            .env("RECOTEM_OUTBOUND__ALLOW_NETWORKS", r#"["127.0.0.1"]"#)
            .env("RECOTEM_LOG_LEVEL", "warn")
            .env("RECOTEM_ACCESS_TOKEN_LIFETIME", "7200")
            .stdout(Stdio::null())
            .spawn()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder().build()?;
        let mut server = Self { child, runtime, http, token: String::new(), address, _folder: folder };
        server.wait_for("the server", || Ok(server.get("ping/").is_ok()))?;
        let credentials = json!({ "username": "admin", "password": PASSWORD });
        server.token = server.post("auth/login/", credentials)?["access"].as_str().unwrap_or_default().to_owned();
        Ok(server)
    }

    /// Creates a project with a trained model in a slot. Returns the project and the slot.
    pub fn project_with_slot(&self) -> anyhow::Result<(i64, i64)> {
        let project = id(&self.post("project/", json!({ "name": "bench", "user_column": "user", "item_column": "item" }))?)?;
        let part = multipart::Part::bytes(DATA.as_bytes()).file_name("data.csv");
        let form = multipart::Form::new().text("project", project.to_string()).part("file", part);
        let data = id(&self.send(self.request(Method::POST, "training_data/").multipart(form))?)?;
        let body = json!({ "project": project, "name": "popular", "recommender_class_name": "TopPopRecommender" });
        let configuration = id(&self.post("model_configuration/", body)?)?;
        let model = id(&self.post("trained_model/", json!({ "configuration": configuration, "data_loc": data }))?)?;
        self.wait_for("training", || Ok(self.get(&format!("trained_model/{model}/"))?["status"] == "COMPLETED"))?;
        let slot = id(&self.post("deployment_slot/", json!({ "project": project, "name": "main", "trained_model": model }))?)?;
        Ok((project, slot))
    }

    /// Creates an endpoint for a topic.
    pub fn endpoint(&self, project: i64, url: &str, topic: &str) -> anyhow::Result<i64> {
        id(&self.post("webhook_endpoint/", json!({ "project": project, "url": url, "topics": [topic] }))?)
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path).json(&body))
    }

    pub fn patch(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::PATCH, path).json(&body))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("http://{}/api/v1/{path}", self.address));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                bail!("{status}: {text}");
            }
            Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    fn wait_for(&self, what: &str, done: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let start = Instant::now();
        while !done()? {
            if start.elapsed() > Duration::from_secs(120) {
                bail!("{what} took too long");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn id(object: &Value) -> anyhow::Result<i64> {
    object["id"].as_i64().with_context(|| format!("no id in {object}"))
}
