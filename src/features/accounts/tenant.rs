//! Whose share of the server an organisation uses.

use std::fmt;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store::organisations::founder_of;

/// A party that shares the server with others. A user who creates more organisations or projects gets no larger share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// A user, for all organisations that they created.
    Founder(i64),
    /// An organisation that staff created.
    Organisation(i64),
}

impl Tenant {
    /// Returns the tenant of an organisation with a founder or without.
    pub fn of(organisation: i64, founder: Option<i64>) -> Self {
        founder.map_or(Self::Organisation(organisation), Self::Founder)
    }

    /// Returns a number that no other tenant has.
    pub const fn party(self) -> i64 {
        match self {
            Self::Founder(user) => user,
            Self::Organisation(organisation) => -organisation,
        }
    }
}

/// The tenant in the queue of jobs.
impl fmt::Display for Tenant {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Founder(user) => write!(text, "founder:{user}"),
            Self::Organisation(organisation) => write!(text, "organisation:{organisation}"),
        }
    }
}

/// Returns the tenant of an organisation. It stays the same when the owners change.
pub async fn tenant_of(connection: &mut AsyncPgConnection, organisation: i64) -> QueryResult<Tenant> {
    Ok(Tenant::of(organisation, founder_of(connection, organisation).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_founder_and_an_organisation_of_the_same_id_are_two_parties() {
        assert_ne!(Tenant::Founder(7).party(), Tenant::Organisation(7).party());
        let names = [Tenant::Founder(7), Tenant::Organisation(7)].map(|tenant| tenant.to_string());
        assert_eq!(names, ["founder:7", "organisation:7"]);
    }
}
