//! The commands that need no server, run as a user runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

mod item_features;
mod new_users;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Returns interactions of two tastes: even users like even items, odd users odd ones, and every user likes "007".
fn interactions(skip: usize) -> String {
    let mut text = "user_id,item_id,timestamp\n".to_owned();
    for user in 0..40 {
        text += &format!("u{user},007,2024-01-01\n");
        for item in (user % 2..20).step_by(2).filter(|item| (item / 2 + user) % 5 != skip) {
            text += &format!("u{user},\"item {item}, é\",2024-01-{:02} 10:00:00\n", item + 2);
        }
    }
    text
}

fn held_out() -> String {
    let rows = (0..40).flat_map(|user| {
        let liked = (user % 2..20).step_by(2).filter(move |item| (item / 2 + user) % 5 == 0);
        liked.map(move |item| format!("u{user},\"item {item}, é\"\n"))
    });
    format!("user_id,item_id\n{}", rows.collect::<String>())
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.file("all.csv"), interactions(9)).unwrap();
        std::fs::write(folder.file("train.csv"), interactions(0)).unwrap();
        std::fs::write(folder.file("test.csv"), held_out()).unwrap();
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, command: &str) -> Output {
        let words = command.split(' ');
        Command::new(env!("CARGO_BIN_EXE_recotem")).current_dir(self.0.path()).args(words).output().unwrap()
    }

    fn json(&self, command: &str) -> Value {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn complaint(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(!output.status.success(), "{command} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn inspect_shows_how_a_file_is_read() {
    let folder = Folder::new();
    std::fs::write(folder.file("odd.csv"), "user_id;item_id;day\r\nNULL;1;20200102\r\na;2;20200103\r\n;3;20200103\r\n").unwrap();
    let found = folder.json("inspect odd.csv --time-column day --rows 1 --json");
    assert_eq!((&found["rows_kept"], &found["rejected"]), (&2.into(), &1.into()));
    assert_eq!(found["rows"][0]["time"], 1_577_923_200_000_000_i64);
    let notes: Vec<(&str, &str)> = found["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| (note["kind"].as_str().unwrap(), note["guess"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(notes, [("delimiter_found", "semicolon"), ("ids_look_missing", ""), ("times_read", "year_month_day")]);
    std::fs::write(folder.file("items.jsonl"), "{\"item_id\":1,\"tags\":[\"a\"]}\n").unwrap();
    let found = folder.json("inspect items.jsonl --items --rows 1 --json");
    assert_eq!(found["rows"][0]["values"]["tags"][0], "a");
    assert_eq!((&found["kinds"][0]["name"], &found["kinds"][0]["kind"]), (&"tags".into(), &"list".into()));
    let shown = folder.run("inspect items.jsonl --items");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("column \"tags\": lists\n"), "{shown:?}");
    let shown = folder.run("inspect odd.csv --time-column day");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("note: 2 times in \"day\" read as dates in digits (20200102), for example \"20200102\""), "{shown}");
}

#[test]
fn a_model_is_judged_trained_and_asked() {
    let folder = Folder::new();
    let report = folder.json("evaluate --train train.csv --test test.csv --algorithm RP3beta --cutoff 5 --lists u0,u1 --json");
    assert_eq!(report["algorithm"], "RP3betaRecommender");
    assert_eq!((&report["n_users"], &report["n_items"]), (&Value::from(40), &Value::from(21)));
    let ndcg = report["metrics"]["ndcg"].as_f64().unwrap();
    assert!(ndcg > 0.6, "{report}");
    let interval = &report["intervals"]["ndcg"];
    assert!(interval[0].as_f64().unwrap() <= ndcg && ndcg <= interval[1].as_f64().unwrap(), "{interval}");
    let names = |of: &str| -> Vec<&str> {
        report["segments"][of].as_array().unwrap().iter().map(|segment| segment["name"].as_str().unwrap()).collect()
    };
    assert_eq!(names("activity"), ["light", "medium", "heavy"]);
    assert_eq!(names("popularity"), ["head", "tail"]);
    let list = report["lists"]["u0"].as_array().unwrap();
    assert!(list[0][0].as_str().unwrap().starts_with("item "), "{list:?}");
    assert!(report["read_seconds"].is_f64() && report["peak_rss_bytes"].is_u64());

    folder.json("train all.csv --algorithm CosineKNN --output model.safetensors --json");
    let known = folder.json("recommend --model model.safetensors --user u0 --cutoff 3 --json");
    assert_eq!(known["recommendations"].as_array().unwrap().len(), 3);
    let unknown = folder.json("recommend --model model.safetensors --user nobody --items 007 --cutoff 4 --json");
    assert_eq!(unknown["known_user"], false);
    let similar = folder.json("similar --model model.safetensors --item 007 --cutoff 2 --json");
    assert_eq!(similar["similar"].as_array().unwrap().len(), 2);
    assert!(folder.complaint("recommend --model model.safetensors --user nobody").contains("give --items"));
    assert!(folder.complaint("similar --model model.safetensors --item 7").contains("\"7\""));
    assert!(folder.complaint("similar --model all.csv --item 7").contains("artifact"));
}

#[test]
fn lists_are_filtered_spread_out_and_explained() {
    let folder = Folder::new();
    folder.json("train all.csv --algorithm RP3beta --output model.safetensors --json");
    let ask = |options: &str| {
        let answer = folder.json(&format!("recommend --model model.safetensors {options} --json"));
        let list = answer["recommendations"].as_array().unwrap().clone();
        let items: Vec<String> = list.iter().map(|entry| entry["item_id"].as_str().unwrap().to_owned()).collect();
        (items, list)
    };
    let (plain, list) = ask("--items 007 --cutoff 20");
    assert_eq!(plain.len(), 20, "all but the one given");
    assert!(list.iter().all(|entry| entry.get("because").is_none()));
    assert_eq!(ask("--items 007 --cutoff 20 --diversity 0").0, plain);
    assert_eq!(ask("--items 007 --cutoff 20 --diversity 0.9").0.len(), 20);
    let (spread, _) = ask("--items 007 --cutoff 2 --diversity 1");
    let number = |item: &str| item.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u32>().unwrap();
    assert_ne!(number(&spread[0]) % 2, number(&spread[1]) % 2, "the two tastes share nobody: {spread:?}");
    assert!(!ask("--user u0 --cutoff 20 --deny 007 --include-seen").0.contains(&"007".to_owned()));
    assert_eq!(ask("--user u0 --allow 007,nothing --include-seen").0, ["007"]);
    let (_, explained) = ask("--user u1 --cutoff 3 --explain 2 --include-seen");
    for entry in &explained {
        let reasons = entry["because"].as_array().unwrap();
        assert!(!reasons.is_empty() && reasons.len() <= 2, "{entry}");
        assert!(reasons[0][0].is_string() && reasons[0][1].as_f64().unwrap() > 0.0, "{entry}");
    }
    let text = folder.run("recommend --model model.safetensors --user u1 --cutoff 2 --explain 1 --include-seen");
    assert!(String::from_utf8_lossy(&text.stdout).contains("because of "), "{text:?}");
}

/// Returns visits that end with the item after the one before it, on a ring of ten items.
fn visits() -> String {
    let rows =
        (0..120).flat_map(|visit| (0..4).map(move |at| format!("v{visit},r{},{}\n", (visit * 3 + at) % 10, 1000 * visit + at)));
    format!("visit,item_id,at\n{}", rows.collect::<String>())
}

#[test]
fn a_visit_in_progress_is_answered_from_itself() {
    let folder = Folder::new();
    std::fs::write(folder.file("visits.csv"), visits()).unwrap();
    let columns = "--session-column visit --time-column at --algorithm VMISKNN";
    let trained = folder.json(&format!("train visits.csv {columns} --output sessions.safetensors --json"));
    assert_eq!((&trained["n_sessions"], &trained["n_items"]), (&Value::from(120), &Value::from(10)), "{trained}");
    let answer = folder.json("recommend --model sessions.safetensors --session r1,r2,r3 --cutoff 3 --json");
    let list = answer["recommendations"].as_array().unwrap();
    assert_eq!((list.len(), &list[0]["item_id"]), (3, &Value::from("r4")), "{answer}");
    let denied = folder.json("recommend --model sessions.safetensors --session r1,r2,r3 --deny r4 --cutoff 6 --json");
    assert_eq!(denied["recommendations"].as_array().unwrap().len(), 6);
    let judged = folder.json(&format!("evaluate --train visits.csv {columns} --cutoff 3 --json"));
    assert_eq!(judged["test_sessions"], 12, "{judged}");
    assert!(judged["metrics"]["hit"].as_f64() > judged["baseline"]["hit"].as_f64(), "{judged}");
    let both = folder.json(&format!("evaluate --train visits.csv --test visits.csv {columns} --cutoff 3 --json"));
    assert_eq!((&both["n_sessions"], &both["test_sessions"]), (&Value::from(120), &Value::from(120)));

    folder.json("train all.csv --algorithm TopPop --output plain.safetensors --json");
    for (command, reason) in [
        ("recommend --model sessions.safetensors --user v1", "--session"),
        ("recommend --model plain.safetensors --session 007", "--user or --items"),
        ("recommend --model sessions.safetensors --session nothing", "none of the items"),
        ("recommend --model sessions.safetensors --session r1 --explain 2", "--explain"),
        ("recommend --model sessions.safetensors --session r1 --diversity 1.5", "between 0 and 1"),
        ("train visits.csv --session-column visit --algorithm VMISKNN --output x", "give --time-column"),
        ("train all.csv --session-column user_id --algorithm IALS --output x", "VMISKNN"),
        ("train visits.csv --algorithm VMISKNN --params {\"k\":1} --output x", "no parameter"),
        ("evaluate --train all.csv --algorithm IALS", "--test"),
        ("evaluate --train all.csv --algorithm Magic", "VMISKNN"),
    ] {
        let complaint = folder.complaint(command);
        assert!(complaint.contains(reason), "{command}: {complaint}");
    }
}

/// Returns an item file in which each item has the taste of its users, with two new items.
fn described() -> String {
    let taste = |item: usize| if item.is_multiple_of(2) { "even" } else { "odd" };
    let known = (0..20).map(|item| format!("\"item {item}, é\",{},red|{}\n", taste(item), item % 3));
    let new = ["new even,even,red\n".to_owned(), "new odd,odd,red\n".to_owned()];
    known.chain(new).fold("item_id,taste,colours\n".to_owned(), |text, row| text + &row)
}

#[test]
fn items_that_are_only_described_are_recommended_by_their_features() {
    let folder = Folder::new();
    std::fs::write(folder.file("items.csv"), described()).unwrap();
    for algorithm in ["RP3beta", "IALS", "ContentKNN"] {
        let trained = folder.json(&format!("train all.csv --items items.csv --algorithm {algorithm} --output m.st --json"));
        assert_eq!(trained["n_new_items"], 2, "{algorithm}");
        let list = folder.json("recommend --model m.st --user u0 --cutoff 30 --json");
        let place = |wanted: &str| {
            let all = list["recommendations"].as_array().unwrap();
            all.iter().position(|listed| listed["item_id"] == wanted && listed["cold"] == true)
        };
        let (even, odd) = (place("new even"), place("new odd"));
        assert!(even.is_some() && odd.is_none_or(|odd| even.unwrap() < odd), "{algorithm}: {list}");
    }
    // Without a single interaction.
    std::fs::write(folder.file("shelf.csv"), "item_id,kind\na,lamp\nb,lamp\nc,desk\nd,desk\n").unwrap();
    folder.json("train --items shelf.csv --algorithm ContentKNN --output shelf.st --json");
    assert_eq!(folder.json("similar --model shelf.st --item c --json")["similar"][0]["item_id"], "d");
}

#[test]
fn new_items_are_evaluated_beside_what_needs_no_model() {
    let folder = Folder::new();
    std::fs::write(folder.file("items.csv"), described()).unwrap();
    let found = folder.json("evaluate --train all.csv --items items.csv --split CI --algorithm RP3beta --cutoff 3 --json");
    let ndcg = |part: &Value| part["metrics"]["ndcg"].as_f64().unwrap();
    assert_eq!(found["n_cold_items"], 4);
    let baselines = ["random", "popularity_from_features", "content_knn"].map(|name| ndcg(&found["baselines"][name]["cold"]));
    assert!(ndcg(&found["cold"]) > baselines[0] && ndcg(&found["cold"]) > baselines[1], "{found}");
    assert!(found["warm"].is_object() && found["mixed"].is_object() && found["cold_share"].as_f64().is_some());
    assert_eq!(found["baselines"]["random"]["model_less_baseline"]["tied"], false);
    let of_two_files = folder.json("evaluate --train train.csv --test test.csv --items items.csv --algorithm IALS --json");
    assert!(of_two_files["cold"].is_null() && of_two_files["warm"].is_object(), "no item of the test file is new");
    let search = folder.json("tune all.csv --items items.csv --split CI --algorithms RP3beta,ContentKNN --n-trials 4 --json");
    assert_eq!(search["baselines"].as_array().unwrap().len(), 3);
    assert!(search["best"]["beside_new_items"]["mixed"]["ndcg"].as_f64().is_some(), "{search}");

    std::fs::write(folder.file("shelf.csv"), "item_id,kind\na,lamp\n").unwrap();
    for (command, wanted) in [
        ("evaluate --train all.csv --split CI --algorithm IALS", "--items"),
        (
            "evaluate --train all.csv --items items.csv --split CI --algorithm TopPop",
            "TopPopRecommender cannot recommend new items",
        ),
        ("tune all.csv --items items.csv --split CI --algorithms TopPop", "cannot recommend new items"),
        ("train --items items.csv --algorithm IALS --output x.st", "name the file of interactions"),
        ("train all.csv --items shelf.csv --algorithm IALS --output x.st", "none of its 1 items is in the interactions"),
        ("train all.csv --algorithm ContentKNN --output x.st", "features of items"),
    ] {
        let complaint = folder.complaint(command);
        assert!(complaint.contains(wanted), "{command}: {complaint}");
    }
}

#[test]
fn each_column_is_worth_what_new_items_lose_without_it() {
    let folder = Folder::new();
    std::fs::write(folder.file("items.csv"), described()).unwrap();
    let command = "evaluate --train all.csv --items items.csv --algorithm RP3beta --cutoff 3 --field-worth";
    let found = folder.json(&format!("{command} --split CI --json"));
    assert_eq!((&found["n_folds"], &found["cutoff"], &found["algorithm"]), (&3.into(), &3.into(), &"RP3betaRecommender".into()));
    let baselines: Vec<&Value> = found["baselines"].as_array().unwrap().iter().map(|beside| &beside["baseline"]).collect();
    assert_eq!(baselines, ["random", "popularity_from_features", "content_knn"]);
    let fields = found["fields"].as_array().unwrap();
    assert_eq!(fields.iter().map(|field| &field["column"]).collect::<Vec<_>>(), ["taste", "colours"]);
    let [taste, colours] = [0, 1].map(|at: usize| fields[at]["worth"]["mean"].as_f64().unwrap());
    assert!(taste > 0.0 && taste > colours, "{found}");
    assert!(fields[0]["kind"] == "category" && fields[0]["is_noise"].is_boolean(), "{found}");
    let printed = String::from_utf8(folder.run(&format!("{command} --split CI")).stdout).unwrap();
    assert!(printed.lines().any(|line| line.starts_with("taste (category)") && line.contains("+0.")), "{printed}");
    for (options, wanted) in [("--split RG", "choose --split CI or TI"), ("", "--split")] {
        let complaint = folder.complaint(format!("{command} {options}").trim_end());
        assert!(complaint.contains(wanted), "{options}: {complaint}");
    }
}

#[test]
fn a_search_is_repeatable_and_shows_the_baseline() {
    let folder = Folder::new();
    let command = "tune all.csv --algorithms CosineKNN,RP3beta --n-trials 8 --cutoff 5 --heldout-ratio 0.3 --seed 3 --json";
    let report = folder.json(command);
    let board = report["leaderboard"].as_array().unwrap();
    assert_eq!(board.len(), 8);
    let scores: Vec<f64> = board.iter().map(|trial| trial["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert_eq!(report["best"], board[0]);
    assert_eq!(report["baseline"]["algorithm"], "TopPopRecommender");
    assert!(scores[0] > report["baseline"]["score"].as_f64().unwrap());
    let again = folder.json(command);
    let tried = |report: &Value| -> Vec<Value> {
        report["leaderboard"].as_array().unwrap().iter().map(|trial| trial["parameters"].clone()).collect()
    };
    assert_eq!(tried(&report), tried(&again));
    let parallel = folder.json(
        "tune all.csv --algorithms CosineKNN,TopPop --n-trials 8 --workers 3 --split TU --time-column timestamp --heldout-ratio 0.3 --json",
    );
    assert_eq!(parallel["leaderboard"].as_array().unwrap().len(), 8);
    let tight = folder.json("tune all.csv --algorithms IALS --n-trials 2 --heldout-ratio 0.3 --trial-timeout 0 --json");
    assert_eq!(tight["unfinished"][0]["state"], "pruned", "{tight}");
}

#[test]
fn a_search_keeps_to_its_limits_and_marks_ties() {
    let folder = Folder::new();
    let report = folder.json(
        "tune all.csv --algorithms IALS,CosineKNN,TopPop --n-trials 12 --trials-per-algorithm IALS=3,CosineKNN=4 --pruner halving --heldout-ratio 0.3 --cutoff 5 --json",
    );
    let trials = || ["leaderboard", "unfinished"].into_iter().flat_map(|list| report[list].as_array().unwrap());
    let count = |name: &str| trials().filter(|trial| trial["algorithm"] == name).count();
    assert_eq!((count("IALSRecommender"), count("CosineKNNRecommender"), count("TopPopRecommender")), (3, 4, 1));
    assert_eq!(report["best"]["tied_with_best"], true);
    assert_eq!(report["baseline"]["tied_with_best"], false, "{report}");
    let tight = folder.json("tune all.csv --algorithms IALS --n-trials 2 --heldout-ratio 0.3 --memory-budget-mb 1 --json");
    let trial = &tight["unfinished"][0];
    assert_eq!(trial["state"], "pruned");
    assert!(trial["note"].as_str().unwrap().contains("MB are allowed"), "{trial}");
}

#[test]
fn what_does_not_fit_into_memory_is_refused_in_words() {
    let folder = Folder::new();
    let rows: String = (0..700_000).map(|item| format!("u{},i{item}\n", item % 50)).collect();
    std::fs::write(folder.file("wide.csv"), format!("user_id,item_id\n{rows}")).unwrap();
    for command in
        ["train wide.csv --algorithm DenseSLIM --output model", "evaluate --train wide.csv --test wide.csv --algorithm DenseSLIM"]
    {
        let complaint = folder.complaint(command);
        assert!(complaint.contains("fitting DenseSLIMRecommender needs about"), "{command}: {complaint}");
    }
    let report = folder.json("tune wide.csv --algorithms DenseSLIM --n-trials 1 --memory-budget-mb 999999999 --json");
    let trial = &report["unfinished"][0];
    assert_eq!(trial["state"], "pruned");
    assert!(trial["note"].as_str().unwrap().contains("MB are allowed"), "{trial}");
}

#[test]
fn a_time_in_the_future_makes_nothing_old() {
    let folder = Folder::new();
    let rows = "a,old,2020-01-01\nb,old,2020-01-01\nc,old,2020-01-01\na,new,2020-12-01\nb,new,2020-12-01\nb,old,9999-12-31\n";
    std::fs::write(folder.file("late.csv"), format!("user_id,item_id,timestamp\n{rows}")).unwrap();
    let command = "train late.csv --time-column timestamp --half-life-days 30 --algorithm TopPop --output late.safetensors";
    let output = folder.run(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("Rows in the future: 1 (up to 9999-12-31"), "{told}");
    let list = folder.json("recommend --model late.safetensors --user c --include-seen --json");
    assert_eq!(list["recommendations"][0]["item_id"], "new", "{list}");
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let folder = Folder::new();
    let empty: &Path = &folder.file("empty.csv");
    std::fs::write(empty, "").unwrap();
    std::fs::write(folder.file("all.pkl"), "of another kind").unwrap();
    for (command, reason) in [
        ("evaluate --train train.csv --test test.csv --algorithm Magic", "there is no algorithm"),
        ("evaluate --train train.csv --test test.csv --algorithm IALS --params {\"n\":1}", "no parameter"),
        ("evaluate --train train.csv --test test.csv --algorithm IALS --params [1]", "JSON object"),
        ("evaluate --train train.csv --test test.csv --algorithm IALS --user-column who", "no column \"who\""),
        ("evaluate --train empty.csv --test test.csv --algorithm IALS", "empty"),
        ("evaluate --train missing.csv --test test.csv --algorithm IALS", "missing.csv"),
        ("evaluate --train train.csv --test test.csv --algorithm IALS --cutoff 0", "--cutoff"),
        ("train all.pkl --algorithm IALS --output x", "format"),
        ("tune all.csv --n-trials 0", "--n-trials"),
        ("tune all.csv --pruner sometimes", "median, halving or none"),
        ("tune all.csv --trials-per-algorithm IALS", "such as IALS=10"),
        ("tune all.csv --algorithms IALS --trials-per-algorithm RP3beta=2", "not searched"),
        ("tune all.csv --split TU", "time"),
        ("tune all.csv --split TU --time-column user_id", "no value of the time column"),
        ("tune all.csv --heldout-ratio 1.5", "heldout_ratio"),
        ("tune all.csv --metric gini_index", "metric"),
    ] {
        let complaint = folder.complaint(command);
        assert!(complaint.contains(reason), "{command}: {complaint}");
    }
}
