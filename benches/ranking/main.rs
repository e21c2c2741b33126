//! The time of one list of ten: scoring everything and selecting from a copy, compared in one run with the engine's way.
//!
//! `cargo bench --bench ranking [-- MODEL.safetensors ...]` measures random factors of two sizes and any trained models. Times
//! are means over users, on one thread; for each user the shortest of the rounds in which both ways take turns, so that other
//! load on the machine has little effect. Lists are compared first.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures durations")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

use std::hint::black_box;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use recotem::ml::algorithms::Factors;
use recotem::ml::artifact::{Recommendations, TrainedModel, Wanted};
use recotem::ml::item_index::{ItemIndex, Scratch};
use recotem::ml::linalg;
use recotem::ml::ranking::{Candidates, TopK, mask};

const CUTOFF: usize = 10;
const USERS: usize = 500;
const ROUNDS: usize = 7;

fn main() {
    println!("{:<52} {:>13} {:>10} {:>8}", "", "everything", "now", "times");
    for (name, n_items, width) in [("random, as large as ml-1m", 3_416, 64), ("random, as large as gowalla", 40_981, 64)] {
        random(name, n_items, width);
    }
    for path in std::env::args().skip(1).filter(|arg| !arg.starts_with('-')) {
        match std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| read(&bytes)) {
            Ok(model) => trained(path.rsplit('/').next().unwrap_or(&path), &model),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
}

fn read(bytes: &[u8]) -> Result<TrainedModel, String> {
    TrainedModel::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Creates factors whose axes matter less and less and whose items differ in length as popular and unpopular ones do.
fn random(name: &str, n_items: usize, width: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut rows = |n: usize, power: f32| -> Vec<f32> {
        let mut normal = || (0..4).map(|_| rng.random_range(-0.9..0.9f32)).sum::<f32>();
        let length = |row: usize| (1.0 + (row * 7919 % n) as f32 / n as f32 * 100.0).powf(-power);
        (0..n * width).map(|at| normal() * length(at / width) / (1.0 + (at % width) as f32 / 8.0)).collect()
    };
    let (users, items) = (rows(USERS, 0.3), rows(n_items, 0.6));
    let item = |user: usize, at: usize| ((user * 31 + at * 7919) % n_items) as u32;
    let seen: Vec<Vec<u32>> = (0..USERS).map(|user| (0..50).map(|at| item(user, at)).collect()).collect();
    factors(name, &Factors { users: &users, items: &items, width }, &|user| &seen[user]);
}

fn trained(name: &str, model: &TrainedModel) {
    if let Some(of_model) = model.model.factors() {
        factors(name, &of_model, &|user| model.seen.row_indices(user));
    }
    let users: Vec<usize> = chosen(model.users.len()).collect();
    let ids: Vec<String> = users.iter().map(|&user| model.users.get(user as u32).to_owned()).collect();
    let item_ids = |user: usize| model.seen.row_indices(user).iter().map(|&item| model.items.get(item).to_owned());
    let histories: Vec<Vec<String>> = users.iter().map(|&user| item_ids(user).collect()).collect();
    let whole = |user: usize, score: &dyn Fn(&mut [f32]) -> bool| {
        let mut scores = vec![0f32; model.items.len()];
        assert!(score(&mut scores), "{name}");
        let best = select(&scores, model.seen.row_indices(user));
        best.into_iter().map(|(item, score)| (model.items.get(item).to_owned(), score)).collect::<Recommendations>()
    };
    let whole_user = |at: usize| whole(users[at], &|out| model.model.score_users(&[users[at] as u32], &model.seen, out).is_ok());
    let whole_history =
        |at: usize| whole(users[at], &|out| model.model.score_history(model.seen.row_indices(users[at]), out).is_ok());
    let user = |at: usize| model.recommend_user(&ids[at], CUTOFF, true).unwrap_or_default();
    let history = |at: usize| model.recommend_history(&histories[at], CUTOFF).unwrap_or_default();
    let hundreds = |at: usize| {
        if at.is_multiple_of(100) { model.recommend_users_as(&ids[at..at + 100], &Wanted::best(CUTOFF)) } else { vec![] }
    };
    assert!((0..USERS).all(|at| user(at) == whole_user(at) && history(at) == whole_history(at)), "{name}: lists differ");
    take_turns(&format!("{name}, known users with ids"), whole_user, user);
    take_turns(&format!("{name}, the same a hundred at once"), whole_user, hundreds);
    take_turns(&format!("{name}, histories with ids"), whole_history, history);
}

/// Selects the best items without the engine's index.
fn select(scores: &[f32], seen: &[u32]) -> Vec<(u32, f32)> {
    let mut masked = scores.to_vec();
    mask(&mut masked, seen);
    let mut best = TopK::new(CUTOFF);
    best.feed(0, &masked);
    best.finish()
}

/// Returns users spread over the whole model.
fn chosen(n_users: usize) -> impl Iterator<Item = usize> {
    (0..USERS).map(move |at| at * 7919 % n_users)
}

fn factors<'a>(name: &str, factors: &Factors<'_>, seen: &dyn Fn(usize) -> &'a [u32]) {
    let width = factors.width;
    let row = |user: usize| &factors.users[user * width..][..width];
    let started = Instant::now();
    let index = ItemIndex::new(factors);
    println!("{name}: made ready in {:.1} ms, {} KiB", started.elapsed().as_secs_f64() * 1e3, index.heap_bytes() >> 10);
    let users: Vec<usize> = chosen(factors.users.len() / width).collect();
    let mut scores = vec![0f32; factors.items.len() / width];
    let mut everything = |at: usize| {
        linalg::times_transposed(row(users[at]), factors.items, width, &mut scores);
        select(&scores, seen(users[at]))
    };
    let mut scratch = Scratch::default();
    let mut search = |at: usize| {
        let candidates = Candidates { seen: seen(users[at]), ..Candidates::default() };
        index.best(factors.items, row(users[at]), CUTOFF, &candidates, &mut scratch)
    };
    for at in 0..USERS {
        // Two ways of summation may order nearly equal scores differently.
        let (one, other) = (everything(at), search(at));
        let close = |(a, b): (&(u32, f32), &(u32, f32))| (a.1 - b.1).abs() <= 1e-5 * a.1.abs();
        assert!(one.len() == other.len() && one.iter().zip(&other).all(close), "{name}: {one:?} {other:?}");
    }
    take_turns(&format!("{name}, factors only"), everything, search);
}

fn take_turns<A, B>(name: &str, mut slow: impl FnMut(usize) -> A, mut quick: impl FnMut(usize) -> B) {
    let mut least = [[f64::INFINITY; 2]; USERS];
    for _ in 0..ROUNDS {
        (0..USERS).for_each(|at| least[at][0] = least[at][0].min(microseconds(|| slow(at))));
        (0..USERS).for_each(|at| least[at][1] = least[at][1].min(microseconds(|| quick(at))));
    }
    let [of_slow, of_quick] = [0, 1].map(|way| least.iter().map(|times| times[way]).sum::<f64>() / USERS as f64);
    println!("{name:<52} {of_slow:>10.1} µs {of_quick:>7.1} µs {:>8.1}", of_slow / of_quick);
}

fn microseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    black_box(work());
    started.elapsed().as_secs_f64() * 1e6
}
