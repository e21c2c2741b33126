//! Checks `docs/contract.md`, which names the test of each fact: the tests exist, in the files it names, and no fault is left
//! out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The numbered faults of 1.x.
const FAULTS: usize = 34;

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/contract.md")).expect("the document")
}

/// Adds the source files of a folder, by their paths.
fn collect(folder: &Path, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.insert(path.to_string_lossy().into_owned(), fs::read_to_string(&path).expect("a text"));
        }
    }
}

fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for folder in ["src", "tests", "crates"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    sources
}

/// Returns the sources whose path ends with a name; a slice and its tests may share one.
fn of_name<'s>(sources: &'s BTreeMap<String, String>, name: &str) -> impl Iterator<Item = &'s String> {
    let ending = format!("/{name}");
    sources.iter().filter(move |(path, _)| path.ends_with(&ending)).map(|(_, text)| text)
}

/// Returns whether a source has a test of this name, and not just a function.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let function =
            pair[1].strip_prefix("async ").unwrap_or(pair[1]).strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name));
        function.is_some_and(|rest| rest.starts_with('('))
            && (pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test"))
    })
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether a word is a test name, which is a sentence: three words or more.
fn is_test_name(word: &str) -> bool {
    let is_snake = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_snake && word.matches('_').count() >= 2
}

/// Returns the faults of the last column of one row, whose section is about the file `file`.
fn faults_of(row: &str, file: &str, sources: &BTreeMap<String, String>) -> Vec<String> {
    let (mut file, mut faults) = (file.to_owned(), Vec::new());
    let answer = row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap_or_default();
    for word in quoted(answer) {
        if word.ends_with(".rs") {
            file = word.to_owned();
            if of_name(sources, word).next().is_none() {
                faults.push(format!("there is no file {word}"));
            }
        } else if is_test_name(word) && !of_name(sources, &file).any(|source| has_test(source, word)) {
            faults.push(format!("{file} has no test {word}"));
        }
    }
    faults
}

#[test]
fn the_tests_it_names_exist_where_it_says() {
    let (document, sources) = (document(), sources());
    let (mut file, mut faults, mut named) = (String::new(), Vec::new(), 0);
    for line in document.lines() {
        if line.starts_with('#') {
            file = quoted(line).find(|word| word.ends_with(".rs")).unwrap_or_default().to_owned();
        } else if line.starts_with('|') {
            faults.extend(faults_of(line, &file, &sources));
            named += quoted(line).filter(|word| is_test_name(word)).count();
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(named > 150, "only {named} names were found: has the form of the document changed?");
}

#[test]
fn every_fault_has_a_row() {
    let document = document();
    let missing: Vec<usize> = (1..=FAULTS).filter(|number| !document.contains(&format!("\n| {number} | "))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
