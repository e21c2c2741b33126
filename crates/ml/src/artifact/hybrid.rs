//! Lists for a user that also resemble some items.

use super::TrainedModel;
use crate::features::FeatureTable;
use crate::lists::{Wanted, codes};
use crate::ranking::{Candidates, top_k};

/// The user that a list is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Person<'a> {
    /// Number of the user, if the model was trained on them.
    pub known: Option<u32>,
    /// Items that they interacted with and the model was not trained on.
    pub history: &'a [String],
    /// Features of a user that the model was not trained on.
    pub profile: Option<&'a FeatureTable>,
}

/// The items that a list must resemble.
#[derive(Debug, Clone, Copy)]
pub struct Anchors<'a> {
    /// Their ids; they are never listed.
    pub items: &'a [String],
    /// How much the likeness to them counts beside the user's own score, which counts 1.
    pub weight: f32,
}

impl TrainedModel {
    /// Returns the numbers of the best items by the sum of two scores, and these sums: that of the user, and that of the likeness
    /// to the anchors times their weight. Both are standardised over the items that may be listed, as their units differ. `None`
    /// when the model knows none of the anchors, or has nothing to score the user by.
    pub fn rank_hybrid(&self, person: &Person<'_>, anchors: &Anchors<'_>, wanted: &Wanted<'_>) -> Option<Vec<(u32, f32)>> {
        let group = codes(&self.items, anchors.items);
        if group.is_empty() {
            return None;
        }
        let (mut scores, seen) = self.scores_of(person)?;
        let deny = [wanted.deny, anchors.items].concat();
        let wanted = Wanted { deny: &deny, ..*wanted }.in_numbers(&self.items);
        let candidates = wanted.candidates(&seen);
        let admitted = admitted(&candidates, scores.len());
        self.with_working(|working| {
            self.add_likenesses(&group, &mut working.scores)?;
            standardise(&mut scores, &admitted);
            standardise(&mut working.scores, &admitted);
            scores.iter_mut().zip(&working.scores).for_each(|(score, likeness)| *score += anchors.weight * likeness);
            let best = top_k(&scores, wanted.depth(), &candidates);
            Some(wanted.finish(best, || self.by_item()))
        })
    }

    /// Returns the score of every item for a user, and the items that they interacted with; `None` if nothing is known of them.
    fn scores_of(&self, person: &Person<'_>) -> Option<(Vec<f32>, Vec<u32>)> {
        let mut history = codes(&self.items, person.history);
        if let (None, Some(profile)) = (person.known, person.profile) {
            return Some((self.scores_of_profile(profile, person.history)?, history));
        }
        let mut scores = vec![0.0; self.items.len()];
        let trained_on = person.known.map(|user| self.seen.row_indices(user as usize)).unwrap_or_default();
        match person.known {
            Some(user) if history.is_empty() => {
                self.model.score_users(&[user], &self.seen, &mut scores).ok()?;
                return Some((scores, trained_on.to_vec()));
            }
            None if history.is_empty() => return None,
            _ => {}
        }
        history.extend_from_slice(trained_on);
        history.sort_unstable();
        history.dedup();
        self.model.score_history(&history, &mut scores).ok()?;
        Some((scores, history))
    }

    fn scores_of_profile(&self, profile: &FeatureTable, history: &[String]) -> Option<Vec<f32>> {
        let all = Wanted { exclude_seen: false, ..Wanted::best(self.items.len()) };
        let list = self.rank_for_profile(profile, history, &all).ok().flatten()?;
        let mut scores = vec![f32::NEG_INFINITY; self.items.len()];
        for (item, score) in list {
            scores[item as usize] = score;
        }
        Some(scores)
    }
}

/// Returns for each of `n` items whether it is a candidate.
fn admitted(candidates: &Candidates<'_>, n: usize) -> Vec<bool> {
    let mut admitted = vec![candidates.allow.is_none(); n];
    let mut set = |items: &[u32], value: bool| {
        for &item in items {
            if let Some(admitted) = admitted.get_mut(item as usize) {
                *admitted = value;
            }
        }
    };
    set(candidates.allow.unwrap_or_default(), true);
    set(candidates.deny, false);
    set(candidates.seen, false);
    admitted
}

