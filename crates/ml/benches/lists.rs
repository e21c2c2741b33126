//! The lists of all users: computed together, and in the same run one by one.
//!
//! `cargo bench -p recotem-ml --bench lists [-- MODEL.safetensors ...]` measures random factors of 64 numbers for 41,000 items, and any trained
//! models. Both ways use all cores; lists are compared first. The Gflop/s are those of all products of users and items, most of which
//! are left out; the first line says what the machine reaches in plain matrix products. Processor time leaves out other load.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures durations")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use recotem_ml::algorithms::{Factors, Recommender};
use recotem_ml::artifact::{ListBlock, Subjects, TrainedModel, Wanted};
use recotem_ml::context::Context;
use recotem_ml::error::{MlError, MlResult};
use recotem_ml::ids::Ids;
use recotem_ml::linalg::{self, Dense};
use recotem_ml::sparse::Csr;
use recotem_ml::tensors::TensorWriter;

const CUTOFFS: [usize; 2] = [10, 100];
/// Users of the random model; of a trained model, the most that are measured.
const USERS: usize = 100_000;
/// Users whose lists are computed one by one.
const SINGLE: usize = 4_000;
const ROUNDS: usize = 3;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{threads} threads, plain matrix products: {:.0} Gflop/s", product_speed(threads));
    let model = random(40_981, 64);
    measure("random, 40,981 items x 64", &model, threads);
    for path in std::env::args().skip(1).filter(|arg| !arg.starts_with('-')) {
        match std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| read(&bytes)) {
            Ok(model) => measure(path.rsplit('/').next().unwrap_or(&path), &model, threads),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
}

fn read(bytes: &[u8]) -> Result<TrainedModel, String> {
    TrainedModel::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Returns the 10⁹ operations per second of products of matrices as large as a block of users.
fn product_speed(threads: usize) -> f64 {
    let (m, k, n) = (240, 64, 4_096);
    let started = Instant::now();
    let times = 400;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (a, b, mut out) = (vec![0.5f32; m * k], vec![0.25f32; n * k], vec![0f32; m * n]);
                (0..times).for_each(|_| linalg::multiply(Dense::new(&a, k), Dense::new(&b, k).transposed(), &mut out));
                assert!(out[0] > 0.0);
            });
        }
    });
    2.0 * (m * k * n * times * threads) as f64 / started.elapsed().as_secs_f64() / 1e9
}

fn measure(name: &str, model: &TrainedModel, threads: usize) {
    model.prepare();
    let n_users = model.users.len().min(USERS);
    let users: Vec<u32> = (0..n_users).map(|at| (at * 7919 % model.users.len()) as u32).collect();
    for cutoff in CUTOFFS {
        let wanted = Wanted::best(cutoff);
        compare(model, &users[..n_users.min(SINGLE)], &wanted, threads);
        let single = &users[..n_users.min(SINGLE)];
        let (mut apart, mut together) = ([f64::INFINITY; 2], [f64::INFINITY; 2]);
        for _ in 0..ROUNDS {
            least(&mut apart, seconds(|| one_by_one(model, single, &wanted, threads)), single.len());
            least(&mut together, seconds(|| all(model, &users, &wanted, threads)), users.len());
        }
        let ([apart, apart_alone], [together, alone]) = (apart, together);
        let width = model.model.factors().map_or(0, |factors| factors.width);
        let products = 2.0 * (model.items.len() * width) as f64 / together / 1e9;
        println!(
            "{name}, lists of {cutoff}: one by one {:.0} users/s, together {:.0} users/s, {:.1} times; {products:.0} Gflop/s; by \
             processor time {:.0} and {:.0} users/s, {:.1} times",
            1.0 / apart,
            1.0 / together,
            apart / together,
            threads as f64 / apart_alone,
            threads as f64 / alone,
            apart_alone / alone,
        );
    }
}

fn compare(model: &TrainedModel, users: &[u32], wanted: &Wanted<'_>, threads: usize) {
    let mut at = 0;
    let shape = |block: ListBlock<'_>| Ok::<_, MlError>(block.lists);
    let mut same = |lists: Vec<Vec<(u32, f32)>>| {
        for list in lists {
            assert_eq!(Some(list), model.rank_for_user(users[at], wanted), "user {}", users[at]);
            at += 1;
        }
        Ok(())
    };
    model.list_in_blocks(Subjects::Users(users), wanted, &Context::new(0, threads), shape, &mut same).unwrap();
    assert_eq!(at, users.len());
}

