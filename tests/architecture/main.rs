//! The layers of the source, checked: the test reads it as text and fails on an import that points the wrong way. Cargo keeps the
//! crates apart; inside a crate the compiler cannot do this.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

mod paths;
mod rings;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paths::{Source, crate_paths, without_tests};
use rings::rings;
use rules::{out_of_order, violations};

#[test]
fn imports_point_downwards_and_files_keep_their_promises() {
    let found: Vec<String> = sources().iter().flat_map(violations).collect();
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn modules_of_a_layer_import_only_those_before_them() {
    let found: Vec<String> = without_tests(&sources()).iter().flat_map(out_of_order).collect();
    assert!(found.is_empty(), "{} violations of ORDERS in tests/architecture/rules.rs:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_module_has_its_place_in_the_order_of_its_layer() {
    let sources = without_tests(&sources());
    for (layer, order) in rules::ORDERS {
        let modules: BTreeSet<&str> =
            sources.iter().filter_map(|source| source.module().strip_prefix(&[layer])?.first().copied()).collect();
        assert_eq!(BTreeSet::from_iter(order.iter().copied()), modules, "the order of {layer} in tests/architecture/rules.rs");
    }
}

#[test]
fn files_of_a_folder_import_each_other_in_one_direction() {
    let found = rings(&without_tests(&sources()));
    let lines: Vec<String> = found.iter().map(|(folder, ring)| format!("{folder}: {ring}")).collect();
    assert!(lines.is_empty(), "move what they share to a file of its own:\n{}", lines.join("\n"));
}

#[test]
fn the_list_of_slices_says_what_each_is() {
    let text = fs::read_to_string(root().join("src/features/mod.rs")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let silent: Vec<&str> = lines
        .windows(2)
        .filter(|pair| pair[1].starts_with("pub mod ") && !pair[0].starts_with("/// "))
        .map(|pair| pair[1])
        .collect();
    assert!(silent.is_empty(), "say in one line what each is: {silent:?}");
}

#[test]
fn the_document_lists_the_slices_in_the_order_of_imports() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Slices\n")).unwrap();
    let listed: Vec<&str> = section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert_eq!(listed, *rules::SLICES, "docs/architecture.md and src/features/mod.rs");
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources()
        .iter()
        // A list of columns, in diesel's notation, in the order of the migrations.
        .filter(|source| source.file != "schema.rs" && source.text.lines().count() > rules::LONGEST_FILE)
        .map(|source| source.file.clone())
        .collect();
    assert!(long.is_empty(), "more than {} lines, make a folder of them: {long:?}", rules::LONGEST_FILE);
}

#[test]
fn a_module_of_several_files_begins_in_the_mod_file_of_their_folder() {
    let sources = sources();
    let beside = |source: &&Source| {
        let folder = source.file.trim_end_matches(".rs");
        sources.iter().any(|other| other.file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    };
    let split: Vec<&str> = sources.iter().filter(beside).map(|source| source.file.as_str()).collect();
    assert!(split.is_empty(), "move x.rs to x/mod.rs, beside the files of its folder: {split:?}");
}

#[test]
fn a_kind_of_job_is_the_name_of_its_struct() {
    let mut kinds = 0;
    for source in sources().iter().filter(|source| source.file.starts_with("features/")) {
        for job in source.text.split("impl Job for ").skip(1) {
            let name = job.split_whitespace().next().unwrap();
            let kind = job.split_once("KIND: &'static str = \"").unwrap().1.split('"').next().unwrap();
            let snake: String =
                name.chars().map(|c| if c.is_uppercase() { format!("_{}", c.to_lowercase()) } else { c.into() }).collect();
            assert_eq!(format!("_{kind}"), snake, "{}", source.file);
            kinds += 1;
        }
    }
    assert!(kinds > 5, "the kinds are read");
}

#[test]
fn only_the_queue_reads_its_table() {
    // It has no row-level security: a query elsewhere could show a job to a caller of another tenant.
    let statements = ["FROM jobs", "JOIN jobs", "INTO jobs", "UPDATE jobs", "queue::schema"];
    let reads = |source: &&Source| {
        let text = source.text.split_whitespace().collect::<Vec<_>>().join(" ");
        statements.iter().any(|statement| text.contains(statement))
    };
    let (of_queue, others): (Vec<Source>, Vec<Source>) =
        sources().into_iter().partition(|source| source.file.starts_with("platform/queue/"));
    assert!(of_queue.iter().any(|source| reads(&source)), "the queue's own statements are recognised");
    let readers: Vec<&str> = others.iter().filter(reads).map(|source| source.file.as_str()).collect();
    assert!(readers.is_empty(), "call a function of platform::queue: {readers:?}");
}

#[test]
fn no_drawer_for_odds_and_ends() {
    let drawers: Vec<String> = sources()
        .iter()
        .map(|source| source.file.clone())
        .filter(|file| ["utils", "util", "helpers", "common", "misc"].iter().any(|name| file.contains(&format!("/{name}"))))
        .collect();
    assert!(drawers.is_empty(), "say what is in there: {drawers:?}");
}

#[test]
fn wrong_imports_are_seen() {
    let wrong = [
        ("ml/sparse.rs", "fn f() { let _ = std::fs::read(\"x\"); }"),
        ("platform/clock.rs", "use recommender::Model;"),
        ("features/projects/service.rs", "use crate::{platform::db, features::{accounts, tuning::TuningJob}};"),
        ("features/projects/service.rs", "fn f() { super::super::tuning::start() }"),
        ("features/tuning/service.rs", "use crate::features::accounts::store;"),
        ("features/tuning/service.rs", "use actix_web::web;"),
        ("features/tuning/routes.rs", "use diesel::prelude::*;"),
        ("features/tuning/routes/list.rs", "fn f(c: diesel_async::AsyncPgConnection) {}"),
        ("features/tuning/service.rs", "use diesel_async::RunQueryDsl;"),
        ("features/tuning/service.rs", "use crate::schema::trials;"),
        ("app/routes.rs", "use crate::cli::serve;"),
    ];
    for (file, text) in wrong {
        assert!(!violations(&Source::new(file, text)).is_empty(), "{file}: {text}");
    }
}

#[test]
fn right_imports_pass() {
    let right = [
        ("ml/sparse.rs", "use super::ids::Ids; // unlike std::fs\nuse crate::error::MlError;"),
        ("features/tuning/service.rs", "use crate::features::{accounts::Access, task_logs};\nuse super::store;"),
        ("features/tuning/service.rs", "use diesel_async::AsyncConnection;\nuse diesel::result::Error;"),
        ("features/tuning/store.rs", "use crate::schema::trials;\nuse diesel::prelude::*;\nuse diesel_async::RunQueryDsl;"),
        ("features/tuning/routes.rs", "//! No diesel here.\nuse actix_web::web;\nuse crate::features::tuning::store;"),
        ("cli/serve.rs", "use crate::app::Boot;\nuse crate::ml;"),
    ];
    for (file, text) in right {
        assert_eq!(violations(&Source::new(file, text)), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn an_import_from_a_later_module_is_seen() {
    let breaks = |file: &str, text: &str| !out_of_order(&Source::new(file, text)).is_empty();
    assert!(breaks("ml/sparse.rs", "use super::tuning::Study;"));
    assert!(breaks("ml/linalg/inverse.rs", "fn f() { crate::artifact::sign() }"));
    assert!(breaks("platform/clock.rs", "use super::db::Database;"));
    assert!(breaks("app/policy.rs", "use crate::app::{meta, routes};"));
    assert!(!breaks(
        "ml/tuning/mod.rs",
        "use crate::error::MlError;\nuse super::search_space::Domain;\nuse super::tuning::Study;"
    ));
    assert!(!breaks("app/boot.rs", "use crate::platform::db;\nuse super::first_user;"));
}

#[test]
fn a_ring_of_files_or_folders_is_seen() {
    let two = [
        Source::new("features/a/jobs.rs", "use super::service::run;"),
        Source::new("features/a/service.rs", "use super::{jobs::Train, store};"),
        Source::new("features/a/store.rs", "use crate::schema::a;"),
    ];
    assert_eq!(rings(&two), [("features::a".to_owned(), "jobs imports service; service imports jobs".to_owned())]);
    let three = [
        Source::new("ml/a/mod.rs", "use crate::b::f;"),
        Source::new("ml/b.rs", "use super::c::g;"),
        Source::new("ml/c/mod.rs", "mod inner;"),
        Source::new("ml/c/inner.rs", "use super::super::a::h;"),
    ];
    assert_eq!(rings(&three).len(), 1);
}

#[test]
fn a_folder_may_use_its_files_and_they_what_it_offers() {
    let sources = [
        Source::new("ml/a/mod.rs", "mod inner;\nuse self::inner::f;\nuse crate::a::inner::g;"),
        Source::new("ml/a/inner.rs", "use super::h;\nuse crate::a::i;"),
        Source::new("ml/b.rs", "use super::a::f;"),
        Source::new("ml/lib.rs", "pub use b::g;"),
    ];
    assert!(rings(&sources).is_empty());
}

#[test]
fn tests_may_import_what_they_like() {
    let sources = [
        Source::new("ml/a.rs", "use super::b::f;\n\n#[cfg(test)]\nmod tests;"),
        Source::new("ml/a/tests.rs", "use crate::c::g;"),
        Source::new("ml/b.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::a::h;\n}"),
        Source::new("ml/c.rs", "use super::a::h;"),
    ];
    assert_eq!(rings(&sources).len(), 1);
    assert!(rings(&without_tests(&sources)).is_empty());
}

#[test]
fn nested_imports_are_unfolded() {
    let text = "use crate::{a::{b, c::d as e}, f};\nlet x = crate::g::h();";
    assert_eq!(crate_paths(&Source::new("x.rs", text)), ["a::b", "a::c::d", "f", "g::h"]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Returns the files of `src/`, and those of each crate below a folder of its name.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    read_folder(&root().join("src"), "", &mut found);
    for name in rules::CRATES {
        read_folder(&root().join("crates").join(name).join("src"), name, &mut found);
    }
    assert!(found.len() > 50, "the sources are read");
    found
}

fn read_folder(top: &Path, prefix: &str, found: &mut Vec<Source>) {
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = Path::new(prefix).join(path.strip_prefix(top).unwrap());
                found.push(Source::new(&file.to_string_lossy(), &fs::read_to_string(&path).unwrap()));
            }
        }
    }
}
