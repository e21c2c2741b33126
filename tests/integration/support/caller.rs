//! Callers of a server over HTTP.

use std::time::Duration;

use recotem::platform::outbound::install_cryptography;
use reqwest::{Method, StatusCode, multipart};
use serde_json::{Value, json};

use super::waiting::pauses;

#[derive(Clone)]
enum Credential {
    None,
    Token(String),
    Key(String),
}

/// A caller of the server.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: String,
    credential: Credential,
}

/// The response. A body that is not JSON is null.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub body: Value,
}

impl Answer {
    /// Returns the id of the object that was created or read.
    pub fn id(&self) -> i64 {
        self.body["id"].as_i64().unwrap_or_else(|| panic!("no id: {} {}", self.status, self.body))
    }

    /// Returns a header as text; empty when it is missing.
    pub fn header(&self, name: &str) -> String {
        let lines: Vec<&str> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        lines.join(", ")
    }

    /// Returns the first message about a field of a refused body.
    #[track_caller]
    pub fn fault(&self, field: &str) -> &str {
        assert_eq!(self.status.as_u16(), 400, "{}", self.body);
        self.body[field][0].as_str().unwrap_or_else(|| panic!("nothing about {field}: {}", self.body))
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }
}

impl Caller {
    /// Returns a caller without credentials at an address such as `http://127.0.0.1:8000`.
    pub fn at(base: &str) -> Self {
        install_cryptography();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { http, base: base.to_owned(), credential: Credential::None }
    }

    /// Logs in to a server at an address such as `http://127.0.0.1:8000`.
    pub async fn log_in(base: &str, name: &str, password: &str) -> Self {
        let caller = Self::at(base);
        let answer = caller.post("auth/login/", json!({ "username": name, "password": password })).await.expect(200);
        let token = answer.body["access"].as_str().expect("a token").to_owned();
        Self { credential: Credential::Token(token), ..caller }
    }

    /// Returns a caller at the same address, with an API key instead.
    pub fn with_key(&self, key: &str) -> Self {
        Self { credential: Credential::Key(key.to_owned()), ..self.clone() }
    }

    /// Returns a caller at the same address, with a token instead.
    pub fn with_token(&self, token: &str) -> Self {
        Self { credential: Credential::Token(token.to_owned()), ..self.clone() }
    }

    /// Returns the token that this caller is logged in with.
    pub fn token(&self) -> &str {
        match &self.credential {
            Credential::Token(token) => token,
            _ => panic!("not logged in with a token"),
        }
    }

    /// Returns the API key of this caller.
    pub fn key(&self) -> &str {
        match &self.credential {
            Credential::Key(key) => key,
            _ => panic!("no API key"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Calls a path below `/api/v1/`, or a whole one that begins with a slash.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.answer(request).await
    }

    /// Sends a body and headers unchanged.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let request = headers.iter().fold(self.request(method, path), |request, (name, value)| request.header(*name, *value));
        self.answer(request.body(body.into())).await
    }

    /// Uploads a file of training data.
    pub async fn upload(&self, project: i64, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let part = multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let form = multipart::Form::new().part("file", part).text("project", project.to_string());
        self.send_form(Method::POST, "training_data/", form).await
    }

    /// Uploads a file of item metadata.
    pub async fn upload_items(&self, project: i64, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let part = multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let form = multipart::Form::new().part("file", part).text("project", project.to_string());
        self.send_form(Method::POST, "item_meta_data/", form).await
    }

    /// Uploads a file of user metadata.
    pub async fn upload_users(&self, project: i64, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let part = multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let form = multipart::Form::new().part("file", part).text("project", project.to_string());
        self.send_form(Method::POST, "user_meta_data/", form).await
    }

    /// Sends a multipart body.
    pub async fn send_form(&self, method: Method, path: &str, form: multipart::Form) -> Answer {
        self.answer(self.request(method, path).multipart(form)).await
    }

    /// Polls until `done`; fails after three minutes, which is long even unoptimised.
    pub async fn wait_for(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        for pause in pauses(Duration::from_secs(180)) {
            let answer = self.get(path).await;
            if done(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(pause).await;
        }
        panic!("{path} did not get there in time: {}", self.get(path).await.body);
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { format!("{}/api/v1/{path}", self.base) };
        let request = self.http.request(method, url);
        match &self.credential {
            Credential::None => request,
            Credential::Token(token) => request.bearer_auth(token),
            Credential::Key(key) => request.header("X-API-Key", key),
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, bytes, body }
    }
}
