//! `recotem pull` and what the other commands make of its file.

use std::path::Path;
use std::process::Command;

use crate::support::TestDatabase;
use crate::support::commands::Said;
use crate::support::source::Source;

fn run(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    Said::by(command.current_dir(folder).args(arguments))
}

async fn pull(folder: &Path, source: &Source, more: &'static str) -> Said {
    let settings = source.settings();
    let text = |name: &str| settings[name].as_str().expect("text").to_owned();
    let url = format!("postgres://{}@127.0.0.1:{}/{}", text("username"), source.port, text("database"));
    let folder = folder.to_owned();
    let command = move || {
        let fixed = ["pull", "--connection", &url, "--password-file", "password", "--tls", "off"];
        let more: Vec<&str> = more.split(' ').collect();
        run(&folder, &[&fixed[..], &more].concat())
    };
    tokio::task::spawn_blocking(command).await.expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_file_is_read_by_the_other_commands() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "CREATE SCHEMA shop; CREATE TABLE shop.events (who text, what text, at timestamptz, amount int);
             INSERT INTO shop.events SELECT 'u' || n % 20, 'i' || n % 30, '2026-11-28 00:00+00'::timestamptz + n * '1 minute'::interval, n
               FROM generate_series(0, 599) n; INSERT INTO shop.events VALUES ('u1', 'i1', NULL, 1)",
        )
        .await;
    let source = Source::before(&database.db).await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("password"), "hush\n").expect("a file");
    let said = pull(
        folder,
        &source,
        "--table shop.events --user-column who --item-column what --time-column at --cursor at --since 2026-11-28T01:00:00Z --until \
         2026-11-28T02:00:00Z --output part.csv.zst",
    )
    .await;
    assert!(said.errors.contains("1 rows without a value of the cursor were not read"), "{}", said.errors);
    let said = said.done();
    assert!(said.starts_with("60 rows ("), "{said}");
    assert!(said.contains("at is read up to 2026-11-28T02:00:00Z; continue with --since 2026-11-28T02:00:00Z"), "{said}");
    let inspected =
        run(folder, &["inspect", "part.csv.zst", "--user-column", "who", "--item-column", "what", "--time-column", "at"]).done();
    assert!(inspected.contains("2026-11-28"), "{inspected}");
    let rest = "--table shop.events --user-column who --item-column what --column amount --pairs --output pairs.csv.zst";
    let said = pull(folder, &source, rest).await.done();
    assert!(
        said.starts_with("60 rows ("),
        "20 users × 30 items, of which those whose numbers differ by a multiple of ten: {said}"
    );
    let names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("one").file_name().into_string().expect("text"))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pull_leaves_no_file_behind() {
    let database = TestDatabase::new().await;
    let source = Source::before(&database.db).await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("password"), "hush").expect("a file");
    let said = pull(folder, &source, "--table nothing --all-columns --output part.csv.zst").await.refused();
    assert!(said.contains("The table does not exist") && !said.contains("hush"), "{said}");
    let said = pull(folder, &source, "--table nothing --cursor a --since 5 --until 4 --output part.csv.zst").await.refused();
    assert!(said.contains("nothing to read"), "{said}");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1);
}
