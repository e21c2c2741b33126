//! Agreement of two ranked lists.

use std::collections::HashSet;

/// Returns the number of items that the heads of two lists have in common, at each depth from 1 to `depth`. A shorter list ends
/// there.
fn common(a: &[u32], b: &[u32], depth: usize) -> Vec<usize> {
    let (mut in_a, mut in_b, mut shared) = (HashSet::new(), HashSet::new(), 0);
    let mut counts = Vec::with_capacity(depth);
    for at in 0..depth {
        match (a.get(at), b.get(at)) {
            (Some(x), Some(y)) if x == y => shared += 1,
            (x, y) => {
                shared += usize::from(x.is_some_and(|x| in_b.contains(x))) + usize::from(y.is_some_and(|y| in_a.contains(y)));
            }
        }
        in_a.extend(a.get(at).copied());
        in_b.extend(b.get(at).copied());
        counts.push(shared);
    }
    counts
}

/// Returns the share of the items of the longer head that are in both, at each depth from 1 to `depth`; two empty heads agree.
pub fn overlaps(a: &[u32], b: &[u32], depth: usize) -> Vec<f64> {
    let longest = a.len().max(b.len());
    if longest == 0 {
        return vec![1.0; depth];
    }
    common(a, b, depth).into_iter().zip(1..).map(|(shared, at): (usize, usize)| shared as f64 / at.min(longest) as f64).collect()
}

/// Returns the rank-biased overlap, extrapolated beyond the ends of the lists, from 0 to 1: agreement at the top has more weight,
/// and `persistence` is the probability that a reader of one position continues to the next. (Webber, Moffat and Zobel 2010,
/// equation 32, which allows lists of different lengths.) Two empty lists agree.
pub fn rank_biased_overlap(a: &[u32], b: &[u32], persistence: f64) -> f64 {
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    if short == 0 {
        return f64::from(u8::from(long == 0));
    }
    let shared: Vec<f64> = common(a, b, long).into_iter().map(|count| count as f64).collect();
    let (s, l, p) = (short as f64, long as f64, persistence);
    let at_short = shared[short - 1];
    let mut sum = 0.0;
    for (depth, shared) in (1..).zip(&shared) {
        let (d, weight) = (f64::from(depth), p.powi(depth));
        sum += shared / d * weight;
        if d > s {
            sum += at_short * (d - s) / (s * d) * weight;
        }
    }
    let beyond = (shared[long - 1] - at_short) / l + at_short / s;
    (1.0 - p) / p * sum + beyond * p.powf(l)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists() -> impl Strategy<Value = Vec<u32>> {
        Just((0..12).collect::<Vec<u32>>())
            .prop_shuffle()
            .prop_flat_map(|all| (0..=all.len()).prop_map(move |n| all[..n].to_vec()))
    }

    #[test]
    fn known_lists_agree_as_counted_by_hand() {
        assert_eq!(overlaps(&[1, 2, 3], &[2, 1, 9], 3), [0.0, 1.0, 2.0 / 3.0]);
        assert_eq!(overlaps(&[1], &[1, 2], 3), [1.0, 0.5, 0.5]);
        // Half of the first place and all from the second on: (1-p)/p (0 p + 1 p²) + 1 p² with p = 1/2.
        assert!((rank_biased_overlap(&[1, 2], &[2, 1], 0.5) - 0.5).abs() < 1e-12);
        assert!((rank_biased_overlap(&[1, 2], &[1, 2, 3, 4], 0.9) - 1.0).abs() < 1e-12, "what is cut off is not held against it");
        assert_eq!(rank_biased_overlap(&[], &[1], 0.9), 0.0);
    }

    proptest! {
        #[test]
        fn agreement_is_symmetric_and_between_nothing_and_all(a in lists(), b in lists(), p in 0.1..0.99) {
            let forth = rank_biased_overlap(&a, &b, p);
            prop_assert!((forth - rank_biased_overlap(&b, &a, p)).abs() < 1e-12);
            prop_assert!((-1e-12..=1.0 + 1e-9).contains(&forth), "{forth}");
            prop_assert!((rank_biased_overlap(&a, &a, p) - 1.0).abs() < 1e-9);
            let overlap = overlaps(&a, &b, 12);
            prop_assert_eq!(&overlap, &overlaps(&b, &a, 12));
            prop_assert!(overlap.iter().all(|share| (0.0..=1.0).contains(share)));
            let in_both = a.iter().filter(|item| b.contains(item)).count();
            if !a.is_empty() || !b.is_empty() {
                prop_assert!((overlap[11] - in_both as f64 / a.len().max(b.len()) as f64).abs() < 1e-12);
            }
        }

        #[test]
        fn strangers_have_nothing_in_common(a in lists(), b in lists()) {
            let b: Vec<u32> = b.iter().map(|item| item + 100).collect();
            if !a.is_empty() && !b.is_empty() {
                prop_assert_eq!(rank_biased_overlap(&a, &b, 0.9), 0.0);
            }
        }
    }
}
