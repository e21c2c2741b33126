//! Finds the installed PostgreSQL server programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedPostgresError;

/// Folders of packages with one folder for each version, as `PARENT/<version>/bin`.
const VERSIONED_PARENTS: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/Library/PostgreSQL"];
/// Folders of packages that install a single version.
const FIXED: [&str; 4] =
    ["/usr/libexec/postgresql", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql/bin", "/usr/local/opt/postgresql/bin"];

/// `postgres` and `initdb` of one installation.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    /// Version as in the file PG_VERSION: `15`.
    major: String,
}

impl Binaries {
    /// Finds the installation in the named folder, or else the first one whose version runs the existing cluster; without a
    /// cluster, the first one.
    pub fn find(setting: Option<&Path>, cluster: Option<(PathBuf, String)>) -> Result<Self, EmbeddedPostgresError> {
        let candidates = setting.map_or_else(usual_folders, |folder| vec![folder.to_path_buf()]);
        let mut installed: Vec<Self> = Vec::new();
        for folder in &candidates {
            installed.extend(Self::in_folder(folder));
        }
        if installed.is_empty() {
            return Err(EmbeddedPostgresError::NoBinaries {
                looked_in: candidates.iter().map(|f| f.display().to_string()).collect(),
            });
        }
        let Some((path, version)) = cluster else {
            return Ok(installed.swap_remove(0));
        };
        if let Some(matching) = installed.iter().find(|found| found.major == version) {
            return Ok(matching.clone());
        }
        let mut versions: Vec<String> = installed.into_iter().map(|found| found.major).collect();
        versions.dedup();
        Err(EmbeddedPostgresError::VersionMismatch { path, cluster: version, installed: versions })
    }

    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        // PATH may hold links into the real folder; the server expects its files beside itself
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let folder = postgres.parent()?.to_path_buf();
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder, major })
    }
}

/// Returns the major version: `postgres (PostgreSQL) 15.18 (Debian …)` → `15`.
fn major_of(version_line: &str) -> Option<String> {
    let number = version_line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    Some(digits)
}

fn usual_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(VERSIONED_PARENTS.iter().flat_map(|parent| versions_in(parent)));
    folders.extend(FIXED.iter().map(PathBuf::from));
    folders
}

/// Returns the `bin` folders below a parent, newest version first.
fn versions_in(parent: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return vec![PathBuf::from(parent).join("*/bin")];
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(major_of(debian).as_deref(), Some("15"));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1").as_deref(), Some("18"));
        assert_eq!(major_of("no number"), None);
    }

    #[test]
    fn missing_programs_are_explained() {
        let empty = tempfile::tempdir().unwrap();
        let error = Binaries::find(Some(empty.path()), None).unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql"), "{error}");
        assert!(error.contains(empty.path().to_str().unwrap()), "{error}");
    }
}
