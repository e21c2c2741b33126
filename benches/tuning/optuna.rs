//! Optuna as a child process that communicates over its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use recotem::ml::search_space::{Domain, SearchSpace};
use serde_json::{Map, Value, json};

use crate::search::{Proposal, Searcher};

const SCRIPT: &str = include_str!("optuna_sampler.py");

pub struct Optuna {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Optuna {
    /// Starts Optuna; `None` without `OPTUNA_PYTHON`.
    pub fn start() -> Option<Self> {
        let python = std::env::var_os("OPTUNA_PYTHON")?;
        let command = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = command.expect("OPTUNA_PYTHON can be started");
        let input = child.stdin.take().expect("its input is piped");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Some(Optuna { child, input, output })
    }

    /// Starts a new study; the previous one is dropped.
    pub fn study(&mut self, spaces: &[(String, SearchSpace)], seed: u64) -> OptunaStudy<'_> {
        let spaces: Map<String, Value> = spaces.iter().map(|(name, space)| (name.clone(), space_json(space))).collect();
        self.send(&json!({ "seed": seed, "spaces": spaces }));
        OptunaStudy { optuna: self }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").and_then(|()| self.input.flush()).expect("Optuna listens");
    }

    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("Optuna answers");
        serde_json::from_str(&line).expect("Optuna answers in JSON")
    }
}

impl Drop for Optuna {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn space_json(space: &SearchSpace) -> Value {
    let parameter = |(name, domain): (&str, &Domain)| {
        let range = match domain {
            Domain::Int { low, high, log } => json!({ "int": [low, high], "log": log }),
            Domain::Float { low, high, log } => json!({ "float": [low, high], "log": log }),
            Domain::Categorical(choices) => json!({ "choices": choices }),
        };
        (name.to_owned(), range)
    };
    space.iter().map(parameter).collect::<Map<String, Value>>().into()
}

pub struct OptunaStudy<'a> {
    optuna: &'a mut Optuna,
}

impl OptunaStudy<'_> {
    /// Adds a trial that another sampler proposed, and its score.
    pub fn past(&mut self, proposal: &Proposal, score: f64) {
        let past = json!({ "algorithm": proposal.algorithm, "params": proposal.params, "score": score });
        self.optuna.send(&json!({ "past": past }));
    }
}

impl Searcher for OptunaStudy<'_> {
    fn ask(&mut self) -> Proposal {
        self.optuna.send(&json!({ "ask": true }));
        let answer = self.optuna.receive();
        Proposal {
            number: answer["number"].as_u64().expect("a number") as u32,
            algorithm: answer["algorithm"].as_str().expect("an algorithm").to_owned(),
            params: answer["params"].as_object().expect("parameters").clone(),
        }
    }

    fn tell(&mut self, number: u32, score: f64) {
        self.optuna.send(&json!({ "tell": number, "score": score }));
    }
}
