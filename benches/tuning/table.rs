//! The table of results.

/// One line: all samplers on one data set after so many trials.
pub struct Row<'a> {
    pub data: &'a str,
    pub workers: usize,
    pub trials: usize,
    /// For each sampler and seed, the best score after each trial.
    pub runs: &'a [(&'static str, Vec<Vec<f64>>)],
}

pub fn print_head() {
    println!(
        "| data | workers | trials | sampler | median best ndcg@20 | 95 % range of seeds | recotem better in pairs of seeds |"
    );
    println!("|---|---|---|---|---|---|---|");
}

impl Row<'_> {
    pub fn print(&self) {
        let ours = self.best(0);
        for (index, (name, _)) in self.runs.iter().enumerate() {
            let mut best = self.best(index);
            if best.is_empty() {
                continue;
            }
            best.sort_by(f64::total_cmp);
            let at = |share: f64| best[((best.len() - 1) as f64 * share).round() as usize];
            let middle = (best[(best.len() - 1) / 2] + best[best.len() / 2]) / 2.0;
            let share = if index == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * superiority(&ours, &best)) };
            let (low, high) = (at(0.025), at(0.975));
            println!(
                "| {} | {} | {} | {name} | {middle:.4} | {low:.4} to {high:.4} | {share} |",
                self.data, self.workers, self.trials
            );
        }
    }

    fn best(&self, sampler: usize) -> Vec<f64> {
        self.runs[sampler].1.iter().map(|course| course[self.trials - 1]).collect()
    }
}

/// The share of all pairs of seeds in which the first is better; equal ones count half.
fn superiority(first: &[f64], second: &[f64]) -> f64 {
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| a.total_cmp(b)));
    let points: f64 = pairs.map(|order| f64::from(order as i8 + 1) / 2.0).sum();
    points / (first.len() * second.len()) as f64
}
