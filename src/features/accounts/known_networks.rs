//! The networks from which users have logged in, in the memory of one process: their log-ins wait less than those of strangers.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::store::sessions;
use crate::platform::db::ReadError;
use crate::platform::http::site_of;
use crate::platform::known::Known;
use crate::platform::services::Services;

/// The number of addresses to remember, those used last.
const MOST: i64 = 10_000;
/// How long they are remembered before they are read again.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// The networks that one process knows.
pub struct KnownNetworks {
    sites: Known<(), HashSet<String>>,
    read_at: Mutex<DateTime<Utc>>,
}

impl Default for KnownNetworks {
    fn default() -> Self {
        Self { sites: Known::new("networks of users", 1), read_at: Mutex::default() }
    }
}

impl KnownNetworks {
    /// Returns whether a user has logged in from the network of an address before. While the database does not answer, this is
    /// what it was when it last did.
    pub async fn include(&self, services: &Services, address: &str) -> bool {
        if self.are_old(services.clock.now()) {
            self.sites.doubt(&());
        }
        let read = || {
            let services = services.clone();
            async move {
                let mut connection = services.db.unrestricted_conn().await?;
                let addresses = sessions::recent_addresses(&mut connection, MOST).await?;
                Ok::<_, ReadError>(Some(addresses.iter().map(|address| site_of(address)).collect()))
            }
        };
        let sites = self.sites.get(&(), read).await;
        sites.is_ok_and(|sites| sites.is_some_and(|sites| sites.contains(&site_of(address))))
    }

    /// Returns whether it is time to read them, once each time.
    fn are_old(&self, now: DateTime<Utc>) -> bool {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let are_old = now - *read_at >= FRESH;
        if are_old {
            *read_at = now;
        }
        are_old
    }
}
