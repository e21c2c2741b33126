//! Limits on password attempts. They slow down guessing without giving a stranger the means to lock users out:
//!
//! * After a few failures for a name from one address, that address has to wait for this name, twice as long after each
//!   further failure. Other addresses are not affected.
//! * Many failures for a name from many addresses make every address wait from which the account has never been used.
//!   The user can still log in from known addresses, and elsewhere by a link that sets a new password: the address that
//!   used such a link becomes a known one, however long the failures of others continue.
//!
//! IPv6 addresses are counted by network, as everywhere.
//!
//! Names without an account are treated the same, so that waiting reveals nothing. The state is in the database: several servers
//! share it, and a restart does not clear it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::features::accounts::error::AccountError;
use crate::features::accounts::store::{attempts, sessions};
use crate::features::accounts::tokens;
use crate::platform::http::network_of;

/// Failures without a waiting time.
const FREE: i32 = 4;
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Time without an attempt after which the failures of an address are forgotten.
const MEMORY: TimeDelta = TimeDelta::hours(1);
/// Failures from all unknown addresses together; more than one address can collect in [`MEMORY`].
const FROM_STRANGERS: i64 = 50;

/// Returns the waiting time after this many failures.
fn pause(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures - FREE - 1).unwrap_or_default().min(10);
    if failures <= FREE { TimeDelta::zero() } else { LONGEST_PAUSE.min(TimeDelta::seconds(1 << doublings)) }
}

/// Counts an attempt as failed until [`succeeded`] is called, or refuses it for now. A refused attempt is not counted, so that
/// waiting always ends.
pub async fn begin(
    connection: &mut AsyncPgConnection,
    username: &str,
    address: &str,
    now: DateTime<Utc>,
) -> Result<(), AccountError> {
    let (name, address) = (tokens::digest(username), network_of(address));
    attempts::prune(connection, now, MEMORY).await?;
    let mut known: Vec<String> =
        sessions::known_addresses(connection, username).await?.iter().map(|known| network_of(known)).collect();
    known.extend(attempts::proven(connection, &name, now).await?);
    if !known.contains(&address) {
        let (failures, oldest) = attempts::of_strangers(connection, &name, &known, now - MEMORY).await?;
        if failures >= FROM_STRANGERS {
            return Err(refusal(oldest.unwrap_or(now) + MEMORY, now));
        }
    }
    connection
        .transaction(async move |connection| {
            let (failures, last) = attempts::lock(connection, &name, &address, now).await?;
            let free = last + pause(failures);
            if free > now {
                return Err(refusal(free, now));
            }
            attempts::note(connection, &name, &address, failures.saturating_add(1), now).await?;
            Ok(())
        })
        .await
}

/// Clears the failures of an address after a correct password.
pub async fn succeeded(connection: &mut AsyncPgConnection, username: &str, address: &str) -> Result<(), AccountError> {
    Ok(attempts::forget(connection, &tokens::digest(username), &network_of(address)).await?)
}

/// Records that a caller at this address has proved ownership of the account by other means than a password: clears the failures
/// so far, and exempts the address from waiting because of other addresses' failures.
pub async fn proved(
    connection: &mut AsyncPgConnection,
    username: &str,
    address: &str,
    now: DateTime<Utc>,
) -> Result<(), AccountError> {
    let name = tokens::digest(username);
    attempts::forget_name(connection, &name).await?;
    Ok(attempts::prove(connection, &name, &network_of(address), now, now + MEMORY).await?)
}

fn refusal(free: DateTime<Utc>, now: DateTime<Utc>) -> AccountError {
    AccountError::TooManyAttempts((free - now).num_seconds().max(1).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_a_limit() {
        let seconds: Vec<i64> = [0, 4, 5, 6, 7, 14, 15, 1_000].map(|failures| pause(failures).num_seconds()).to_vec();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 512, 900, 900]);
    }
}
