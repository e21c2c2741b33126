//! Guessing passwords is slow, and locks no other user out.

use chrono::TimeDelta;
use recotem::features::accounts::KnownNetworks;
use serde_json::{Value, json};

use crate::support::{Jobs, TestApp};

const PASSWORD: &str = "a good long phrase";

/// Starts a server behind a proxy that names the clients' addresses.
async fn start() -> TestApp {
    TestApp::start_with(Jobs::None, |settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await
}

async fn attempt(app: &TestApp, address: &str, name: &str, password: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/api/v1/auth/login/", app.base)).header("x-forwarded-for", address);
    let response = request.json(&json!({ "username": name, "password": password })).send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(status == 429, response.headers().contains_key("retry-after"));
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_waits_ever_longer_after_failures_and_others_do_not_notice() {
    let app = start().await;
    app.user("margarete").await;
    for _ in 0..5 {
        assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400);
    }
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", PASSWORD).await.0, 429);
    assert_eq!(attempt(&app, "203.0.113.1", "other", "wrong").await.0, 400, "it is about one name");
    assert_eq!(attempt(&app, "203.0.113.2", "margarete", PASSWORD).await.0, 200, "and about one address");
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400);
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 429, "twice as long now");
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", PASSWORD).await.0, 200);
    for _ in 0..4 {
        assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400, "a success starts afresh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_attack_from_everywhere_stays_open_to_its_owner_where_they_were_before() {
    let app = start().await;
    app.user("margarete").await;
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", PASSWORD).await.0, 200);
    for stranger in 0..13 {
        for _ in 0..4 {
            attempt(&app, &format!("203.0.113.{stranger}"), "margarete", "wrong").await;
        }
    }
    assert_eq!(attempt(&app, "203.0.113.99", "margarete", "wrong").await.0, 429, "strangers wait together");
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", PASSWORD).await.0, 200, "the owner does not");
    // Waiting does not reveal whether there is such an account.
    for stranger in 0..13 {
        for _ in 0..4 {
            attempt(&app, &format!("203.0.113.{stranger}"), "nobody", "wrong").await;
        }
    }
    let (status, unknown) = attempt(&app, "203.0.113.99", "nobody", "wrong").await;
    assert_eq!(status, 429);
    assert_eq!(unknown, attempt(&app, "203.0.113.99", "margarete", "wrong").await.1);
    app.services.clock.advance(TimeDelta::minutes(61));
    assert_eq!(attempt(&app, "203.0.113.99", "margarete", PASSWORD).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_resets_and_invitations_share_the_limit_of_log_ins() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.throttle.login.requests = 5).await;
    let anyone = app.anonymous();
    anyone.post("auth/sign_up/", json!({})).await.expect(403);
    anyone.post("auth/password/reset/", json!({})).await.expect(400);
    anyone.post("auth/password/reset/confirm/", json!({})).await.expect(400);
    anyone.post("invitation/look_up/", json!({})).await.expect(400);
    anyone.post("invitation/accept/", json!({ "token": "x" })).await.expect(401);
    for path in [
        "auth/login/",
        "auth/sign_up/",
        "auth/password/reset/",
        "auth/password/reset/confirm/",
        "invitation/look_up/",
        "invitation/accept/",
    ] {
        anyone.post(path, json!({})).await.expect(429);
    }
    anyone.get("auth/options/").await.expect(200);
}

