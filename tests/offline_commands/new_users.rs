//! New users with features.

use serde_json::{Value, json};

use super::{Folder, described};

/// Returns a user file with the taste of each user.
fn tastes() -> String {
    let taste = |user: usize| if user.is_multiple_of(2) { "even" } else { "odd" };
    (0..40).fold("user_id,taste,age\n".to_owned(), |text, user| text + &format!("u{user},{},{}\n", taste(user), 20 + user % 9))
}

#[test]
fn new_users_get_lists_by_their_features() {
    let folder = Folder::new();
    std::fs::write(folder.file("users.csv"), tastes()).unwrap();
    std::fs::write(folder.file("items.csv"), described()).unwrap();
    std::fs::write(folder.file("strangers.csv"), "user_id,taste\nx,even\n").unwrap();
    std::fs::write(folder.file("odd.json"), "{\"taste\":\"odd\",\"age\":23}").unwrap();
    let of_factors = "{\"n_components\":4,\"alpha0\":0.3,\"reg\":0.02}";
    for (algorithm, params) in [("RP3beta", "{}"), ("IALS", of_factors), ("ContentKNN", "{}")] {
        let train = format!("train all.csv --users users.csv --items items.csv --algorithm {algorithm} --params {params}");
        assert_eq!(folder.json(&format!("{train} --output m.st --json"))["takes_profiles"], true, "{algorithm}");
        let ask = |rest: &str| folder.json(&format!("recommend --model m.st --deny 007 --cutoff 5 --json {rest}"));
        let liked = |answer: &Value, parity: usize| {
            let of_parity = |entry: &&Value| match entry["item_id"].as_str().unwrap() {
                "new even" => parity == 0,
                "new odd" => parity == 1,
                item => item.trim_start_matches("item ").trim_end_matches(", é").parse::<usize>().unwrap() % 2 == parity,
            };
            answer["recommendations"].as_array().unwrap().iter().filter(of_parity).count()
        };
        let even = ask("--profile {\"taste\":\"even\",\"shoes\":43}");
        assert!(liked(&even, 0) >= 4 && even["ignored_columns"] == json!(["shoes"]), "{algorithm}: {even}");
        let odd = ask("--profile @odd.json");
        assert!(liked(&odd, 1) >= 4, "{algorithm}: {odd}");
        let history = ask("--profile @odd.json --items 007");
        assert_eq!(history["recommendations"].as_array().unwrap().len(), 5, "{algorithm}: {history}");
    }
    folder.json("train all.csv --users users.csv --algorithm TopPop --output popular.st --json");
    for (command, wanted) in [
        ("recommend --model popular.st --profile @odd.json", "--users"),
        ("recommend --model m.st --profile 7", "expected a JSON object"),
        ("recommend --model m.st --profile @nothing.json", "nothing.json"),
        ("train all.csv --users strangers.csv --algorithm IALS --output x.st", "none of its 1 users is in the interactions"),
        ("train --users users.csv --items items.csv --algorithm ContentKNN --output x.st", "--users needs interactions"),
        ("evaluate --train all.csv --users users.csv --split RG --algorithm TopPop", "cannot recommend by profile"),
        ("evaluate --train all.csv --users users.csv --split CI --algorithm IALS", "choose RG, TG or TU"),
        ("evaluate --train all.csv --users users.csv --algorithm IALS", "--test"),
    ] {
        let complaint = folder.complaint(command);
        assert!(complaint.contains(wanted), "{command}: {complaint}");
    }
}

#[test]
fn new_users_are_evaluated_beside_the_most_popular_items() {
    let folder = Folder::new();
    std::fs::write(folder.file("users.csv"), tastes()).unwrap();
    let command = "evaluate --train all.csv --users users.csv --split RG --heldout-ratio 0.4 --algorithm RP3beta --cutoff 5";
    let found = folder.json(&format!("{command} --json"));
    assert_eq!(found["n_new_users"], 8);
    let ndcg = |part: &str| found[part]["metrics"]["ndcg"].as_f64().unwrap();
    assert!(ndcg("profile") > ndcg("popular"), "{found}");
    assert!(ndcg("profile_and_history") > ndcg("popular") && ndcg("history") > 0.0, "{found}");
    assert!(found["profile_less_popular"]["difference"].as_f64().unwrap() > 0.0 && found["both_less_history"].is_object());
    let search = "tune all.csv --users users.csv --heldout-ratio 0.4 --algorithms RP3beta,IALS --n-trials 4 --cutoff 5 --json";
    let search = folder.json(search);
    assert_eq!(search["n_judged_users"], 8);
    assert!(search["best"]["score"].as_f64().unwrap() > search["baseline"]["score"].as_f64().unwrap(), "{search}");
    assert!(folder.complaint("tune all.csv --users users.csv --algorithms TopPop").contains("cannot recommend by profile"));
    let shown = folder.run(command);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("New users by profile: ") && shown.contains("40 users, 8 of them new"), "{shown}");
}
