//! The table.

use std::fmt;

use super::load::Outcome;
use super::setup::Shop;

/// The measurements, as rows of Markdown.
pub struct Report {
    rows: Vec<[String; 4]>,
    single_seconds: f64,
}

impl Report {
    pub fn new(shop: &Shop) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        println!("iALS-64 over {} items, top 10 without the seen; {cores} cores for server and load together\n", shop.n_items);
        Self { rows: Vec::new(), single_seconds: 0.0 }
    }

    fn row(&mut self, what: &str, figure: String, echo: String, errors: usize) {
        self.rows.push([what.to_owned(), figure, echo, errors.to_string()]);
    }

    pub fn open(&mut self, what: &str, outcome: &Outcome, echo: &Outcome) {
        self.row(what, waits(outcome), waits(echo), outcome.errors);
    }

    pub fn closed(&mut self, what: &str, outcome: &Outcome, echo: &Outcome) {
        self.single_seconds = 1.0 / outcome.per_second();
        let share = 100.0 * outcome.per_second() / echo.per_second();
        let figure = format!("{:.0}/s, {share:.0} % of the echo; {}", outcome.per_second(), waits(outcome));
        self.row(what, figure, format!("{:.0}/s; {}", echo.per_second(), waits(echo)), outcome.errors);
    }

    pub fn app(&mut self, with: &Outcome, without: &Outcome) {
        let share = 100.0 * with.per_second() / without.per_second();
        let figure = format!(
            "{:.0}/s, {share:.0} % of the {:.0}/s without; {}, without {}",
            with.per_second(),
            without.per_second(),
            waits(with),
            waits(without)
        );
        self.row("as many as it takes, with an app and a webhook that gets every list", figure, String::new(), with.errors);
    }

    pub fn batch(&mut self, size: usize, outcome: &Outcome) {
        let users = outcome.per_second() * size as f64;
        let times = self.single_seconds * users;
        self.row(
            &format!("batches of {size}"),
            format!("{users:.0} users/s, {times:.1} times as many as singly"),
            String::new(),
            outcome.errors,
        );
    }

    pub fn swap(&mut self, outcome: &Outcome) {
        self.row("1,000 requests/s while the model is swapped twice a second", waits(outcome), String::new(), outcome.errors);
    }

    pub fn shadow(&mut self, outcome: &Outcome, compared: i64) {
        let figure = format!("{}; {compared} lists logged and compared", waits(outcome));
        self.row("1,000 requests/s with a shadow slot", figure, String::new(), outcome.errors);
    }

    pub fn memory(&mut self, resident: u64, artifact: u64) {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let figure = format!("{:.0} MiB resident with two models of {:.0} MiB each", mib(resident), mib(artifact));
        self.row("memory of the server", figure, String::new(), 0);
    }
}

fn waits(outcome: &Outcome) -> String {
    format!("p50 {:.2} ms, p99 {:.2} ms", outcome.milliseconds(0.5), outcome.milliseconds(0.99))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| load | Recotem | bare echo | errors |\n|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}
