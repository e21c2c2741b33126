//! The context of a computation: seed, threads, memory limit, progress and interruption.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pools;
use crate::error::{MlError, MlResult};

/// The progress of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Steps finished.
    pub done: u64,
    /// Steps in total.
    pub total: u64,
}

/// Why a computation has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// The caller cancelled it.
    Cancel,
    /// The time limit has passed.
    TimeOut,
}

type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;
type InterruptSource = Arc<dyn Fn() -> Option<Interrupt> + Send + Sync>;
type MemorySource = Arc<dyn Fn(u64) -> Result<(), Lack> + Send + Sync>;

/// A lack of memory for some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// Bytes that are available.
    pub available: u64,
    /// Whether the memory would suffice if other work had ended.
    pub is_passing: bool,
}

/// The environment of an algorithm.
#[derive(Clone)]
pub struct Context {
    /// Seed of all randomness without a seed parameter.
    pub seed: u64,
    /// Number of threads that may work at once.
    pub threads: usize,
    /// Largest estimate of memory that may be started.
    pub memory_budget_bytes: Option<u64>,
    /// Bytes that stay in use beside what is required.
    held: u64,
    memory: Option<MemorySource>,
    cancel: Option<Arc<AtomicBool>>,
    interrupt: Option<InterruptSource>,
    progress: Option<ProgressSink>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .field("memory_budget_bytes", &self.memory_budget_bytes)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Creates a context without limits. Zero threads count as one.
    pub fn new(seed: u64, threads: usize) -> Self {
        Context {
            seed,
            threads: threads.clamp(1, 1024),
            memory_budget_bytes: None,
            held: 0,
            memory: None,
            cancel: None,
            interrupt: None,
            progress: None,
        }
    }

    /// Refuses work whose estimate is larger.
    pub fn with_memory_budget(mut self, bytes: u64) -> Self {
        self.memory_budget_bytes = Some(bytes);
        self
    }

    /// Sets the source that reserves memory before it is allocated. The reservation lasts as long as this context and replaces
    /// the previous one; if there is too little memory, `source` returns the [`Lack`].
    pub fn with_memory_source(mut self, source: Arc<dyn Fn(u64) -> Result<(), Lack> + Send + Sync>) -> Self {
        self.memory = Some(source);
        self
    }

    /// Returns the context of work beside which these bytes stay in use: they are added to what the work requires, because a
    /// reservation replaces the one before.
    pub fn beside(&self, bytes: u64) -> Self {
        Context { held: self.held.saturating_add(bytes), ..self.clone() }
    }

    /// Stops with [`MlError::Cancelled`] soon after the flag is raised.
    pub fn with_cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Calls `source` at every check to decide whether to stop. The engine has no clock: time limits are passed in here.
    pub fn with_interrupt(mut self, source: Arc<dyn Fn() -> Option<Interrupt> + Send + Sync>) -> Self {
        self.interrupt = Some(source);
        self
    }

    /// Reports progress of the outer loop.
    pub fn with_progress(mut self, sink: Arc<dyn Fn(Progress) + Send + Sync>) -> Self {
        self.progress = Some(sink);
        self
    }

    /// Fails if the computation has to stop.
    pub fn check(&self) -> MlResult<()> {
        if self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(MlError::Cancelled);
        }
        match self.interrupt.as_ref().and_then(|source| source()) {
            Some(Interrupt::Cancel) => Err(MlError::Cancelled),
            Some(Interrupt::TimeOut) => Err(MlError::TimedOut),
            None => Ok(()),
        }
    }

    /// Reports the progress of the work.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(sink) = &self.progress {
            sink(Progress { done, total });
        }
    }

    /// Fails when `needed_bytes` exceeds the budget or the available memory; with [`MlError::MemoryInUse`] when other work holds
    /// the memory at present.
    pub fn require_memory(&self, what: &str, needed_bytes: u64) -> MlResult<()> {
        let needed_bytes = needed_bytes.saturating_add(self.held);
        let too_much = |budget_bytes| MlError::MemoryBudget { needed_bytes, budget_bytes, what: what.to_owned() };
        if let Some(budget_bytes) = self.memory_budget_bytes.filter(|budget| needed_bytes > *budget) {
            return Err(too_much(budget_bytes));
        }
        let Some(source) = &self.memory else { return Ok(()) };
        source(needed_bytes).map_err(|lack| match lack.is_passing {
            true => MlError::MemoryInUse { needed_bytes, available_bytes: lack.available, what: what.to_owned() },
            false => too_much(lack.available),
        })
    }

    /// Runs `work` with rayon bounded to `threads`, in a pool that no other computation uses meanwhile.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        pools::run(self.threads, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_bounded_and_interrupts_are_told_apart() {
        let ctx = Context::new(0, 3);
        assert_eq!(ctx.install(rayon::current_num_threads), 3);
        let flag = Arc::new(AtomicBool::new(false));
        let ctx = ctx.with_cancel(Arc::clone(&flag));
        assert!(ctx.check().is_ok());
        flag.store(true, Ordering::Relaxed);
        assert_eq!(ctx.check(), Err(MlError::Cancelled));
        let late = Context::new(0, 1).with_interrupt(Arc::new(|| Some(Interrupt::TimeOut)));
        assert_eq!(late.check(), Err(MlError::TimedOut));
        assert!(Context::new(0, 1).with_memory_budget(10).require_memory("x", 11).is_err());
        let scarce = Context::new(0, 1).with_memory_source(Arc::new(|needed| {
            if needed > 5 { Err(Lack { available: 5, is_passing: needed <= 7 }) } else { Ok(()) }
        }));
        assert!(scarce.require_memory("x", 5).is_ok() && scarce.beside(1).require_memory("x", 5).is_err());
        let scarce = scarce.with_memory_budget(10);
        let (later, never) = (scarce.require_memory("x", 6), scarce.require_memory("x", 8));
        assert!(matches!(later, Err(MlError::MemoryInUse { available_bytes: 5, .. })), "{later:?}");
        assert!(matches!(never, Err(MlError::MemoryBudget { budget_bytes: 5, .. })), "{never:?}");
    }
}
