//! Endpoints, and the delivery of messages to them.

use chrono::TimeDelta;
use recotem::features::webhooks::{MOST_ENDPOINTS, SignatureError};
use serde_json::{Value, json};

use crate::support::receiver::{Receiver, Reply};
use crate::support::told::Told;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_once_signed_and_can_be_looked_at() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::With(200, "", "thanks".to_owned())).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.happen(7).await;
    assert_eq!(told.deliver().await, 1);
    assert_eq!(told.deliver().await, 0, "it is delivered once");
    let [received] = receiver.received().try_into().expect("one message");
    assert_eq!(received.verify(&endpoint.secret), Ok(()));
    let other = told.endpoint(&receiver, json!({})).await;
    assert_eq!(received.verify(&other.secret), Err(SignatureError::NoMatch));
    assert_eq!(received.header("content-type"), "application/json");
    assert!(received.header("user-agent").starts_with("Recotem/"));
    let body = received.body();
    assert_eq!((&body["type"], &body["data"]["model"]), (&json!("model.trained"), &json!(7)));
    assert_eq!(body["data"]["link"], Value::Null, "the address of this server is not set");
    assert_eq!(received.header("webhook-timestamp"), told.app.services.clock.now().timestamp().to_string());

    let [listed] = told.messages(&endpoint).await.try_into().expect("one message");
    assert_eq!((&listed["state"], &listed["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!((&listed["status_code"], &listed["error_code"]), (&json!(200), &Value::Null));
    assert_eq!(listed["next_attempt_at"], Value::Null);
    let message = told.message(&endpoint, received.id()).await;
    assert_eq!(message["payload"], body);
    assert_eq!(message["tries"][0]["response_head"], "thanks");
    assert_eq!(told.read(&endpoint).await["last_attempt"]["status_code"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_once_and_stored_sealed() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let shown = told.read(&endpoint).await;
    let hint = shown["signing_secret"]["hint"].as_str().expect("a hint").trim_start_matches('…').to_owned();
    assert!(endpoint.secret.trim_end_matches('=').ends_with(&hint) && hint.len() == 4);
    assert!(!shown.to_string().contains(&endpoint.secret));
    let audit = told.owner.get("audit_log/?resource=webhook_endpoint").await.expect(200).body;
    assert_eq!(audit["results"][0]["action"], "created");
    assert!(!audit.to_string().contains("_sealed"), "{audit}");
    let found =
        format!("SELECT count(*) FROM webhook_endpoints WHERE position('{}'::bytea IN secret_sealed) > 0", &endpoint.secret[6..]);
    assert_eq!(told.app.count(&found).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let rotated = told.owner.post(&format!("webhook_endpoint/{}/rotate_secret/", endpoint.id), json!({})).await.expect(200).body;
    let fresh = rotated["secret"].as_str().expect("a secret");
    assert_ne!(fresh, endpoint.secret);
    told.test(&endpoint).await;
    told.deliver().await;
    let first = receiver.received().pop().expect("a message");
    assert_eq!((first.verify(fresh), first.verify(&endpoint.secret)), (Ok(()), Ok(())));
    assert_eq!(told.read(&endpoint).await["signing_secret"]["previous_until"], rotated["previous_until"]);

    told.app.services.clock.advance(TimeDelta::hours(24));
    told.test(&endpoint).await;
    told.deliver().await;
    let second = receiver.received().pop().expect("a message");
    assert_eq!((second.verify(fresh), second.verify(&endpoint.secret)), (Ok(()), Err(SignatureError::NoMatch)));
    assert_eq!(told.read(&endpoint).await["signing_secret"]["previous_until"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_what_it_chose() {
    let told = Told::start().await;
    let (all, some, off) = (
        Receiver::start(Reply::status(200)).await,
        Receiver::start(Reply::status(200)).await,
        Receiver::start(Reply::status(200)).await,
    );
    told.endpoint(&all, json!({})).await;
    told.endpoint(&some, json!({ "topics": ["data.ready", "data.failed"] })).await;
    let switched_off = told.endpoint(&off, json!({ "is_active": false })).await;
    assert_eq!(told.read(&switched_off).await["disabled_reason"], "user");
    told.happen(1).await;
    told.owner.upload(told.project, "data.csv", "user,item\na,x\nb,y\n").await.expect(201);
    told.tell().await;
    told.deliver().await;
    let mut topics = all.topics();
    topics.sort();
    assert_eq!(topics, ["data.ready", "model.trained"]);
    assert_eq!(some.topics(), ["data.ready"]);
    assert!(off.received().is_empty());
    let refused = told.owner.patch(&format!("webhook_endpoint/{}/", switched_off.id), json!({ "topics": ["nonsense"] })).await;
    assert!(refused.fault("topics").starts_with("\"nonsense\" is not a topic. Choose among: recommendation.served"));
    let refused = told.owner.post(&format!("webhook_endpoint/{}/test/", switched_off.id), json!({})).await.expect(409);
    assert_eq!(refused.body["code"], "endpoint_is_off");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_notification_is_stored_without_an_endpoint() {
    let told = Told::start().await;
    told.happen(1).await;
    assert_eq!(told.app.count("SELECT count(*) FROM webhook_messages").await, 0);
    let bell = told.owner.get("notification/").await.expect(200).body;
    assert_eq!((&bell["count"], &bell["unread"]), (&json!(1), &json!(1)));
    let first = &bell["results"][0];
    assert_eq!(first["topic"], "model.trained");
    assert_eq!(first["link_path"], format!("/projects/{}/models/1", told.project));
    assert_eq!((&first["project_name"], &first["is_read"]), (&json!("Shop"), &json!(false)));
    told.owner.post("notification/mark_read/", json!({ "until": first["id"] })).await.expect(204);
    told.happen(2).await;
    let bell = told.owner.get("notification/").await.expect(200).body;
    assert_eq!((&bell["count"], &bell["unread"]), (&json!(2), &json!(1)));
    assert_eq!((&bell["results"][0]["is_read"], &bell["results"][1]["is_read"]), (&json!(false), &json!(true)));
    // What was read stays so, and what is to come is not read in advance.
    told.owner.post("notification/mark_read/", json!({ "until": 0 })).await.expect(204);
    assert_eq!(told.owner.get("notification/").await.body["unread"], 1);
    told.owner.post("notification/mark_read/", json!({ "until": 1_000_000 })).await.expect(204);
    told.happen(3).await;
    assert_eq!(told.owner.get("notification/").await.body["unread"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_is_sent_again_by_the_schedule_and_then_given_up() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(500)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.happen(1).await;
    assert_eq!(told.deliver().await, 1);
    let clock = &told.app.services.clock;
    for (attempt, hours) in [(2, 0.002), (3, 0.1), (4, 0.6), (5, 2.4), (6, 6.0), (7, 12.0), (8, 16.8), (9, 24.0), (10, 28.8)] {
        assert_eq!(told.deliver().await, 0, "attempt {attempt} is not due yet");
        let waiting = &told.messages(&endpoint).await[0];
        assert_eq!(waiting["state"], "waiting");
        assert_eq!(waiting["error_code"], "http_status");
        clock.advance(TimeDelta::milliseconds((hours * 3_600_000.0) as i64));
        assert_eq!(told.deliver().await, 1, "attempt {attempt} is due");
    }
    let given_up = &told.messages(&endpoint).await[0];
    assert_eq!((&given_up["state"], &given_up["attempts"]), (&json!("failed"), &json!(10)));
    let ids: std::collections::BTreeSet<String> = receiver.received().iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(ids.len(), 1, "each attempt has the same id");

    receiver.reply(Reply::status(200));
    let id = given_up["id"].as_str().expect("an id");
    told.owner.post(&format!("webhook_endpoint/{}/messages/{id}/retry/", endpoint.id), json!({})).await.expect(202);
    assert_eq!(told.deliver().await, 1);
    let message = told.message(&endpoint, id).await;
    assert_eq!((&message["state"], message["tries"].as_array().map(Vec::len)), (&json!("delivered"), Some(11)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_says_when_to_come_back() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::With(429, "retry-after: 600\r\n", String::new())).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    for n in 0..5 {
        told.happen(n).await;
    }
    let asked = told.deliver().await;
    assert!(asked <= 4, "after the first answers no others are sent: {asked}");
    receiver.reply(Reply::status(200));
    told.app.services.clock.advance(TimeDelta::seconds(599));
    assert_eq!(told.deliver().await, 0);
    told.app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(told.deliver().await, 5);
    assert!(told.messages(&endpoint).await.iter().all(|message| message["state"] == "delivered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_since_a_moment_are_sent_again_under_their_ids() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.happen(1).await;
    told.app.services.clock.advance(TimeDelta::hours(1));
    let since = told.app.services.clock.now();
    told.happen(2).await;
    told.happen(3).await;
    told.deliver().await;
    let path = format!("webhook_endpoint/{}/replay/", endpoint.id);
    let replayed = told.owner.post(&path, json!({ "since": since })).await.expect(202);
    assert_eq!(replayed.body["messages"], 2);
    assert_eq!(told.deliver().await, 2);
    let mut models: Vec<i64> = receiver.received().iter().map(|one| one.body()["data"]["model"].as_i64().unwrap()).collect();
    models[..3].sort_unstable();
    models[3..].sort_unstable();
    assert_eq!(models, [1, 2, 3, 2, 3]);
    assert!(told.owner.post(&path, json!({})).await.fault("since").contains("required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_messages_are_sent_again_at_once_than_is_allowed() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let path = format!("webhook_endpoint/{}/replay/", endpoint.id);
    let insert = |count: i64| {
        format!(
            "INSERT INTO webhook_messages (id, endpoint_id, topic, body, state)
             SELECT gen_random_uuid(), {}, 'model.trained', '{{}}', 'delivered' FROM generate_series(1, {count})",
            endpoint.id
        )
    };
    told.app.execute(&insert(10_001)).await;
    let refused = told.owner.post(&path, json!({ "since": "2000-01-01" })).await;
    assert_eq!(refused.fault("since"), "10001 messages would be sent again, and at once may be 10000. Choose a later moment.");
    told.app.execute("DELETE FROM webhook_messages WHERE id = (SELECT id FROM webhook_messages LIMIT 1)").await;
    assert_eq!(told.owner.post(&path, json!({ "since": "2000-01-01" })).await.expect(202).body["messages"], 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_may_not_be_reached_is_refused() {
    let told = Told::start().await;
    let create = async |url: &str| told.owner.post("webhook_endpoint/", json!({ "project": told.project, "url": url })).await;
    for (url, word) in [
        ("https://169.254.169.254/latest/meta-data", "no public address"),
        ("https://[::ffff:10.0.0.1]/", "no public address"),
        ("https://user:password@example.com/", "user name"),
        ("ftp://example.com/", "https://"),
        ("example.com", "not a valid URL"),
    ] {
        let fault = create(url).await;
        assert!(fault.fault("url").contains(word), "{url}: {}", fault.body);
    }
    let staff = told.app.staff("staff").await;
    let body = json!({ "project": told.project, "url": "https://10.0.0.1/" });
    assert!(staff.post("webhook_endpoint/", body).await.fault("url").contains("add 10.0.0.0/8 to outbound.allow_networks"));
    create("https://receiver.example/hook").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_so_many_endpoints_and_no_more() {
    let told = Told::start().await;
    let create = async || {
        told.owner.post("webhook_endpoint/", json!({ "project": told.project, "url": "https://receiver.example/" })).await
    };
    for _ in 0..MOST_ENDPOINTS {
        create().await.expect(201);
    }
    assert_eq!(create().await.expect(409).body["code"], "too_many_endpoints");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_removed() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.happen(1).await;
    told.deliver().await;
    told.app.services.clock.advance(TimeDelta::days(1));
    told.happen(2).await;
    told.app.services.clock.advance(TimeDelta::days(29) + TimeDelta::seconds(1));
    assert_eq!(recotem::features::webhooks::tidy(&told.app.services).await.expect("tidied"), 2);
    let left = told.messages(&endpoint).await;
    assert_eq!(left.len(), 1);
    assert_eq!(told.owner.get("notification/").await.body["count"], 1);
    assert_eq!(told.app.count("SELECT count(*) FROM webhook_attempts").await, 0);
}
