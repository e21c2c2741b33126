//! Which files a run reads: those that are new or have changed since the files that are in use, and what else is in the uploads that
//! it replaces.

use std::collections::{BTreeSet, HashMap};

use super::error::SourceError;
use super::model::{DataSource, SourceFile, Target};
use super::opening::Opened;
use super::store::files;
use crate::connectors::{ConnectorError, FileObject};
use crate::platform::services::Services;

/// The most new files that one run reads; the others are left for the next one.
const MOST_NEW: usize = 10_000;

/// What a run reads.
#[derive(Debug, Default)]
pub struct Plan {
    pub files: Vec<FileObject>,
    /// New files that are left for the next run.
    pub left: usize,
    /// Files that are in use and that the source no longer has.
    pub vanished: Vec<String>,
    /// Those of them whose rows would be lost, since the upload with them is replaced.
    pub lost: Vec<String>,
}

/// Lists the files of a source, and decides which of them the next run reads.
pub async fn plan(services: &Services, source: &DataSource, opened: &Opened) -> Result<Plan, SourceError> {
    let found = opened.connector.files(&opened.query).await?;
    if found.is_cut {
        let text = "There are more files than can be looked at. Begin the pattern with the folder of the files.";
        return Err(ConnectorError::BadQuery(text.to_owned()).into());
    }
    let current = files::current(&mut *services.db.conn().await?, source.id).await?;
    Ok(decide(found.objects, &current, source.fields.target))
}

fn decide(found: Vec<FileObject>, current: &[SourceFile], target: Target) -> Plan {
    let known: HashMap<&str, &SourceFile> = current.iter().map(|file| (file.key.as_str(), file)).collect();
    let there: BTreeSet<String> = found.iter().map(|file| file.key.clone()).collect();
    let gone: Vec<&SourceFile> = current.iter().filter(|file| !there.contains(&file.key)).collect();
    let is_new = |file: &FileObject| !known.contains_key(file.key.as_str());
    let has_changed = |file: &FileObject| known.get(file.key.as_str()).is_some_and(|known| known.version != file.version);
    let vanished = gone.iter().map(|file| file.key.clone()).collect();
    if target != Target::Interactions {
        // Items and users are what all files say together.
        let is_other = found.iter().any(|file| is_new(file) || has_changed(file));
        return Plan { files: if is_other { found } else { Vec::new() }, vanished, ..Plan::default() };
    }
    // An upload is replaced as a whole, so what else is in it is read again.
    let replaced: BTreeSet<i64> =
        found.iter().filter(|file| has_changed(file)).filter_map(|file| Some(known.get(file.key.as_str())?.run_id)).collect();
    let is_replaced = |file: &FileObject| known.get(file.key.as_str()).is_some_and(|known| replaced.contains(&known.run_id));
    let lost = gone.iter().filter(|file| replaced.contains(&file.run_id)).map(|file| file.key.clone()).collect();
    let (new, known_files): (Vec<&FileObject>, Vec<&FileObject>) = found.iter().partition(|file| is_new(file));
    let left = new.len().saturating_sub(MOST_NEW);
    let again = known_files.into_iter().filter(|file| is_replaced(file));
    let mut files: Vec<FileObject> = new.into_iter().take(MOST_NEW).chain(again).cloned().collect();
    files.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Plan { files, left, vanished, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<FileObject> {
        files.iter().map(|(key, version)| FileObject::named(key, version)).collect()
    }

    fn current(files: &[(&str, &str, i64)]) -> Vec<SourceFile> {
        let file = |(key, version, run_id): &(&str, &str, i64)| SourceFile {
            run_id: *run_id,
            key: (*key).to_owned(),
            size: None,
            version: (*version).to_owned(),
        };
        files.iter().map(file).collect()
    }

    fn keys(plan: &Plan) -> Vec<&str> {
        plan.files.iter().map(|file| file.key.as_str()).collect()
    }

    #[test]
    fn new_files_are_read_and_changed_ones_with_their_upload() {
        let in_use = current(&[("a", "1", 7), ("b", "1", 7), ("c", "1", 8), ("d", "1", 7)]);
        let plan = decide(found(&[("a", "2"), ("b", "1"), ("c", "1"), ("e", "1")]), &in_use, Target::Interactions);
        assert_eq!(
            (keys(&plan), plan.vanished.as_slice(), plan.lost.as_slice()),
            (vec!["a", "b", "e"], &["d".to_owned()][..], &["d".to_owned()][..])
        );
        let plan = decide(found(&[("a", "1"), ("b", "1")]), &in_use, Target::Interactions);
        assert_eq!((keys(&plan).len(), plan.vanished.len(), plan.lost.len()), (0, 2, 0), "nothing is deleted");
    }

    #[test]
    fn items_are_what_all_files_say() {
        let in_use = current(&[("a", "1", 7), ("b", "1", 7)]);
        assert_eq!(keys(&decide(found(&[("a", "1"), ("b", "1"), ("c", "1")]), &in_use, Target::Items)), ["a", "b", "c"]);
        assert!(decide(found(&[("a", "1"), ("b", "1")]), &in_use, Target::Items).files.is_empty());
    }

    #[test]
    fn a_run_reads_so_many_new_files_at_most() {
        let many = |count: usize| (0..count).map(|n| FileObject::named(&format!("{n:06}"), "1")).collect::<Vec<_>>();
        let read = |count| decide(many(count), &[], Target::Interactions);
        assert_eq!((read(MOST_NEW).files.len(), read(MOST_NEW).left), (MOST_NEW, 0));
        assert_eq!((read(MOST_NEW + 1).files.len(), read(MOST_NEW + 1).left), (MOST_NEW, 1));
    }
}
