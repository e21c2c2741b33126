//! The role of each column of one file, and how sure that is.

use super::super::mapping::{Part, Role};
use super::join;
use super::looks::Looks;
use super::names::{EXACT, fit, is_own_id};
use super::report::GuessedColumn;

/// Share of common values from which on two columns hold the same ids.
pub const SHARED: f64 = 0.5;

/// The most confidence in what the user is asked about.
const IN_DOUBT: f64 = 0.6;

/// Columns at the beginning of each file whose values are compared with those of another file: each with each, so that more would
/// take too long. Ids stand there.
const MOST_COMPARED: usize = 32;

/// The most different values of a column of event types.
const MOST_EVENTS: usize = 50;

/// Words for what users do, any of which shows a column of event types.
const ACTIONS: [&str; 19] = [
    "view",
    "click",
    "purchase",
    "cart",
    "addtocart",
    "add_to_cart",
    "transaction",
    "buy",
    "pv",
    "fav",
    "play",
    "like",
    "impression",
    "閲覧",
    "クリック",
    "購入",
    "カート",
    "表示",
    "再生",
];

/// A role with the reason for it.
#[derive(Debug, Clone)]
pub struct Found {
    pub at: usize,
    pub confidence: f64,
    pub reason: String,
}

impl Found {
    fn new(at: usize, confidence: f64, reason: impl Into<String>) -> Self {
        Self { at, confidence, reason: reason.into() }
    }

    /// Returns the same with so little confidence that the user is asked, and why.
    fn in_doubt(self, why: &str) -> Self {
        Self { confidence: self.confidence.min(IN_DOUBT), reason: format!("{}, {why}", self.reason), ..self }
    }
}

/// Finds the column of ids of the only kind of object that a file is about, items or users. `other` is the column of the same ids in
/// another file, if it is known.
pub fn own_ids(columns: &[Looks], role: Role, other: Option<&Looks>) -> Option<Found> {
    let score = |looks: &Looks| -> f64 {
        let name = fit(&looks.name, role).max(if is_own_id(&looks.name) { 0.9 } else { 0.0 });
        let shared = other.map_or(0.0, |other| join::shared(other, looks));
        let unique = if looks.is_unique() { 0.5 } else { 0.0 };
        if looks.may_be_ids() || name > 0.0 || shared >= SHARED { name + unique + 1.5 * shared } else { 0.0 }
    };
    let (at, best) = best_of(columns, score)?;
    let looks = &columns[at];
    let named = fit(&looks.name, role) > 0.0 || is_own_id(&looks.name);
    let shared = other.map(|other| join::shared(other, looks));
    let found = match (named, shared) {
        (true, Some(shared)) if shared >= SHARED => {
            Found::new(at, 0.98, format!("its name, and {} of the ids in the interactions are here", percent(shared)))
        }
        (false, Some(shared)) if shared >= SHARED => {
            let confidence = if looks.is_unique() { 0.9 } else { 0.75 };
            Found::new(at, confidence, format!("{} of the ids in the interactions are here", percent(shared)))
        }
        (true, Some(shared)) => {
            Found::new(at, 0.7, format!("its name, but only {} of the ids in the interactions are here", percent(shared)))
        }
        (true, None) if looks.is_unique() => Found::new(at, 0.95, "its name, and each row has its own value"),
        (true, None) => Found::new(at, 0.85, "its name, though some values come back"),
        (false, _) => Found::new(at, 0.5, "its values may be ids, but its name says nothing"),
    };
    (best > 0.0).then(|| {
        if looks.comes_back() { found.in_doubt("but most rows repeat an id, as those of interactions do") } else { found }
    })
}

/// Finds the columns of users and of items in a file of interactions. `items` and `users` are the columns of the other files.
pub fn parties(columns: &[Looks], items: &[Looks], users: &[Looks]) -> (Option<Found>, Option<Found>) {
    let item = party(columns, (Role::ItemId, Role::UserId), items, None);
    let taken = item.as_ref().map(|found| found.at);
    let user = party(columns, (Role::UserId, Role::ItemId), users, taken);
    (user, item)
}

