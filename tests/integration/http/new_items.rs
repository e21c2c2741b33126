//! Items that a model was not trained on: recommended for their metadata as soon as it is uploaded, without another training.

use chrono::TimeDelta;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::tastes::{Shop, place};
use crate::support::{Jobs, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_item_reaches_those_who_like_its_kind_and_goes_with_its_row() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    for (algorithm, parameters) in
        [("IALS", json!({ "n_components": 4, "alpha0": 0.1 })), ("DenseSLIM", json!({})), ("ContentKNN", json!({}))]
    {
        let model = shop.train(algorithm, parameters).await;
        assert_eq!(model["status"], "COMPLETED", "{algorithm}: {model}");
        assert_eq!(model["lineage"]["item_features"]["fields"][0]["column"], "colour", "{model}");
        let ask = json!({ "user_id": "u0", "cutoff": 60 });
        let before = shop.listed(&model, ask.clone()).await;
        assert!(place(&before, "new, of 0").is_none() && before.iter().all(|listed| listed.get("cold").is_none()));

        shop.describe(&[("new, of 0", 0), ("new, of 3", 3)]).await;
        let is_listed = async || place(&shop.listed(&model, ask.clone()).await, "new, of 0").is_some();
        app.soon(&format!("{algorithm} recommends the new item"), is_listed).await;
        let list = shop.listed(&model, ask.clone()).await;
        let (alike, other) = (place(&list, "new, of 0").expect("listed"), place(&list, "new, of 3"));
        assert!(other.is_none_or(|other| alike < other), "{algorithm}: {list:?}");
        let cold: Vec<&str> =
            list.iter().filter(|listed| listed["cold"] == true).filter_map(|one| one["item_id"].as_str()).collect();
        assert!(cold.iter().all(|item| item.starts_with("new")) && cold.contains(&"new, of 0"), "{algorithm}: {cold:?}");
        let preview = format!("trained_model/{}/recommendation/?user_id=u0&cutoff=60", model["id"]);
        let preview = shop.prepared.user.get(&preview).await.expect(200).body;
        let previewed = preview.as_array().expect("a list").iter().find(|listed| listed["item_id"] == "new, of 0");
        assert_eq!(previewed.expect("listed")["cold"], true, "{algorithm}: {preview}");
        let of_3 = json!({ "user_id": "u0", "cutoff": 60, "with_metadata": true,
            "filter": { "field": "colour", "op": "eq", "value": "colour 3" } });
        let filtered = shop.listed(&model, of_3).await;
        assert!(place(&filtered, "new, of 3").is_some() && place(&filtered, "new, of 0").is_none(), "{algorithm}: {filtered:?}");
        assert!(filtered.iter().all(|listed| listed["metadata"]["colour"] == "colour 3"));

        shop.describe(&[]).await;
        let is_gone = async || place(&shop.listed(&model, ask.clone()).await, "new, of 0").is_none();
        app.soon("an item without a row is not recommended", is_gone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_new_metadata_lists_its_items_and_not_those_without_a_row() {
    // Room for both models, until the first one has many new items.
    let app = TestApp::start_with(Jobs::Run, |settings| settings.model_cache_bytes = 400 << 10).await;
    let shop = Shop::open(&app).await;
    shop.describe(&[("withdrawn, of 0", 0)]).await;
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    let other = shop.train("TopPop", json!({})).await;
    let ask = json!({ "user_id": "u0", "cutoff": 60 });
    let before = shop.listed(&model, ask.clone()).await;
    assert!(place(&before, "withdrawn, of 0").is_some(), "{before:?}");
    shop.listed(&other, ask.clone()).await;
    let anonymous = app.anonymous();
    let loaded = async || anonymous.get("/inference/models").await.expect(200).body["models"].clone();
    assert_eq!(loaded().await, json!([model["id"], other["id"]]));

    let many: Vec<String> = (0..30_000).map(|n| format!("one more of 3, {n}")).collect();
    let more: Vec<(&str, usize)> = many.iter().map(|item| (item.as_str(), 3)).chain([("new, of 0", 0)]).collect();
    shop.describe(&more).await;
    let is_alone = async || loaded().await == json!([model["id"]]);
    app.soon("the model is read again, without a request, and takes the room of the other", is_alone).await;
    let first = shop.listed(&model, ask).await;
    assert!(place(&first, "new, of 0").is_some() && place(&first, "withdrawn, of 0").is_none(), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_says_nothing_is_left_out_with_a_reason_unless_the_model_is_made_of_it() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let missing = shop.train("ContentKNN", json!({})).await;
    assert_eq!(missing["status"], "FAILED", "{missing}");
    assert!(missing["error"].as_str().is_some_and(|text| text.contains("features of items")), "{missing}");

    let file = Part::bytes(b"item,colour\nunknown 1,red\nunknown 2,red\n".to_vec()).file_name("items.csv");
    let form = Form::new().part("file", file).text("project", shop.prepared.project.to_string());
    shop.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    let model = shop.train("IALS", json!({ "n_components": 4 })).await;
    assert_eq!((&model["status"], model["lineage"].get("item_features")), (&json!("COMPLETED"), None), "{model}");
    let log = shop.prepared.user.get("task_log/").await.expect(200).body;
    let wanted = "none of the 2 items of the metadata is in the training data; the ids of the table look like";
    assert!(log.to_string().contains(wanted), "{log}");
    assert!(model["lineage"]["warnings"].to_string().contains(wanted), "{model}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_on_a_split_that_holds_out_items_finds_what_recommends_new_ones() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let user = &shop.prepared.user;
    let split = user
        .post("split_config/", json!({ "scheme": "CI", "heldout_item_ratio": 0.25, "heldout_ratio": 0.3 }))
        .await
        .expect(201)
        .id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 10 })).await.expect(201).id();
    let search = |algorithms: Value| {
        json!({ "data": shop.prepared.data, "split": split, "evaluation": evaluation, "n_trials": 2, "random_seed": 1,
            "tried_algorithms_json": algorithms, "train_after_tuning": false })
    };
    let refused = user.post("parameter_tuning_job/", search(json!(["DenseSLIM"]))).await;
    assert!(refused.fault("split").contains("Upload it first"), "{}", refused.body);

    shop.describe(&[]).await;
    let unable = user.post("parameter_tuning_job/", search(json!(["TopPop"]))).await;
    assert!(unable.fault("tried_algorithms_json").contains("TopPopRecommender cannot recommend new items"), "{}", unable.body);
    let path = format!(
        "parameter_tuning_job/{}/",
        user.post("parameter_tuning_job/", search(json!(["DenseSLIM", "TopPop"]))).await.id()
    );
    app.soon("the search ends", async || user.get(&path).await.body["status"] == "COMPLETED").await;
    let job = user.get(&path).await.body;
    assert_eq!(job["warnings"], json!(["Left out, since they cannot recommend new items: TopPopRecommender."]));
    let baselines = job["cold_baselines"].as_array().expect("baselines");
    let names: Vec<&Value> = baselines.iter().map(|baseline| &baseline["name"]).collect();
    assert_eq!(names, ["random", "popularity_from_features", "content_knn"]);
    assert_eq!(job["baseline_score"], baselines[1]["score"]["mean"]);
    let trials = user.get(&format!("{path}trials/")).await.body;
    let trials = trials.as_array().expect("trials");
    assert_eq!(trials.len(), 2);
    for trial in trials {
        assert_eq!(trial["algorithm"], "DenseSLIMRecommender", "{trial}");
        // Items of a taste have a colour of their own, so that features say everything.
        assert!(trial["score"].as_f64() > job["baseline_score"].as_f64(), "{trial} {job}");
        let beside = &trial["beside_new_items"];
        for part in [&beside["warm"], &beside["mixed"], &beside["cold_share"]] {
            let value = |name: &str| part[name].as_f64().expect(name);
            assert!(
                (0.0..=1.0).contains(&value("mean")) && value("low") <= value("mean") && value("mean") <= value("high"),
                "{trial}"
            );
        }
        assert!(beside["cold_share"]["mean"].as_f64() > Some(0.0), "{trial}");
    }
    let log = user.get("task_log/").await.expect(200).body.to_string();
    assert!(log.contains("Left out, since they cannot recommend new items: TopPopRecommender."), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_items_get_their_share_of_the_places_and_the_log_knows_with_which_probability() {
    const CUTOFF: usize = 5;
    const LISTS: i64 = 200;
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    let (owner, project) = (&shop.prepared.user, format!("project/{}/", shop.prepared.project));
    let slot = json!({ "project": shop.prepared.project, "name": "A", "trained_model": model["id"] });
    owner.post("deployment_slot/", slot).await.expect(201);
    let new: Vec<(String, usize)> = (0..60).map(|number| (format!("new {number}"), 1 + number % 3)).collect();
    shop.describe(&new.iter().map(|(item, taste)| (item.as_str(), *taste)).collect::<Vec<_>>()).await;
    let ask = json!({ "user_id": "u0", "cutoff": CUTOFF });
    let everything = json!({ "user_id": "u0", "cutoff": 200 });
    let is_known = async || place(&shop.listed(&model, everything.clone()).await, "new 0").is_some();
    app.soon("the new items are known", is_known).await;
    // What the model lists without a share.
    let base = shop.listed(&model, ask.clone()).await;
    assert_eq!(base.len(), CUTOFF);

    assert_eq!(owner.get(&project).await.expect(200).body["new_item_share"], 0.0);
    for wrong in [json!(0.31), json!(-0.1), json!("x"), json!(null)] {
        owner.patch(&project, json!({ "new_item_share": wrong })).await.fault("new_item_share");
    }
    let saved = owner.patch(&project, json!({ "new_item_share": 0.3, "logged_share": 1 })).await.expect(200).body;
    assert_eq!(saved["new_item_share"], 0.3);
    // Later than all data that the model has learnt from.
    app.services.clock.advance(TimeDelta::minutes(1));
    let path = format!("/inference/predict/project/{}", shop.prepared.project);
    let list =
        async || shop.program.post(&path, ask.clone()).await.expect(200).body["items"].as_array().cloned().unwrap_or_default();
    let is_drawn = async || {
        let count = "SELECT count(*) FROM recommendation_log WHERE item_propensities IS NOT NULL";
        list().await != base && app.count(count).await > 0
    };
    app.soon("new items take places", is_drawn).await;
    for _ in 0..LISTS {
        let list = list().await;
        let ids: std::collections::BTreeSet<String> = list.iter().map(|one| one["item_id"].to_string()).collect();
        assert_eq!(ids.len(), CUTOFF, "no item twice: {list:?}");
        for (place, (listed, base)) in list.iter().zip(&base).enumerate() {
            assert!(listed == base || listed["cold"] == true, "place {place}: {listed} instead of {base}");
        }
    }
    let known = "item_propensities IS NOT NULL AND propensity = 1";
    let logged = async || app.count(&format!("SELECT count(*) FROM recommendation_log WHERE {known}")).await >= LISTS;
    app.soon("the lists are logged", logged).await;

    let base = base.iter().map(|one| format!("'{}'", one["item_id"].as_str().expect("an id"))).collect::<Vec<_>>().join(",");
    let places = format!(
        "SELECT place, item, chance, item = (ARRAY[{base}])[place::int] AS is_base
         FROM recommendation_log, unnest(items, item_propensities) WITH ORDINALITY AS shown (item, chance, place) WHERE {known}"
    );
    let count = async |sql: &str| app.count(&format!("WITH places AS ({places}) {sql}")).await;
    let wrong = "SELECT count(*) FROM places WHERE NOT CASE WHEN is_base THEN abs(chance - 0.7) < 1e-9
        ELSE chance > 0 AND chance < 0.3 + 1e-9 AND item LIKE 'new %' END";
    assert_eq!(count(wrong).await, 0, "the probabilities are those of one place of a list");
    let varying = "SELECT count(*) FROM (SELECT FROM places GROUP BY place, item HAVING max(chance) > min(chance)) AS odd";
    assert_eq!(count(varying).await, 0, "an item has the same probability in every list of the same user");
    let sums = "SELECT count(*) FROM (
            SELECT sum(chance) AS sum FROM (SELECT DISTINCT place, item, chance FROM places) AS seen GROUP BY place
        ) AS sums WHERE sum > 1 + 1e-9 OR sum < 0.9";
    assert_eq!(count(sums).await, 0, "the items of a place share it");
    let drawn = count("SELECT count(*) * 1000 / (SELECT count(*) FROM places) AS count FROM places WHERE NOT is_base").await;
    assert!((210..390).contains(&drawn), "{drawn} of 1000 places went to new items");

    let judged = owner.get(&format!("trained_model/{}/off_policy/?cutoff={CUTOFF}", model["id"])).await.expect(200).body;
    assert!(judged["requests"].as_i64() >= Some(LISTS), "{judged}");
    assert!(!judged["warnings"].to_string().contains("nothing_varied"), "{judged}");
    assert!(judged["click_estimates"]["support"].as_f64().is_some_and(|support| (support - 1.0).abs() < 0.1), "{judged}");
}
