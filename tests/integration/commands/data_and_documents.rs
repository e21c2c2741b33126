//! Commands that need no database: the API document and generated data.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::commands::Said;

#[test]
fn the_api_document_is_printed_without_any_database() {
    let output = Said::by(Command::new(env!("CARGO_BIN_EXE_recotem")).arg("openapi")).done();
    let document: Value = serde_json::from_str(&output).expect("JSON");
    assert!(document["paths"]["/api/v1/project/"].is_object());
}

#[test]
fn a_command_whose_output_is_read_in_part_ends_quietly() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    let mut running = command.arg("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let mut start = [0; 1];
    running.stdout.take().expect("its output").read_exact(&mut start).expect("its beginning");
    // The document is larger than a pipe holds, so that the rest of it fails to be written.
    let ended = running.wait_with_output().expect("its end");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

/// Runs `recotem synthesize` in a folder.
fn synthesize(folder: &Path, arguments: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    Said::by(command.current_dir(folder).arg("synthesize").args(arguments.split(' ')))
}

/// Returns the rows of a generated file below its header.
fn rows(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).expect("the file");
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("user_id,item_id"));
    lines.collect()
}

#[test]
fn generated_interactions_are_as_many_as_asked_and_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let size = "--interactions 2000 --users 40 --items 300";
    let said = synthesize(folder, &format!("{size} --output all.csv")).done();
    assert_eq!(said, "40 users, 300 items, 2000 interactions in all.csv\n");
    let all = rows(folder, "all.csv");
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (2_000, 2_000), "no pair comes twice");
    let users: BTreeSet<&str> = all.iter().filter_map(|row| row.split(',').next()).collect();
    assert_eq!(users.len(), 40);

    synthesize(folder, &format!("{size} -o learnt.csv --held-out judged.csv")).done();
    let (learnt, judged) = (rows(folder, "learnt.csv"), rows(folder, "judged.csv"));
    let together: BTreeSet<&String> = learnt.iter().chain(&judged).collect();
    assert_eq!(together, all.iter().collect(), "the same pairs, divided between two files");
    assert!((100..=200).contains(&judged.len()), "{}", judged.len());
    synthesize(folder, &format!("{size} --seed 5 -o other.csv")).done();
    assert_ne!(rows(folder, "other.csv"), all);
}

#[test]
fn what_cannot_be_generated_or_written_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let too_few = synthesize(folder.path(), "--interactions 10 --users 20 -o all.csv").refused();
    assert!(too_few.starts_with("recotem: ") && too_few.contains("20 users can have between 20 and"), "{too_few}");
    let nowhere = synthesize(folder.path(), "--interactions 1000 -o missing/all.csv").refused();
    assert!(nowhere.contains("cannot write missing/all.csv"), "{nowhere}");
}

/// Runs `recotem webhook verify` with the message of the specification of Standard Webhooks and more arguments.
fn verify(folder: &Path, body: &str, more: &[&str]) -> Said {
    std::fs::write(folder.join("body.json"), body).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    command.current_dir(folder).args(["webhook", "verify", "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    command.args(["--id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "--timestamp", "1614265330", "--body", "body.json"]);
    command.args(["--signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]).args(more);
    Said::by(&mut command)
}

#[test]
fn a_receiver_can_check_a_webhook_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = r#"{"test": 2432232314}"#;
    assert_eq!(verify(folder.path(), body, &["--any-time"]).done(), "The signature is valid.\n");
    let old = verify(folder.path(), body, &[]).refused();
    assert!(old.contains("more than 5 minutes old"), "{old}");
    let changed = verify(folder.path(), r#"{"test": 1}"#, &["--any-time"]).refused();
    assert!(changed.contains("No signature matches"), "{changed}");
}
