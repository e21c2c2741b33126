//! Errors of predictions.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::features::models::ModelError;
use crate::platform::http::ApiError;

/// The number of item metadata fields that a message lists.
const NAMED_FIELDS: usize = 20;

/// Why a prediction failed.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The path or body is invalid: every fault, in 1.x's shape.
    #[error("The request is not valid.")]
    Invalid(Vec<Value>),
    /// No key was sent.
    #[error("X-API-Key header required. Send an API key in it.")]
    KeyMissing,
    /// The value sent is not in the form of a key.
    #[error("Invalid API key format. A key begins with rctm_.")]
    KeyMalformed,
    /// The key belongs to another project.
    #[error("API key not authorized for this project: it belongs to another one.")]
    OtherProject,
    /// Too many users at once.
    #[error("Maximum {0} users per batch")]
    BatchTooLarge(usize),
    /// There is no such model.
    #[error("Model {0} not found")]
    NoModel(i64),
    /// The model does not know the user.
    #[error("User '{0}' not found in model")]
    UnknownUser(String),
    /// The project has no active slot.
    #[error("No active deployment slots for project")]
    NoSlot,
    /// All active slots have weight 0.
    #[error("All active deployment slots of this project have the weight 0. Give one of them a weight.")]
    NoWeight,
    /// The key has reached its rate limit for this path.
    #[error("Rate limit exceeded: {limit}")]
    TooFast { limit: String, wait: u64 },
    /// The metadata of the items would make the answer too large.
    #[error("The metadata of these items is larger than {} MB. Request fewer users or a smaller cutoff, or leave out with_metadata.", .0 >> 20)]
    TooMuchMetadata(usize),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl InferenceError {
    /// Creates the error of a filter in a project without item metadata.
    pub fn no_metadata() -> Self {
        let message = "This project has no item metadata to filter by. Upload a file with a row for each item first.";
        Self::Invalid(vec![json!({ "type": "no_item_metadata", "loc": ["body", "filter"], "msg": message, "input": {} })])
    }

    /// Creates the error of a filter by a field that the item metadata does not have.
    pub fn unknown_field(field: &str, known: &[String]) -> Self {
        let known = known.iter().take(NAMED_FIELDS).map(|field| format!("'{field}'")).collect::<Vec<_>>().join(", ");
        let message = format!("The item metadata has no field '{field}'. It has: {known}");
        Self::Invalid(vec![json!({ "type": "unknown_field", "loc": ["body", "filter"], "msg": message, "input": field })])
    }

    /// Creates the error of a field of numbers that is to be less or greater than a text.
    pub fn text_for_numbers(field: &str, text: &str) -> Self {
        let message = format!(
            "The field '{field}' holds numbers, and '{text}' is none. Send a number in the notation of the field, such as 20200105 or \
             1578182400 for a date"
        );
        Self::Invalid(vec![json!({ "type": "number_type", "loc": ["body", "filter"], "msg": message, "input": text })])
    }
}

impl From<InferenceError> for ApiError {
    fn from(error: InferenceError) -> Self {
        let message = error.to_string();
        match error {
            InferenceError::Invalid(faults) => Self::with_body(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": faults })),
            InferenceError::KeyMissing | InferenceError::KeyMalformed => Self::detail(StatusCode::UNAUTHORIZED, message),
            InferenceError::OtherProject => Self::forbidden(message),
            InferenceError::BatchTooLarge(_) => Self::bad_request(message),
            InferenceError::NoModel(_) | InferenceError::UnknownUser(_) | InferenceError::NoSlot => {
                Self::detail(StatusCode::NOT_FOUND, message)
            }
            InferenceError::NoWeight => Self::coded(StatusCode::CONFLICT, "no_slot_weight", message),
            InferenceError::TooFast { wait, .. } => {
                Self::with_body(StatusCode::TOO_MANY_REQUESTS, json!({ "error": message })).retry_after(wait)
            }
            InferenceError::TooMuchMetadata(_) => Self::coded(StatusCode::UNPROCESSABLE_ENTITY, "too_much_metadata", message),
            InferenceError::Model(error) => error.into(),
        }
    }
}
