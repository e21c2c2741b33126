//! A small client of the server's own API.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, multipart};
use serde_json::Value;

use crate::platform::outbound::install_cryptography;

/// A client of one server, logged in after [`Client::log_in`].
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// Creates a client of the server at `base`, such as `http://127.0.0.1:8000`.
    pub fn new(base: &str) -> anyhow::Result<Self> {
        install_cryptography();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(300)).build()?;
        Ok(Self { http, base: base.to_owned(), token: String::new() })
    }

    /// Logs in; the following calls carry the token.
    pub async fn log_in(&mut self, username: &str, password: &str) -> anyhow::Result<()> {
        let answer = self.post("auth/login/", serde_json::json!({ "username": username, "password": password })).await;
        let answer = answer.context(
            "Logging in failed. If this data directory has been used before, set DEFAULT_ADMIN_PASSWORD to its admin password or choose another --data-dir.",
        )?;
        self.token = answer["access"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// Sends a GET below `/api/v1/`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.request(Method::GET, &format!("/api/v1/{path}"));
        self.answer(request, path).await
    }

    /// Sends a POST of JSON below `/api/v1/`.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, &format!("/api/v1/{path}")).json(&body);
        self.answer(request, path).await
    }

    /// Uploads a file.
    pub async fn upload(&self, project: i64, name: &str, bytes: Vec<u8>) -> anyhow::Result<Value> {
        let form = multipart::Form::new()
            .text("project", project.to_string())
            .part("file", multipart::Part::bytes(bytes).file_name(name.to_owned()));
        let request = self.request(Method::POST, "/api/v1/training_data/").multipart(form);
        self.answer(request, "training_data/").await
    }

    /// Sends a POST to the inference endpoint with an API key.
    pub async fn predict(&self, model: i64, key: &str, body: Value) -> anyhow::Result<Value> {
        let path = format!("/inference/predict/{model}");
        let request = self.http.post(format!("{}{path}", self.base)).header("X-API-Key", key).json(&body);
        self.answer(request, &path).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    async fn answer(&self, request: reqwest::RequestBuilder, path: &str) -> anyhow::Result<Value> {
        let response = request.send().await.with_context(|| format!("{path}: the server did not answer"))?;
        let (status, text) = (response.status(), response.text().await?);
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{path} answered something that is not JSON"))
    }
}
