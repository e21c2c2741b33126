//! The steps of a test: address, encryption, log-in, rights.

use super::super::answers::{StepState, TestStep, TestStepName};
use super::super::error::ConnectorError;
use super::super::testing::{of_encryption, steps_after};
use super::Postgresql;
use super::session::{SHORT, Session};

/// What a role may do beside reading, and whether it can read anything.
const RIGHTS: &str = "
    SELECT r.rolsuper,
           EXISTS (SELECT FROM tables WHERE has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')),
           EXISTS (SELECT FROM tables WHERE has_table_privilege(oid, 'SELECT')),
           (SELECT string_agg(nspname, ', ' ORDER BY nspname) FROM (
               SELECT nspname::text FROM pg_namespace n
                WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'CREATE')
                ORDER BY nspname LIMIT 5) AS schemas)
      FROM pg_roles r WHERE rolname = current_user";

/// Tables of users, in schemas that the role can see.
const TABLES: &str = "
    WITH tables AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
           AND has_schema_privilege(n.oid, 'USAGE'))";

impl Postgresql {
    pub async fn test(&self) -> Vec<TestStep> {
        let mut steps = Vec::new();
        let failed = self.test_into(&mut steps).await.err();
        steps_after(steps, failed)
    }

    async fn test_into(&self, steps: &mut Vec<TestStep>) -> Result<(), (TestStepName, ConnectorError)> {
        let during = |step| move |error| (step, error);
        let mut add = |step, state, text: String| steps.push(TestStep { step, state, text, code: None });
        let stream = self.dial().await.map_err(during(TestStepName::Address))?;
        add(TestStepName::Address, StepState::Passed, "The server can be reached.".to_owned());
        let wire = self.encrypted(stream).await.map_err(during(TestStepName::Tls))?;
        let (state, text) = of_encryption(self.settings.tls);
        add(TestStepName::Tls, state, text.to_owned());
        let session = self.log_in_on(wire).await.map_err(during(TestStepName::LogIn))?;
        session.begin(SHORT).await.map_err(during(TestStepName::LogIn))?;
        add(TestStepName::LogIn, StepState::Passed, format!("{} is logged in.", self.settings.username));
        let (state, text) = rights(&session).await.map_err(during(TestStepName::Rights))?;
        add(TestStepName::Rights, state, text);
        Ok(())
    }
}

async fn rights(session: &Session) -> Result<(StepState, String), ConnectorError> {
    let row = session.within(SHORT, session.client.query_one(&format!("{TABLES}{RIGHTS}"), &[])).await?;
    let [is_superuser, may_write, may_read]: [bool; 3] = std::array::from_fn(|at| row.get(at));
    let schemas: Option<String> = row.get(3);
    if let Some(schemas) = schemas.filter(|_| !is_superuser) {
        return Ok(match may_write {
            true => (
                StepState::Warning,
                format!(
                    "The role may change tables, and create some in {schemas}, as deliveries of lists need. To read only, use one \
                     that may only read (SELECT)."
                ),
            ),
            false => {
                (StepState::Passed, format!("The role may read, and create tables in {schemas}, as deliveries of lists need."))
            }
        });
    }
    let (state, text) = match (is_superuser, may_write, may_read) {
        (true, ..) => (StepState::Warning, "The role is a superuser and may do everything. Use one that may only read (SELECT)."),
        (_, true, _) => {
            (StepState::Warning, "The role may change tables. Recotem only reads; use one that may only read (SELECT).")
        }
        (_, _, false) => (StepState::Warning, "The role cannot read any table. Grant it the right to read (SELECT)."),
        _ => (StepState::Passed, "The role may read and not write."),
    };
    Ok((state, text.to_owned()))
}
