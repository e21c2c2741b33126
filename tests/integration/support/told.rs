//! Projects whose endpoints are told what happens.

use std::sync::Arc;

use recotem::features::webhooks::Deliverer;
use recotem::platform::config::Settings;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::receiver::Receiver;
use super::{Caller, Jobs, TestApp};

/// Lets messages be sent to receivers on this machine, and keeps users logged in while the clock moves.
pub fn allow_receivers(settings: &mut Settings) {
    (settings.access_token_lifetime, settings.refresh_token_lifetime) = (1 << 30, 1 << 30);
    settings.outbound.allow_http = true;
    settings.outbound.allow_networks = vec!["127.0.0.1".parse().expect("a network")];
}

/// A project of an owner.
pub struct Told {
    pub app: TestApp,
    pub owner: Caller,
    pub project: i64,
}

/// An endpoint and its secret.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: i64,
    pub secret: String,
}

impl Told {
    /// Starts a server, and creates a project.
    pub async fn start() -> Self {
        Self::start_with(Jobs::Stay, |_| {}).await
    }

    /// Starts a server with changed settings, and creates a project.
    pub async fn start_with(jobs: Jobs, change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestApp::start_with(jobs, |settings| {
            allow_receivers(settings);
            change(settings);
        })
        .await;
        let owner = app.user("owner").await;
        let body = json!({ "name": "Shop", "user_column": "user", "item_column": "item" });
        let project = owner.post("project/", body).await.expect(201).id();
        Self { app, owner, project }
    }

    /// Creates an endpoint with more fields.
    pub async fn endpoint(&self, receiver: &Receiver, more: Value) -> Endpoint {
        let mut body = json!({ "project": self.project, "url": receiver.url() });
        body.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        let answer = self.owner.post("webhook_endpoint/", body).await.expect(201);
        Endpoint { id: answer.id(), secret: answer.body["secret"].as_str().expect("a secret").to_owned() }
    }

    /// Sends a test message, and returns its id.
    pub async fn test(&self, endpoint: &Endpoint) -> String {
        let answer = self.owner.post(&format!("webhook_endpoint/{}/test/", endpoint.id), json!({})).await.expect(202);
        answer.body["message"].as_str().expect("an id").to_owned()
    }

    /// Makes something happen that the project's endpoints are told.
    pub async fn happen(&self, n: i64) {
        self.app
            .execute(&format!(
                "INSERT INTO outbox (topic, project_id, payload)
                 VALUES ('model.trained', {}, '{{\"model\": {n}, \"project\": {}}}')",
                self.project, self.project
            ))
            .await;
        self.tell().await;
    }

    /// Hands what happened to its subscribers.
    pub async fn tell(&self) {
        self.app.tell().await;
    }

    /// Returns a deliverer of messages, as another process has it.
    pub fn deliverer(&self) -> Arc<Deliverer> {
        Arc::new(Deliverer::new(&self.app.services).expect("a vault"))
    }

    /// Delivers what is due, and returns the number of attempts.
    pub async fn deliver(&self) -> usize {
        self.deliverer().deliver_due().await.expect("deliveries")
    }

    /// Starts a process that delivers messages as they become due. It ends with the test.
    pub fn delivering(&self) -> AbortOnDropHandle<()> {
        let deliverer = Deliverer::new(&self.app.services).expect("a vault");
        AbortOnDropHandle::new(tokio::spawn(deliverer.run(CancellationToken::new())))
    }

    /// Reads an endpoint.
    pub async fn read(&self, endpoint: &Endpoint) -> Value {
        self.owner.get(&format!("webhook_endpoint/{}/", endpoint.id)).await.expect(200).body
    }

    /// Lists the messages to an endpoint, newest first.
    pub async fn messages(&self, endpoint: &Endpoint) -> Vec<Value> {
        let path = format!("webhook_endpoint/{}/messages/?page_size=100", endpoint.id);
        self.owner.get(&path).await.expect(200).body["results"].as_array().expect("messages").clone()
    }

    /// Reads a message.
    pub async fn message(&self, endpoint: &Endpoint, id: &str) -> Value {
        self.owner.get(&format!("webhook_endpoint/{}/messages/{id}/", endpoint.id)).await.expect(200).body
    }
}
