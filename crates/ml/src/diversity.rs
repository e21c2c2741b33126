//! Lists that do not repeat themselves: maximal marginal relevance (Carbonell & Goldstein 1998).
//!
//! Items are taken one by one; each time the one with the greatest `(1 − diversity) · score − diversity · (greatest similarity to
//! an item already taken)` comes next. The paper weighs the score with λ; here the weight is that of the similarity, so that zero
//! means "leave the list alone".
//!
//! Two choices make this work the same for every model:
//! - scores are brought to 0…1 within the list (least and greatest candidate), because models score on scales of their own;
//! - the similarity of two items is the cosine of their columns of interactions: users they share, divided by the
//!   root of the product of their numbers of users. It lies in 0…1, needs no model, and is counted only for the
//!   items taken, against the candidates.

use crate::sparse::Csr;

/// Candidates considered for each place of the list.
const CANDIDATES_PER_PLACE: usize = 10;

/// Most candidates for a list with fewer places: each place costs a pass over all of them.
const MOST_CANDIDATES: usize = 2_000;

/// Returns how many of the best items [`spread`] needs for a list of `n`.
pub fn candidates_for(n: usize) -> usize {
    n.saturating_mul(CANDIDATES_PER_PLACE).min(MOST_CANDIDATES.max(n))
}

/// Chooses `n` of the candidates (items with scores, best first) so that they differ from each other. Returns fewer only when
/// there are fewer.
///
/// `by_item` holds the users of each item, items by rows. `diversity` lies in 0…1; with zero the best `n` are returned unchanged.
/// Equal values go to the candidate that was better before. Items keep their scores, which then need not fall along the list.
pub fn spread(candidates: &[(u32, f32)], n: usize, diversity: f32, by_item: &Csr) -> Vec<(u32, f32)> {
    let n = n.min(candidates.len());
    if diversity.is_nan() || diversity <= 0.0 {
        return candidates[..n].to_vec();
    }
    let diversity = diversity.min(1.0);
    let mut likeness = Likeness::new(by_item);
    let mut left: Vec<Candidate> = relevance(candidates).into_iter().enumerate().map(Candidate::new).collect();
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n {
        let Some(at) = best(&left, diversity) else { break };
        // The remaining candidates keep the order of the list, which decides ties.
        let chosen = candidates[left.remove(at).place];
        taken.push(chosen);
        if taken.len() < n {
            likeness.look_at(chosen.0);
            for candidate in &mut left {
                candidate.nearest = candidate.nearest.max(likeness.to(candidates[candidate.place].0));
            }
        }
    }
    taken
}

/// A candidate that was not taken yet.
struct Candidate {
    /// Place in the list of candidates.
    place: usize,
    /// Score, from 0 to 1.
    relevance: f32,
    /// Greatest similarity to an item that was taken.
    nearest: f32,
}

impl Candidate {
    fn new((place, relevance): (usize, f32)) -> Self {
        Candidate { place, relevance, nearest: 0.0 }
    }
}

/// Returns the index of the candidate with the greatest value, the first among equals.
fn best(left: &[Candidate], diversity: f32) -> Option<usize> {
    let value = |candidate: &Candidate| (1.0 - diversity) * candidate.relevance - diversity * candidate.nearest;
    let mut best: Option<(usize, f32)> = None;
    for (at, candidate) in left.iter().enumerate() {
        let value = value(candidate);
        if best.is_none_or(|(_, greatest)| value > greatest) {
            best = Some((at, value));
        }
    }
    best.map(|(at, _)| at)
}

/// Scales scores to 0…1; all become zero when they are equal.
fn relevance(candidates: &[(u32, f32)]) -> Vec<f32> {
    let least = candidates.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
    let greatest = candidates.iter().map(|(_, score)| *score).fold(f32::NEG_INFINITY, f32::max);
    let range = greatest - least;
    let scaled = |score: f32| if range > 0.0 && range.is_finite() { (score - least) / range } else { 0.0 };
    candidates.iter().map(|(_, score)| scaled(*score)).collect()
}

