//! Errors of apps and endpoints.

use actix_web::http::StatusCode;

use crate::platform::http::ApiError;

/// Why an app or an endpoint refuses what a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A key of an app that is switched off would be revoked at once.
    #[error("This app is switched off. Switch it on first.")]
    AppIsOff,
    /// No messages are sent to an endpoint that is switched off.
    #[error("This endpoint is switched off. Switch it on first.")]
    EndpointIsOff,
    /// The project has as many endpoints as it may.
    #[error("This project has {most} endpoints, which is as many as one project may have. Delete those that are no longer used.")]
    TooManyEndpoints { most: i64 },
    /// The project has as many endpoints as may be told of all answers.
    #[error("This project has {most} endpoints with the topic recommendation.served, which is as many as one project may have.")]
    TooManyToldOfAnswers { most: i64 },
    /// So many messages are not sent again at once.
    #[error("{found} messages would be sent again, and at once may be {most}. Choose a later moment.")]
    TooManyToReplay { found: i64, most: i64 },
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let message = error.to_string();
        match error {
            WebhookError::AppIsOff => Self::coded(StatusCode::CONFLICT, "app_is_off", message),
            WebhookError::EndpointIsOff => Self::coded(StatusCode::CONFLICT, "endpoint_is_off", message),
            WebhookError::TooManyEndpoints { .. } => Self::coded(StatusCode::CONFLICT, "too_many_endpoints", message),
            WebhookError::TooManyToldOfAnswers { .. } => Self::field("topics", message),
            WebhookError::TooManyToReplay { .. } => Self::field("since", message),
        }
    }
}
