//! Receivers that behave badly, and what becomes of their endpoints.

use std::sync::Arc;

use chrono::TimeDelta;
use recotem::features::webhooks::Deliverer;
use recotem::platform::outbound::Outbound;
use recotem::platform::vault::Place;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::Jobs;
use crate::support::mail::{letter, mail_server};
use crate::support::receiver::{Receiver, Reply};
use crate::support::told::{Endpoint, Told};

async fn only_message(told: &Told, endpoint: &Endpoint) -> Value {
    let [message] = told.messages(endpoint).await.try_into().expect("one message");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_its_message_waits_and_says_why() {
    let told = Told::start().await;
    let elsewhere = Receiver::start(Reply::status(200)).await;
    for (reply, status, code) in [
        (Reply::Redirect(elsewhere.url().to_owned()), json!(302), "redirected"),
        (Reply::status(400), json!(400), "http_status"),
        (Reply::status(503), json!(503), "http_status"),
        (Reply::Close, Value::Null, "connection_failed"),
    ] {
        let receiver = Receiver::start(reply).await;
        let endpoint = told.endpoint(&receiver, json!({ "topics": ["webhook.disabled"] })).await;
        told.test(&endpoint).await;
        assert_eq!(told.deliver().await, 1, "{code}");
        let message = only_message(&told, &endpoint).await;
        assert_eq!(
            (&message["state"], &message["status_code"], &message["error_code"]),
            (&json!("waiting"), &status, &json!(code))
        );
    }
    assert!(elsewhere.received().is_empty(), "a redirect is not followed");
    // Nothing listens there.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let body = json!({ "project": told.project, "url": format!("http://{free}/") });
    let endpoint = Endpoint { id: told.owner.post("webhook_endpoint/", body).await.expect(201).id(), secret: String::new() };
    told.test(&endpoint).await;
    told.deliver().await;
    assert_eq!(only_message(&told, &endpoint).await["error_code"], "connection_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_neither_read_nor_kept() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Flood(1 << 30)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let id = told.test(&endpoint).await;
    assert_eq!(told.deliver().await, 1);
    let message = told.message(&endpoint, &id).await;
    assert_eq!(message["state"], "delivered", "the status says so");
    assert_eq!(message["tries"][0]["response_head"].as_str().map(str::len), Some(1_024));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_longer_allowed_is_not_reached() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.test(&endpoint).await;
    let mut services = told.app.services.clone();
    let mut settings = (*services.settings).clone();
    settings.outbound.allow_networks.clear();
    services.outbound = Outbound::of(&settings).expect("a client");
    let deliverer = Arc::new(Deliverer::new(&services).expect("a vault"));
    assert_eq!(deliverer.deliver_due().await.expect("deliveries"), 1);
    assert_eq!(only_message(&told, &endpoint).await["error_code"], "refused_address");
    assert!(receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_switched_off_and_its_owner_told() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(410)).await;
    let other = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    told.endpoint(&other, json!({})).await;
    told.happen(1).await;
    told.deliver().await;
    let off = told.read(&endpoint).await;
    assert_eq!((&off["is_active"], &off["disabled_reason"]), (&json!(false), &json!("gone")));
    assert_eq!(only_message(&told, &endpoint).await["state"], "failed");
    told.tell().await;
    told.deliver().await;
    assert_eq!(other.topics(), ["model.trained", "webhook.disabled"]);
    let bell = told.owner.get("notification/").await.expect(200).body;
    assert_eq!(bell["results"][0]["data"]["reason"], "gone");
    assert_eq!(bell["results"][0]["link_path"], format!("/projects/{}/integrations", told.project));
    // What happens now is not for it.
    told.happen(2).await;
    told.deliver().await;
    assert_eq!(receiver.received().len(), 1);
    receiver.reply(Reply::status(200));
    told.owner.patch(&format!("webhook_endpoint/{}/", endpoint.id), json!({ "is_active": true })).await.expect(200);
    assert_eq!(told.read(&endpoint).await["disabled_reason"], Value::Null);
    told.happen(3).await;
    told.deliver().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_mailed_that_an_endpoint_was_switched_off() {
    let (smtp, mut mail) = mail_server().await;
    let told = Told::start_with(Jobs::Stay, |settings| {
        settings.smtp_url = Some(smtp.into());
        settings.public_url = Some("https://recotem.example.com/".to_owned());
    })
    .await;
    told.app.execute("UPDATE users SET email = 'owner@example.com'").await;
    let receiver = Receiver::start(Reply::status(410)).await;
    told.endpoint(&receiver, json!({})).await;
    told.happen(1).await;
    told.deliver().await;
    let letter = letter(&mut mail).await;
    assert!(letter.contains("To: owner@example.com") && letter.contains(receiver.url()), "{letter}");
    assert!(letter.contains(&format!("https://recotem.example.com/projects/{}/integrations", told.project)), "{letter}");
    told.deliver().await;
    assert!(mail.try_recv().is_err(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_for_five_days_is_switched_off() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(500)).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    for n in 0..20 {
        told.happen(n).await;
    }
    // Each of them fails for the first time within some hours, one by one while the endpoint is left alone.
    for _ in 0..40 {
        told.deliver().await;
        told.app.services.clock.advance(TimeDelta::minutes(40));
    }
    assert!(told.messages(&endpoint).await.iter().all(|message| message["attempts"].as_i64() > Some(0)));
    assert_eq!(told.read(&endpoint).await["is_active"], true);
    told.app.services.clock.advance(TimeDelta::days(4));
    told.deliver().await;
    let off = told.read(&endpoint).await;
    assert_eq!((&off["is_active"], &off["disabled_reason"]), (&json!(false), &json!("failing")));
    assert_eq!(told.deliver().await, 0);
}

/// Creates so many endpoints with a message which is due, after so many failures. Their secrets are sealed as the program does.
async fn many_endpoints(told: &Told, receiver: &Receiver, count: i64, failures: i32) {
    let body = json!({ "name": "Other", "user_column": "user", "item_column": "item" });
    let project = told.owner.post("project/", body).await.expect(201).id();
    let (vault, owner) = (told.app.services.vault().expect("a vault"), format!("project {project}"));
    let secret = SecretString::from("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let row = |id: i64| {
        let place = Place { column: "webhook_endpoints.secret_sealed", row: id, owner: &owner };
        let sealed = vault.seal(&secret, place).expect("sealed");
        format!("({id}, {project}, '{}', '\\x{}', '')", receiver.url(), hex::encode(sealed))
    };
    let rows: Vec<String> = (1_001..=1_000 + count).map(row).collect();
    told.app
        .execute(&format!(
            "INSERT INTO webhook_endpoints (id, project_id, url, secret_sealed, secret_hint) VALUES {};
             INSERT INTO webhook_lanes (endpoint_id, failures_in_row) SELECT 1000 + n, {failures} FROM generate_series(1, {count}) AS n;
             INSERT INTO webhook_messages (id, endpoint_id, topic, body)
             SELECT gen_random_uuid(), 1000 + n, 'model.trained', '{{}}' FROM generate_series(1, {count}) AS n",
            rows.join(", ")
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_endpoints_that_hang_delay_no_other() {
    let told = Told::start().await;
    let (dead, good) = (Receiver::start(Reply::Hang).await, Receiver::start(Reply::status(200)).await);
    many_endpoints(&told, &dead, 600, 1).await;
    let (deliverer, stop) = (Deliverer::new(&told.app.services).expect("a vault"), CancellationToken::new());
    let delivering = tokio::spawn(deliverer.run(stop.clone()));
    told.app.soon("the places for its failing endpoints are taken", async || dead.received().len() >= 128).await;
    let endpoint = told.endpoint(&good, json!({})).await;
    told.test(&endpoint).await;
    told.app.soon("the good endpoint is told", async || good.received().len() == 1).await;
    assert_eq!(dead.received().len(), 128, "the others wait, and the good one did not");
    delivering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_endpoints_that_answer_slowly_delay_none_of_another_organisation() {
    let told = Told::start().await;
    let (slow, good) = (Receiver::start(Reply::Hang).await, Receiver::start(Reply::status(200)).await);
    many_endpoints(&told, &slow, 600, 0).await;
    let (deliverer, stop) = (Deliverer::new(&told.app.services).expect("a vault"), CancellationToken::new());
    let delivering = tokio::spawn(deliverer.run(stop.clone()));
    told.app.soon("an organisation has its half of the places", async || slow.received().len() >= 256).await;
    let other = told.app.user("other").await;
    let body = json!({ "name": "Shop", "user_column": "user", "item_column": "item" });
    let project = other.post("project/", body).await.expect(201).id();
    let endpoint = other.post("webhook_endpoint/", json!({ "project": project, "url": good.url() })).await.expect(201).id();
    other.post(&format!("webhook_endpoint/{endpoint}/test/"), json!({})).await.expect(202);
    told.app.soon("the other organisation is told", async || good.received().len() == 1).await;
    assert_eq!(slow.received().len(), 256);
    delivering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_answered_delays_no_later_one() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Hang).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let hanging = told.test(&endpoint).await;
    let (deliverer, stop) = (Deliverer::new(&told.app.services).expect("a vault"), CancellationToken::new());
    let delivering = tokio::spawn(deliverer.run(stop.clone()));
    told.app.soon("the first message hangs", async || receiver.received().len() == 1).await;
    receiver.reply_to_later(Reply::status(200));
    let later = told.test(&endpoint).await;
    let state = async |id: &str| {
        let messages = told.messages(&endpoint).await;
        messages.iter().find(|message| message["id"] == id).expect("the message")["state"].clone()
    };
    told.app.soon("the later one is delivered", async || state(&later).await == "delivered").await;
    assert_eq!(state(&hanging).await, "waiting");
    receiver.reply(Reply::status(200));
    told.app.soon("the first one as well", async || state(&hanging).await == "delivered").await;
    assert_eq!(receiver.received().len(), 2, "each was sent once");
    delivering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_sent_four_messages_at_once_whatever_the_number_of_processes() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Hang).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    for _ in 0..10 {
        told.test(&endpoint).await;
    }
    let deliverer = told.deliverer();
    let delivering = tokio::spawn(async move { deliverer.deliver_due().await });
    told.app.soon("four requests hang", async || receiver.received().len() == 4).await;
    assert_eq!(told.deliver().await, 0, "another process finds the endpoint held");
    receiver.reply(Reply::status(200));
    assert_eq!(delivering.await.expect("no panic").expect("deliveries"), 10);
    assert_eq!(receiver.most_at_once(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_leaves_its_endpoints_to_others_and_no_message_is_lost() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Hang).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let id = told.test(&endpoint).await;
    let killed = told.deliverer();
    let killed = tokio::spawn(async move { killed.deliver_due().await });
    told.app.soon("the message is being sent", async || receiver.received().len() == 1).await;
    killed.abort();
    receiver.reply(Reply::status(200));
    assert_eq!(told.deliver().await, 0, "the endpoint is still held");
    told.app.services.clock.advance(TimeDelta::seconds(30));
    assert_eq!(told.deliver().await, 1);
    let ids: Vec<String> = receiver.received().iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(ids, [id.clone(), id.clone()], "at least once, with the same id");
    assert_eq!(told.message(&endpoint, &id).await["state"], "delivered");
}
