//! For any bytes, the readers return a result: the inputs that the fuzzers start from, and many random changes of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "../../../fuzz/entry.rs"]
mod entry;

/// Changed copies of each input.
const CHANGED: usize = 150;

/// Strings that have a meaning to readers.
const TOKENS: [&[u8]; 14] = [
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b",",
    b"\t",
    b"\0",
    b"\xff",
    b"{",
    b"]",
    b":",
    b"\xef\xbb\xbf",
    b"PAR1",
    b"\xff\xff\xff\xff",
];

fn inputs(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths.sort();
    assert!(!paths.is_empty(), "there is no input for {kind}");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes, cuts, repeats or inserts a few bytes.
fn change(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        let to = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => drop(bytes.splice(at..at, bytes[at..to].to_vec())),
            3 => drop(bytes.splice(at..at, TOKENS.choose(rng).unwrap().iter().copied())),
            4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
}

fn survive(kind: &str) {
    let (_, read) = entry::ALL.iter().find(|(name, _)| *name == kind).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for input in inputs(kind) {
        read(&input);
        for _ in 0..CHANGED {
            let mut changed = input.clone();
            change(&mut changed, &mut rng);
            read(&changed);
        }
    }
}

macro_rules! survives {
    ($($kind:ident),*) => {
        $(#[test] fn $kind() { survive(stringify!($kind)); })*

        #[test]
        fn every_kind_is_here() {
            assert_eq!(entry::ALL.map(|(name, _)| name), [$(stringify!($kind)),*]);
        }
    };
}

survives!(csv, tsv, json, jsonl, parquet, prepared, model, feature_spec);
