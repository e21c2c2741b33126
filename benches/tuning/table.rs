//! The table of results.

/// One line: all samplers on one data set after a number of trials.
pub struct Row<'a> {
    pub data: &'a str,
    pub workers: usize,
    pub trials: usize,
    /// The best score after each trial, for each sampler and seed; our own first.
    pub runs: &'a [(&'static str, Vec<Vec<f64>>)],
}

/// Prints the first two lines, for samplers in the order of the rows' runs.
pub fn print_head(samplers: &[&str]) {
    let medians = samplers.iter().map(|name| format!(" {name} |"));
    let shares = samplers.iter().skip(1).map(|name| format!(" better than {name} in |"));
    println!("| data | trials | at once |{}", medians.chain(shares).collect::<String>());
    println!("|---|---|---|{}", "---|".repeat(2 * samplers.len() - 1));
}

impl Row<'_> {
    /// Prints for each sampler the median of the best scores and the range of 95 % of the seeds, then the share of pairs of seeds
    /// in which the first sampler is better than each other one.
    pub fn print(&self) {
        let ours = self.best(0);
        let medians = (0..self.runs.len()).map(|sampler| summary(self.best(sampler)));
        let shares = (1..self.runs.len()).map(|sampler| format!(" {:.0} % |", 100.0 * superiority(&ours, &self.best(sampler))));
        let cells: String = medians.chain(shares).collect();
        println!("| {} | {} | {} |{cells}", self.data, self.trials, self.workers);
    }

    fn best(&self, sampler: usize) -> Vec<f64> {
        self.runs[sampler].1.iter().map(|course| course[self.trials - 1]).collect()
    }
}

fn summary(mut best: Vec<f64>) -> String {
    best.sort_by(f64::total_cmp);
    let at = |share: f64| best[((best.len() - 1) as f64 * share).round() as usize];
    let middle = (best[(best.len() - 1) / 2] + best[best.len() / 2]) / 2.0;
    format!(" **{middle:.4}** {:.4}–{:.4} |", at(0.025), at(0.975))
}

/// Returns the share of all pairs of seeds in which the first is better; equal ones count half.
fn superiority(first: &[f64], second: &[f64]) -> f64 {
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| a.total_cmp(b)));
    let points: f64 = pairs.map(|order| f64::from(order as i8 + 1) / 2.0).sum();
    points / (first.len() * second.len()) as f64
}
