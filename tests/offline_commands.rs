//! The commands that need no server, run as a user runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Two tastes: even users like even items, odd users odd ones, and everybody likes "007".
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
fn a_model_is_judged_trained_and_asked() {
    let folder = Folder::new();
    let report = folder.json("evaluate --train train.csv --test test.csv --algorithm RP3beta --cutoff 5 --lists u0,u1 --json");
    assert_eq!(report["algorithm"], "RP3betaRecommender");
    assert_eq!((&report["n_users"], &report["n_items"]), (&Value::from(40), &Value::from(21)));
    assert!(report["metrics"]["ndcg"].as_f64().unwrap() > 0.6, "{report}");
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
fn bad_input_is_refused_with_a_reason() {
    let folder = Folder::new();
    let empty: &Path = &folder.file("empty.csv");
    std::fs::write(empty, "").unwrap();
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