/// Finds the column of one party to interactions, other than the one that is taken.
fn party(columns: &[Looks], (role, rival): (Role, Role), others: &[Looks], taken: Option<usize>) -> Option<Found> {
    let others = &others[..others.len().min(MOST_COMPARED)];
    let shared = |at: usize| if at < MOST_COMPARED { best_overlap(&columns[at], others) } else { 0.0 };
    let score = |at: usize, looks: &Looks| -> f64 {
        let name = fit(&looks.name, role) - 0.8 * fit(&looks.name, rival);
        if Some(at) == taken || !(looks.may_be_ids() || name > 0.0) || looks.are_dates() {
            return 0.0;
        }
        let joined = if others.is_empty() { 0.0 } else { 1.2 * shared(at) };
        (0.1 + name + joined + if looks.repeats() { 0.2 } else { 0.0 }).max(0.0)
    };
    let scores: Vec<f64> = columns.iter().enumerate().map(|(at, looks)| score(at, looks)).collect();
    let (at, best) =
        scores.iter().enumerate().fold((0, 0.0), |best, (at, score)| if *score > best.1 { (at, *score) } else { best });
    if best <= 0.0 {
        return None;
    }
    let looks = &columns[at];
    let (name, joined) = (fit(&looks.name, role), if others.is_empty() { None } else { Some(shared(at)) });
    let rivals = scores.iter().enumerate().filter(|(other, score)| *other != at && **score > best - 0.3).count();
    Some(match joined {
        Some(joined) if joined >= SHARED && name > 0.0 => {
            Found::new(at, 0.98, format!("its name, and {} of its values are in the other file", percent(joined)))
        }
        Some(joined) if joined >= SHARED => {
            let confidence = if rivals == 0 && fit(&looks.name, rival) < EXACT { 0.85 } else { 0.6 };
            Found::new(at, confidence, format!("{} of its values are in the other file", percent(joined)))
        }
        Some(joined) if name > 0.0 => {
            Found::new(at, 0.85, format!("its name, though only {} of its values are in the other file", percent(joined)))
        }
        _ if name >= EXACT => Found::new(at, if rivals == 0 { 0.95 } else { 0.85 }, "its name"),
        _ if name > 0.0 => Found::new(at, if rivals == 0 { 0.85 } else { 0.7 }, "its name contains one that such columns have"),
        _ => Found::new(at, 0.5, "its values come back, but its name says nothing"),
    })
}

/// Returns the greatest share of the values of a column that a column of another file has. Any column may join the files, even
/// that of titles: numbers that merely lie in the same range are outweighed by names.
fn best_overlap(looks: &Looks, others: &[Looks]) -> f64 {
    others.iter().filter(|other| other.distinct() > 1).map(|other| join::shared(looks, other)).fold(0.0, f64::max)
}

fn best_of(columns: &[Looks], score: impl Fn(&Looks) -> f64) -> Option<(usize, f64)> {
    let scored = columns.iter().map(score).enumerate();
    scored.fold(None, |best: Option<(usize, f64)>, next| if best.is_none_or(|best| next.1 > best.1) { Some(next) } else { best })
}

