//! What the tests of connections of all kinds share.

use super::answers::{StepState, TestStep, TestStepName};
use super::error::ConnectorError;
use super::settings::Tls;

/// Returns how the step of encryption ends on a connection that was made.
pub fn of_encryption(tls: Tls) -> (StepState, &'static str) {
    match tls {
        Tls::VerifyFull => (StepState::Passed, "The connection is encrypted, and the certificate is valid."),
        Tls::Require => {
            (StepState::Warning, "The connection is encrypted, but nothing proves who answers. Set tls to verify_full.")
        }
        Tls::Off => {
            (StepState::Warning, "The connection is not encrypted: others on the way can read the password and the rows.")
        }
    }
}

/// Adds the step that failed, if any, and those that were skipped because of it.
pub fn steps_after(mut steps: Vec<TestStep>, failed: Option<(TestStepName, ConnectorError)>) -> Vec<TestStep> {
    if let Some((step, error)) = failed {
        let (text, code) = (error.to_string(), Some(error.code().to_owned()));
        steps.push(TestStep { step, state: StepState::Failed, text, code });
    }
    for step in TestStepName::ALL.iter().skip(steps.len()) {
        let text = "Not tested, because of the step before.".to_owned();
        steps.push(TestStep { step: *step, state: StepState::Skipped, text, code: None });
    }
    steps
}
