//! Scheduling of password hashing. A hash takes 19 MiB and about fifty milliseconds of a core, and any client can cause one by
//! trying to log in. So a few dedicated threads hash, with memory that they keep, at a lower priority than all other work. Other
//! callers wait in a line of limited length for a limited time, and are then told to retry. Networks take turns in it, and those
//! from which users have logged in before get most of the turns, so that strangers who try passwords mostly delay each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::AccountError;
use super::passwords::{self, Scratch};
use crate::platform::http::site_of;
use crate::platform::places::{Place, Places};

/// Callers that may wait for each thread. At the end of a longer queue they would wait longer than [`PATIENCE`].
const LINE_PER_THREAD: usize = 64;

/// How long a caller waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds after which a refused caller should retry.
const COME_BACK: u64 = 5;

/// The nice value of the threads: predictions go first, but log-ins still proceed during a search that uses all cores.
const NICENESS: i32 = 5;

type Task = Box<dyn FnOnce(&mut Scratch) + Send>;

/// The hashing threads and the queue in front of them.
#[derive(Debug)]
pub struct Hashing {
    tasks: Sender<Task>,
    turns: Places,
    patience: Duration,
    counts: Arc<Counts>,
}

/// The number of hashes that are being computed, its maximum so far, and its limit.
#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    limit: usize,
}

static HASHING: LazyLock<Hashing> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (cores / 2).max(1);
    Hashing::start(threads, threads * LINE_PER_THREAD, PATIENCE)
});

/// Returns the hashing threads of this process.
pub fn hashing() -> &'static Hashing {
    &HASHING
}

impl Hashing {
    fn start(threads: usize, line: usize, patience: Duration) -> Self {
        let (tasks, waiting) = channel();
        let (waiting, counts) = (Arc::new(Mutex::new(waiting)), Arc::new(Counts { limit: threads, ..Counts::default() }));
        for _ in 0..threads {
            let (waiting, counts) = (Arc::clone(&waiting), Arc::clone(&counts));
            let started = std::thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&waiting, &counts));
            if let Err(error) = started {
                tracing::error!(%error, "a thread that hashes passwords could not be started");
            }
        }
        Self { tasks, turns: Places::with_line(threads, line), patience, counts }
    }

    /// Waits for a turn. Call it before any other work for the caller, so that a refused caller costs nothing.
    pub async fn turn(&self, from: Source<'_>) -> Result<Turn<'_>, AccountError> {
        let (party, is_known) = match from {
            Source::Trusted => (None, true),
            Source::Address { address, is_known } => (Some(self.turns.party_of(&site_of(address))), is_known),
        };
        let turn = tokio::time::timeout(self.patience, self.turns.turn_in_line(party, is_known)).await;
        let turn = turn.ok().flatten().ok_or(AccountError::TooBusy(COME_BACK))?;
        Ok(Turn { hashing: self, _turn: turn })
    }

    /// Returns how many hashes may be computed at once.
    pub fn limit(&self) -> usize {
        self.counts.limit
    }

    /// Returns the highest number of hashes computed at once since the start.
    pub fn most_at_once(&self) -> usize {
        self.counts.most.load(Ordering::Acquire)
    }
}

/// The origin of a password to hash.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The program itself, or a caller with valid credentials or a valid link.
    Trusted,
    /// A client who may be any.
    Address {
        address: &'a str,
        /// Whether users have logged in from the network of this address.
        is_known: bool,
    },
}

/// A turn at hashing one password.
#[derive(Debug)]
pub struct Turn<'h> {
    hashing: &'h Hashing,
    _turn: Place,
}

impl Turn<'_> {
    /// Returns whether a hash belongs to this password.
    pub async fn matches(self, password: String, hash: String) -> Result<bool, AccountError> {
        self.take(move |scratch| passwords::matches(&password, &hash, scratch)).await
    }

    /// Returns the hash of a new password.
    pub async fn hash(self, password: String) -> Result<String, AccountError> {
        self.take(move |scratch| passwords::hash(&password, scratch)).await?
    }

    async fn take<T: Send + 'static>(self, work: impl FnOnce(&mut Scratch) -> T + Send + 'static) -> Result<T, AccountError> {
        let (done, result) = oneshot::channel();
        let task = Box::new(move |scratch: &mut Scratch| {
            // A caller that has disconnected needs no answer.
            if !done.is_closed() {
                let _ = done.send(work(scratch));
            }
        });
        let stopped = || AccountError::Hashing("the thread for it has ended".to_owned());
        self.hashing.tasks.send(task).map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())
    }
}

