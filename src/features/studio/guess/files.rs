//! All files together: the role of each column, and what is wrong with and between the files.

use super::super::mapping::{Part, Role};
use super::columns::{Found, SHARED, circumstances, guessed, own_ids, parties, percent, shown};
use super::head::Head;
use super::join::{overlap, padded_pair, unlike_pair};
use super::looks::{Looks, look};
use super::names::{EXACT, fit};
use super::report::{GuessedFile, GuessedFiles, Guesses, Severity};
use super::times::{NOT_READ, is_lost, say_about_times};
use crate::platform::tabular::{Stop, TabularError};

/// Share of common ids below which files do not seem to belong together.
const HARDLY: f64 = 0.1;

/// Share of ids that two files write differently above which the user is asked.
const UNLIKE: f64 = 0.05;

/// The start of each file, or why it cannot be read; `None` where none was sent.
#[derive(Debug, Default)]
pub struct Heads {
    pub interactions: Option<Result<Head, (String, String)>>,
    pub items: Option<Result<Head, (String, String)>>,
    pub users: Option<Result<Head, (String, String)>>,
}

impl Heads {
    /// Returns the start of a file.
    pub fn of(&self, part: Part) -> Option<&Result<Head, (String, String)>> {
        match part {
            Part::Interactions => self.interactions.as_ref(),
            Part::Items => self.items.as_ref(),
            Part::Users => self.users.as_ref(),
        }
    }
}

/// A file with what its columns look like.
struct Looked {
    head: Head,
    columns: Vec<Looks>,
}

impl Looked {
    fn of(head: Option<&Result<Head, (String, String)>>, stop: &Stop) -> Result<Option<Self>, TabularError> {
        let Some(Ok(head)) = head else { return Ok(None) };
        Ok(Some(Self { head: head.clone(), columns: look(head, stop)? }))
    }
}

/// Guesses the meaning of all columns of all files, until `stop`.
pub fn guess(heads: &Heads, stop: &Stop) -> Result<Guesses, TabularError> {
    let looked = |part: Part| Looked::of(heads.of(part), stop);
    let (interactions, items, users) = (looked(Part::Interactions)?, looked(Part::Items)?, looked(Part::Users)?);
    let (user, item) = parties(columns(&interactions), columns(&items), columns(&users));
    let joined = |found: &Option<Found>| found.as_ref().map(|found| &columns(&interactions)[found.at]);
    let of_items = items.as_ref().and_then(|items| own_ids(&items.columns, Role::ItemId, joined(&item)));
    let of_users = users.as_ref().and_then(|users| own_ids(&users.columns, Role::UserId, joined(&user)));

    let mut problems = Vec::new();
    let mut blocked = false;
    if let (Some(interactions), Some(items)) = (&interactions, &items) {
        let swapped = are_swapped(interactions, items);
        if swapped {
            problems.push(
                "The files seem to be swapped: the one sent as items has users in it, and the one sent as interactions has none."
                    .to_owned(),
            );
        }
        let pair = item.as_ref().zip(of_items.as_ref());
        let pair = pair.map(|(item, own)| (&interactions.columns[item.at], &items.columns[own.at]));
        let apart = pair.is_some_and(|(ours, theirs)| compare(ours, theirs, items.head.more, "item", &mut problems));
        blocked = swapped || apart;
    }
    if let (Some(users), Some((ours, own))) = (&users, joined(&user).zip(of_users.as_ref())) {
        blocked |= compare(ours, &users.columns[own.at], users.head.more, "user", &mut problems);
    }

    let mut roles: Vec<(Role, Found)> = [(Role::UserId, user), (Role::ItemId, item)].into_iter().filter_map(known).collect();
    let taken: Vec<usize> = roles.iter().map(|(_, found)| found.at).collect();
    roles.extend(circumstances(columns(&interactions), &taken));
    let mut item_roles: Vec<(Role, Found)> = known((Role::ItemId, of_items)).into_iter().collect();
    let own = item_roles.first().map_or(usize::MAX, |(_, found)| found.at);
    item_roles.extend(shown(columns(&items), own));
    let user_roles: Vec<(Role, Found)> = known((Role::UserId, of_users)).into_iter().collect();
    let files = GuessedFiles {
        interactions: file(Part::Interactions, &heads.interactions, interactions.as_ref(), &roles),
        items: file(Part::Items, &heads.items, items.as_ref(), &item_roles),
        users: file(Part::Users, &heads.users, users.as_ref(), &user_roles),
    };
    Ok(Guesses::new(files, problems, blocked))
}

fn columns(looked: &Option<Looked>) -> &[Looks] {
    looked.as_ref().map_or(&[], |looked| &looked.columns)
}

fn known((role, found): (Role, Option<Found>)) -> Option<(Role, Found)> {
    Some((role, found?))
}

