//! Rings of imports among the files and folders that lie in one folder: such files can only be understood and changed together.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Source, crate_paths};

/// What each file or folder of one folder imports from the others. The folder's own `mod.rs` or `lib.rs` is not among them: it
/// may use its files, and they may use what it offers.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Returns every ring as its folder and the imports that it consists of.
pub fn rings(sources: &[Source]) -> Vec<(String, String)> {
    let mut folders: BTreeMap<String, Imports> = BTreeMap::new();
    let modules: BTreeSet<String> = sources.iter().map(|source| source.module().join("::")).collect();
    for source in sources {
        let from = source.module();
        for path in crate_paths(source) {
            let to: Vec<&str> = module_of(&path, &modules).split("::").collect();
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            if let (Some(one), Some(other)) = (from.get(shared), to.get(shared).filter(|name| !name.is_empty())) {
                let imports = folders.entry(from[..shared].join("::")).or_default();
                imports.entry((*one).to_owned()).or_default().insert((*other).to_owned());
            }
        }
    }
    folders.iter().flat_map(|(folder, imports)| rings_of(imports).into_iter().map(move |ring| (folder.clone(), ring))).collect()
}

/// Returns the file or folder that a path leads into: its longest beginning that is one, or nothing.
fn module_of<'a>(path: &'a str, modules: &BTreeSet<String>) -> &'a str {
    let mut ends: Vec<usize> = path.match_indices("::").map(|(at, _)| at).collect();
    ends.push(path.len());
    ends.into_iter().rev().map(|end| &path[..end]).find(|beginning| modules.contains(*beginning)).unwrap_or_default()
}

/// Describes each ring of a folder once.
fn rings_of(imports: &Imports) -> Vec<String> {
    let mut rings = Vec::new();
    for file in imports.keys() {
        let reached = reach(imports, file);
        let ring: BTreeSet<&str> = imports
            .keys()
            .map(String::as_str)
            .filter(|other| reached.contains(other) && reach(imports, other).contains(file.as_str()))
            .collect();
        // Each of its files finds the ring; the first one describes it.
        if ring.first() == Some(&file.as_str()) {
            let inside = |file: &&str| {
                let others = imports[*file].iter().map(String::as_str).filter(|other| ring.contains(other));
                format!("{file} imports {}", others.collect::<Vec<_>>().join(", "))
            };
            rings.push(ring.iter().map(inside).collect::<Vec<_>>().join("; "));
        }
    }
    rings
}

/// Returns the files that a file imports, directly or by way of others.
fn reach<'a>(imports: &'a Imports, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[file].iter().map(String::as_str).collect();
    while let Some(other) = next.pop() {
        if reached.insert(other) {
            next.extend(imports.get(other).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}