fn work(waiting: &Mutex<Receiver<Task>>, counts: &Counts) {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "passwords are hashed with the same priority as everything else");
    }
    let mut scratch = Scratch::default();
    loop {
        let Ok(task) = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
        let now = counts.now.fetch_add(1, Ordering::AcqRel) + 1;
        counts.most.fetch_max(now, Ordering::AcqRel);
        // A panic in one task must not end the thread.
        if catch_unwind(AssertUnwindSafe(|| task(&mut scratch))).is_err() {
            tracing::error!("hashing a password panicked");
        }
        counts.now.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn those_who_find_no_place_in_the_line_and_those_who_wait_in_vain_are_told_to_come_back() {
        let hashing = Hashing::start(1, 1, Duration::ZERO);
        let turn = hashing.turn(Source::Trusted).await.unwrap();
        assert!(
            matches!(hashing.turn(Source::Trusted).await, Err(AccountError::TooBusy(_))),
            "nobody waits any longer than is allowed"
        );
        let hash = turn.hash("correct horse".to_owned()).await.unwrap();
        assert!(hashing.turn(Source::Trusted).await.unwrap().matches("correct horse".to_owned(), hash).await.unwrap());

        let hashing = Hashing::start(1, 1, Duration::from_secs(3_600));
        let turn = hashing.turn(Source::Trusted).await.unwrap();
        let mut second = std::pin::pin!(hashing.turn(Source::Trusted));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(matches!(hashing.turn(Source::Trusted).await, Err(AccountError::TooBusy(_))), "the line is full");
        drop(turn);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn no_more_are_computed_at_once_than_there_are_threads() {
        let hashing = Hashing::start(2, 100, Duration::from_secs(3_600));
        let hash = async |n: usize| hashing.turn(Source::Trusted).await.unwrap().hash(format!("password {n}")).await.unwrap();
        let all = (0..12).map(hash);
        assert_eq!(futures_util::future::join_all(all).await.len(), 12);
        assert!((1..=hashing.limit()).contains(&hashing.most_at_once()), "{hashing:?}");
    }

    #[tokio::test]
    async fn a_panic_ends_no_thread() {
        let hashing = Hashing::start(1, 100, Duration::from_secs(3_600));
        let broken = hashing.turn(Source::Trusted).await.unwrap().take(|_| panic!("on purpose")).await;
        assert!(matches!(broken, Err::<(), _>(AccountError::Hashing(_))));
        assert!(hashing.turn(Source::Trusted).await.unwrap().hash("correct horse".to_owned()).await.is_ok());
    }

    #[tokio::test]
    async fn a_known_network_does_not_wait_for_strangers_and_each_of_them_has_a_turn() {
        let hashing = Hashing::start(1, 64, Duration::from_secs(3_600));
        let first = hashing.turn(Source::Trusted).await.unwrap();
        let turn = async |address: String, is_known: bool| {
            let turn = hashing.turn(Source::Address { address: &address, is_known }).await;
            turn.map(|_| address)
        };
        let mut turns = futures_util::stream::FuturesUnordered::new();
        // An IPv6 client picks addresses in any network of its site.
        turns.extend((0..64).map(|n| turn(format!("2001:db8:1:{n:x}::1"), false)));
        assert!(futures_util::poll!(turns.next()).is_pending());
        turns.extend([turn("203.0.113.1".to_owned(), false), turn("198.51.100.7".to_owned(), true)]);
        let refused = [turns.next().await.unwrap(), turns.next().await.unwrap()];
        assert!(refused.iter().all(|turn| matches!(turn, Err(AccountError::TooBusy(_)))), "{refused:?}");
        drop(first);
        let served = [turns.next().await.unwrap(), turns.next().await.unwrap(), turns.next().await.unwrap()];
        let served = served.map(Result::unwrap);
        assert_eq!((served[0].as_str(), served[2].as_str()), ("198.51.100.7", "203.0.113.1"));
        assert_eq!(site_of(&served[1]), site_of("2001:db8:1::1"));
    }
}
