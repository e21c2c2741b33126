//! Errors of A/B tests.

use actix_web::http::StatusCode;
use serde_json::json;

use super::model::TestStatus;
use crate::features::deployments::SlotError;
use crate::platform::http::ApiError;

/// Why an action on a test was refused.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("Only a test in status DRAFT can be started; this one is {0}.")]
    NotDraft(TestStatus),
    #[error("Only a test in status RUNNING can be stopped; this one is {0}.")]
    NotRunning(TestStatus),
    #[error("A winner can be promoted once the test is COMPLETED; this one is {0}.")]
    NotCompleted(TestStatus),
    #[error("Send slot_id: the id of the control or the variant slot of this test.")]
    NotASlotOfTheTest,
    #[error("The test \"{0}\" is running on one of these slots already. Stop it first, or choose other slots.")]
    Overlap(String),
    #[error("A shadow slot serves no users, so it cannot be tested. Choose another slot.")]
    Shadow,
    /// The slots and the metric of a test are fixed once it has been started.
    #[error("This test is {0}; {1} can be changed only while it is a DRAFT.")]
    Settled(TestStatus, &'static str),
    #[error("This test is running. Stop it before you delete it.")]
    Running,
    #[error("This test has been deleted. Reload and try again.")]
    Gone,
    #[error(transparent)]
    Slot(#[from] SlotError),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

impl From<TestError> for ApiError {
    fn from(error: TestError) -> Self {
        let message = error.to_string();
        match error {
            TestError::Settled(..) | TestError::Running => Self::conflict(message),
            TestError::Gone => Self::not_found(),
            TestError::Slot(error) => error.into(),
            TestError::Database(error) => error.into(),
            // 1.x clients read `error`, all others `detail`.
            _ => Self::with_body(StatusCode::BAD_REQUEST, json!({ "error": message, "detail": message })),
        }
    }
}