/// Gives the scores of the admitted items the mean 0 and the variance 1; all zero if they are equal. Scores that are not finite do
/// not count and are never listed.
fn standardise(scores: &mut [f32], admitted: &[bool]) {
    let counted = || {
        let both = scores.iter().zip(admitted);
        both.filter(|(score, admitted)| **admitted && score.is_finite()).map(|(score, _)| f64::from(*score))
    };
    let n = counted().count().max(1) as f64;
    let mean = counted().sum::<f64>() / n;
    let deviation = (counted().map(|score| (score - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scale = if deviation > 0.0 { deviation.recip() } else { 0.0 };
    scores.iter_mut().for_each(|score| *score = ((f64::from(*score) - mean) * scale) as f32);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::Context;
    use crate::interactions::InteractionLogBuilder;
    use crate::registry;

    /// Returns a model of users with two tastes: in `a1` to `a6` and in `b1` to `b6`. One user has both.
    fn model(algorithm: &str) -> TrainedModel {
        let mut builder = InteractionLogBuilder::new(false);
        for user in 0..24 {
            let taste = if user % 2 == 0 { "a" } else { "b" };
            (0..4).for_each(|n| builder.push(&format!("u{user}"), &format!("{taste}{}", 1 + (user / 2 + n) % 6), None));
        }
        for item in ["a1", "a2", "b1"] {
            builder.push("both", item, None);
        }
        let log = builder.finish();
        let seen = log.to_csr();
        let parameters = if algorithm == "IALS" { json!({ "n_components": 4, "alpha0": 0.1 }) } else { json!({}) };
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let name = registry::find(algorithm).unwrap().name;
        TrainedModel {
            algorithm: name.to_owned(),
            model: registry::fit(name, &parameters, &seen, &Context::new(7, 1)).unwrap(),
            parameters,
            users: log.users,
            items: log.items,
            seen,
            cold_start: None,
            profiles: None,
            metadata: Default::default(),
            derived: Default::default(),
        }
    }

    fn ids(model: &TrainedModel, list: &[(u32, f32)]) -> Vec<String> {
        list.iter().map(|(item, _)| model.items.get(*item).to_owned()).collect()
    }

    #[test]
    fn the_weight_leads_from_the_list_of_the_user_to_the_items_like_the_anchors() {
        for algorithm in ["IALS", "CosineKNN"] {
            let model = model(algorithm);
            let person = Person { known: model.users.find("u0"), ..Person::default() };
            let (anchor, wanted) = (["b3".to_owned()], Wanted::best(2));
            let list = |weight| model.rank_hybrid(&person, &Anchors { items: &anchor, weight }, &wanted).unwrap();
            let mut own = ids(&model, &list(0.0));
            own.sort_unstable();
            assert_eq!(own, ["a5", "a6"], "{algorithm}: all that they have not seen of their taste");
            let near = ids(&model, &list(100.0));
            assert!(near.iter().all(|item| item.starts_with('b') && item != "b3"), "{algorithm}: {near:?}");
            let between = list(0.5);
            assert!(between.iter().all(|(_, score)| score.is_finite()) && between.is_sorted_by(|a, b| a.1 >= b.1));
        }
    }

    #[test]
    fn a_history_counts_as_a_user_does_and_options_hold() {
        let model = model("CosineKNN");
        let (history, anchors) = (["a1".to_owned(), "unheard of".to_owned()], ["b1".to_owned(), "unheard of".to_owned()]);
        let person = Person { history: &history, ..Person::default() };
        let anchors = Anchors { items: &anchors, weight: 0.5 };
        let all = ids(&model, &model.rank_hybrid(&person, &anchors, &Wanted::best(20)).unwrap());
        assert!(all.len() == 10 && !all.contains(&"a1".to_owned()) && !all.contains(&"b1".to_owned()), "{all:?}");
        let again = Wanted { exclude_seen: false, ..Wanted::best(20) };
        let again = ids(&model, &model.rank_hybrid(&person, &anchors, &again).unwrap());
        assert!(again.len() == 11 && again.contains(&"a1".to_owned()), "{again:?}");
        let (allow, deny) = (["b2", "b3", "a2"].map(str::to_owned), ["b2".to_owned()]);
        let some = Wanted { allow: Some(&allow), deny: &deny, ..Wanted::best(20) };
        let mut some = ids(&model, &model.rank_hybrid(&person, &anchors, &some).unwrap());
        some.sort_unstable();
        assert_eq!(some, ["a2", "b3"]);
        let spread = Wanted { diversity: 0.9, ..Wanted::best(4) };
        assert_eq!(model.rank_hybrid(&person, &anchors, &spread).unwrap().len(), 4);
    }

    #[test]
    fn without_a_score_of_the_user_or_a_known_anchor_there_is_no_list() {
        let model = model("CosineKNN");
        let (known, unknown) = (["a1".to_owned()], ["unheard of".to_owned()]);
        let (near, far) = (Anchors { items: &known, weight: 1.0 }, Anchors { items: &unknown, weight: 1.0 });
        let stranger = Person { history: &unknown, ..Person::default() };
        assert!(model.rank_hybrid(&stranger, &near, &Wanted::best(3)).is_none());
        let user = Person { known: model.users.find("u0"), ..Person::default() };
        assert!(model.rank_hybrid(&user, &far, &Wanted::best(3)).is_none());
    }

    #[test]
    fn scores_that_cannot_be_listed_do_not_move_the_others() {
        let mut scores = [1.0, 3.0, f32::NEG_INFINITY, 100.0];
        standardise(&mut scores, &[true, true, true, false]);
        assert_eq!(scores[..3], [-1.0, 1.0, f32::NEG_INFINITY]);
        let mut equal = [2.0, 2.0];
        standardise(&mut equal, &[true, true]);
        assert_eq!(equal, [0.0, 0.0]);
    }
}