fn one_by_one(model: &TrainedModel, users: &[u32], wanted: &Wanted<'_>, threads: usize) {
    let entries = AtomicUsize::new(0);
    Context::new(0, threads).install(|| {
        users.par_iter().for_each(|user| {
            let list = model.recommend_user_as(model.users.get(*user), wanted).unwrap_or_default();
            entries.fetch_add(list.len(), Ordering::Relaxed);
        });
    });
    assert!(entries.into_inner() > 0);
}

fn all(model: &TrainedModel, users: &[u32], wanted: &Wanted<'_>, threads: usize) {
    let mut entries = 0;
    let shape = |block: ListBlock<'_>| Ok::<_, MlError>(block.lists.iter().map(Vec::len).sum::<usize>());
    let take = |n: usize| {
        entries += n;
        Ok(())
    };
    model.list_in_blocks(Subjects::Users(users), wanted, &Context::new(0, threads), shape, take).unwrap();
    assert!(entries > 0);
}

/// Returns the seconds on the clock, and of the processor.
fn seconds(work: impl FnOnce()) -> [f64; 2] {
    let (started, before) = (Instant::now(), processor_seconds());
    work();
    [started.elapsed().as_secs_f64(), processor_seconds() - before]
}

/// Returns the seconds that all threads of this process have computed.
fn processor_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = text.rsplit(')').next().into_iter().flat_map(|rest| rest.split_whitespace().skip(11).take(1));
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

fn least(of: &mut [f64; 2], seconds: [f64; 2], users: usize) {
    of.iter_mut().zip(seconds).for_each(|(least, seconds)| *least = least.min(seconds / users as f64));
}

/// A model of nothing but factors.
struct Products {
    users: Vec<f32>,
    items: Vec<f32>,
    width: usize,
}

impl Products {
    fn all(&self) -> Factors<'_> {
        Factors { users: &self.users, items: &self.items, width: self.width }
    }
}

impl Recommender for Products {
    fn n_users(&self) -> usize {
        self.users.len() / self.width
    }

    fn n_items(&self) -> usize {
        self.items.len() / self.width
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        for (user, out) in users.iter().zip(out.chunks_exact_mut(self.n_items())) {
            self.all().score(self.all().user(*user).unwrap(), out);
        }
        Ok(())
    }

    fn score_history(&self, _: &[u32], _: &mut [f32]) -> MlResult<()> {
        Err(MlError::BadInput("not measured".into()))
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.all().score(&self.items[item as usize * self.width..][..self.width], out);
        Ok(())
    }

    fn factors(&self) -> Option<Factors<'_>> {
        Some(self.all())
    }

    fn save<'a>(&'a self, _: &mut TensorWriter<'a>) {}

    fn heap_bytes(&self) -> u64 {
        0
    }
}

/// Creates factors whose axes matter less and less and whose items differ in length as popular and unpopular ones do.
fn random(n_items: usize, width: usize) -> TrainedModel {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut rows = |n: usize, power: f32| -> Vec<f32> {
        let mut normal = || (0..4).map(|_| rng.random_range(-0.9..0.9f32)).sum::<f32>();
        let length = |row: usize| (1.0 + (row * 7919 % n) as f32 / n as f32 * 100.0).powf(-power);
        (0..n * width).map(|at| normal() * length(at / width) / (1.0 + (at % width) as f32 / 8.0)).collect()
    };
    let (users, items) = (rows(USERS, 0.3), rows(n_items, 0.6));
    let pairs = (0..USERS).flat_map(|user| (0..30).map(move |at| (user as u32, ((user * 31 + at * 7919) % n_items) as u32)));
    let (rows, columns): (Vec<u32>, Vec<u32>) = pairs.unzip();
    let ids = |n: usize, prefix: &str| Ids::from_unsorted((0..n).map(|at| format!("{prefix}{at:07}"))).unwrap();
    TrainedModel {
        algorithm: "IALSRecommender".to_owned(),
        parameters: Default::default(),
        users: ids(USERS, "u"),
        items: ids(n_items, "i"),
        seen: Csr::from_pairs(USERS, n_items, &rows, &columns).unwrap(),
        model: Box::new(Products { users, items, width }),
        cold_start: None,
        profiles: None,
        metadata: Default::default(),
        derived: Default::default(),
    }
}
