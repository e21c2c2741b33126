//! The context in which a background job runs the engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ml::context::{Context, Interrupt, Lack};
use crate::platform::clock::Clock;
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
    let flag = job.cancel.flag();
    let context = Context::new(seed, threads);
    bounded(context, move || flag.load(Ordering::Relaxed), job.app.clock.clone(), deadline, memory)
}

/// Returns the context with these bounds: it stops once it is told to or at the deadline, and uses only memory reserved by
/// `memory`.
pub fn bounded(
    context: Context,
    is_stopped: impl Fn() -> bool + Send + Sync + 'static,
    clock: Clock,
    deadline: Option<DateTime<Utc>>,
    memory: Promise,
) -> Context {
    let interrupt = move || match is_stopped() {
        true => Some(Interrupt::Cancel),
        false => deadline.is_some_and(|deadline| deadline <= clock.now()).then_some(Interrupt::TimeOut),
    };
    let ask = move |bytes| {
        memory.raise_to(bytes).map_err(|shortage| Lack { available: shortage.available, is_passing: memory.waits_for_others() })
    };
    context.with_interrupt(Arc::new(interrupt)).with_memory_source(Arc::new(ask))
}
