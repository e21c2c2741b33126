//! The paths in the crate that a source file refers to.

use crate::rules::CRATES;

/// A file below `src/`, or below the folder of a crate's name, without its comments.
pub struct Source {
    pub file: String,
    pub text: String,
}

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        let text = text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
        Self { file: file.to_owned(), text }
    }

    /// Returns the module of the file: `features::tuning` for `features/tuning/mod.rs`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.file.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|part| !["lib", "main"].contains(part)).collect()
    }
}

/// Returns the sources without tests: neither modules of tests at the end of a file, nor files that are compiled for tests only.
pub fn without_tests(sources: &[Source]) -> Vec<Source> {
    let tests: Vec<Vec<&str>> = sources.iter().flat_map(test_modules).collect();
    let is_test = |source: &Source| tests.iter().any(|test| source.module().starts_with(test));
    let code = sources.iter().filter(|source| !is_test(source));
    code.map(|source| Source { file: source.file.clone(), text: before_tests(&source.text).to_owned() }).collect()
}

/// Returns the part of a file before its module of tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Returns the modules that a file declares for tests: its own `tests` for `#[cfg(test)] mod tests;`.
fn test_modules(source: &Source) -> impl Iterator<Item = Vec<&str>> {
    let declared = source.text.split("#[cfg(test)]\nmod ").skip(1);
    let names = declared.filter_map(|rest| rest.lines().next()?.strip_suffix(';'));
    names.map(move |name| source.module().into_iter().chain([name]).collect())
}

/// Cuts a line at `//`, which suffices even for a string that holds `//`: the text after it is no import.
fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Returns all paths written from the root of their crate, or with `super` upwards, as `layer::module::name`.
pub fn crate_paths(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let layer = source.module().first().copied().filter(|layer| CRATES.contains(layer));
    let above: Vec<&str> = layer.into_iter().collect();
    for (start, _) in source.text.match_indices("crate::") {
        if !source.text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            unfold(&source.text[start + "crate::".len()..], &above, &mut found);
        }
    }
    found.extend(upward_paths(source));
    found
}

/// Reads one path, or a group of them, and returns what is left of the text.
fn unfold<'a>(text: &'a str, before: &[&str], found: &mut Vec<String>) -> &'a str {
    let mut path: Vec<&str> = before.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            return unfold_group(group, &path, found);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !["", "self"].contains(&name) {
            path.push(name);
        }
        match after.strip_prefix("::") {
            Some(next) => rest = next,
            None => {
                found.push(path.join("::"));
                return after;
            }
        }
    }
}

fn unfold_group<'a>(text: &'a str, before: &[&str], found: &mut Vec<String>) -> &'a str {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        if rest.is_empty() {
            return rest;
        }
        rest = match rest.strip_prefix([',', '*']) {
            Some(after) => after,
            None => skip_alias(unfold(rest, before, found)),
        };
    }
}

/// Skips ` as name` after a path.
fn skip_alias(text: &str) -> &str {
    match text.trim_start().strip_prefix("as ") {
        Some(alias) => alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ' '),
        None => text.strip_prefix(|c: char| !",}".contains(c) && !c.is_whitespace()).unwrap_or(text),
    }
}

/// Returns `super::x` seen from the file's own module. Inside a module of tests one `super` leads only to the file itself; these
/// paths are reported as written.
fn upward_paths(source: &Source) -> Vec<String> {
    let module = source.module();
    let mut found = Vec::new();
    let mut rest = source.text.as_str();
    while let Some(start) = rest.find("super::") {
        rest = &rest[start..];
        let mut levels = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            levels += 1;
            rest = after;
        }
        if levels <= module.len() {
            rest = unfold(rest, &module[..module.len() - levels], &mut found);
        }
    }
    found
}
