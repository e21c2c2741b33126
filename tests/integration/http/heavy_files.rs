//! Uploads that take much memory or time: the work left to a worker, and the limits of previews.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::support::{Caller, TestApp};

async fn project_of(caller: &Caller) -> i64 {
    caller.post("project/", json!({ "name": "p", "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

/// Returns a Parquet file of one interaction, beside which a column holds this text.
fn parquet_with(text: &str) -> Vec<u8> {
    let column = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let columns = [("user", column("u")), ("item", column("i")), ("blob", column(text))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_does_not_expand_what_a_small_file_was_made_to_hide() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user).await;
    let fine = user.upload(project, "fine.parquet", parquet_with("short")).await.expect(201).id();
    let shown = user.get(&format!("training_data/{fine}/preview/")).await.expect(200).body;
    assert_eq!((&shown["rows"], &shown["more"]), (&json!([["u", "i", "short"]]), &json!(false)));

    let bytes = parquet_with(&"x".repeat(40 << 20));
    assert!(bytes.len() < 40_000, "{}", bytes.len());
    let made = user.upload(project, "huge.parquet", bytes).await.expect(201);
    assert_eq!(made.body["status"], "ready", "the column is not wanted, so it is not read");
    let refused = user.get(&format!("training_data/{}/preview/", made.id())).await.expect(400).body;
    let words = refused["error"].as_str().unwrap();
    let beginning = "The first rows cannot be shown: values of the column \"blob\" expand to 40.0 MiB or more";
    assert!(words.starts_with(beginning), "{words}");
    assert_eq!(refused["rows"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_small_files_are_prepared_while_the_caller_waits() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let project = project_of(&user).await;
    let rows = |n: usize| format!("user,item\n{}", "1,2\n".repeat(n));
    let small = user.upload(project, "a.csv", rows(1_000)).await.expect(201);
    assert_eq!(small.body["status"], "ready");
    let large = user.upload(project, "a.csv", rows(1 << 20)).await.expect(201);
    assert_eq!(large.body["status"], "preparing");
    app.work();
    user.wait_for(&format!("training_data/{}/", large.id()), |data| data["status"] == "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_parquet_is_unpacked_once_and_the_copy_goes_with_the_upload() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user).await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &parquet_with("short")).unwrap();
    let made = user.upload(project, "a.parquet.gz", packed.finish().unwrap()).await.expect(201).id();
    for _ in 0..2 {
        let shown = user.get(&format!("training_data/{made}/preview/")).await.expect(200).body;
        assert_eq!(shown["rows"], json!([["u", "i", "short"]]));
        let copies = app.files().into_iter().filter(|file| file.starts_with("unpacked/")).count();
        assert_eq!(copies, 1);
    }
    user.delete(&format!("training_data/{made}/")).await.expect(204);
    assert_eq!(app.files(), Vec::<String>::new());
}
