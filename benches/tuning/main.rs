//! The quality of the search: compares the sampler with random draws and with Optuna's, and measures the time of a suggestion.
//!
//! `make bench-tuning DATA=folder`, or one part: `cargo bench --bench tuning -- ask-time | surfaces FOLDER | fits FOLDER`.
//! Needs the data sets named in `data.rs` below the folder and, for Optuna, `OPTUNA_PYTHON`: a Python that has it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

mod ask_time;
mod data;
mod fits;
mod optuna;
mod search;
mod surface;
mod table;

use std::path::{Path, PathBuf};

use recotem::ml::search_space::SearchSpace;
use recotem::ml::tuning::Sampler;

use search::{Searcher, best_so_far};
use table::Row;

/// Studies of each sampler, with seeds 0, 1, …
const SURFACE_SEEDS: u64 = 20;
const FIT_SEEDS: u64 = 10;
/// Real fits: trials of a study, share of tested users, largest number of components. Chosen for a bearable duration.
const FIT_TRIALS: usize = 40;
const FIT_USERS: f64 = 0.3;
const FIT_COMPONENTS: i64 = 12;
/// Lengths at which studies of surfaces are compared.
const SURFACE_TRIALS: [usize; 3] = [20, 40, 60];
/// Trials that run at once, for the samplers' handling of running trials.
const WORKERS: [usize; 2] = [1, 4];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ask-time"] => ask_time::print(),
        ["surfaces", folder] => on_surfaces(Path::new(folder)),
        ["fits", folder] => on_fits(Path::new(folder)),
        ["all", folder] => {
            ask_time::print();
            on_surfaces(Path::new(folder));
            on_fits(Path::new(folder));
        }
        _ => println!("nothing to do; say: ask-time, surfaces FOLDER, fits FOLDER or all FOLDER"),
    }
}

/// Returns the samplers to compare; Optuna only if it is installed.
fn samplers() -> Vec<&'static str> {
    let optuna = optuna::Optuna::start().map(|_| "Optuna");
    ["recotem", "random"].into_iter().chain(optuna).collect()
}

/// The best score after each trial, for each sampler and seed.
type Runs = Vec<(&'static str, Vec<Vec<f64>>)>;

/// Runs one search by each sampler and seed, with the scores of `objective`.
fn searches(
    spaces: &[(String, SearchSpace)],
    seeds: u64,
    trials: usize,
    workers: usize,
    objective: &dyn Fn(&search::Proposal) -> f64,
) -> Runs {
    let run = |searcher: &mut dyn Searcher| best_so_far(searcher, trials, workers, objective);
    let ours = |sampler| (0..seeds).map(|seed| run(&mut search::Ours::new(spaces, sampler, seed))).collect();
    let theirs = |mut optuna: optuna::Optuna| (0..seeds).map(|seed| run(&mut optuna.study(spaces, seed))).collect();
    let mut runs = vec![("recotem", ours(Sampler::Tpe)), ("random", ours(Sampler::Random))];
    runs.extend(optuna::Optuna::start().map(|optuna| ("Optuna", theirs(optuna))));
    runs
}

/// Compares searches of scores recorded once and interpolated: many studies in little time.
fn on_surfaces(folder: &Path) {
    println!("\nBest ndcg@20 found on recorded surfaces: median and range of {SURFACE_SEEDS} seeds\n");
    table::print_head(&samplers());
    for set in data::SETS {
        let surface = surface::Surface::load_or_record(set, folder, &recordings());
        let spaces = set.spaces(surface::MOST_COMPONENTS);
        for workers in WORKERS {
            let longest = SURFACE_TRIALS[SURFACE_TRIALS.len() - 1];
            let runs = searches(&spaces, SURFACE_SEEDS, longest, workers, &|proposal| surface.score(proposal));
            for trials in SURFACE_TRIALS {
                Row { data: set.name, workers, trials, runs: &runs }.print();
            }
        }
    }
}

/// Compares searches in which every trial is fitted and evaluated.
fn on_fits(folder: &Path) {
    println!("\nBest ndcg@20 found by real fits: median and range of {FIT_SEEDS} seeds\n");
    table::print_head(&samplers());
    for set in data::SETS {
        let fits = fits::Fits::new(set, folder, FIT_USERS);
        let runs = searches(&set.spaces(FIT_COMPONENTS), FIT_SEEDS, FIT_TRIALS, 1, &|proposal| fits.score(proposal));
        Row { data: set.name, workers: 1, trials: FIT_TRIALS, runs: &runs }.print();
    }
}

/// Returns where recorded scores are kept between runs.
fn recordings() -> PathBuf {
    std::env::var_os("TUNING_RECORDINGS").map_or_else(|| PathBuf::from("data/bench-tuning"), PathBuf::from)
}
