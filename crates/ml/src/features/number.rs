//! Numbers as places between knots, so that a linear model can follow any curve.

use crate::error::{MlError, MlResult};
use crate::tensors::{TensorReader, TensorWriter};

use super::scratch::Entry;

/// Most knots.
pub(super) const MOST_KNOTS: u32 = 16;

/// Numbers that are skewed more than this are encoded by their logarithm, if none is negative. 1 is the usual limit of "highly
/// skewed"; the exponential distribution has 2.
const SKEWED: f64 = 1.0;

/// What a number that is missing is called.
const MISSING: &str = "missing";

/// Quantiles of the training items. A number is encoded as the weights of the two knots it lies between.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Knots {
    /// In rising order; at least one.
    knots: Vec<f32>,
    log: bool,
    /// Whether a column says that the number is missing.
    has_missing: bool,
}

impl Knots {
    /// Finds the knots of at least one number.
    pub fn fit(mut values: Vec<f64>, has_missing: bool, log: Option<bool>, most: Option<u32>) -> Self {
        let log = log.unwrap_or_else(|| values.iter().all(|&value| value >= 0.0) && skewness(&values) > SKEWED);
        values.iter_mut().for_each(|value| *value = scaled(*value, log));
        values.sort_unstable_by(f64::total_cmp);
        let last = most.unwrap_or(MOST_KNOTS).max(2) as usize - 1;
        let place = |at: usize| (at * (values.len() - 1) + last / 2) / last;
        let mut knots: Vec<f32> = (0..=last).map(|at| values[place(at)] as f32).collect();
        knots.dedup();
        Knots { knots, log, has_missing }
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.knots.len() + usize::from(self.has_missing)
    }

    /// Returns the most entries of a number.
    pub fn most_entries(&self, is_missing: bool) -> usize {
        if is_missing { usize::from(self.has_missing) } else { 2 }
    }

    /// Appends the entries of a number. One outside the knots counts as the nearest.
    pub fn encode(&self, value: Option<f64>, first: u32, out: &mut Vec<Entry>) {
        let Some(value) = value else {
            if self.has_missing {
                out.push((first + self.knots.len() as u32, 1.0));
            }
            return;
        };
        let value = scaled(value, self.log);
        let right = self.knots.partition_point(|&knot| f64::from(knot) <= value);
        if right == 0 || right == self.knots.len() {
            out.push((first + right.saturating_sub(1) as u32, 1.0));
            return;
        }
        let (low, high) = (f64::from(self.knots[right - 1]), f64::from(self.knots[right]));
        let share = (value - low) / (high - low);
        out.push((first + right as u32 - 1, 1.0 - share));
        if share > 0.0 {
            out.push((first + right as u32, share));
        }
    }

    /// Returns the name of a column.
    pub fn name(&self, at: usize) -> String {
        self.value(at).map_or_else(|| format!(" {MISSING}"), |value| format!("≈{value}"))
    }

    /// Returns what a number is known to be from the first and the last of its columns, such as `1995–2000`.
    pub fn range(&self, first: usize, last: usize) -> String {
        match (self.value(first), self.value(last)) {
            (Some(low), Some(high)) if low != high => format!("{low}–{high}"),
            (Some(value), _) => value,
            (None, _) => MISSING.to_owned(),
        }
    }

    /// Returns the number at a knot; `None` for the column of missing numbers.
    fn value(&self, at: usize) -> Option<String> {
        let knot = f64::from(*self.knots.get(at)?);
        Some(rounded(if self.log { libm::expm1(knot) } else { knot }))
    }

    /// Adds the tensors `<name>.knots` and `<name>.flags`: logarithm, missing.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, name: &str) {
        out.f32s(&format!("{name}.knots"), &[self.knots.len()], &self.knots);
        out.u32s(&format!("{name}.flags"), &[2], vec![u32::from(self.log), u32::from(self.has_missing)]);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(input: &TensorReader<'_>, name: &str) -> MlResult<Self> {
        let (_, knots) = input.f32s(&format!("{name}.knots"))?;
        if !(1..=MOST_KNOTS as usize).contains(&knots.len()) || knots.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(MlError::BadArtifact(format!("{name}.knots are not 1 to {MOST_KNOTS} numbers in rising order")));
        }
        match input.u32s(&format!("{name}.flags"))?.1[..] {
            [log @ 0..=1, missing @ 0..=1] => Ok(Knots { knots, log: log == 1, has_missing: missing == 1 }),
            _ => Err(MlError::BadArtifact(format!("{name}.flags are not two of 0 and 1"))),
        }
    }
}

fn scaled(value: f64, log: bool) -> f64 {
    if log { libm::log1p(value.max(0.0)) } else { value }
}

fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{}", (value * 1e4).round() / 1e4),
    }
}

/// Returns the third standardised moment; 0 when all numbers are the same.
fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mean_of = |power: fn(f64) -> f64| values.iter().map(|value| power(value - mean)).sum::<f64>() / n;
    let (variance, third) = (mean_of(|x| x * x), mean_of(|x| x * x * x));
    if variance > 0.0 { third / (variance * variance.sqrt()) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(knots: &Knots, value: Option<f64>) -> Vec<Entry> {
        let mut entries = Vec::new();
        knots.encode(value, 10, &mut entries);
        entries
    }

    #[test]
    fn numbers_lie_between_their_neighbours() {
        let knots = Knots::fit(vec![3.0, 1.0, 2.0, 2.0], true, None, None);
        assert_eq!((knots.knots.as_slice(), knots.log, knots.width()), (&[1.0f32, 2.0, 3.0][..], false, 4));
        assert_eq!(encoded(&knots, Some(1.25)), [(10, 0.75), (11, 0.25)]);
        assert_eq!(encoded(&knots, Some(2.0)), [(11, 1.0)]);
        assert_eq!(encoded(&knots, Some(-5.0)), [(10, 1.0)]);
        assert_eq!(encoded(&knots, Some(50.0)), [(12, 1.0)]);
        assert_eq!(encoded(&knots, None), [(13, 1.0)]);
        assert_eq!((knots.name(0), knots.name(3)), ("≈1".to_owned(), " missing".to_owned()));
    }

    #[test]
    fn knots_are_quantiles() {
        let knots = Knots::fit((0..=150).map(f64::from).collect(), false, None, None);
        assert_eq!(knots.knots, (0..16).map(|at| at as f32 * 10.0).collect::<Vec<_>>());
        assert_eq!(Knots::fit(vec![5.0; 9], false, None, None).knots, [5.0]);
        assert_eq!(encoded(&Knots::fit(vec![5.0; 9], false, None, None), Some(7.0)), [(10, 1.0)]);
        assert_eq!(encoded(&knots, None), []);
        assert_eq!(Knots::fit((0..=100).map(f64::from).collect(), false, None, Some(3)).knots, [0.0, 50.0, 100.0]);
    }

    #[test]
    fn skewed_numbers_are_taken_by_their_logarithm() {
        let prices: Vec<f64> = (0..12).map(|at| f64::from(1 << at)).collect();
        let knots = Knots::fit(prices.clone(), false, None, None);
        assert!(knots.log && (f64::from(knots.knots[0]) - 2f64.ln()).abs() < 1e-6);
        assert!(!Knots::fit(prices.clone(), false, Some(false), None).log);
        assert!(!Knots::fit(prices.iter().map(|price| price - 2.0).collect(), false, None, None).log);
        assert_eq!(knots.name(0), "≈1");
    }
}
