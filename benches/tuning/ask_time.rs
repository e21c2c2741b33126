//! The time of a suggestion in a long study.

use std::time::Instant;

use recotem::ml::search_space::{Domain, SearchSpace};
use recotem::ml::tuning::Sampler;

use crate::optuna::Optuna;
use crate::search::{Ours, Searcher};

const LENGTHS: [usize; 3] = [100, 1_000, 10_000];
/// Number of measured suggestions; fewer of Optuna, which takes longer.
const ASKED: usize = 200;
const ASKED_OF_OPTUNA: usize = 20;

/// Prints the milliseconds of a suggestion after a number of random trials, ours and Optuna's; passing messages to Optuna's
/// process is included and takes a tenth of a millisecond.
pub fn print() {
    println!("| trials so far | recotem, ms | Optuna, ms |\n|---|---|---|");
    let spaces = spaces();
    let mut study = Ours::new(&spaces, Sampler::Random, 0);
    let mut optuna = Optuna::start();
    let mut theirs = optuna.as_mut().map(|optuna| optuna.study(&spaces, 0));
    let mut asked = 0;
    for length in LENGTHS {
        while asked < length {
            let proposal = study.ask();
            let x = proposal.params["x"].as_f64().unwrap_or_default();
            let score = -(x - 0.3) * (x - 0.3);
            study.tell(proposal.number, score);
            theirs.iter_mut().for_each(|theirs| theirs.past(&proposal, score));
            asked += 1;
        }
        let tpe = study.with_sampler(&spaces, Sampler::Tpe);
        let ours = milliseconds(ASKED, |index| drop(std::hint::black_box(tpe.suggest((asked + index) as u32))));
        let theirs = theirs.as_mut().map(|theirs| {
            theirs.ask(); // the first has to wait until all trials are read
            milliseconds(ASKED_OF_OPTUNA, |_| drop(theirs.ask()))
        });
        println!("| {length} | {ours:.2} | {} |", theirs.map_or_else(|| "–".to_owned(), |theirs| format!("{theirs:.1}")));
    }
}

/// Returns the mean time of `calls` calls.
fn milliseconds(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    #[allow(clippy::disallowed_methods, reason = "a duration, only to be reported")]
    let start = Instant::now();
    (0..calls).for_each(&mut call);
    start.elapsed().as_secs_f64() * 1e3 / calls as f64
}

/// Returns the spaces of eight algorithms with five parameters.
fn spaces() -> Vec<(String, SearchSpace)> {
    let space = SearchSpace::new()
        .with("x", Domain::float(0.0, 1.0))
        .with("k", Domain::int(4, 1000))
        .with("reg", Domain::log_float(1e-5, 1.0))
        .with("shrinkage", Domain::float(0.0, 1000.0))
        .with("weighting", Domain::categorical(["NONE", "TF_IDF", "BM_25"]));
    (0..8).map(|index| (format!("A{index}"), space.clone())).collect()
}
