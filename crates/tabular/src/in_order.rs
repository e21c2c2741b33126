//! Work on the pieces of a file on several threads, with results taken in the order of the file.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Result as Caught, Scope, ScopedJoinHandle, scope};

use super::error::TabularError;

/// A piece with its number in the file.
type Numbered<S> = (u64, S);

/// Fills the slots with the pieces of a file on one thread, works on them on `threads` others, and passes them to `take` on the
/// calling thread in the order in which they were filled.
///
/// A slot is filled again only after it was taken, so there are never more pieces in memory than slots. `fill` returns whether
/// there was another piece. The first error in the order of the file ends everything and is returned.
pub(super) fn in_order<S: Send>(
    slots: Vec<S>,
    threads: usize,
    mut fill: impl FnMut(&mut S) -> Result<bool, TabularError> + Send,
    work: impl Fn(&mut S) + Sync,
    take: impl FnMut(&mut S) -> Result<(), TabularError>,
) -> Result<(), TabularError> {
    let (give_back, free) = channel();
    slots.into_iter().for_each(|slot| drop(give_back.send(slot)));
    let (to_work, waiting) = channel();
    let waiting = Mutex::new(waiting);
    scope(|scope| {
        let filling = spawn(scope, "reader", move || {
            for (number, mut slot) in (0..).zip(free) {
                if !fill(&mut slot)? || to_work.send((number, slot)).is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        let (done, finished) = channel();
        for _ in 0..threads.max(1) {
            let (waiting, work, done) = (&waiting, &work, done.clone());
            spawn(scope, "parser", move || work_on(waiting, work, &done))?;
        }
        drop(done);
        take_in_order(finished, give_back, take)?;
        filling.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn spawn<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> R + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, R>, TabularError> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, work).map_err(TabularError::Io)
}

/// Works on waiting pieces until there are no more or their results are not needed any more.
fn work_on<S>(waiting: &Mutex<Receiver<Numbered<S>>>, work: &impl Fn(&mut S), done: &Sender<(u64, Caught<S>)>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, mut slot)) = next else { return };
        // The receiver would wait forever for a slot that is lost in a panic.
        let caught = catch_unwind(AssertUnwindSafe(|| work(&mut slot))).map(|()| slot);
        if done.send((number, caught)).is_err() {
            return;
        }
    }
}

fn take_in_order<S>(
    finished: Receiver<(u64, Caught<S>)>,
    give_back: Sender<S>,
    mut take: impl FnMut(&mut S) -> Result<(), TabularError>,
) -> Result<(), TabularError> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, caught) in finished {
        early.insert(number, caught.unwrap_or_else(|panic| resume_unwind(panic)));
        while let Some(mut slot) = early.remove(&next) {
            take(&mut slot)?;
            next += 1;
            // When the file has ended, the slot is not needed any more.
            drop(give_back.send(slot));
        }
    }
    Ok(())
}
