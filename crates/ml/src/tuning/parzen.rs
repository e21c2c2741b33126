//! A Parzen estimator over the unit cube and finite sets: a mixture with one component per observed point and one uniform
//! component. All dimensions of a component belong together, which is what makes the search multivariate.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::axes::Axis;
use crate::normal;

/// Width of a component in one dimension with few points, as a share of the range.
const WIDEST: f64 = 0.2;
/// The narrowest component: the search must not collapse to a point.
const NARROWEST: f64 = 0.01;
/// Number of newest points with equal weights; older ones weigh less.
const EQUAL: usize = 25;

/// Number of points that each choice of a set counts as, beyond those that have it.
const PRIOR_OF_CHOICES: f64 = 0.5;
/// Weight of the uniform component; a point's is at most 1.
const PRIOR: f64 = 1.0;

/// A density over points of the given axes.
pub struct Parzen<'a> {
    axes: &'a [Axis],
    /// Kernels of the components, along each axis.
    kernels: Vec<Kernel>,
    components: Vec<Component<'a>>,
    /// Weight of all components, including the uniform one.
    total: f64,
}

/// The shape of all components along an axis.
#[derive(Debug, Clone, Copy)]
enum Kernel {
    /// Normal, truncated to the unit interval.
    Normal { width: f64 },
    /// The value of the point with some probability, else any.
    Choice { size: usize, keeps: f64, log_same: f64, log_other: f64 },
}

struct Component<'a> {
    point: &'a [f64],
    weight: f64,
    /// Logarithm of the weight over the mass of the truncated normals.
    log_scale: f64,
}

impl<'a> Parzen<'a> {
    /// Creates the density of `points`, the oldest first. Without points, it is uniform.
    pub fn new(axes: &'a [Axis], points: &'a [Vec<f64>]) -> Self {
        let kernels: Vec<Kernel> = axes.iter().map(|axis| Kernel::new(*axis, axes.len(), points.len())).collect();
        let component = |(point, weight): (&'a Vec<f64>, f64)| {
            let masses = kernels.iter().zip(point).map(|(kernel, at)| kernel.log_mass(*at));
            Component { point, weight, log_scale: weight.ln() - masses.sum::<f64>() }
        };
        let components: Vec<Component<'a>> = points.iter().zip(ramp(points.len())).map(component).collect();
        let total = PRIOR + components.iter().map(|component| component.weight).sum::<f64>();
        Self { axes, kernels, components, total }
    }

    /// Draws a point.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut rest = rng.random::<f64>() * self.total;
        let chosen = self.components.iter().find(|component| {
            rest -= component.weight;
            rest <= 0.0
        });
        match chosen {
            None => self.axes.iter().map(|axis| axis.place(rng.random())).collect(),
            Some(component) => self.sample_near(component.point, rng),
        }
    }

    /// Returns the logarithm of the density at a point.
    pub fn log_density(&self, at: &[f64]) -> f64 {
        let uniform: f64 = self.axes.iter().map(|axis| if let Axis::Set(size) = axis { -(*size as f64).ln() } else { 0.0 }).sum();
        let mut terms = Vec::with_capacity(self.components.len() + 1);
        terms.push(PRIOR.ln() + uniform);
        terms.extend(self.components.iter().map(|component| self.log_kernel(component, at)));
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln() - self.total.ln()
    }

    fn sample_near(&self, point: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
        self.kernels.iter().zip(point).map(|(kernel, center)| kernel.sample(*center, rng)).collect()
    }

    /// Returns the logarithm of a component's part in the density.
    fn log_kernel(&self, component: &Component<'_>, at: &[f64]) -> f64 {
        let along = |(kernel, (center, at)): (&Kernel, (&f64, &f64))| kernel.log_shape(*center, *at);
        component.log_scale + self.kernels.iter().zip(component.point.iter().zip(at)).map(along).sum::<f64>()
    }
}

impl Kernel {
    /// Creates a kernel: Scott's rule for the width of a normal, scaled to the range; a choice is kept with a probability that
    /// rises with the number of points.
    fn new(axis: Axis, n_axes: usize, n_points: usize) -> Self {
        let n = n_points as f64;
        match axis {
            Axis::Unit { step } => {
                let width = WIDEST * n.max(1.0).powf(-1.0 / (n_axes as f64 + 4.0));
                Kernel::Normal { width: width.max(NARROWEST).max(step) }
            }
            Axis::Set(size) => {
                let keeps = n / (n + PRIOR_OF_CHOICES * size as f64);
                let other = (1.0 - keeps) / size as f64;
                Kernel::Choice { size, keeps, log_same: (other + keeps).ln(), log_other: other.ln() }
            }
        }
    }

    fn sample(self, center: f64, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Kernel::Normal { width } => within_unit(center, width, rng),
            Kernel::Choice { keeps, .. } if rng.random::<f64>() < keeps => center,
            Kernel::Choice { size, .. } => Axis::Set(size).place(rng.random()),
        }
    }

    /// Returns the logarithm of the density without [`Kernel::log_mass`].
    fn log_shape(self, center: f64, at: f64) -> f64 {
        match self {
            Kernel::Normal { width } => -0.5 * ((at - center) / width).powi(2),
            Kernel::Choice { log_same, log_other, .. } => {
                if at == center {
                    log_same
                } else {
                    log_other
                }
            }
        }
    }

    /// Returns the logarithm of the sum of the shape.
    fn log_mass(self, center: f64) -> f64 {
        match self {
            Kernel::Normal { width } => {
                let inside = normal::cdf((1.0 - center) / width) - normal::cdf(-center / width);
                (width * inside.max(1e-12)).ln() + 0.5 * std::f64::consts::TAU.ln()
            }
            Kernel::Choice { .. } => 0.0,
        }
    }
}

/// Returns weights that rise with the order of the points: equal ones for the newest, rising to that before.
fn ramp(n: usize) -> Vec<f64> {
    let rising = n.saturating_sub(EQUAL);
    let ramp = (0..rising).map(|index| (index as f64 + 1.0) / (rising as f64 + 1.0));
    ramp.chain(std::iter::repeat_n(1.0, n - rising)).collect()
}

/// Draws a normal number within the unit interval.
fn within_unit(center: f64, width: f64, rng: &mut ChaCha8Rng) -> f64 {
    const TRIES: usize = 50;
    for _ in 0..TRIES {
        let value = center + width * normal::sample(rng);
        if (0.0..=1.0).contains(&value) {
            return value;
        }
    }
    center.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_density_integrates_to_one() {
        let axes = [Axis::Unit { step: 0.0 }, Axis::Set(3)];
        let points = [vec![0.1, 0.0], vec![0.95, 2.0]];
        let parzen = Parzen::new(&axes, &points);
        let steps = 2_000;
        let cell = |x: usize, c: usize| parzen.log_density(&[(x as f64 + 0.5) / steps as f64, c as f64]).exp() / steps as f64;
        let mass: f64 = (0..steps).flat_map(|x| (0..3).map(move |c| (x, c))).map(|(x, c)| cell(x, c)).sum();
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    }

    #[test]
    fn draws_gather_around_the_points() {
        let axes = [Axis::Unit { step: 0.0 }];
        let points = vec![vec![0.3]; 20];
        let parzen = Parzen::new(&axes, &points);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let near = (0..1_000).filter(|_| (parzen.sample(&mut rng)[0] - 0.3).abs() < 0.25).count();
        assert!(near > 800, "{near}");
    }
}
