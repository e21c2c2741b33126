//! How often new items are listed beside the others.
//!
//! Regression predicts vectors that are shorter than those learnt, the more the less features say, so that an item with a
//! predicted vector would hardly be listed beside trained ones (or, where scores of single items are sparse, push them aside).
//! Predicted vectors are scaled by one number, with which trained items that are held out take as many places in the users' lists
//! as they do with the vectors that were learnt. It changes nothing about the order of new items among themselves.

/// The scale is sought between this and its inverse.
const LARGEST_SCALE: f32 = 8.0;
/// Halvings of that range, on a logarithmic scale: the result is exact to less than one per mille.
const STEPS: u32 = 14;

/// A user's list by what a model learnt.
pub(super) struct Learnt {
    /// The best scores of items that are not held out, best first, as many as a list has places.
    pub others: Vec<f32>,
    /// Places that items held out have in the list.
    pub places: usize,
}

impl Learnt {
    /// Returns the places that items held out have by predicted scores, best first, times a scale.
    fn places_by(&self, predicted: &[f32], scale: f32) -> usize {
        let (mut others, mut places) = (self.others.iter().peekable(), 0);
        for _ in 0..self.others.len() {
            let Some(predicted) = predicted.get(places) else { break };
            match others.peek() {
                Some(other) if **other >= predicted * scale => drop(others.next()),
                _ => places += 1,
            }
        }
        places
    }
}

/// Returns the scale of predicted scores with which items held out take as many places as by the vectors that were learnt; 1 if
/// those take none. `predicted` has the best predicted scores of each user, best first.
pub(super) fn scale_of(learnt: &[Learnt], predicted: &[Vec<f32>]) -> f32 {
    let wanted: usize = learnt.iter().map(|list| list.places).sum();
    if wanted == 0 {
        return 1.0;
    }
    let lists = || learnt.iter().zip(predicted);
    let places = |scale: f32| lists().map(|(list, predicted)| list.places_by(predicted, scale)).sum::<usize>();
    let (mut low, mut high) = (1.0 / LARGEST_SCALE, LARGEST_SCALE);
    for _ in 0..STEPS {
        let middle = (low * high).sqrt();
        if places(middle) < wanted { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(places: usize) -> Vec<Learnt> {
        vec![Learnt { others: vec![9.0, 8.0, 7.0, 6.0], places }]
    }

    #[test]
    fn scaled_scores_take_the_places_that_learnt_ones_had() {
        for (predicted, places) in [([3.0, 2.0, 1.0], 1), ([3.0, 2.0, 1.0], 2), ([30.0, 28.0, 27.0], 2)] {
            let learnt = learnt(places);
            let scale = scale_of(&learnt, &[predicted.to_vec()]);
            // The threshold itself: a little more is enough, a little less is not.
            assert_eq!(learnt[0].places_by(&predicted, scale * 1.01), places, "{predicted:?} {scale}");
            assert_eq!(learnt[0].places_by(&predicted, scale * 0.99), places - 1, "{predicted:?} {scale}");
        }
    }

    #[test]
    fn without_a_place_to_win_the_scale_stays_and_out_of_reach_it_is_bounded() {
        assert_eq!(scale_of(&learnt(0), &[vec![3.0]]), 1.0);
        assert_eq!(scale_of(&[], &[]), 1.0);
        for hopeless in [scale_of(&learnt(1), &[vec![-1.0]]), scale_of(&learnt(2), &[vec![]])] {
            assert!((hopeless / LARGEST_SCALE - 1.0).abs() < 1e-2, "{hopeless}");
        }
    }
}
