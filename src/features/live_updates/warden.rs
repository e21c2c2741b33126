//! Heartbeats: at each, every socket is pinged and its access is checked again.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::access::{self, Refusal};
use crate::features::task_logs::Subject;
use crate::platform::services::Services;

/// What a heartbeat sends to a socket: the number of the beat, and why the socket has to close, if it has to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beat(pub u64, pub Option<Refusal>);

/// The open sockets of the process.
#[derive(Debug, Default)]
pub struct Warden {
    sockets: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    session: i64,
    subject: Subject,
    beat: watch::Sender<Beat>,
}

/// A registered socket; dropping it removes the registration.
pub struct Place {
    warden: Arc<Warden>,
    id: u64,
    pub beats: watch::Receiver<Beat>,
}

impl Place {
    /// Replaces the session of the socket.
    pub fn renew(&self, session: i64) {
        if let Some(entry) = self.warden.sockets().get_mut(&self.id) {
            entry.session = session;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.warden.sockets().remove(&self.id);
    }
}

impl Warden {
    /// Registers a socket whose access has been checked.
    pub fn enter(self: &Arc<Self>, session: i64, subject: Subject) -> Place {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (beat, beats) = watch::channel(Beat::default());
        self.sockets().insert(id, Entry { session, subject, beat });
        Place { warden: self.clone(), id, beats }
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends heartbeats until it is dropped.
    pub async fn run(self: Arc<Self>, services: Services) {
        let mut interval = tokio::time::interval(Duration::from_secs(services.settings.live_heartbeat_seconds.max(1)));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.beat(&services).await;
        }
    }

    /// Checks each session and each subject watched in it once, one after the other with one connection at a time: more sockets
    /// make the round longer, but put no more load on the database at a time.
    async fn beat(&self, services: &Services) {
        for (session, subjects) in self.by_session() {
            let caller = access::holder(services, session).await;
            for (subject, sockets) in subjects {
                let verdict = match &caller {
                    Ok(caller) => access::allow(services, caller, subject).await,
                    Err(refusal) => Err(*refusal),
                };
                // No socket is closed while access cannot be checked.
                self.tell(&sockets, verdict.err().filter(|refusal| *refusal != Refusal::Unknown));
            }
        }
    }

    fn by_session(&self) -> HashMap<i64, BTreeMap<Subject, Vec<u64>>> {
        let mut sessions: HashMap<i64, BTreeMap<Subject, Vec<u64>>> = HashMap::new();
        for (id, entry) in self.sockets().iter() {
            sessions.entry(entry.session).or_default().entry(entry.subject).or_default().push(*id);
        }
        sessions
    }

    fn tell(&self, sockets: &[u64], refusal: Option<Refusal>) {
        let open = self.sockets();
        for entry in sockets.iter().filter_map(|id| open.get(id)) {
            entry.beat.send_modify(|beat| *beat = Beat(beat.0 + 1, refusal));
        }
    }
}
