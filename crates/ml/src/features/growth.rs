//! Memory that work takes as it proceeds, where the amount cannot be told before.

use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::MlResult;

/// Least bytes that are asked for at once: each request may take a lock that all processes share.
const STEP: u64 = 1 << 20;

/// Asks for the memory of one piece of work while it grows, from any thread.
pub(super) struct Growth<'c> {
    ctx: &'c Context,
    what: &'static str,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    taken: u64,
    promised: u64,
}

impl<'c> Growth<'c> {
    /// Begins with nothing; `what` is what needs the memory, for the error.
    pub fn of(ctx: &'c Context, what: &'static str) -> Self {
        Growth { ctx, what, sums: Mutex::default() }
    }

    /// Adds bytes, and fails if there is too little memory for the sum.
    pub fn add(&self, bytes: u64) -> MlResult<()> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.taken = sums.taken.saturating_add(bytes);
        if sums.taken > sums.promised {
            let wanted = sums.taken.saturating_add(STEP.max(sums.taken / 4));
            self.ctx.require_memory(self.what, wanted)?;
            sums.promised = wanted;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_asked_for_as_it_grows() {
        let ctx = Context::new(0, 1).with_memory_budget(4 * STEP);
        let growth = Growth::of(&ctx, "words");
        for _ in 0..4 {
            growth.add(STEP).unwrap();
        }
        let refused = growth.add(STEP).unwrap_err().to_string();
        assert!(refused.contains("words"), "{refused}");
        assert!(Growth::of(&ctx.beside(3 * STEP), "words").add(1).is_err(), "beside what is held");
    }
}
