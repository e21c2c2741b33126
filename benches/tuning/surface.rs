//! A response surface: scores of real trials at random points, and interpolation between them.

use std::io::Write;
use std::path::Path;

use recotem::ml::algorithms;
use recotem::ml::registry;
use recotem::ml::search_space::{Domain, SearchSpace};
use recotem::ml::tuning::{Sampler, Study};
use serde_json::{Map, Value, json};

use crate::data::DataSet;
use crate::fits::Fits;
use crate::search::Proposal;

/// More components would take most of the time of a recording.
pub const MOST_COMPONENTS: i64 = 32;
/// Recorded points of an algorithm, for each of its parameters; fewer where a trial takes many epochs.
const POINTS_PER_PARAMETER: usize = 60;
const POINTS_PER_PARAMETER_OF_EPOCHS: usize = 20;
/// Recorded points between which a score is interpolated.
const NEIGHBOURS: usize = 5;

struct Point {
    algorithm: String,
    at: Vec<f64>,
    score: f64,
}

pub struct Surface {
    spaces: Vec<(String, SearchSpace)>,
    points: Vec<Point>,
}

impl Surface {
    /// Loads the recording of a data set, or records it now if there is none.
    pub fn load_or_record(set: &DataSet, folder: &Path, recordings: &Path) -> Self {
        let file = recordings.join(format!("{}.jsonl", set.name));
        if !file.exists() {
            std::fs::create_dir_all(recordings).expect("a folder for recordings");
            let unfinished = file.with_extension("part");
            record(set, folder, &unfinished);
            std::fs::rename(unfinished, &file).expect("a recording");
        }
        let spaces = set.spaces(MOST_COMPONENTS);
        let text = std::fs::read_to_string(&file).expect("a recording");
        let points = text.lines().filter_map(|line| point(&spaces, &serde_json::from_str(line).ok()?)).collect();
        Surface { spaces, points }
    }

    /// Returns the mean of the nearest recorded scores of the algorithm, weighted by nearness.
    pub fn score(&self, proposal: &Proposal) -> f64 {
        let at = positions(&self.spaces, &proposal.algorithm, &proposal.params).expect("a point of the space");
        let own = self.points.iter().filter(|point| point.algorithm == proposal.algorithm);
        let mut near: Vec<(f64, f64)> = own.map(|point| (squared_distance(&point.at, &at), point.score)).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(NEIGHBOURS);
        let weighted = near.iter().map(|(distance, score)| (1.0 / (distance + 1e-9), score));
        let (sum, total) = weighted.fold((0.0, 0.0), |(sum, total), (weight, score)| (sum + weight * score, total + weight));
        sum / total
    }
}

/// Records the points that are missing from the file.
fn record(set: &DataSet, folder: &Path, file: &Path) {
    let fits = Fits::new(set, folder, 1.0);
    let done = std::fs::read_to_string(file).unwrap_or_default();
    let mut out = std::fs::File::options().append(true).create(true).open(file).expect("a file that can be written");
    for (algorithm, space) in set.spaces(MOST_COMPONENTS) {
        let n_done = done.lines().filter(|line| line.contains(&format!("\"{algorithm}\""))).count() as u32;
        let n_points = n_points(&algorithm, &space);
        let study = Study::new(vec![(algorithm.clone(), space)], Sampler::Random, 0).expect("sound spaces");
        for number in n_done..n_points {
            let params = study.ask(&[], number).expect("a suggestion").params;
            let score = fits.score(&Proposal { number, algorithm: algorithm.clone(), params: params.clone() });
            let line = json!({ "algorithm": algorithm, "params": params, "score": score });
            writeln!(out, "{line}").expect("a file that can be written");
        }
        eprintln!("recorded {n_points} points of {algorithm} on {}", set.name);
    }
}

fn n_points(algorithm: &str, space: &SearchSpace) -> u32 {
    let in_epochs = registry::find(algorithm).is_ok_and(algorithms::AlgorithmInfo::early_stopping);
    let per_parameter = if in_epochs { POINTS_PER_PARAMETER_OF_EPOCHS } else { POINTS_PER_PARAMETER };
    (space.len() * per_parameter).max(1) as u32
}

fn point(spaces: &[(String, SearchSpace)], line: &Value) -> Option<Point> {
    let algorithm = line["algorithm"].as_str()?.to_owned();
    let at = positions(spaces, &algorithm, line["params"].as_object()?)?;
    Some(Point { algorithm, at, score: line["score"].as_f64()? })
}

/// Returns places in the unit cube; choices are whole numbers and so at least as far apart as the ends of a range.
fn positions(spaces: &[(String, SearchSpace)], algorithm: &str, params: &Map<String, Value>) -> Option<Vec<f64>> {
    let (_, space) = spaces.iter().find(|(name, _)| name == algorithm)?;
    space.iter().map(|(name, domain)| position(domain, params.get(name)?)).collect()
}

fn position(domain: &Domain, value: &Value) -> Option<f64> {
    let within = |low: f64, high: f64, log: bool| {
        let scale = |x: f64| if log { x.ln() } else { x };
        Some((scale(value.as_f64()?) - scale(low)) / (scale(high) - scale(low)))
    };
    match domain {
        Domain::Int { low, high, log } => within(*low as f64, *high as f64, *log),
        Domain::Float { low, high, log } => within(*low, *high, *log),
        Domain::Categorical(choices) => choices.iter().position(|choice| choice == value).map(|index| index as f64),
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
