//! A project with reported events.

use recotem::platform::config::Settings;
use serde_json::{Value, json};

use super::prepared::Prepared;
use super::{Caller, Jobs, TestApp, slots};

/// A project with one slot, for which a program reports events.
pub struct Stage {
    pub app: TestApp,
    pub prepared: Prepared,
    pub model: i64,
    pub slot: i64,
    pub program: Caller,
}

/// Sets up the stage on a server with other settings.
pub async fn stage_with(change: impl FnOnce(&mut Settings)) -> Stage {
    let app = TestApp::start_with(Jobs::Stay, change).await;
    let (prepared, model) = slots::with_model(&app, "margarete").await;
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
    Stage { app, prepared, model, slot, program }
}

impl Stage {
    /// Returns the body of a click on the slot, with other fields in `more`.
    pub fn event(&self, more: Value) -> Value {
        let mut event =
            json!({ "project": self.prepared.project, "deployment_slot": self.slot, "user_id": "007", "event_type": "click" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }
}
