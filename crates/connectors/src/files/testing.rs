//! The steps of a test. A store is asked once: what it answers tells how far the question came.

use recotem_platform::objects::{ObjectError, StoreSettings};
use recotem_platform::outbound::OutboundError;

use super::Files;
use crate::answers::{StepState, TestStep, TestStepName};
use crate::testing::steps_after;

impl Files {
    pub async fn test(&self) -> Vec<TestStep> {
        let (failed, rights) = match self.objects.list("", true, 1).await {
            Ok(listed) if listed.objects.is_empty() && listed.prefixes.is_empty() => (None, EMPTY),
            Ok(_) => (None, self.rights()),
            // The URL of a folder need not be a page.
            Err(ObjectError::NotFound(_) | ObjectError::PermissionDenied(_)) if self.is_web_folder() => (None, WEB_FOLDER),
            Err(error) => (Some((step_of(&error), error)), EMPTY),
        };
        let until = failed.as_ref().map(|(step, _)| *step);
        let passed = [
            (TestStepName::Address, (StepState::Passed, self.address())),
            (TestStepName::Tls, self.encryption()),
            (TestStepName::LogIn, (StepState::Passed, self.log_in())),
            (TestStepName::Rights, rights),
        ];
        let passed = passed.into_iter().take_while(|(step, _)| Some(*step) != until);
        let steps = passed.map(|(step, (state, text))| TestStep { step, state, text: text.to_owned(), code: None });
        steps_after(steps.collect(), failed.map(|(step, error)| (step, error.into())))
    }

    fn is_web_folder(&self) -> bool {
        matches!(&self.settings, StoreSettings::Web(settings) if settings.url.ends_with('/'))
    }

    fn address(&self) -> &'static str {
        match self.settings {
            StoreSettings::Folder(_) => "The folder is there, and it is released.",
            _ => "The server can be reached.",
        }
    }

    fn encryption(&self) -> (StepState, &'static str) {
        let endpoint = match &self.settings {
            StoreSettings::Folder(_) => return (StepState::Passed, "Nothing leaves this machine."),
            StoreSettings::S3(settings) => settings.endpoint.as_deref(),
            StoreSettings::Gcs(settings) => settings.endpoint.as_deref(),
            StoreSettings::Azure(settings) => settings.endpoint.as_deref(),
            StoreSettings::Web(settings) => Some(settings.url.as_str()),
        };
        if endpoint.is_some_and(|url| url.to_lowercase().starts_with("http://")) {
            return (StepState::Warning, "The connection is not encrypted: others on the way can read the files.");
        }
        (StepState::Passed, "The connection is encrypted, and the certificate is valid.")
    }

    fn log_in(&self) -> &'static str {
        match (&self.settings, self.has_secret) {
            (StoreSettings::Folder(_), _) => "A folder needs no log-in.",
            (_, true) => "The key is accepted.",
            (_, false) => "Without a key, what everyone may read is read.",
        }
    }

    fn rights(&self) -> (StepState, &'static str) {
        match self.settings {
            StoreSettings::Folder(_) => (StepState::Passed, "The files can be listed. Recotem only reads them."),
            StoreSettings::Web(_) => (StepState::Passed, "The file can be read."),
            _ => (
                StepState::Passed,
                "The files can be listed. Whether the key may write would show only by writing: give it the rights to list and to read \
                 only.",
            ),
        }
    }
}

const EMPTY: (StepState, &str) = (StepState::Warning, "There is no file yet.");

const WEB_FOLDER: (StepState, &str) = (StepState::Passed, "The server answers. Its files are named in the source, one a line.");

fn step_of(error: &ObjectError) -> TestStepName {
    match error {
        ObjectError::Outbound(OutboundError::Tls(_)) => TestStepName::Tls,
        ObjectError::Outbound(_) | ObjectError::InvalidSettings(_) | ObjectError::NotReleased => TestStepName::Address,
        ObjectError::LogInFailed(_) | ObjectError::InvalidSecret(_) => TestStepName::LogIn,
        ObjectError::Protocol(_) | ObjectError::Busy(_) => TestStepName::LogIn,
        _ => TestStepName::Rights,
    }
}
