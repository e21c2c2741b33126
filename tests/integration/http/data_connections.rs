//! Connections: who sees and changes them, their secrets, and what they show of a server.

use std::sync::Arc;

use recotem::features::data_sources::{MOST_CONNECTIONS, reseal};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::shop::Shop;
use crate::support::{Jobs, SECRET, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_by_admins_and_seen_by_editors_without_its_secret() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let (owner, path) = (&shop.owner, format!("data_connection/{}/", shop.connection));
    let shown = owner.get(&path).await.expect(200).body;
    assert_eq!((&shown["name"], &shown["kind"], &shown["sources"]), (&json!("shop"), &json!("postgresql"), &json!(0)));
    assert_eq!((&shown["secret"]["is_set"], &shown["secret"]["hint"]), (&json!(true), &Value::Null));
    let sealed = "SELECT count(*) FROM data_connections WHERE position('the password'::bytea IN secret_sealed) > 0";
    assert_eq!(shop.app.count(sealed).await, 0);
    let audit = shop.app.staff("staff").await.get("audit_log/?resource=data_connection").await.expect(200).body.to_string();
    assert!(audit.contains("created") && !audit.contains("_sealed") && !audit.contains("the password"), "{audit}");

    let [editor, viewer] = [shop.app.user("editor").await, shop.app.user("viewer").await];
    shop.app.join("editor", "owner", "editor").await;
    shop.app.join("viewer", "owner", "viewer").await;
    editor.get(&path).await.expect(200);
    editor.patch(&path, json!({ "name": "mine" })).await.expect(403);
    viewer.get(&path).await.expect(403);
    assert_eq!(editor.get("data_connection/").await.expect(200).body["count"], 1);
    assert_eq!(viewer.get("data_connection/").await.expect(200).body["count"], 0);

    let again =
        json!({ "organisation": shown["organisation"], "name": "shop", "kind": "postgresql", "settings": shown["settings"] });
    owner.post("data_connection/", again).await.fault("name");
    let renamed = owner.patch(&path, json!({ "name": "Shop" })).await.expect(200).body;
    assert_eq!((&renamed["name"], &renamed["secret"]["is_set"]), (&json!("Shop"), &json!(true)));
    assert_eq!(owner.patch(&path, json!({ "secret": null })).await.expect(200).body["secret"]["is_set"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_no_other_server_than_the_one_it_was_entered_for() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let (owner, path) = (&shop.owner, format!("data_connection/{}/", shop.connection));
    let mut settings = owner.get(&path).await.expect(200).body["settings"].clone();
    settings["host"] = json!("evil.example");
    owner.patch(&path, json!({ "settings": settings })).await.fault("secret");
    owner.patch(&path, json!({ "settings": settings, "secret": "another" })).await.expect(200);
    settings["database"] = json!("other");
    owner.patch(&path, json!({ "settings": settings })).await.expect(200);
    for (wrong, field) in [
        (json!({ "settings": { "host": "x" } }), "settings"),
        (json!({ "settings": { "host": "", "database": "d", "username": "u" } }), "settings"),
        (json!({ "kind": "mysql" }), "kind"),
        (json!({ "organisation": 999_999 }), "organisation"),
        (json!({ "name": "" }), "name"),
    ] {
        owner.patch(&path, wrong).await.fault(field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_tested_browsed_and_sampled() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let (owner, path) = (&shop.owner, format!("data_connection/{}/", shop.connection));
    shop.orders(30, &[("ada", "lamp"), ("bob", &"x".repeat(300))]).await;
    let tested = owner.post(&format!("{path}test/"), json!({})).await.expect(200).body;
    assert_eq!(tested["is_usable"], true, "{tested}");
    assert_eq!(owner.get(&path).await.expect(200).body["last_test"], tested["steps"]);
    let names = async |below: &str| {
        let body = owner.get(&format!("{path}browse/?path={below}")).await.expect(200).body;
        let entries = body["entries"].as_array().expect("entries").clone();
        entries.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert!(names("").await.contains(&"shop".to_owned()));
    assert_eq!(names("shop").await, ["orders", "products"]);
    assert_eq!(names("shop/orders").await, ["id", "customer", "sku", "written"]);
    let sample = owner.get(&format!("{path}sample/?path=shop/orders")).await.expect(200).body;
    assert_eq!((&sample["columns"][1], &sample["rows"][0][1]), (&json!("customer"), &json!("ada")));
    owner.get(&format!("{path}sample/?path=shop")).await.fault("path");
    let gone = owner.get(&format!("{path}sample/?path=shop/invoices")).await.expect(400).body;
    assert_eq!(gone["code"], "no_such_table", "{gone}");
    shop.open(false);
    let closed = owner.post(&format!("{path}test/"), json!({})).await.expect(200).body;
    assert_eq!(closed["is_usable"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_the_network_is_refused_and_only_staff_learn_it() {
    let app = TestApp::start().await;
    let (owner, staff) = (app.user("owner").await, app.staff("staff").await);
    let organisation = owner.get("organisation/").await.expect(200).body["results"][0]["id"].clone();
    let settings = json!({ "host": "127.0.0.1", "port": 5432, "database": "d", "username": "u", "tls": "off" });
    let body = json!({ "organisation": organisation, "name": "inner", "kind": "postgresql", "settings": settings });
    let path = format!("data_connection/{}/", owner.post("data_connection/", body).await.expect(201).id());
    let refused = owner.get(&format!("{path}browse/")).await.expect(400).body;
    assert_eq!(refused["code"], "refused_address");
    assert!(!refused["detail"].as_str().unwrap().contains("allow_networks"), "{refused}");
    let told = staff.get(&format!("{path}browse/")).await.expect(400).body;
    assert!(told["detail"].as_str().unwrap().contains("outbound.allow_networks"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_so_many_connections_and_no_more() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let organisation = owner.get("organisation/").await.expect(200).body["results"][0]["id"].as_i64().unwrap();
    let settings = json!({ "host": "db.example.com", "database": "d", "username": "u" });
    app.execute(&format!(
        "INSERT INTO data_connections (organisation_id, name, kind, settings)
         SELECT {organisation}, 'c' || n, 'postgresql', '{settings}' FROM generate_series(2, {MOST_CONNECTIONS}) AS n"
    ))
    .await;
    let body = |name: &str| json!({ "organisation": organisation, "name": name, "kind": "postgresql", "settings": settings });
    owner.post("data_connection/", body("last")).await.expect(201);
    owner.post("data_connection/", body("one more")).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_again_with_a_new_key() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let mut services = shop.app.services.clone();
    let mut settings = services.settings.as_ref().clone();
    settings.previous_secret_keys = vec![SecretString::from(SECRET)];
    (services.settings, services.secret) = (Arc::new(settings), Arc::new(SecretString::from("the next secret of the install")));
    for (dry_run, renewed, present) in [(true, 1, 0), (false, 1, 0), (false, 0, 1)] {
        let found = reseal(&services, dry_run).await.unwrap();
        assert_eq!((found.renewed, found.present, found.refused.len()), (renewed, present, 0), "{dry_run}");
    }
    // This server has the former key only.
    let path = format!("data_connection/{}/test/", shop.connection);
    let tested = shop.owner.post(&path, json!({})).await.expect(200).body;
    assert_eq!((&tested["is_usable"], &tested["steps"][0]["code"]), (&json!(false), &json!("secret_unreadable")), "{tested}");
    assert_eq!(reseal(&shop.app.services, false).await.unwrap().refused.len(), 1);
}
