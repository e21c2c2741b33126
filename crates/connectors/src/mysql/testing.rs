//! The steps of a test: address, encryption, log-in, rights.

use mysql_async::prelude::Queryable as _;

use super::super::answers::{StepState, TestStep, TestStepName};
use super::super::error::ConnectorError;
use super::super::testing::{of_encryption, steps_after};
use super::Mysql;
use super::session::{SHORT, Session, within};

/// Rights that change something.
const WRITING: [&str; 10] =
    ["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "TRIGGER", "FILE", "SUPER", "ALL PRIVILEGES"];

/// Rights that a delivery needs.
const DELIVERING: [&str; 5] = ["SELECT", "INSERT", "CREATE", "ALTER", "DROP"];

impl Mysql {
    pub async fn test(&self) -> Vec<TestStep> {
        let mut steps = Vec::new();
        let failed = self.test_into(&mut steps).await.err();
        steps_after(steps, failed)
    }

    async fn test_into(&self, steps: &mut Vec<TestStep>) -> Result<(), (TestStepName, ConnectorError)> {
        let mut add = |step, state, text: String| steps.push(TestStep { step, state, text, code: None });
        // One connection for all steps: servers block a host that often connects and does not log in.
        let logged_in = self.log_in().await;
        let failed_at = logged_in.as_ref().err().map(step_of);
        if failed_at != Some(TestStepName::Address) {
            add(TestStepName::Address, StepState::Passed, "The server can be reached.".to_owned());
        }
        if failed_at.is_none_or(|step| step == TestStepName::LogIn) {
            let (state, text) = of_encryption(self.settings.tls);
            add(TestStepName::Tls, state, text.to_owned());
        }
        let mut session = logged_in.map_err(|error| (step_of(&error), error))?;
        session.begin(SHORT).await.map_err(|error| (TestStepName::LogIn, error))?;
        add(TestStepName::LogIn, StepState::Passed, format!("{} is logged in.", self.settings.username));
        let (state, text) = rights(&mut session).await.map_err(|error| (TestStepName::Rights, error))?;
        add(TestStepName::Rights, state, text.to_owned());
        Ok(())
    }
}

/// Returns the step in which connecting and logging in failed.
fn step_of(error: &ConnectorError) -> TestStepName {
    match error {
        ConnectorError::RefusedAddress(_) | ConnectorError::Unreachable(_) | ConnectorError::TimedOut(_) => TestStepName::Address,
        ConnectorError::TlsFailed(_) | ConnectorError::WrongCertificate(_) => TestStepName::Tls,
        _ => TestStepName::LogIn,
    }
}

async fn rights(session: &mut Session) -> Result<(StepState, &'static str), ConnectorError> {
    let grants: Vec<String> = within(SHORT, session.connection()?.query("SHOW GRANTS")).await?;
    Ok(judge(&grants))
}

/// Judges what an account may do by its lines of SHOW GRANTS, such as "GRANT SELECT, INSERT ON `shop`.* TO …".
fn judge(grants: &[String]) -> (StepState, &'static str) {
    let rights = |line: &String| Some(line.strip_prefix("GRANT ")?.split_once(" ON ")?.0.to_ascii_uppercase());
    let rights: Vec<String> = grants.iter().filter_map(rights).collect();
    let has = |word: &str| {
        rights.iter().any(|rights| rights.split(", ").any(|right| right == word || right.starts_with(&format!("{word} ("))))
    };
    if has("ALL PRIVILEGES") || DELIVERING.iter().all(|word| has(word)) {
        return (
            StepState::Warning,
            "The account may change tables and create some, as deliveries of lists need. To read only, use one that may only read \
             (SELECT).",
        );
    }
    match (WRITING.iter().any(|word| has(word)), has("SELECT")) {
        (true, _) => {
            (StepState::Warning, "The account may change tables. Recotem only reads; use one that may only read (SELECT).")
        }
        (false, false) => (StepState::Warning, "The account cannot read any table. Grant it the right to read (SELECT)."),
        (false, true) => (StepState::Passed, "The account may read and not write."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_judged() {
        let state = |lines: &[&str]| judge(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        let usage = "GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*ABC'";
        assert_eq!(state(&[usage, "GRANT SELECT ON `shop`.* TO `reader`@`%`"]).0, StepState::Passed);
        assert_eq!(state(&[usage, "GRANT SELECT (`who`) ON `shop`.`events` TO `reader`@`%`"]).0, StepState::Passed);
        assert!(state(&[usage, "GRANT SELECT, INSERT ON `shop`.* TO `reader`@`%`"]).1.contains("may change tables"));
        for all in
            ["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", "GRANT SELECT, INSERT, CREATE, DROP, ALTER ON `shop`.* TO `w`"]
        {
            assert!(state(&[all]).1.contains("as deliveries of lists need"), "{all}");
        }
        assert!(state(&[usage]).1.contains("cannot read any table"));
    }
}
