//! A Parzen estimator over the unit cube and finite sets: a mixture with one component per observed point
//! and one that knows nothing. All dimensions of a component belong together, which is what makes the search multivariate.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// One dimension of a search space, without its units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Axis {
    /// The unit interval; `step` is the distance of neighbouring values, 0 when there are values in between.
    Unit { step: f64 },
    /// So many values without order.
    Set(usize),
}

/// Width of a component in one dimension with few points, as a share of the range.
const WIDEST: f64 = 0.2;
/// The narrowest component: the search must not collapse to a point.
const NARROWEST: f64 = 0.01;
/// The widening of the narrowest component while points are few: 1 / (1 + n) of the range, at most this many points.
const MOST_NARROWING: usize = 100;

/// A density over points of the given axes.
pub struct Parzen<'a> {
    axes: &'a [Axis],
    points: Vec<&'a [f64]>,
    weights: Vec<f64>,
    width: f64,
}

impl<'a> Parzen<'a> {
    /// The density of `points`, the oldest first. Without points, the uniform one.
    pub fn new(axes: &'a [Axis], points: Vec<&'a [f64]>) -> Self {
        let n = points.len() as f64;
        let n_axes = axes.len().max(1) as f64;
        // Scott's rule for the shape, with the magnitude Optuna found good for hyperparameters.
        let width = WIDEST * n.max(1.0).powf(-1.0 / (n_axes + 4.0));
        let least = (1.0 / (1.0 + points.len().min(MOST_NARROWING) as f64)).max(NARROWEST);
        let weights = ramp(points.len());
        Self { axes, points, weights, width: width.max(least.min(WIDEST)) }
    }

    /// Draws a point.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let total: f64 = self.weights.iter().sum::<f64>() + 1.0;
        let mut rest = rng.random::<f64>() * total;
        let center = self.points.iter().zip(&self.weights).find(|(_, weight)| {
            rest -= **weight;
            rest <= 0.0
        });
        let center = center.map(|(point, _)| *point);
        self.axes.iter().enumerate().map(|(axis, kind)| self.draw(*kind, center.map(|point| point[axis]), rng)).collect()
    }

    fn draw(&self, axis: Axis, center: Option<f64>, rng: &mut ChaCha8Rng) -> f64 {
        match (axis, center) {
            (Axis::Unit { .. }, None) => rng.random(),
            (Axis::Unit { step }, Some(center)) => within_unit(center, self.width.max(step), rng),
            (Axis::Set(size), center) => {
                let own = center.filter(|_| rng.random::<f64>() < self.own_share(size));
                own.unwrap_or_else(|| rng.random_range(0..size.max(1)) as f64)
            }
        }
    }

    /// Probability that a component keeps its own value of a set rather than drawing any.
    fn own_share(&self, size: usize) -> f64 {
        let n = self.points.len() as f64;
        n / (n + size as f64)
    }

    /// Logarithm of the density at a point, up to a constant that depends on the axes only.
    pub fn log_density(&self, at: &[f64]) -> f64 {
        let total: f64 = self.weights.iter().sum::<f64>() + 1.0;
        let uniform: f64 = self.axes.iter().map(|axis| if let Axis::Set(size) = axis { -(*size as f64).ln() } else { 0.0 }).sum();
        let mut terms = vec![uniform];
        for (point, weight) in self.points.iter().zip(&self.weights) {
            let kernel: f64 =
                self.axes.iter().enumerate().map(|(axis, kind)| self.log_kernel(*kind, point[axis], at[axis])).sum();
            terms.push(weight.ln() + kernel);
        }
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln() - total.ln()
    }

    fn log_kernel(&self, axis: Axis, center: f64, at: f64) -> f64 {
        match axis {
            Axis::Unit { step } => {
                let width = self.width.max(step);
                let mass = normal_cdf((1.0 - center) / width) - normal_cdf(-center / width);
                let distance = (at - center) / width;
                -0.5 * distance * distance - (width * mass.max(1e-12)).ln() - 0.5 * std::f64::consts::TAU.ln()
            }
            Axis::Set(size) => {
                let own = self.own_share(size);
                let share = (1.0 - own) / size as f64 + if (at - center).abs() < 0.5 { own } else { 0.0 };
                share.ln()
            }
        }
    }
}

/// Older points weigh less once there are many: equal weights for the newest 25, rising to that before.
fn ramp(n: usize) -> Vec<f64> {
    const EQUAL: usize = 25;
    let rising = n.saturating_sub(EQUAL);
    let ramp = (0..rising).map(|index| (index as f64 + 1.0) / (rising as f64 + 1.0));
    ramp.chain(std::iter::repeat_n(1.0, n - rising)).collect()
}

/// A normal draw that lies within the unit interval.
fn within_unit(center: f64, width: f64, rng: &mut ChaCha8Rng) -> f64 {
    const TRIES: usize = 50;
    for _ in 0..TRIES {
        let value = center + width * standard_normal(rng);
        if (0.0..=1.0).contains(&value) {
            return value;
        }
    }
    center.clamp(0.0, 1.0)
}

/// Box and Muller's method.
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// The normal distribution function, by Abramowitz and Stegun 7.1.26 (error below 1.5e-7).
fn normal_cdf(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let polynomial = t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * polynomial * (-z * z).exp();
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_density_integrates_to_one() {
        let axes = [Axis::Unit { step: 0.0 }, Axis::Set(3)];
        let points = [vec![0.1, 0.0], vec![0.95, 2.0]];
        let parzen = Parzen::new(&axes, points.iter().map(Vec::as_slice).collect());
        let steps = 2_000;
        let cell = |x: usize, c: usize| parzen.log_density(&[(x as f64 + 0.5) / steps as f64, c as f64]).exp() / steps as f64;
        let mass: f64 = (0..steps).flat_map(|x| (0..3).map(move |c| (x, c))).map(|(x, c)| cell(x, c)).sum();
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    }

    #[test]
    fn draws_gather_around_the_points() {
        let axes = [Axis::Unit { step: 0.0 }];
        let points = vec![vec![0.3]; 20];
        let parzen = Parzen::new(&axes, points.iter().map(Vec::as_slice).collect());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let near = (0..1_000).filter(|_| (parzen.sample(&mut rng)[0] - 0.3).abs() < 0.25).count();
        assert!(near > 800, "{near}");
    }

    #[test]
    fn the_distribution_function_is_that_of_the_tables() {
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.96, 0.024_997_9)] {
            assert!((normal_cdf(x) - expected).abs() < 1e-6);
        }
    }
}
