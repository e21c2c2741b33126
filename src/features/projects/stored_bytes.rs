//! The bytes that the files of an organisation may take up: uploads, what was prepared of them, and models.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::admission::turn_of;
use super::model::Project;
use super::shares::{Full, Party, Usage};
use super::store::files;
use crate::features::accounts::Guarded;

/// The files of an organisation take up as much as they may, or those of all organisations of its founder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The files of {} take up {} of the {} that they may ({}), which leaves no room for {}. Delete uploads, item metadata or models \
     that are no longer needed, or ask the operator to raise the limit.",
    full.party.organisations(),
    amount(full.used),
    amount(full.allowed),
    limit_of(full.party),
    more.map_or_else(|| "more".to_owned(), |more| format!("another {}", amount(more)))
)]
pub struct TooManyStoredBytes {
    full: Full,
    /// None when not even one byte is left.
    more: Option<u64>,
}

const fn limit_of(party: Party) -> &'static str {
    match party {
        Party::Organisation => "max_stored_bytes_per_organisation",
        Party::Founder => "twice max_stored_bytes_per_organisation",
    }
}

/// What the files of an organisation take up, and what those of one organisation may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBytes {
    used: Usage,
    allowed: u64,
}

impl StoredBytes {
    /// Returns the same once a file of this size is gone.
    pub fn without(self, bytes: u64) -> Self {
        Self { used: self.used.without(bytes), ..self }
    }

    /// Fails unless there is room for this many more.
    pub fn admit(self, more: u64) -> Result<(), TooManyStoredBytes> {
        self.used.admit(more, self.allowed).map_err(|full| TooManyStoredBytes { full, more: Some(more) })
    }

    /// Fails unless there is any room.
    pub fn admit_any(self) -> Result<(), TooManyStoredBytes> {
        self.used.admit(1, self.allowed).map_err(|full| TooManyStoredBytes { full, more: None })
    }
}

/// Returns what the files of the organisation of a project take up, and of all organisations of the same founder; `None` if
/// `allowed` is 0, which sets no limit.
pub async fn stored_bytes(
    connection: &mut AsyncPgConnection,
    project: &Project,
    allowed: u64,
) -> QueryResult<Option<StoredBytes>> {
    if allowed == 0 {
        return Ok(None);
    }
    let used = files::stored_bytes(connection, project.organisation_id).await?;
    Ok(Some(StoredBytes { used, allowed }))
}

/// Fails if the rows as the present transaction leaves them, in which `added` bytes are new, exceed the bytes `allowed` to the
/// organisation of a project, or twice as many of all organisations of its founder; 0 sets no limit. Only one transaction at a time
/// can do this for the same founder, so each sees what those before it stored.
pub async fn refuse_excess(
    connection: &mut AsyncPgConnection,
    project: i64,
    added: u64,
    allowed: u64,
) -> QueryResult<Result<(), TooManyStoredBytes>> {
    if allowed == 0 {
        return Ok(Ok(()));
    }
    let tenant = turn_of(connection, project).await?.tenant;
    files::lock_stored_bytes(connection, &tenant).await?;
    let Some((project, _)) = <Project as Guarded>::load(connection, project).await? else { return Ok(Ok(())) };
    let stored = stored_bytes(connection, &project, allowed).await?;
    Ok(stored.map_or(Ok(()), |stored| stored.without(added).admit(added)))
}

/// Returns a number of bytes as people read it.
fn amount(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MB", bytes >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_bytes_that_are_used_and_allowed() {
        let used = |bytes| Usage { of_organisation: bytes, of_founder: bytes };
        let stored = StoredBytes { used: used(70), allowed: 100 };
        assert_eq!(stored.admit(30), Ok(()));
        let refused = stored.admit(31).unwrap_err().to_string();
        for part in [
            "this organisation take up 70 bytes of the 100 bytes",
            "(max_stored_bytes_per_organisation",
            "another 31 bytes",
            "Delete",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!(stored.without(50).admit(80), Ok(()));
        assert_eq!(stored.without(200), StoredBytes { used: used(0), allowed: 100 });
        assert!(stored.admit(u64::MAX).is_err());
        let together = StoredBytes { used: Usage { of_organisation: 0, of_founder: 190 }, allowed: 100 };
        let refused = together.admit(11).unwrap_err().to_string();
        for part in
            ["all organisations with the same founder as this one", "190 bytes of the 200 bytes", "(twice max_stored_bytes"]
        {
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn without_any_room_nothing_is_begun() {
        let used = |bytes| Usage { of_organisation: bytes, of_founder: bytes };
        let stored = |megabytes: u64| StoredBytes { used: used(megabytes << 20), allowed: 100 << 20 };
        assert_eq!(stored(99).admit_any(), Ok(()));
        let refused = stored(100).admit_any().unwrap_err().to_string();
        assert!(refused.contains("100 MB of the 100 MB") && refused.contains("no room for more."), "{refused}");
    }
}