/// Returns whether the file of items has users, whose items come back, and the file of interactions has none.
fn are_swapped(interactions: &Looked, items: &Looked) -> bool {
    let has_users = |looked: &Looked| looked.columns.iter().any(|column| fit(&column.name, Role::UserId) >= EXACT);
    has_users(items) && !has_users(interactions)
}

/// Says how the ids of the interactions fit those of another file. Returns whether they have to be confirmed: the files hardly share
/// any, or write them differently.
fn compare(ours: &Looks, theirs: &Looks, is_part: bool, of: &str, problems: &mut Vec<String>) -> bool {
    let found = overlap(ours, theirs);
    let unlike = if found.alike > found.exact + UNLIKE { unlike_pair(ours, theirs) } else { None };
    if let Some((our, other)) = unlike {
        problems.push(format!(
            "The files write some {of} ids differently: \"{our}\" in the interactions is \"{other}\" in the {of}s file. Write them alike."
        ));
    }
    if found.exact == 0.0 {
        problems.push(format!(
            "The files share no {of} id: column \"{}\" of the interactions and column \"{}\" of the {of}s file.",
            ours.name, theirs.name
        ));
    } else if found.exact < SHARED && !is_part {
        let missing = percent(1.0 - found.exact);
        problems.push(format!("{missing} of the {of} ids in the interactions have no row in the {of}s file."));
    }
    unlike.is_some() || found.exact < HARDLY && !(is_part && found.exact > 0.0)
}

fn file(
    part: Part,
    head: &Option<Result<Head, (String, String)>>,
    looked: Option<&Looked>,
    roles: &[(Role, Found)],
) -> Option<GuessedFile> {
    if let Some(Err((name, error))) = head {
        let mut unread = GuessedFile { name: name.clone(), rows_seen: 0, columns: Vec::new(), problems: Vec::new() };
        unread.problem(None, Severity::Error, error.clone());
        return Some(unread);
    }
    let Looked { head, columns } = looked?;
    let role_of = |at: usize| roles.iter().find(|(_, found)| found.at == at);
    let doubt = |looks: &Looks| (part == Part::Interactions && is_lost(looks, columns, roles)).then_some(NOT_READ);
    let mut file = GuessedFile {
        name: head.name.clone(),
        rows_seen: head.rows.len() as u64,
        columns: columns.iter().enumerate().map(|(at, looks)| guessed(looks, part, role_of(at), doubt(looks))).collect(),
        problems: Vec::new(),
    };
    if let Some(lack) = head.lack() {
        file.problem(None, Severity::Error, lack);
        return Some(file);
    }
    say_repeated_names(&mut file, head);
    for (role, found) in roles {
        say_about_ids(&mut file, part, *role, &columns[found.at]);
    }
    if part == Part::Interactions {
        say_about_times(&mut file, columns, roles);
    }
    say_missing(&mut file, part);
    Some(file)
}

fn say_repeated_names(file: &mut GuessedFile, head: &Head) {
    let mut said: Vec<&String> = Vec::new();
    for name in &head.columns {
        let times = head.columns.iter().filter(|other| *other == name).count();
        if times > 1 && !said.contains(&name) {
            said.push(name);
            let is_needed = file.columns.iter().any(|column| column.name == *name && column.role != Role::Ignored);
            let severity = if is_needed { Severity::Error } else { Severity::Warning };
            let text = format!("{times} columns are named \"{name}\". Rename or remove all but the one that is meant.");
            file.problem(Some(name), severity, text);
        }
    }
}

fn say_about_ids(file: &mut GuessedFile, part: Part, role: Role, looks: &Looks) {
    if !matches!(role, Role::UserId | Role::ItemId) {
        return;
    }
    let name = Some(looks.name.as_str());
    let blank = looks.rows - looks.present;
    if blank > 0 {
        let text = format!("{blank} of {} rows have no value here and are left out.", looks.rows);
        file.problem(name, Severity::Warning, text);
    }
    if part != Part::Interactions && looks.repeats() {
        let text = format!(
            "{} rows have an id that a later row has as well. The last row of an id counts.",
            looks.present - looks.distinct()
        );
        file.problem(name, Severity::Warning, text);
    }
    if part == Part::Interactions && looks.distinct() == 1 {
        let what = if role == Role::UserId { "user" } else { "item" };
        let text = format!("All rows seen are of one {what}. Recommendations are learnt from what many have in common.");
        file.problem(name, Severity::Warning, text);
    }
    if let Some((first, second)) = padded_pair(looks) {
        let text =
            format!("\"{first}\" and \"{second}\" both occur. They are different ids, since ids are compared letter by letter.");
        file.problem(name, Severity::Warning, text);
    }
}

fn say_missing(file: &mut GuessedFile, part: Part) {
    let missing: Vec<&str> = part.needed().iter().filter(|role| file.column(**role).is_none()).map(|role| role.wire()).collect();
    if !missing.is_empty() {
        let text = format!("No column looks like {}. Say which one it is.", missing.join(" and "));
        file.problem(None, Severity::Warning, text);
    }
}
