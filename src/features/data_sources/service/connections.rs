//! Decisions about connections: their secrets, and how many there may be.

use diesel_async::AsyncConnection;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::SourceError;
use super::super::model::{ConnectionFields, DataConnection, NewConnection};
use super::super::store::connections as store;
use super::super::{opening, secrets};
use crate::connectors::{Settings, StepState, TestStep, TestStepName};
use crate::platform::db::{QueryError, is_duplicate, is_reference_broken};
use crate::platform::http::{ApiError, ApiResult, Dependent, FieldReader};
use crate::platform::services::Services;

/// The largest number of connections of an organisation.
pub const MOST_CONNECTIONS: i64 = 100;

/// Settings that decide to which server the secret is sent.
const OF_RECIPIENT: [&str; 7] = ["host", "port", "tls", "ca_certificate", "endpoint", "url", "account"];

/// Checks the settings of a connection, and brings them into the form in which they are stored. Faults are collected in `fields`.
pub fn check_settings(fields: &mut FieldReader, wanted: &mut ConnectionFields) {
    if fields.is_faulty("settings") || fields.is_faulty("kind") {
        return;
    }
    match Settings::read(wanted.kind, &wanted.settings) {
        Ok(settings) => wanted.settings = settings.to_value(),
        Err(fault) => fields.fault("settings", fault.to_string()),
    }
}

/// Returns whether a stored secret would be sent to another server, or in another way, than the one it was entered for.
pub fn changes_recipient(former: &Value, wanted: &Value) -> bool {
    OF_RECIPIENT.iter().any(|setting| former[*setting] != wanted[*setting])
}

/// Creates a connection.
pub async fn create(
    services: &Services,
    (organisation, maker): (i64, i64),
    fields: ConnectionFields,
    secret: Option<SecretString>,
) -> ApiResult<DataConnection> {
    let (vault, now) = (services.vault()?, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            if store::lock_and_count(connection, organisation).await? >= MOST_CONNECTIONS {
                let message = format!("This organisation has {MOST_CONNECTIONS} connections, which is as many as it may have.");
                return Err(ApiError::conflict(message));
            }
            let id = store::next_id(connection).await?;
            let sealed = secret.map(|secret| secrets::seal(&vault, &secret, id, organisation)).transpose()?;
            let new = NewConnection {
                id,
                organisation_id: organisation,
                created_by: maker,
                fields,
                secret_changed_at: sealed.is_some().then_some(now),
                secret_sealed: sealed,
            };
            store::insert(connection, new).await.map_err(not_saved)
        })
        .await
}

/// Changes a connection. `secret` is the new one, or `Some(None)` to remove it.
pub async fn update(
    services: &Services,
    current: &DataConnection,
    fields: ConnectionFields,
    secret: Option<Option<SecretString>>,
) -> ApiResult<DataConnection> {
    let vault = services.vault()?;
    let seal = |secret: Option<SecretString>| {
        secret.map(|secret| secrets::seal(&vault, &secret, current.id, current.organisation_id)).transpose()
    };
    let sealed = secret.map(seal).transpose()?;
    let mut connection = services.db.conn().await?;
    store::update(&mut connection, current.id, fields, sealed, services.clock.now()).await.map_err(not_saved)
}

fn not_saved(error: QueryError) -> ApiError {
    if is_duplicate(&error) {
        return ApiError::field("name", "This organisation already has a connection with this name.");
    }
    error.into()
}

/// Deletes a connection. Refused while sources or destinations use it.
pub async fn delete(services: &Services, id: i64) -> ApiResult<()> {
    let mut connection = services.db.conn().await?;
    match store::delete(&mut connection, id).await {
        Err(error) if is_reference_broken(&error) => {
            let sources = store::sources_of(&mut connection, id).await?;
            let destinations = store::destinations_of(&mut connection, id).await?;
            let named = |resource| move |(id, name)| Dependent { resource, id, name };
            let text = match sources.is_empty() {
                true => "Destinations use this connection. Delete them first, or choose another for them.",
                false => "Sources use this connection. Delete them first, or choose another for them.",
            };
            let dependents = sources.into_iter().map(named("data_source"));
            Err(ApiError::conflict_with(text, dependents.chain(destinations.into_iter().map(named("destination")))))
        }
        deleted => Ok(deleted?),
    }
}

/// Tests a connection step by step, and records what was found.
pub async fn test(services: &Services, row: &DataConnection, is_staff: bool) -> Result<Vec<TestStep>, SourceError> {
    let steps = match opening::of_connection(services, row).await {
        Ok(connector) => connector.test().await,
        Err(error @ (SourceError::Connector(_) | SourceError::Secret(_))) => vec![TestStep {
            step: TestStepName::Address,
            state: StepState::Failed,
            text: error.for_staff(is_staff),
            code: Some(error.code().to_owned()),
        }],
        Err(error) => return Err(error),
    };
    let now = services.clock.now();
    store::set_test(&mut *services.db.conn().await?, row.id, json!(steps), now).await?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_entered_again_for_another_server() {
        let former = json!({ "host": "db.example.com", "database": "shop", "username": "reader", "tls": "verify_full" });
        let with = |field: &str, value: Value| {
            let mut wanted = former.clone();
            wanted[field] = value;
            changes_recipient(&former, &wanted)
        };
        for (field, value) in [
            ("host", json!("evil.example")),
            ("endpoint", json!("https://evil.example")),
            ("url", json!("https://evil.example")),
            ("port", json!(1)),
            ("tls", json!("off")),
            ("ca_certificate", json!("x")),
        ] {
            assert!(with(field, value), "{field}");
        }
        assert!(!with("database", json!("other")) && !with("username", json!("other")));
    }
}
