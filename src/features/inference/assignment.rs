//! Assigns users to slots by weighted rendezvous hashing: users keep their slot, and a change of weights moves only as many users
//! as it must. (Thaler and Ravishankar 1998; with weights: Schindelhauer and Schomaker 2005.)

use ring::hmac;
use uuid::Uuid;

/// Assigns the users of a project to its slots: the same in every process and at any time, and independently of other projects.
#[derive(Debug, Clone)]
pub struct Assigner {
    key: hmac::Key,
}

impl Assigner {
    /// Creates the assigner of the project with this salt.
    pub fn new(salt: Uuid) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes()) }
    }

    /// Returns the slot of a user, or a random one without a user; `None` when all weights are zero. `share` returns the id and
    /// the weight of a slot.
    pub fn choose<'a, S>(&self, slots: &'a [S], share: impl Fn(&S) -> (i64, f64), user: Option<&str>) -> Option<&'a S> {
        let at_random;
        let user = match user {
            Some(user) => user.as_bytes(),
            None => {
                at_random = Uuid::new_v4();
                at_random.as_bytes()
            }
        };
        let lot = |slot: &&S| {
            let (id, weight) = share(slot);
            -self.draw(id, user).ln() / weight
        };
        slots.iter().filter(|slot| share(slot).1 > 0.0).min_by(|a, b| lot(a).total_cmp(&lot(b)))
    }

    /// Returns the number in (0, 1) that a slot always draws for a user.
    fn draw(&self, slot: i64, user: &[u8]) -> f64 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&slot.to_be_bytes());
        context.update(user);
        let tag = context.sign();
        let mut first = [0u8; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        // 53 bits, and never zero or one.
        ((u64::from_be_bytes(first) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const SALT: Uuid = Uuid::from_u128(0x5a17);

    /// A slot: its id and its weight.
    type Slot = (i64, f64);

    fn slots(weights: &[f64]) -> Vec<Slot> {
        weights.iter().enumerate().map(|(id, weight)| (id as i64, *weight)).collect()
    }

    fn chosen(assigner: &Assigner, slots: &[Slot], user: Option<&str>) -> Option<i64> {
        assigner.choose(slots, |slot| *slot, user).map(|(id, _)| *id)
    }

    fn assigned(assigner: &Assigner, slots: &[Slot], users: usize) -> Vec<i64> {
        (0..users).map(|user| chosen(assigner, slots, Some(&user.to_string())).unwrap()).collect()
    }

    #[test]
    fn users_stay_and_shares_follow_the_weights() {
        let assigner = Assigner::new(SALT);
        let slots_ = slots(&[10.0, 30.0, 0.0, 60.0]);
        let first = assigned(&assigner, &slots_, 20_000);
        assert_eq!(first, assigned(&Assigner::new(SALT), &slots_, 20_000));
        assert_ne!(first, assigned(&Assigner::new(Uuid::from_u128(1)), &slots_, 20_000));
        let mut counts: HashMap<i64, f64> = HashMap::new();
        for id in first {
            *counts.entry(id).or_default() += 1.0 / 20_000.0;
        }
        for (id, share) in [(0, 0.1), (1, 0.3), (3, 0.6)] {
            assert!((counts[&id] - share).abs() < 0.015, "{counts:?}");
        }
        assert!(!counts.contains_key(&2));
    }

    #[test]
    fn a_change_of_weights_moves_only_whom_it_must() {
        let assigner = Assigner::new(SALT);
        let before = assigned(&assigner, &slots(&[50.0, 50.0]), 10_000);
        let after = assigned(&assigner, &slots(&[50.0, 25.0]), 10_000);
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || (*before, *after) == (1, 0)));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count() as f64 / 10_000.0;
        assert!((moved - (2.0 / 3.0 - 0.5)).abs() < 0.02, "{moved}");
    }

    #[test]
    fn a_request_without_a_user_is_assigned_at_random_and_no_weight_means_no_slot() {
        let assigner = Assigner::new(SALT);
        let both = slots(&[1.0, 1.0]);
        let drawn: std::collections::HashSet<i64> = (0..100).filter_map(|_| chosen(&assigner, &both, None)).collect();
        assert_eq!(drawn.len(), 2);
        assert!(chosen(&assigner, &slots(&[0.0]), Some("u")).is_none());
    }
}