/// Cosine of one item's column with others.
struct Likeness<'a> {
    by_item: &'a Csr,
    item: usize,
    /// Which users have the item.
    has: Vec<bool>,
}

impl<'a> Likeness<'a> {
    fn new(by_item: &'a Csr) -> Self {
        Likeness { by_item, item: 0, has: vec![false; by_item.n_cols] }
    }

    fn users(&self, item: usize) -> &'a [u32] {
        if item < self.by_item.n_rows { self.by_item.row_indices(item) } else { &[] }
    }

    /// Makes this item the one that others are compared with.
    fn look_at(&mut self, item: u32) {
        self.users(self.item).iter().for_each(|&user| self.has[user as usize] = false);
        self.item = item as usize;
        self.users(self.item).iter().for_each(|&user| self.has[user as usize] = true);
    }

    fn to(&self, other: u32) -> f32 {
        let (ours, theirs) = (self.users(self.item), self.users(other as usize));
        let shared = theirs.iter().filter(|&&user| self.has[user as usize]).count();
        if shared == 0 { 0.0 } else { (shared as f64 / (ours.len() as f64 * theirs.len() as f64).sqrt()) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns interactions in which items 0, 1, 2 belong to the same users, 3 and 4 to others, and 5 to no user.
    fn by_item() -> Csr {
        let pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 2), (3, 3), (4, 1), (4, 4)];
        let (items, users): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        Csr::from_pairs(6, 5, &items, &users).unwrap()
    }

    const LIST: [(u32, f32); 6] = [(0, 9.0), (1, 8.9), (2, 8.8), (3, 8.0), (4, 7.5), (5, 0.0)];

    fn items(list: &[(u32, f32)]) -> Vec<u32> {
        list.iter().map(|(item, _)| *item).collect()
    }

    #[test]
    fn without_diversity_the_list_stays_as_it_is() {
        for diversity in [0.0, -1.0, f32::NAN] {
            assert_eq!(spread(&LIST, 4, diversity, &by_item()), LIST[..4]);
        }
    }

    #[test]
    fn near_duplicates_are_spread() {
        let spread = spread(&LIST, 3, 0.3, &by_item());
        assert_eq!(items(&spread), [0, 3, 4], "the twins of item 0 make room");
        assert_eq!(spread[1], (3, 8.0), "items keep their scores");
    }

    #[test]
    fn each_step_takes_the_greatest_value_of_the_definition() {
        let by_item = by_item();
        let cosine = |a: u32, b: u32| {
            let (a, b) = (by_item.row_indices(a as usize), by_item.row_indices(b as usize));
            let shared = a.iter().filter(|user| b.contains(user)).count() as f32;
            if shared == 0.0 { 0.0 } else { shared / ((a.len() * b.len()) as f32).sqrt() }
        };
        for diversity in [0.1, 0.5, 0.9, 1.0] {
            let list = spread(&LIST, 6, diversity, &by_item);
            for taken in 0..list.len() {
                let value = |&(item, score): &(u32, f32)| {
                    let nearest = list[..taken].iter().map(|other| cosine(item, other.0)).fold(0.0, f32::max);
                    (1.0 - diversity) * score / 9.0 - diversity * nearest
                };
                let greatest = list[taken..].iter().map(value).fold(f32::NEG_INFINITY, f32::max);
                assert!(value(&list[taken]) >= greatest - 1e-6, "{diversity}: {list:?}");
            }
        }
    }

    #[test]
    fn as_many_come_back_as_there_are_and_ties_keep_their_order() {
        let equal: Vec<(u32, f32)> = (0..6).map(|item| (item, 1.0)).collect();
        let list = spread(&equal, 10, 1.0, &by_item());
        assert_eq!(items(&list), [0, 3, 5, 4, 1, 2]);
        assert_eq!(items(&spread(&[(7, 1.0), (8, 1.0)], 2, 0.5, &by_item())), [7, 8], "items outside of the matrix");
        assert!(spread(&[], 3, 0.5, &by_item()).is_empty());
        assert!(spread(&LIST, 0, 0.5, &by_item()).is_empty());
    }
}
