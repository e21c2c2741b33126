//! Changes how a project is served in steps: the parts of a change whose models are in memory take effect at once, the others
//! once their models are loaded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::model::Serving;

/// Something that is loaded for a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// The model of this id.
    Model(i64),
    /// The metadata of items or users in this prepared form.
    Table(Arc<str>),
    /// The model of this id, which is in memory, with the new items of this prepared form; `None` for none.
    NewItems(i64, Option<Arc<str>>),
}

/// Access to what is in memory.
pub struct Memory<'a> {
    pub holds: &'a dyn Fn(&Part) -> bool,
    /// Whether loading a part evicts nothing.
    pub has_room: &'a dyn Fn(&Part) -> bool,
    /// The parts loaded since the last change, and whether that succeeded: nothing is loaded twice for one change.
    pub tried: &'a HashMap<Part, bool>,
}

/// Keeps the former state of a project wherever a new model is not in memory, and returns the parts to load, in order.
///
/// A slot keeps the model that it had. A new one waits while another slot can answer for it. Slots that answer no requests need
/// nothing, and a slot whose model was evicted loads it again only where that evicts no other.
pub fn hand_over(serving: &mut Serving, before: Option<&Serving>, memory: &Memory) -> Vec<Part> {
    let (mut lacking, mut waiting) = (Vec::new(), HashSet::new());
    for slot in serving.slots.iter_mut().filter(|slot| slot.weight > 0.0) {
        let part = Part::Model(slot.trained_model_id);
        if (memory.holds)(&part) {
            continue;
        }
        let former = before.and_then(|before| before.slots.iter().find(|former| former.id == slot.id && former.weight > 0.0));
        let is_served = before.is_none() || former.is_some_and(|former| former.trained_model_id == slot.trained_model_id);
        let tried = memory.tried.get(&part);
        if tried == Some(&true) {
            // Others have evicted it since.
            continue;
        }
        if let Some(former) = former {
            slot.trained_model_id = former.trained_model_id;
        }
        if tried.is_some() || (is_served && !(memory.has_room)(&part)) {
            continue;
        }
        if !is_served && former.is_none() {
            waiting.insert(slot.id);
        }
        lacking.push(part);
    }
    if serving.slots.iter().any(|slot| slot.weight > 0.0 && !waiting.contains(&slot.id)) {
        serving.slots.retain(|slot| !waiting.contains(&slot.id));
    }
    lacking.extend(hand_over_table(&mut serving.items, before.and_then(|before| before.items.as_ref()), memory));
    lacking.extend(hand_over_table(&mut serving.users, before.and_then(|before| before.users.as_ref()), memory));
    lacking
}

