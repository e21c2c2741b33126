//! Section 1.3 of the contract over HTTP: pages and filters.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

async fn splits(user: &Caller, count: usize) {
    for number in 0..count {
        user.post("split_config/", json!({ "name": format!("s{number}") })).await.expect(201);
    }
}

fn names(body: &Value) -> Vec<&str> {
    body["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_addressed_by_number_or_as_the_last() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    splits(&user, 23).await;
    let first = user.get("split_config/").await.expect(200).body;
    assert_eq!((first["count"].as_i64(), names(&first).len(), &first["previous"]), (Some(23), 20, &Value::Null));
    assert_eq!(first["next"], format!("{}/api/v1/split_config/?page=2", app.base));
    let last = user.get("split_config/?page=last").await.expect(200).body;
    assert_eq!((names(&last).len(), &last["next"]), (3, &Value::Null));
    assert_eq!(last["previous"], format!("{}/api/v1/split_config/", app.base));
    for wrong in ["0", "-1", "x", "1.5", "3", "99999999999999999999"] {
        let answer = user.get(&format!("split_config/?page={wrong}")).await.expect(404);
        assert!(answer.body["detail"].is_string(), "{wrong}");
    }
    assert_eq!(user.get("split_config/?page=").await.expect(200).body["count"], 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_a_page_is_clamped_and_nonsense_ignored() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    splits(&user, 103).await;
    for (size, rows) in [("5", 5), ("100", 100), ("1000", 100), ("0", 20), ("-3", 20), ("many", 20), ("", 20)] {
        let page = user.get(&format!("split_config/?page_size={size}")).await.expect(200).body;
        assert_eq!(names(&page).len(), rows, "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_keep_base_host_and_other_parameters_sorted_by_name() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    splits(&user, 5).await;
    let path = "/api/split_config/?unnamed=false&page=2&page_size=2&a=%C3%A4";
    let host = [("host", "recotem.example.com:8443"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")];
    let page = user.raw(reqwest::Method::GET, path, &host, "").await.expect(200).body;
    let base = "http://recotem.example.com:8443/api/split_config/";
    assert_eq!(page["next"], format!("{base}?a=%C3%A4&page=3&page_size=2&unnamed=false"));
    assert_eq!(page["previous"], format!("{base}?a=%C3%A4&page_size=2&unnamed=false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_come_newest_first_in_pages_of_the_size_asked_for() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    for number in 0..22 {
        let fields = json!({ "name": format!("p{number}"), "user_column": "u", "item_column": "i" });
        user.post("project/", fields).await.expect(201);
    }
    // 1.x lists them in no order and never more than twenty.
    let all = user.get("project/?page_size=50").await.expect(200).body;
    assert_eq!(names(&all), (0..22).rev().map(|number| format!("p{number}")).collect::<Vec<_>>());
    let first = all["results"][21]["id"].as_i64().unwrap();
    user.patch(&format!("project/{first}/"), json!({ "time_column": "t" })).await.expect(200);
    assert_eq!(names(&user.get("project/?page_size=50").await.body), names(&all), "a change does not move a project");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_match_exactly_and_an_empty_one_is_none() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    splits(&user, 2).await;
    user.post("split_config/", json!({})).await.expect(201);
    let count = async |query: &str| user.get(&format!("split_config/?{query}")).await.expect(200).body["count"].clone();
    for (query, rows) in [
        ("name=s1", 1),
        ("name=S1", 0),
        ("name=", 3),
        ("unnamed=true", 1),
        ("unnamed=1", 1),
        ("unnamed=false", 2),
        ("unnamed=0", 2),
        ("unnamed=perhaps", 3),
        ("no_such_filter=1", 3),
        ("ordering=name&search=s1", 3),
    ] {
        assert_eq!(count(query).await, rows, "{query}");
    }
    user.get("split_config/?id=x").await.fault("id");
    user.get("parameter_tuning_job/?status=LOST").await.fault("status");
}