/// Finds the column of times, of ratings and of event types in a file of interactions, among those that are not taken.
pub fn circumstances(columns: &[Looks], taken: &[usize]) -> Vec<(Role, Found)> {
    let free = |at: usize, found: &[(Role, Found)]| !taken.contains(&at) && !found.iter().any(|(_, one)| one.at == at);
    let mut found = Vec::new();
    for (role, judge) in
        [(Role::Time, time as fn(&Looks) -> Option<(f64, &'static str)>), (Role::EventType, event_type), (Role::Rating, rating)]
    {
        let candidates = columns.iter().enumerate().filter(|(at, _)| free(*at, &found));
        let judged = candidates.filter_map(|(at, looks)| judge(looks).map(|(confidence, why)| Found::new(at, confidence, why)));
        let best = judged.fold(None, |best: Option<Found>, next| match best {
            Some(best) if best.confidence >= next.confidence => Some(best),
            _ => Some(next),
        });
        found.extend(best.map(|best| (role, best)));
    }
    found
}

fn time(looks: &Looks) -> Option<(f64, &'static str)> {
    let named = fit(&looks.name, Role::Time);
    match (looks.are_times(named > 0.0), named > 0.0) {
        (true, true) => Some((0.98, "its name, and its values are times")),
        (true, false) => Some((0.85, "its values are times")),
        (false, _) => None,
    }
}

fn event_type(looks: &Looks) -> Option<(f64, &'static str)> {
    if looks.distinct() > MOST_EVENTS || looks.distinct() == 0 {
        return None;
    }
    let is_action = |value: &String| ACTIONS.contains(&value.trim().to_lowercase().as_str());
    let is_named = fit(&looks.name, Role::EventType) >= EXACT;
    match (is_named, looks.values.keys().any(is_action)) {
        (true, _) => Some((0.9, "its name, and it has few different values")),
        (false, true) => Some((0.85, "its values are words for what users do")),
        (false, false) => None,
    }
}

fn rating(looks: &Looks) -> Option<(f64, &'static str)> {
    let is_named = fit(&looks.name, Role::Rating) > 0.0;
    (is_named && looks.are_numbers()).then_some((0.9, "its name, and its values are numbers"))
}

/// Finds the columns of titles and of pictures in a file about items, among those that are not taken.
pub fn shown(columns: &[Looks], taken: usize) -> Vec<(Role, Found)> {
    let free = || columns.iter().enumerate().filter(move |(at, _)| *at != taken);
    let picture = free().find_map(|(at, looks)| {
        let is_named = fit(&looks.name, Role::ImageUrl) > 0.0;
        looks
            .are_pictures(is_named)
            .then(|| Found::new(at, if is_named { 0.95 } else { 0.85 }, "its values are links to pictures"))
    });
    let titles = free().filter(|(_, looks)| looks.are_texts());
    let titles = titles.map(|(at, looks)| (fit(&looks.name, Role::Title), at));
    let title = titles.fold(None, |best: Option<(f64, usize)>, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    });
    let title = title.filter(|(named, _)| *named > 0.0).map(|(named, at)| {
        let confidence = if named >= EXACT { 0.95 } else { 0.8 };
        Found::new(at, confidence, format!("its name, and its values are texts of about {:.0} characters", columns[at].length()))
    });
    [(Role::ImageUrl, picture), (Role::Title, title)].into_iter().filter_map(|(role, found)| Some((role, found?))).collect()
}

/// Returns the column with its role; one without a role describes the object if the file is about items or users, and is not sure
/// for this `doubt`.
pub fn guessed(looks: &Looks, part: Part, role: Option<&(Role, Found)>, doubt: Option<&str>) -> GuessedColumn {
    let (role, confidence, reason) = match role {
        Some((role, found)) => (*role, found.confidence, found.reason.clone()),
        None if doubt.is_some() => (Role::Ignored, 0.5, doubt.unwrap_or_default().to_owned()),
        None if part == Part::Interactions => {
            (Role::Ignored, 0.9, "it is neither an id, a time, a rating nor an event type".to_owned())
        }
        None if looks.kind.is_some() => (Role::Feature, 0.9, looks.why.clone()),
        None => (Role::Ignored, 0.9, looks.why.clone()),
    };
    let kind = looks.kind.filter(|_| part != Part::Interactions && matches!(role, Role::Feature | Role::Title));
    GuessedColumn {
        name: looks.name.clone(),
        samples: looks.samples.clone(),
        role,
        kind,
        confidence,
        reason,
        looks_like: looks.kind,
    }
}

/// Returns a share as people read it.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        part if part > 0.0 && part < 1.0 => "less than 1 %".to_owned(),
        part if part > 99.0 && part < 100.0 => "more than 99 %".to_owned(),
        part => format!("{part:.0} %"),
    }
}
