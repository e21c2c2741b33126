//! How long a suggestion takes in a long study.

use std::time::Instant;

use recotem::ml::search_space::{Domain, SearchSpace};
use recotem::ml::tuning::Sampler;

use crate::search::{Ours, Searcher};

const LENGTHS: [usize; 3] = [100, 1_000, 10_000];
const ASKED: usize = 200;

pub fn print() {
    println!("| trials so far | µs to ask |\n|---|---|");
    let mut study = Ours::new(&spaces(), Sampler::Random, 0);
    let mut asked = 0;
    for length in LENGTHS {
        while asked < length {
            let proposal = study.ask();
            let x = proposal.params["x"].as_f64().unwrap_or_default();
            study.tell(proposal.number, -(x - 0.3) * (x - 0.3));
            asked += 1;
        }
        let tpe = study.with_sampler(&spaces(), Sampler::Tpe);
        #[allow(clippy::disallowed_methods)] // a duration, only to be reported
        let start = Instant::now();
        for index in 0..ASKED {
            std::hint::black_box(tpe.suggest((asked + index) as u32));
        }
        println!("| {length} | {:.0} |", start.elapsed().as_secs_f64() * 1e6 / ASKED as f64);
    }
}

/// Eight algorithms of five parameters.
fn spaces() -> Vec<(String, SearchSpace)> {
    let space = SearchSpace::new()
        .with("x", Domain::float(0.0, 1.0))
        .with("k", Domain::int(4, 1000))
        .with("reg", Domain::log_float(1e-5, 1.0))
        .with("shrinkage", Domain::float(0.0, 1000.0))
        .with("weighting", Domain::categorical(["NONE", "TF_IDF", "BM_25"]));
    (0..8).map(|index| (format!("A{index}"), space.clone())).collect()
}
