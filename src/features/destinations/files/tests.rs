use std::fs::File;
use std::io::{Read, Seek};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

const USERS: [&str; 3] = ["a,b", "quo\"te", "z"];
const ITEMS: [&str; 3] = ["Sigur Rós", "line\nbreak", "x"];

/// Numbers of users, with a list for each.
type Block<'a> = (&'a [u32], &'a [List<'a>]);
type List<'a> = &'a [(u32, f32)];

fn ids(of: &[&str]) -> Ids {
    Ids::from_unsorted(of.iter().map(|id| (*id).to_owned())).unwrap()
}

/// Writes some blocks of lists as one file.
fn written(format: ListFormat, with_header: bool, blocks: &[Block<'_>]) -> (File, Written) {
    let (users, items) = (ids(&USERS), ids(&ITEMS));
    let mut out = tempfile::tempfile().unwrap();
    let naming = Naming { kind: ListKind::Users, subjects: &users, items: &items };
    let (encoder, mut file) = ListFile::create(format, naming, with_header, &mut out).unwrap();
    for (subjects, lists) in blocks {
        let block = ListBlock { subjects, lists: lists.iter().map(|list| list.to_vec()).collect() };
        file.write(encoder.encode(&block).unwrap()).unwrap();
    }
    let written = file.finish().unwrap();
    out.rewind().unwrap();
    (out, written)
}

fn text(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

const FIRST: Block<'_> = (&[0, 1], &[&[(2, 1.5), (0, 0.25)], &[]]);
const SECOND: Block<'_> = (&[2], &[&[(1, -1e-7)]]);

#[test]
fn rows_are_quoted_and_counted() {
    let (file, written) = written(ListFormat::Csv, true, &[FIRST, SECOND]);
    let wanted = "user_id,rank,item_id,score\n\"a,b\",1,x,1.5\n\"a,b\",2,Sigur Rós,0.25\nz,1,\"line\nbreak\",-0.0000001\n";
    assert_eq!(text(file), wanted);
    assert_eq!(written, Written { entries: Entries { lists: 3, rows: 3 }, bytes: wanted.len() as u64 });
}

#[test]
fn each_list_is_an_object() {
    let (file, _) = written(ListFormat::Jsonl, true, &[FIRST, SECOND]);
    let lines: Vec<serde_json::Value> = text(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({ "user_id": "a,b",
        "items": [{ "item_id": "x", "score": 1.5 }, { "item_id": "Sigur Rós", "score": 0.25 }] })
    );
    assert_eq!(lines[1], serde_json::json!({ "user_id": "quo\"te", "items": [] }));
    assert_eq!(lines.len(), 3);
}

/// Returns the rows of a file of Parquet.
fn rows(file: File) -> Vec<(String, i32, String, f32)> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let texts = |at: usize| batch.column(at).as_string::<i32>().iter().map(|id| id.unwrap().to_owned()).collect::<Vec<_>>();
        let ranks = batch.column_by_name("rank").unwrap().as_primitive::<Int32Type>().values().to_vec();
        let scores = batch.column_by_name("score").unwrap().as_primitive::<Float32Type>().values().to_vec();
        for (((user, rank), item), score) in texts(0).into_iter().zip(ranks).zip(texts(2)).zip(scores) {
            rows.push((user, rank, item, score));
        }
    }
    rows
}

fn expected() -> Vec<(String, i32, String, f32)> {
    [("a,b", 1, "x", 1.5), ("a,b", 2, "Sigur Rós", 0.25), ("z", 1, "line\nbreak", -1e-7)]
        .map(|(user, rank, item, score)| (user.to_owned(), rank, item.to_owned(), score))
        .to_vec()
}

#[test]
fn columns_are_plain_texts_and_numbers() {
    let (file, written) = written(ListFormat::Parquet, true, &[FIRST, SECOND]);
    assert_eq!(written.bytes, file.metadata().unwrap().len());
    assert_eq!(rows(file), expected());
}

#[test]
fn parts_joined_are_the_whole() {
    for format in ListFormat::ALL {
        let parts = [written(*format, true, &[FIRST]).0, written(*format, false, &[SECOND]).0];
        let mut whole = tempfile::tempfile().unwrap();
        let bytes = join(*format, parts.into_iter().map(Ok), &mut whole).unwrap();
        whole.rewind().unwrap();
        assert_eq!(bytes, whole.metadata().unwrap().len());
        match format {
            ListFormat::Parquet => assert_eq!(rows(whole), expected()),
            _ => assert_eq!(text(whole), text(written(*format, true, &[FIRST, SECOND]).0)),
        }
    }
}