fn hand_over_table(table: &mut Option<Arc<str>>, former: Option<&Arc<str>>, memory: &Memory) -> Option<Part> {
    let former = former?;
    let part = Part::Table(table.clone().filter(|table| table != former)?);
    let is_used = (memory.holds)(&Part::Table(Arc::clone(former)));
    if !is_used || (memory.holds)(&part) || memory.tried.contains_key(&part) {
        return None;
    }
    *table = Some(Arc::clone(former));
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::super::super::model::Slot;
    use super::*;

    /// Creates slots from their ids, models and weights.
    fn serving(slots: &[(i64, i64, f64)]) -> Serving {
        let slot = |&(id, trained_model_id, weight): &(i64, i64, f64)| Slot { id, name: String::new(), trained_model_id, weight };
        Serving { slots: slots.iter().map(slot).collect(), ..Serving::nothing() }
    }

    /// Returns the slots that are published and the models that are loaded, given these models in memory.
    fn published(
        before: Option<&[(i64, i64, f64)]>,
        after: &[(i64, i64, f64)],
        held: &[i64],
        has_room: bool,
        tried: &[(i64, bool)],
    ) -> (Vec<(i64, i64)>, Vec<i64>) {
        let (before, mut after) = (before.map(serving), serving(after));
        let tried = tried.iter().map(|(model, is_loaded)| (Part::Model(*model), *is_loaded)).collect();
        let holds = |part: &Part| matches!(part, Part::Model(model) if held.contains(model));
        let lacking = hand_over(&mut after, before.as_ref(), &Memory { holds: &holds, has_room: &|_| has_room, tried: &tried });
        let model = |part: Part| match part {
            Part::Model(model) => model,
            Part::Table(_) | Part::NewItems(..) => panic!("there are none"),
        };
        let slots = after.slots.iter().map(|slot| (slot.id, slot.trained_model_id)).collect();
        (slots, lacking.into_iter().map(model).collect())
    }

    #[test]
    fn a_slot_that_is_switched_off_answers_no_more_while_the_model_of_another_is_loaded() {
        let before = [(1, 10, 1.0), (2, 20, 1.0)];
        let (slots, lacking) = published(Some(&before), &[(2, 21, 1.0)], &[10, 20], true, &[]);
        assert_eq!((slots, lacking), (vec![(2, 20)], vec![21]));
        let (slots, lacking) = published(Some(&before), &[(2, 21, 1.0)], &[10, 20, 21], true, &[]);
        assert_eq!((slots, lacking), (vec![(2, 21)], vec![]));
    }

    #[test]
    fn a_new_slot_waits_for_its_model_unless_no_other_can_answer() {
        let new = [(1, 10, 1.0), (2, 20, 1.0)];
        assert_eq!(published(Some(&[(1, 10, 1.0)]), &new, &[10], false, &[]), (vec![(1, 10)], vec![20]));
        assert_eq!(published(Some(&[(1, 10, 1.0)]), &[(2, 20, 1.0)], &[10], true, &[]), (vec![(2, 20)], vec![20]));
        let woken = [(1, 10, 1.0), (2, 20, 0.0)];
        assert_eq!(published(Some(&woken), &new, &[10], true, &[]), (vec![(1, 10)], vec![20]), "it had no traffic");
        assert_eq!(published(None, &new, &[], true, &[]), (vec![(1, 10), (2, 20)], vec![10, 20]), "the first that is known");
    }

    #[test]
    fn a_slot_whose_new_model_cannot_be_loaded_keeps_its_own() {
        assert_eq!(published(Some(&[(1, 10, 1.0)]), &[(1, 11, 2.0)], &[10], true, &[(11, false)]), (vec![(1, 10)], vec![]));
    }

    #[test]
    fn a_change_loads_neither_what_answers_nothing_nor_what_was_evicted_by_others() {
        let slots = [(1, 10, 1.0), (2, 20, 0.0), (3, 30, 1.0)];
        let all = vec![(1, 10), (2, 20), (3, 30)];
        assert_eq!(published(Some(&slots), &slots, &[10], false, &[]), (all.clone(), vec![]));
        assert_eq!(published(Some(&slots), &slots, &[10], true, &[]), (all.clone(), vec![30]));
        assert_eq!(published(Some(&slots), &slots, &[10], true, &[(30, true)]), (all, vec![]), "it has just been loaded");
    }

    #[test]
    fn metadata_that_is_used_is_replaced_once_the_new_one_is_loaded() {
        let of_items = |table: &str| Serving { items: Some(Arc::from(table)), ..serving(&[(1, 10, 1.0)]) };
        let of_users = |table: &str| Serving { users: Some(Arc::from(table)), ..serving(&[(1, 10, 1.0)]) };
        let published = |(before, mut after): (Serving, Serving), held: &[&str], tried: HashMap<Part, bool>| {
            let holds = |part: &Part| match part {
                Part::Model(_) | Part::NewItems(..) => true,
                Part::Table(table) => held.contains(&table.as_ref()),
            };
            let lacking = hand_over(&mut after, Some(&before), &Memory { holds: &holds, has_room: &|_| true, tried: &tried });
            (after.items.or(after.users).unwrap().to_string(), lacking)
        };
        let new = Part::Table(Arc::from("new"));
        for change in [(of_items("old"), of_items("new")), (of_users("old"), of_users("new"))] {
            let published = |held: &[&str], tried| published(change.clone(), held, tried);
            assert_eq!(published(&["old"], HashMap::new()), ("old".to_owned(), vec![new.clone()]));
            assert_eq!(published(&["old", "new"], HashMap::new()), ("new".to_owned(), vec![]));
            assert_eq!(published(&[], HashMap::new()), ("new".to_owned(), vec![]), "no request has asked for it");
            assert_eq!(published(&["old"], HashMap::from([(new.clone(), false)])), ("new".to_owned(), vec![]));
        }
    }
}
