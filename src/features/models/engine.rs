//! The context in which a background job runs the engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ml::context::{Context, Interrupt, Lack};
use crate::platform::memory::Promise;
use crate::platform::queue::JobContext;
use crate::platform::services::Services;

/// Returns when a training, or a comparison of models, that starts now has to end; `None` if the operator sets no limit.
pub fn training_deadline(services: &Services) -> Option<DateTime<Utc>> {
    let seconds = services.settings.max_training_seconds;
    (seconds > 0).then(|| services.clock.now() + TimeDelta::seconds(seconds.into()))
}

/// Returns a context that stops with the job or at the deadline, and uses only memory reserved by `memory`.
pub fn engine_context(
    job: &JobContext<Services>,
    seed: u64,
    threads: usize,
    deadline: Option<DateTime<Utc>>,
    memory: Promise,
) -> Context {
    let (flag, clock) = (job.cancel.flag(), job.app.clock.clone());
    let interrupt = move || {
        if flag.load(Ordering::Relaxed) {
            Some(Interrupt::Cancel)
        } else {
            deadline.is_some_and(|deadline| deadline <= clock.now()).then_some(Interrupt::TimeOut)
        }
    };
    let ask = move |bytes| {
        memory.raise_to(bytes).map_err(|shortage| Lack { available: shortage.available, is_passing: memory.waits_for_others() })
    };
    Context::new(seed, threads).with_interrupt(Arc::new(interrupt)).with_memory_source(Arc::new(ask))
}
