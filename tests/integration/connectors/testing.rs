//! Tests of connections, step by step.

use recotem::connectors::{ConnectionKind, Connector, Settings, StepState, TestStep, is_usable};
use serde_json::{Value, json};

use crate::support::TestDatabase;
use crate::support::source::{AUTHORITY, Source, outbound};

/// Returns the states of the steps, and the codes of those that failed.
fn told(steps: &[TestStep]) -> Vec<String> {
    let word =
        |step: &TestStep| format!("{}{}", step.state, step.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default());
    assert_eq!(steps.len(), 4, "{steps:?}");
    steps.iter().map(word).collect()
}

async fn test(source: &Source, change: Value) -> Vec<String> {
    told(&source.connector(change).test().await)
}

#[tokio::test]
async fn the_rights_of_the_role_are_looked_into() {
    let database = TestDatabase::new().await;
    database.execute("CREATE SCHEMA shop; CREATE TABLE shop.events (who text)").await;
    database
        .execute(
            "CREATE ROLE tested_reader LOGIN; CREATE ROLE tested_writer LOGIN; CREATE ROLE tested_stranger LOGIN;
             GRANT USAGE ON SCHEMA shop TO tested_reader, tested_writer; GRANT SELECT ON shop.events TO tested_reader;
             GRANT SELECT, DELETE ON shop.events TO tested_writer",
        )
        .await;
    let source = Source::before(&database.db).await;
    database.execute("CREATE ROLE tested_deliverer LOGIN; GRANT USAGE, CREATE ON SCHEMA shop TO tested_deliverer").await;
    let expected = [
        ("tested_deliverer", "passed", "create tables in shop"),
        ("tested_reader", "passed", "may read and not write"),
        ("tested_writer", "warning", "may change tables"),
    ];
    for (role, state, text) in expected {
        let steps = source.connector(json!({"username": role})).test().await;
        assert_eq!(told(&steps), ["passed", "warning", "passed", state]);
        assert!(steps[1].text.contains("not encrypted") && steps[3].text.contains(text), "{steps:?}");
        assert!(is_usable(&steps));
    }
    let stranger = source.connector(json!({"username": "tested_stranger"})).test().await;
    assert!(stranger[3].state == StepState::Warning && stranger[3].text.contains("cannot read any table"), "{stranger:?}");
    let owner = source.connector(json!({})).test().await;
    assert!(owner[3].state == StepState::Warning && owner[3].text.contains("superuser"), "{owner:?}");
}

#[tokio::test]
async fn the_certificate_is_checked_unless_the_settings_say_otherwise() {
    let database = TestDatabase::new().await;
    let source = Source::before(&database.db).await;
    let unencrypted = test(&source, json!({"tls": "require"})).await;
    assert_eq!(unencrypted, ["passed", "failed tls_failed", "skipped", "skipped"]);
    source.encrypt();
    let checked = |host: &str| json!({"tls": "verify_full", "host": host, "ca_certificate": AUTHORITY});
    assert_eq!(test(&source, checked("localhost")).await, ["passed", "passed", "passed", "warning"]);
    let wrong = ["passed", "failed wrong_certificate", "skipped", "skipped"];
    let of_another = source.connector(checked("127.0.0.1")).test().await;
    assert_eq!(told(&of_another), wrong);
    assert!(of_another[1].text.contains("it is for another name") && !is_usable(&of_another), "{of_another:?}");
    let of_nobody = source.connector(json!({"tls": "verify_full", "host": "localhost"})).test().await;
    assert_eq!(told(&of_nobody), wrong);
    assert!(of_nobody[1].text.contains("no trusted authority"), "{of_nobody:?}");
    assert_eq!(test(&source, json!({"tls": "require"})).await, ["passed", "warning", "passed", "warning"]);
}

#[tokio::test]
async fn the_step_that_failed_is_named() {
    let database = TestDatabase::new().await;
    let source = Source::before(&database.db).await;
    let log_in_failed = ["passed", "warning", "failed log_in_failed", "skipped"];
    assert_eq!(test(&source, json!({"username": "nobody_at_all"})).await, log_in_failed);
    assert_eq!(test(&source, json!({"database": "none_of_these"})).await, log_in_failed);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(test(&source, json!({"port": closed})).await[0], "failed unreachable");
    assert_eq!(test(&source, json!({"host": "no-such-host.invalid"})).await[0], "failed unreachable");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_connected_to() {
    let database = TestDatabase::new().await;
    let source = Source::before(&database.db).await;
    for host in ["127.0.0.1", "localhost", "::1", "169.254.169.254"] {
        let mut value = source.settings();
        value["host"] = host.into();
        let settings = Settings::read(ConnectionKind::Postgresql, &value).unwrap();
        let steps = Connector::open(&settings, None, &outbound(&[])).unwrap().test().await;
        assert_eq!(told(&steps)[0], "failed refused_address", "{host}");
        assert!(host.parse::<std::net::IpAddr>().is_ok() || !steps[0].text.contains("127.0.0.1"), "{steps:?}");
    }
    assert_eq!(source.connections(), 0);
}
