//! From scores to a list: the best k, ties by item number, filters applied before the cut.

/// Which items may appear in a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidates<'a> {
    /// When given, only these items (in any order).
    pub allow: Option<&'a [u32]>,
    /// Never these items (in any order).
    pub deny: &'a [u32],
    /// Nor these: what the user has already interacted with.
    pub seen: &'a [u32],
}

/// The `k` best items by score among the candidates, best first; equal scores go to the smaller number.
///
/// Items whose score is NaN or negative infinity are never listed. Numbers outside of `scores` are ignored.
pub fn top_k(scores: &[f32], k: usize, candidates: &Candidates<'_>) -> Vec<(u32, f32)> {
    let mut masked = match candidates.allow {
        None => scores.to_vec(),
        Some(allow) => {
            let mut masked = vec![f32::NEG_INFINITY; scores.len()];
            for &item in allow {
                if let (Some(to), Some(&from)) = (masked.get_mut(item as usize), scores.get(item as usize)) {
                    *to = from;
                }
            }
            masked
        }
    };
    mask(&mut masked, candidates.deny);
    mask(&mut masked, candidates.seen);
    let mut selector = TopK::new(k);
    selector.select(&masked);
    selector.best().iter().map(|&item| (item, masked[item as usize])).collect()
}

/// Takes items out of the running.
pub fn mask(scores: &mut [f32], items: &[u32]) {
    for &item in items {
        if let Some(score) = scores.get_mut(item as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// How many scores are compared with the threshold at once; most chunks hold nothing better.
const CHUNK: usize = 32;

/// Selects the best k of many rows, keeping its buffers from row to row.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    /// Candidates so far, up to `2 k + CHUNK`; cut back to k when full.
    held: Vec<(f32, u32)>,
    best: Vec<u32>,
}

/// Better first: higher score, then smaller number.
fn better_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

impl TopK {
    /// A selector of the best `k`.
    pub fn new(k: usize) -> Self {
        TopK { k, held: Vec::new(), best: Vec::new() }
    }

    /// Selects from one row. NaN and negative infinity are left out.
    pub fn select(&mut self, scores: &[f32]) {
        self.held.clear();
        self.best.clear();
        if self.k == 0 {
            return;
        }
        let limit = self.k.saturating_mul(2).saturating_add(CHUNK);
        // Scanning in order of number, a later item with the threshold's score can never displace
        // one that is held, so "strictly greater" keeps the tie rule.
        let mut threshold = f32::NEG_INFINITY;
        for (c, chunk) in scores.chunks(CHUNK).enumerate() {
            if !any_above(chunk, threshold) {
                continue;
            }
            for (i, &score) in chunk.iter().enumerate() {
                if score > threshold {
                    // `+ 0.0` turns a negative zero into zero, so that the two tie.
                    self.held.push((score + 0.0, (c * CHUNK + i) as u32));
                }
            }
            if self.held.len() + CHUNK > limit {
                threshold = self.shrink();
            }
        }
        if self.held.len() > self.k {
            self.shrink();
        }
        self.held.sort_unstable_by(better_first);
        self.best.extend(self.held.iter().map(|&(_, item)| item));
    }

    /// Cuts back to the best k; gives the score that a newcomer must exceed.
    fn shrink(&mut self) -> f32 {
        if self.held.len() < self.k {
            return f32::NEG_INFINITY;
        }
        let (_, kth, _) = self.held.select_nth_unstable_by(self.k - 1, better_first);
        let threshold = kth.0;
        self.held.truncate(self.k);
        threshold
    }

    /// The items selected, best first.
    pub fn best(&self) -> &[u32] {
        &self.best
    }

    /// The items selected with their scores, best first.
    pub fn scored(&self) -> &[(f32, u32)] {
        &self.held
    }
}

fn any_above(chunk: &[f32], threshold: f32) -> bool {
    chunk.iter().fold(false, |any, &score| any | (score > threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_before_the_cut() {
        let scores = [0.5, 3.0, 1.0, 3.0, f32::NAN, 2.0];
        let all = top_k(&scores, 10, &Candidates::default());
        assert_eq!(all, [(1, 3.0), (3, 3.0), (5, 2.0), (2, 1.0), (0, 0.5)]);
        let some = Candidates { allow: Some(&[5, 0, 1, 99]), deny: &[1], seen: &[] };
        assert_eq!(top_k(&scores, 2, &some), [(5, 2.0), (0, 0.5)]);
        assert!(top_k(&scores, 0, &Candidates::default()).is_empty());
        assert!(top_k(&[], 3, &Candidates::default()).is_empty());
    }

    #[test]
    fn many_ties_keep_the_smallest_numbers() {
        let scores = vec![0.0f32; 1000];
        let mut selector = TopK::new(20);
        selector.select(&scores);
        assert_eq!(selector.best(), (0..20).collect::<Vec<u32>>());
        let mut mixed: Vec<f32> = vec![-0.0; 500];
        mixed.extend([0.0; 500]);
        selector.select(&mixed);
        assert_eq!(selector.best(), (0..20).collect::<Vec<u32>>());
    }
}
