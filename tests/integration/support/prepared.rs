//! A project that is ready for a training.

use serde_json::{Value, json};

use super::Caller;

/// Every user likes "x"; the other ids are of the kind that programs mangle.
pub const DATA: &str = "user,item\n007,x\n007,a/b c\n7,x\nSigur Rós,x\nSigur Rós,Ágætis byrjun\na/b c,x\na/b c,007\n";

/// A project with an upload and a configuration.
pub struct Prepared {
    pub user: Caller,
    pub project: i64,
    pub data: i64,
    pub configuration: i64,
}

/// Creates a project with data and a configuration of an algorithm.
pub async fn prepare(user: Caller, name: &str, algorithm: &str) -> Prepared {
    let project =
        user.post("project/", json!({ "name": name, "user_column": "user", "item_column": "item" })).await.expect(201).id();
    let data = user.upload(project, "data.csv", DATA).await.expect(201).id();
    let configuration =
        json!({ "project": project, "name": "by hand", "recommender_class_name": algorithm, "parameters_json": {} });
    let configuration = user.post("model_configuration/", configuration).await.expect(201).id();
    Prepared { user, project, data, configuration }
}

impl Prepared {
    /// Trains a model and waits until it has ended.
    pub async fn train(&self) -> Value {
        let body = json!({ "configuration": self.configuration, "data_loc": self.data });
        let model = self.user.post("trained_model/", body).await.expect(201).id();
        let ended = |model: &Value| matches!(model["status"].as_str(), Some("COMPLETED" | "FAILED"));
        self.user.wait_for(&format!("trained_model/{model}/"), ended).await
    }

    /// Creates a key of the project.
    pub async fn key(&self, name: &str, scope: &str) -> String {
        let body = json!({ "project": self.project, "name": name, "scopes": [scope] });
        self.user.post("api_keys/", body).await.expect(201).body["key"].as_str().unwrap().to_owned()
    }
}
