//! How a project is served.

use std::sync::Arc;

use diesel::prelude::*;
use uuid::Uuid;

use super::assignment::Assigner;
use crate::features::item_metadata::Subject;
use crate::features::projects::UnknownUsers;
use crate::schema::deployment_slots;

/// A share of a project's traffic and the model that answers it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = deployment_slots)]
pub struct Slot {
    pub id: i64,
    pub name: String,
    pub trained_model_id: i64,
    /// Relative to the weights of the other slots.
    pub weight: f64,
}

/// How a project is served.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The active slots that answer, in the order of their ids.
    pub slots: Vec<Slot>,
    /// The active slots that get a copy of the traffic and answer no requests.
    pub shadows: Vec<Slot>,
    /// The share of the lists that is logged, if the project sets one.
    pub logged_share: Option<f64>,
    /// The probability with which a place of a list goes to a new item.
    pub new_item_share: f64,
    pub unknown_users: UnknownUsers,
    /// The prepared form of the newest item metadata.
    pub items: Option<Arc<str>>,
    /// The prepared form of the newest user metadata.
    pub users: Option<Arc<str>>,
    /// Assigns users to the slots.
    pub assigner: Assigner,
}

impl Serving {
    /// Returns how a model without a project is served: without slots.
    pub fn nothing() -> Self {
        Self {
            slots: Vec::new(),
            shadows: Vec::new(),
            logged_share: None,
            new_item_share: 0.0,
            unknown_users: UnknownUsers::Fallback,
            items: None,
            users: None,
            assigner: Assigner::new(Uuid::nil()),
        }
    }

    /// Returns the prepared form of the newest metadata about a subject.
    pub fn metadata(&self, subject: Subject) -> Option<&Arc<str>> {
        match subject {
            Subject::Item => self.items.as_ref(),
            Subject::User => self.users.as_ref(),
        }
    }

    /// Returns the prepared forms of metadata that another state of the project does not use.
    pub fn tables_not_of(&self, other: &Self) -> impl Iterator<Item = Arc<str>> {
        let both = [(&self.items, &other.items), (&self.users, &other.users)];
        both.into_iter().filter_map(|(own, other)| own.clone().filter(|own| other.as_ref() != Some(own)))
    }

    /// Returns the models of all slots.
    pub fn models(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots.iter().chain(&self.shadows).map(|slot| slot.trained_model_id)
    }

    /// Returns the slot that answers a user, or a random one for a request without a user; `None` when all weights are zero.
    pub fn slot_of(&self, user: Option<&str>) -> Option<&Slot> {
        self.assigner.choose(&self.slots, |slot| (slot.id, slot.weight), user)
    }

    /// Returns the probability that a request goes to a slot.
    pub fn share_of(&self, slot: &Slot) -> f64 {
        slot.weight / self.slots.iter().map(|slot| slot.weight).sum::<f64>()
    }

    /// Returns whether the list of a request is logged. Ids of requests are random, and so is the choice.
    pub fn logs(&self, request: Uuid) -> bool {
        let share = self.logged_share.unwrap_or(if self.shadows.is_empty() { 0.0 } else { 1.0 });
        let lot = (request.as_u64_pair().0 >> 32) as f64 / f64::from(u32::MAX);
        share > 0.0 && lot <= share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_is_logged_and_all_of_them_for_a_shadow() {
        let logged = |serving: &Serving| (0..4_000).filter(|_| serving.logs(Uuid::new_v4())).count();
        let serving = Serving { logged_share: Some(0.25), ..Serving::nothing() };
        assert!((800..1_200).contains(&logged(&serving)));
        let shadow = Slot { id: 1, name: "s".to_owned(), trained_model_id: 1, weight: 1.0 };
        let watched = Serving { shadows: vec![shadow], ..Serving::nothing() };
        assert_eq!((logged(&Serving::nothing()), logged(&watched)), (0, 4_000));
        assert_eq!(logged(&Serving { logged_share: Some(0.0), ..watched }), 0);
    }
}
