//! The studio: from files to an endpoint in one call.

use std::fmt::Write as _;

use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::support::{Answer, Caller, TestApp};

/// Returns interactions of 60 users with 40 items: each user keeps to one of four tastes.
fn interactions() -> String {
    let mut csv = "user_id,item_id,timestamp\n".to_owned();
    for user in 0..60_usize {
        for at in 0..8_usize {
            let item = (user % 4) + 4 * ((user * 3 + at * at + at) % 10);
            let _ = writeln!(csv, "u{user},i{item},{}", 1_700_000_000 + at * 3_600 + user);
        }
    }
    csv
}

/// Returns the items, whose colour tells the taste, and which has two items without interactions.
fn items() -> String {
    let colours = ["red", "green", "blue", "grey"];
    let row = |at: usize| format!("i{at},A thing of {} number {at},{}\n", colours[at % 4], colours[at % 4]);
    std::iter::once("item_id,title,colour\n".to_owned()).chain((0..42).map(row)).collect()
}

fn file(name: &str, text: impl Into<Vec<u8>>) -> multipart::Part {
    multipart::Part::bytes(text.into()).file_name(name.to_owned())
}

fn form(name: &str) -> multipart::Form {
    multipart::Form::new().text("name", name.to_owned()).text("budget_seconds", "30")
}

async fn start(caller: &Caller, form: multipart::Form) -> Answer {
    caller.send_form(Method::POST, "studio/", form).await
}

async fn guesses(caller: &Caller, form: multipart::Form) -> Answer {
    caller.send_form(Method::POST, "studio/guess/", form).await
}

/// Waits until a run is over.
async fn over(caller: &Caller, run: i64) -> Value {
    caller.wait_for(&format!("studio/{run}/"), |run| run["state"] != "running").await
}

fn stage<'a>(run: &'a Value, stage: &str) -> &'a Value {
    run["stages"].as_array().unwrap().iter().find(|one| one["stage"] == stage).unwrap()
}

/// Returns how often the program recorded that a run came to such an end.
async fn told(app: &TestApp, topic: &str, run: &Value) -> i64 {
    app.count(&format!("SELECT count(*) FROM outbox WHERE topic = '{topic}' AND payload ->> 'studio' = '{}'", run["id"])).await
}

/// Returns what the endpoint of a run answers to its demo key.
async fn predict(app: &TestApp, caller: &Caller, run: &Value, body: Value) -> Answer {
    let made = caller.post(&format!("studio/{}/demo_key/", run["id"]), json!({})).await.expect(201);
    let key = made.body["key"].as_str().unwrap();
    let path = format!("/inference/predict/project/{}", run["project"]);
    app.anonymous().with_key(key).call(Method::POST, &path, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn interactions_become_an_endpoint() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let made = start(&ana, form("Shop").part("interactions", file("clicks.csv", interactions()))).await.expect(201);
    assert_eq!((&made.body["state"], &made.body["project_name"]), (&json!("running"), &json!("Shop")));
    let run = over(&ana, made.id()).await;
    assert_eq!((&run["state"], &run["error"]), (&json!("ready"), &Value::Null), "{run}");
    assert_eq!((run["progress"].as_f64(), &run["stage"]), (Some(1.0), &json!("ready")));
    assert_eq!(told(&app, "studio.ready", &run).await, 1);
    let reading = &stage(&run, "reading")["detail"];
    assert_eq!((&reading["rows"], &reading["users"]), (&json!(480), &json!(60)), "{run}");
    assert_eq!(stage(&run, "encoding")["state"], "skipped");
    let scores = ["score", "popularity_score"].map(|score| run["result"][score].as_f64().unwrap());
    assert!(scores.iter().all(|score| *score > 0.0), "{run}");
    let is_told = run["warnings"].to_string().contains("no better than the list of the most popular items");
    assert_eq!(is_told, scores[0] <= scores[1], "{run}");
    assert_eq!(run["result"]["new_items"], Value::Null);
    let list = predict(&app, &ana, &run, json!({ "user_id": "u1", "cutoff": 5 })).await.expect(200);
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(5), "{}", list.body);
    let project = ana.get(&format!("project/{}/", run["project"])).await.expect(200).body;
    assert_eq!((&project["user_column"], &project["time_column"]), (&json!("user_id"), &json!("timestamp")));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_alone_become_an_endpoint() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let made = start(&ana, form("Catalogue").part("items", file("items.csv", items()))).await.expect(201);
    let run = over(&ana, made.id()).await;
    assert_eq!((&run["state"], &run["error"]), (&json!("ready"), &Value::Null), "{run}");
    assert_eq!(stage(&run, "searching")["state"], "skipped");
    assert_eq!((&stage(&run, "training")["detail"]["items"], &run["result"]), (&json!(42), &Value::Null), "{run}");
    let list = predict(&app, &ana, &run, json!({ "user_id": "new", "interactions": ["i0"], "cutoff": 5 })).await.expect(200);
    let colours: Vec<u64> = ids(&list.body).iter().map(|item| item[1..].parse::<u64>().unwrap() % 4).collect();
    assert_eq!(colours, [0; 5], "{}", list.body);
}

