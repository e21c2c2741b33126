//! How many messages an endpoint is sent in a second, and what delays them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::receiver::{Receiver, Reply};
use crate::support::told::{Endpoint, Told};

/// Returns how many requests were made at each moment of the clock.
fn at_each_moment(receiver: &Receiver) -> Vec<usize> {
    let mut counts = BTreeMap::new();
    for received in receiver.received() {
        *counts.entry(received.header("webhook-timestamp").to_owned()).or_default() += 1;
    }
    counts.into_values().collect()
}

/// Returns a field of a message in the list.
async fn field(told: &Told, endpoint: &Endpoint, id: &str, field: &str) -> Value {
    let messages = told.messages(endpoint).await;
    messages.iter().find(|message| message["id"] == id).expect("the message")[field].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_receiver_gets_as_many_messages_a_second_as_its_rate_and_no_more() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let endpoint = told.endpoint(&receiver, json!({ "rate_per_second": 20 })).await;
    for _ in 0..50 {
        told.test(&endpoint).await;
    }
    let _delivering = told.delivering();
    for (wanted, seconds) in [(20, 1), (40, 1), (50, 0)] {
        told.app.soon("a second is used up", async || receiver.received().len() >= wanted).await;
        told.app.services.clock.advance(TimeDelta::seconds(2 * seconds));
    }
    assert_eq!(at_each_moment(&receiver), [20, 20, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_lets_no_more_messages_be_sent_in_its_second() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Hang).await;
    let endpoint = told.endpoint(&receiver, json!({ "rate_per_second": 2 })).await;
    let _delivering = told.delivering();
    let first = told.test(&endpoint).await;
    told.app.soon("the first message hangs", async || receiver.received().len() == 1).await;
    receiver.reply_to_later(Reply::status(200));
    for id in [told.test(&endpoint).await, first] {
        told.app.soon("it is delivered", async || field(&told, &endpoint, &id, "state").await == "delivered").await;
        receiver.reply(Reply::status(200));
    }
    for _ in 0..2 {
        told.test(&endpoint).await;
    }
    assert_eq!(told.deliver().await, 0, "another process sends none as well");
    told.app.services.clock.advance(TimeDelta::seconds(2));
    told.app.soon("the others are sent", async || receiver.received().len() == 4).await;
    assert_eq!(at_each_moment(&receiver), [2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_a_receiver_asks_for_outlives_the_answers_to_earlier_messages() {
    for earlier in [200, 500] {
        let told = Told::start().await;
        let receiver = Receiver::start(Reply::Hang).await;
        let endpoint = told.endpoint(&receiver, json!({})).await;
        let _delivering = told.delivering();
        let hanging = told.test(&endpoint).await;
        told.app.soon("the first message hangs", async || receiver.received().len() == 1).await;
        receiver.reply_to_later(Reply::With(429, "retry-after: 600\r\n", String::new()));
        let refused = told.test(&endpoint).await;
        let attempts = async |id: &str| field(&told, &endpoint, id, "attempts").await;
        told.app.soon("the second one is refused", async || attempts(&refused).await == 1).await;
        receiver.reply(Reply::status(earlier));
        told.app.soon("the first one is answered", async || attempts(&hanging).await == 1).await;
        let paused = "SELECT count(*) FROM webhook_lanes WHERE paused_until = program_now() + interval '600 seconds'";
        assert_eq!(told.app.count(paused).await, 1, "after {earlier}");
        receiver.reply(Reply::status(200));
        told.happen(1).await;
        assert_eq!(told.deliver().await, 0);
        assert_eq!(receiver.received().len(), 2);
        told.app.services.clock.advance(TimeDelta::seconds(601));
        let ended = format!("SELECT count(*) FROM webhook_messages WHERE endpoint_id = {} AND state = 'delivered'", endpoint.id);
        told.app.soon("all are sent after the pause", async || told.app.count(&ended).await == 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pause_messages_are_sent_though_an_earlier_one_still_hangs() {
    let told = Told::start().await;
    let receiver = Receiver::start(Reply::Hang).await;
    let endpoint = told.endpoint(&receiver, json!({})).await;
    let _delivering = told.delivering();
    let hanging = told.test(&endpoint).await;
    told.app.soon("the first message hangs", async || receiver.received().len() == 1).await;
    receiver.reply_to_later(Reply::With(429, "retry-after: 1\r\n", String::new()));
    let refused = told.test(&endpoint).await;
    told.app.soon("the second one is refused", async || field(&told, &endpoint, &refused, "attempts").await == 1).await;
    receiver.reply_to_later(Reply::status(200));
    told.app.services.clock.advance(TimeDelta::seconds(10));
    told.happen(1).await;
    told.app.soon("both others are sent", async || receiver.received().len() == 4).await;
    assert_eq!(field(&told, &endpoint, &hanging, "attempts").await, 0, "it is not answered yet");
    receiver.reply(Reply::status(200));
    told.app.soon("the first one as well", async || field(&told, &endpoint, &hanging, "state").await == "delivered").await;
    assert_eq!(receiver.received().len(), 4, "only the refused one was sent twice");
}
