//! The user who runs the server: the present one, or, under root, the `postgres` user.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Gid, Uid};

use super::error::{EmbeddedPostgresError, WithPath};

/// The user account of the server process.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    /// Whether root has to switch to that user.
    switch: bool,
}

impl Owner {
    /// Returns the owner of an existing cluster, or else the present user, or else (for root) the `postgres` user.
    pub fn of_cluster(cluster: &Path) -> Result<Self, EmbeddedPostgresError> {
        let current = rustix::process::geteuid().as_raw();
        let existing = fs::metadata(cluster).ok();
        match existing {
            Some(owner) if current == 0 && owner.uid() != 0 => Ok(Self { uid: owner.uid(), gid: owner.gid(), switch: true }),
            Some(owner) if current != 0 && owner.uid() != current => {
                Err(EmbeddedPostgresError::WrongOwner { path: cluster.to_path_buf(), owner: owner.uid(), current })
            }
            _ if current == 0 => Self::postgres_user(),
            _ => Ok(Self { uid: current, gid: rustix::process::getegid().as_raw(), switch: false }),
        }
    }

    fn postgres_user() -> Result<Self, EmbeddedPostgresError> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = find_user(&passwd, "postgres").ok_or(EmbeddedPostgresError::NoPostgresUser)?;
        Ok(Self { uid, gid, switch: true })
    }

    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes the command run as this user, without the supplementary groups of root.
    pub fn applied_to(&self, command: &mut Command) {
        if self.switch {
            command.gid(self.gid).uid(self.uid);
        }
    }

    /// Changes the owner of a file or folder to this user.
    pub fn take(&self, path: &Path) -> Result<(), EmbeddedPostgresError> {
        if !self.switch {
            return Ok(());
        }
        rustix::fs::chown(path, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
            .with_path("change the owner of", path)
    }

    /// Returns whether this user may enter every folder above the path.
    pub fn can_reach(&self, path: &Path) -> bool {
        !self.switch || path.ancestors().skip(1).all(|folder| self.can_enter(folder))
    }

    fn can_enter(&self, folder: &Path) -> bool {
        let Ok(folder) = fs::metadata(folder) else {
            return false;
        };
        let shift = match () {
            () if folder.uid() == self.uid => 6,
            () if folder.gid() == self.gid => 3,
            () => 0,
        };
        folder.mode() >> shift & 1 == 1
    }
}

/// Returns user and group id of a name in the text of /etc/passwd.
fn find_user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_its_exact_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:7::/:/bin/sh\npostgres:x:101:104:Admin,,:/var:/bin/sh\n";
        assert_eq!(find_user(passwd, "postgres"), Some((101, 104)));
        assert_eq!(find_user(passwd, "nobody"), None);
    }
}