/// Makes log-ins with a name fail from more addresses than one client has.
async fn attack(app: &TestApp, name: &str) {
    for stranger in 0..13 {
        for _ in 0..4 {
            attempt(app, &format!("203.0.113.{stranger}"), name, "wrong").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_in_a_user_who_never_logged_in_before_while_strangers_go_on_guessing() {
    let app = start().await;
    let staff = app.staff("boss").await;
    let new = json!({ "username": "margarete", "password": PASSWORD });
    let id = staff.post("users/", new).await.expect(201).id();
    attack(&app, "margarete").await;
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", PASSWORD).await.0, 429);
    let link = staff.post(&format!("users/{id}/password_reset_link/"), json!({})).await.expect(200);
    let url = link.body["url"].as_str().unwrap();
    let (uid, token) = url.split_once("#uid=").unwrap().1.split_once("&token=").unwrap();
    let chosen = "quite another phrase";
    let fields = json!({ "uid": uid, "token": token, "new_password1": chosen, "new_password2": chosen }).to_string();
    let headers = [("x-forwarded-for", "198.51.100.7"), ("content-type", "application/json")];
    app.anonymous().raw(reqwest::Method::POST, "auth/password/reset/confirm/", &headers, fields).await.expect(200);
    attack(&app, "margarete").await;
    assert_eq!(attempt(&app, "198.51.100.8", "margarete", chosen).await.0, 429, "strangers still wait");
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", "wrong").await.0, 400, "a wrong password is one there, too");
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", chosen).await.0, 200, "where the link was used the owner gets in");
    app.services.clock.advance(TimeDelta::minutes(30));
    attack(&app, "margarete").await;
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", chosen).await.0, 200, "and that is known from now on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_an_ipv6_network_count_as_one() {
    let app = start().await;
    app.user("margarete").await;
    for host in 1..=5 {
        assert_eq!(attempt(&app, &format!("2001:db8:1:2::{host}"), "margarete", "wrong").await.0, 400);
    }
    assert_eq!(attempt(&app, "2001:db8:1:2:ffff::1", "margarete", PASSWORD).await.0, 429);
    assert_eq!(attempt(&app, "2001:db8:1:3::1", "margarete", PASSWORD).await.0, 200);
    // Known from there: the failures of others do not matter to any address of that network.
    attack(&app, "margarete").await;
    assert_eq!(attempt(&app, "2001:db8:1:3:abcd::9", "margarete", PASSWORD).await.0, 200);
    assert_eq!(attempt(&app, "2001:db8:1:4::1", "margarete", PASSWORD).await.0, 429);
    // A session still shows the full address.
    let user = crate::support::Caller::log_in(&app.base, "margarete", PASSWORD).await;
    let sessions = user.get("auth/sessions/").await.expect(200).body.to_string();
    assert!(sessions.contains("2001:db8:1:3:abcd::9"), "{sessions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_for_callers_without_credentials_count_an_ipv6_network_as_one() {
    let app = TestApp::start_with(Jobs::None, |settings| {
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.throttle.login.requests = 3;
        settings.throttle.anon.requests = 3;
    })
    .await;
    let ask = async |address: &str| {
        let options = app.anonymous().raw(reqwest::Method::GET, "auth/options/", &[("x-forwarded-for", address)], "").await;
        (attempt(&app, address, "x", "wrong").await.0, options.status.as_u16())
    };
    for host in 1..=3 {
        assert_eq!(ask(&format!("2001:db8:1:2::{host}")).await, (400, 200));
    }
    assert_eq!(ask("2001:db8:1:2::4").await, (429, 429));
    assert_eq!(ask("2001:db8:1:3::1").await, (400, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_networks_from_which_users_logged_in_are_known() {
    let app = start().await;
    app.user("margarete").await;
    let networks = KnownNetworks::default();
    assert!(!networks.include(&app.services, "198.51.100.7").await);
    for address in ["198.51.100.7", "2001:db8:1:2::7"] {
        assert_eq!(attempt(&app, address, "margarete", PASSWORD).await.0, 200);
    }
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400);
    app.services.clock.advance(TimeDelta::minutes(1));
    app.soon("they are read again", async || networks.include(&app.services, "198.51.100.7").await).await;
    assert!(networks.include(&app.services, "2001:db8:1:ffff::1").await, "it is of the same site");
    for stranger in ["203.0.113.1", "198.51.100.8", "2001:db8:2:2::7"] {
        assert!(!networks.include(&app.services, stranger).await, "{stranger}");
    }
    app.database().vanish().await;
    app.services.clock.advance(TimeDelta::minutes(1));
    assert!(networks.include(&app.services, "198.51.100.7").await, "what was known last counts");
    app.database().come_back().await;
}