/// Returns the ids of the items of a list.
fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["item_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_files_are_judged_on_known_and_on_new_items() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let both = form("Both").part("interactions", file("clicks.csv", interactions())).part("items", file("items.csv", items()));
    let run = over(&ana, start(&ana, both).await.expect(201).id()).await;
    assert_eq!((&run["state"], &run["error"]), (&json!("ready"), &Value::Null), "{run}");
    assert_eq!(stage(&run, "encoding")["detail"]["fields"], 2, "{run}");
    assert_eq!(stage(&run, "checking")["detail"]["described"], 1.0);
    assert!(run["result"]["new_items"]["score"].as_f64() > Some(0.0), "{run}");
    let set = ana.get(&format!("feature_sets/?project={}", run["project"])).await.expect(200).body;
    assert_eq!((&set["count"], &set["results"][0]["is_current"]), (&json!(1), &json!(true)));
    let slot = ana.get(&format!("deployment_slot/{}/", run["slot"])).await.expect(200).body;
    assert_eq!((&slot["trained_model"], &slot["is_active"]), (&run["trained_model"], &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_file_with_an_id_column_of_its_own_is_joined() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let renamed = items().replace("item_id,", "id,");
    let both = form("Named").part("interactions", file("clicks.csv", interactions())).part("items", file("items.csv", renamed));
    let run = over(&ana, start(&ana, both).await.expect(201).id()).await;
    assert_eq!((&run["state"], &run["error"]), (&json!("ready"), &Value::Null), "{run}");
    assert_eq!(stage(&run, "checking")["detail"]["described"], 1.0, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unsure_is_asked_for_and_a_mapping_answers() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let unnamed = || file("data.csv", interactions().replace("user_id,item_id,timestamp", "a,b,c"));
    let refused = start(&ana, form("A").part("interactions", unnamed())).await.expect(422);
    assert_eq!(refused.body["code"], "mapping_needed");
    let columns = &refused.body["guesses"]["files"]["interactions"]["columns"];
    assert_eq!(columns.as_array().map(Vec::len), Some(3), "{}", refused.body);
    assert_eq!(app.count("SELECT count(*) FROM projects").await, 0);
    let mapping = json!({ "interactions": { "a": "user_id", "b": "item_id", "c": "time" } }).to_string();
    let made = start(&ana, form("A").part("interactions", unnamed()).text("mapping", mapping)).await.expect(201);
    let project = ana.get(&format!("project/{}/", made.body["project"])).await.expect(200).body;
    assert_eq!((&project["user_column"], &project["item_column"]), (&json!("a"), &json!("b")));
    let wrong = json!({ "interactions": { "a": "user_id", "z": "item_id" } }).to_string();
    let refused = start(&ana, form("B").part("interactions", unnamed()).text("mapping", wrong)).await;
    assert!(refused.fault("mapping").contains("no column \"z\""), "{}", refused.body);
    let refused = start(&ana, form("B").part("interactions", unnamed()).text("mapping", "{")).await;
    assert!(refused.fault("mapping").starts_with("The mapping cannot be read"), "{}", refused.body);
    app.leaves_jobs_behind("there is no worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_read_as_guessed_or_asked_about() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let dated = |name: &str, date: fn(usize) -> String| {
        let text = interactions();
        let lines = text.lines().skip(1).enumerate().map(|(at, line)| {
            let ids = line.rsplit_once(',').expect("three fields").0;
            format!("{ids},{}\n", date(at))
        });
        let text = std::iter::once("user_id,item_id,date\n".to_owned()).chain(lines).collect::<String>();
        form(name).part("interactions", file("a.csv", text))
    };
    let time_of = async |made: Answer| {
        let project = ana.get(&format!("project/{}/", made.expect(201).body["project"])).await.expect(200).body;
        project["time_column"].clone()
    };
    let days: [fn(usize) -> String; 4] = [
        |at| format!("{:02}.06.2020", 1 + at % 28),
        |at| format!("{:02}/06/2020 06:43", 1 + at % 28),
        |at| format!("06/{:02}/2020", 1 + at % 28),
        |at| format!("2020年06月{:02}日", 1 + at % 28),
    ];
    for (at, day) in days.into_iter().enumerate() {
        assert_eq!(time_of(start(&ana, dated(&format!("D{at}"), day)).await).await, "date");
    }

    let unread = |at: usize| format!("June {} 2020", 1 + at % 28);
    let refused = start(&ana, dated("U", unread)).await.expect(422).body;
    let guess = &refused["guesses"]["files"]["interactions"];
    assert_eq!((&refused["code"], &guess["problems"][0]["column"]), (&json!("mapping_needed"), &json!("date")), "{refused}");
    let text = guess["problems"][0]["text"].as_str().expect("a text");
    assert!(text.starts_with("\"June 1 2020\" cannot be read as a time. Write times as 2020-01-31"), "{text}");
    let mapping =
        |role: &str| json!({ "interactions": { "user_id": "user_id", "item_id": "item_id", "date": role } }).to_string();
    let refused = start(&ana, dated("U", unread).text("mapping", mapping("time"))).await;
    assert!(refused.fault("mapping").contains("cannot be read as a time"), "{}", refused.body);
    let made = start(&ana, dated("U", unread).text("mapping", mapping("ignored"))).await;
    assert_eq!(time_of(made).await, Value::Null);
    app.leaves_jobs_behind("there is no worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_in_words_and_leave_nothing() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let sent = |name: &'static str, text: Vec<u8>| form("Bad").part("interactions", file(name, text));
    let header = start(&ana, sent("a.csv", b"user_id,item_id\n".to_vec())).await;
    assert!(header.fault("interactions").contains("a header but no rows"), "{}", header.body);
    let twice = start(&ana, sent("a.csv", b"user_id,item_id,item_id\nu,i,i\nv,i,i\n".to_vec())).await.expect(422);
    assert!(twice.body.to_string().contains("2 columns are named"), "{}", twice.body);
    let wrong = start(&ana, sent("a.parquet", b"user_id,item_id\nu,i\n".to_vec())).await;
    assert!(wrong.fault("interactions").contains("rename it"), "{}", wrong.body);
    let damaged = start(&ana, sent("a.csv", [b"user_id,item_id\n".to_vec(), vec![0; 5_000]].concat())).await;
    assert!(damaged.fault("interactions").contains("The first problem is at line 2: too few fields"), "{}", damaged.body);
    let name = "x".repeat(20_000);
    let (long, mapping) = (
        interactions().replace("timestamp", &name),
        json!({ "interactions": { "user_id": "user_id", "item_id": "item_id", name: "time" } }),
    );
    let long = start(&ana, sent("a.csv", long.into_bytes()).text("mapping", mapping.to_string())).await.expect(400);
    assert!(long.body.to_string().contains("characters"), "{}", long.body);
    let nothing = start(&ana, form("Bad")).await;
    assert!(nothing.fault("interactions").contains("Send a file of interactions"), "{}", nothing.body);
    let content = start(&ana, sent("a.csv", interactions().into_bytes()).text("goal", "content")).await;
    assert!(content.fault("items").contains("The goal \"content\" needs this file"), "{}", content.body);
    let swapped = form("Bad").part("interactions", file("i.csv", items())).part("items", file("c.csv", interactions()));
    let swapped = start(&ana, swapped).await.expect(422);
    assert!(swapped.body["guesses"]["problems"][0].as_str().unwrap().contains("swapped"), "{}", swapped.body);
    let apart = items().replace("\ni", "\nSHOP-");
    let apart = form("Bad").part("interactions", file("c.csv", interactions())).part("items", file("i.csv", apart));
    let apart = start(&ana, apart).await.expect(422);
    assert!(apart.body["guesses"]["problems"][0].as_str().unwrap().contains("share no item id"), "{}", apart.body);
    let budget = start(&ana, multipart::Form::new().text("name", "Bad").text("budget_seconds", "4")).await;
    assert!(!budget.fault("budget_seconds").is_empty());
    assert_eq!(app.count("SELECT count(*) FROM projects").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM training_data").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn utf_16_is_read_or_refused_with_what_to_do() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let units = std::iter::once(0xFEFF).chain(interactions().encode_utf16().collect::<Vec<_>>());
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let answer = start(&ana, form("Wide").part("interactions", file("a.csv", bytes))).await;
    match answer.status.as_u16() {
        201 => assert_eq!(answer.body["state"], "running"),
        _ => assert!(answer.fault("interactions").contains("UTF-8"), "{}", answer.body),
    }
    app.leaves_jobs_behind("there is no worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_is_said_at_once_where_all_rows_have_been_seen() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let alone: String = interactions()
        .lines()
        .filter(|line| !line.starts_with('u') || line.starts_with("u7,") || line.contains("user_id"))
        .fold(String::new(), |all, line| all + line + "\n");
    let sent = |name: &str, text: &str| form(name).part("interactions", file("a.csv", text.to_owned()));
    let refused = start(&ana, sent("Alone", &alone)).await;
    assert!(refused.fault("interactions").contains("are of one user"), "{}", refused.body);
    let refused = start(&ana, sent("One item", "user_id,item_id\nu1,i\nu2,i\nu3,i\n")).await;
    assert!(refused.fault("interactions").contains("are with one item"), "{}", refused.body);
    assert_eq!(app.count("SELECT count(*) FROM projects").await, 0);

    let long = (0..10_001).fold(String::from("user_id,item_id\n"), |all, at| all + &format!("u7,i{}\n", at % 30));
    let made = start(&ana, sent("Alone", &long)).await.expect(201);
    let run = over(&ana, made.id()).await;
    assert_eq!((&run["state"], &run["stage"]), (&json!("failed"), &json!("checking")), "{run}");
    assert_eq!((told(&app, "studio.ready", &run).await, told(&app, "studio.failed", &run).await), (0, 1));
    assert!(run["error"].as_str().unwrap().contains("are of one user"), "{run}");
    assert_eq!(stage(&run, "searching")["state"], "skipped");
    let both = form("Compared").part("interactions", file("a.csv", alone)).part("items", file("i.csv", items()));
    let run = over(&ana, start(&ana, both).await.expect(201).id()).await;
    assert_eq!(
        (&run["state"], &stage(&run, "searching")["detail"]["algorithm"]),
        (&json!("ready"), &json!("ContentKNNRecommender")),
        "{run}"
    );
    assert!(run["warnings"].to_string().contains("compared by what they have in common"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guesses_need_only_the_start_of_a_file() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let cut = interactions().into_bytes()[..2_000].to_vec();
    let sent = |part: multipart::Part| multipart::Form::new().part("interactions", part).text("is_head", "true");
    let found = guesses(&ana, sent(file("a.csv", cut))).await.expect(200).body;
    assert_eq!((&found["is_sure"], &found["files"]["items"]), (&json!(true), &Value::Null), "{found}");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, interactions().as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let found = guesses(&ana, sent(file("a.csv.gz", packed[..packed.len() / 2].to_vec()))).await.expect(200).body;
    assert_eq!(found["is_sure"], true, "{found}");
    assert!(found["files"]["interactions"]["rows_seen"].as_u64() > Some(20), "{found}");
    guesses(&ana, multipart::Form::new().text("is_head", "true")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stays_cancelled_with_its_search() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let made = start(&ana, form("Shop").part("interactions", file("clicks.csv", interactions()))).await.expect(201);
    let path = format!("studio/{}/", made.id());
    let busy = ana.delete(&format!("project/{}/", made.body["project"])).await.expect(409);
    assert_eq!(busy.body["dependents"][0]["resource"], "studio", "{}", busy.body);
    ana.post(&format!("{path}demo_key/"), json!({})).await.expect(409);
    let cancelled = ana.post(&format!("{path}cancel/"), json!({})).await.expect(200).body;
    assert_eq!((&cancelled["state"], &stage(&cancelled, "reading")["state"]), (&json!("cancelled"), &json!("skipped")));
    assert_eq!(cancelled["progress"], 0.0);
    ana.post(&format!("{path}cancel/"), json!({})).await.expect(409);
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE state NOT IN ('cancelled') AND kind <> 'prepare_data'").await, 0);
    ana.delete(&format!("project/{}/", made.body["project"])).await.expect(204);
    app.leaves_jobs_behind("the preparation of the upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_and_pictures_come_from_the_columns_that_the_mapping_names() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let row = |at: usize| format!("i{at},Name {at},Headline {at},https://img.example/{at}.png,{}\n", ["red", "blue"][at % 2]);
    let table: String = std::iter::once("item_id,name,headliner,pic,colour\n".to_owned()).chain((0..12).map(row)).collect();
    let roles = json!({ "items": { "item_id": "item_id", "headliner": "title", "pic": "image_url", "colour": "feature" } });
    let form = form("Shop").part("items", file("items.csv", table)).text("mapping", roles.to_string());
    let run = over(&ana, start(&ana, form).await.expect(201).id()).await;
    let project = format!("project/{}/", run["project"]);
    let shown = ana.get(&format!("{project}items/?q=i7")).await.expect(200).body;
    let item = &shown["results"][0];
    assert_eq!((&item["title"], &item["image_url"]), (&json!("Headline 7"), &json!("https://img.example/7.png")));
    assert_eq!((&shown["title_column"], &shown["image_column"]), (&json!("headliner"), &json!("pic")));
    // Found by its name again.
    ana.patch(&project, json!({ "title_column": null })).await.expect(200);
    let shown = ana.get(&format!("{project}items/?q=i7")).await.expect(200).body;
    assert_eq!((&shown["results"][0]["title"], &shown["title_column"]), (&json!("Name 7"), &json!("name")));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_a_run_that_was_cancelled_before_it_began_are_prepared() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let form = form("Shop").part("interactions", file("clicks.csv", interactions())).part("items", file("items.csv", items()));
    let made = start(&ana, form).await.expect(201);
    ana.post(&format!("studio/{}/cancel/", made.id()), json!({})).await.expect(200);
    app.work();
    for resource in ["training_data", "item_meta_data"] {
        let list = ana.get(&format!("{resource}/?project={}", made.body["project"])).await.expect(200).body;
        let upload = list["results"][0]["id"].as_i64().unwrap();
        ana.wait_for(&format!("{resource}/{upload}/"), |upload| upload["status"] == "ready").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_demo_key_replaces_the_former() {
    let app = TestApp::start_with_worker().await;
    let ana = app.user("ana").await;
    let made = start(&ana, form("Shop").part("items", file("items.csv", items()))).await.expect(201);
    let run = over(&ana, made.id()).await;
    let path = format!("studio/{}/demo_key/", made.id());
    let first = ana.post(&path, json!({})).await.expect(201).body;
    let second = ana.post(&path, json!({})).await.expect(201).body;
    let ask = async |key: &Value| {
        let caller = app.anonymous().with_key(key.as_str().unwrap());
        let path = format!("/inference/predict/project/{}", run["project"]);
        caller.call(Method::POST, &path, Some(json!({ "user_id": "x", "interactions": ["i1"] }))).await
    };
    ask(&first["key"]).await.expect(401);
    ask(&second["key"]).await.expect(200);
    let keys = ana.get(&format!("api_keys/?project={}", run["project"])).await.expect(200).body;
    assert_eq!((&keys["count"], &keys["results"][0]["scopes"]), (&json!(1), &json!(["predict"])), "{keys}");
    for _ in 0..59 {
        ask(&second["key"]).await.expect(200);
    }
    ask(&second["key"]).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_sees_no_run_and_may_not_be_started_in() {
    let app = TestApp::start_without_worker().await;
    let (ana, eve) = (app.user("ana").await, app.user("eve").await);
    let made = start(&ana, form("Shop").part("items", file("items.csv", items()))).await.expect(201);
    for path in [format!("studio/{}/", made.id()), format!("studio/{}/cancel/", made.id())] {
        let verb = if path.ends_with("cancel/") { Method::POST } else { Method::GET };
        eve.call(verb, &path, None).await.expect(404);
    }
    assert_eq!(eve.get("studio/").await.expect(200).body["count"], 0);
    assert_eq!(ana.get(&format!("studio/?project={}", made.body["project"])).await.expect(200).body["count"], 1);
    let organisation = ana.get(&format!("project/{}/", made.body["project"])).await.expect(200).body["organisation"].to_string();
    let elsewhere = form("Mine").part("items", file("items.csv", items())).text("organisation", organisation);
    assert!(!start(&eve, elsewhere).await.fault("organisation").is_empty());
    let again = start(&ana, form("Shop").part("items", file("items.csv", items()))).await;
    assert!(again.fault("name").contains("already have a project"), "{}", again.body);
    app.leaves_jobs_behind("there is no worker");
}
