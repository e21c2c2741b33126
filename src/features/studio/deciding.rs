//! What a run begins with: the meaning of the columns, as far as the first rows tell. What cannot end in a model is refused here.

use std::collections::HashSet;

use serde_json::Value;

use super::error::StudioError;
use super::guess::{GuessedFile, Guesses, Head, Heads, unread_column};
use super::mapping::{Mapping, Part, Role, check};
use super::model::Goal;
use super::plan::Facts;
use super::spec;
use crate::features::datasets;
use crate::ml::error::MlError;
use crate::ml::features::FeatureSpec;
use crate::platform::http::ApiError;

/// What the columns of a run mean.
#[derive(Debug)]
pub struct Decided {
    pub mapping: Mapping,
    /// The feature set of the items; `None` if no column describes them.
    pub spec: Option<FeatureSpec>,
    pub warnings: Vec<String>,
}

/// Decides what the columns mean, as the caller says or as guessed if that is sure, for a goal and a budget in seconds.
pub fn decide(
    heads: &Heads,
    guesses: Guesses,
    sent: Option<Mapping>,
    (goal, budget): (Goal, i32),
) -> Result<Decided, StudioError> {
    require_rows(heads)?;
    let warnings = guesses.problems.clone();
    let mapping = match sent {
        Some(mapping) => completed(heads, &guesses, mapping)?,
        None if guesses.is_sure => guesses.mapping(),
        None => return Err(StudioError::MappingNeeded(Box::new(guesses))),
    };
    require_times(heads, &mapping)?;
    let spec = spec::of_items(&mapping);
    if let Some(spec) = &spec {
        let fault = |error: MlError| ApiError::field("mapping", datasets::sentence(&error.to_string()));
        spec.validate().map_err(fault)?;
    }
    require_model(heads, &mapping, spec.is_some(), (goal, budget))?;
    Ok(Decided { mapping, spec, warnings })
}

fn require_rows(heads: &Heads) -> Result<(), StudioError> {
    for part in Part::ALL {
        let lack = match heads.of(*part) {
            Some(Err((_, text))) => Some(text.clone()),
            Some(Ok(head)) => head.lack(),
            None => None,
        };
        if let Some(text) = lack {
            return Err(StudioError::File { part: *part, text });
        }
    }
    Ok(())
}

/// Returns the mapping of a caller with what it leaves to the guesses.
fn completed(heads: &Heads, guesses: &Guesses, mut mapping: Mapping) -> Result<Mapping, StudioError> {
    for part in Part::ALL {
        let Some(Ok(head)) = heads.of(*part) else {
            *mapping.of_part_mut(*part) = None;
            continue;
        };
        let columns = mapping.of_part_mut(*part);
        match columns {
            Some(columns) => {
                check(*part, columns, &head.columns).map_err(|text| ApiError::field("mapping", text))?;
                spec::complete(columns, guesses.files.of(*part));
            }
            None => *columns = guesses.files.of(*part).map(GuessedFile::mapping),
        }
        if let Some(columns) = columns {
            check(*part, columns, &head.columns).map_err(|text| ApiError::field("mapping", text))?;
        }
    }
    Ok(mapping)
}

/// Fails if none of the first values of the column of times can be read as one.
fn require_times(heads: &Heads, mapping: &Mapping) -> Result<(), StudioError> {
    let column = mapping.column(Part::Interactions, Role::Time);
    let Some((Ok(head), column)) = heads.of(Part::Interactions).zip(column) else { return Ok(()) };
    unread_column(head, column).map_or(Ok(()), |text| Err(ApiError::field("mapping", text).into()))
}

/// Fails if nothing can be learnt from interactions whose rows have all been seen, such as those of one user.
fn require_model(heads: &Heads, mapping: &Mapping, is_described: bool, (goal, budget): (Goal, i32)) -> Result<(), StudioError> {
    let Some(Ok(head)) = heads.of(Part::Interactions) else { return Ok(()) };
    if head.more {
        return Ok(());
    }
    let facts = facts_of(head, mapping, is_described);
    facts.plan(goal, budget).map_err(|text| StudioError::File { part: Part::Interactions, text })?;
    Ok(())
}

/// Returns what all rows of interactions say; items count as described if any column of the item file may describe them.
fn facts_of(head: &Head, mapping: &Mapping, is_described: bool) -> Facts {
    let place = |role: Role| {
        let column = mapping.column(Part::Interactions, role);
        head.columns.iter().position(|name| Some(name.as_str()) == column)
    };
    let (user, item) = (place(Role::UserId), place(Role::ItemId));
    let value = |row: &'_ [Value], at: Option<usize>| at.and_then(|at| row.get(at)).filter(|value| !value.is_null()).cloned();
    let pairs = head.rows.iter().filter_map(|row| value(row, user).zip(value(row, item)));
    let (users, items): (Vec<Value>, Vec<Value>) = pairs.unzip();
    let distinct = |values: &[Value]| values.iter().map(Value::to_string).collect::<HashSet<_>>().len() as u64;
    Facts {
        rows: users.len() as u64,
        users: distinct(&users),
        items: distinct(&items),
        has_times: mapping.column(Part::Interactions, Role::Time).is_some(),
        described: if is_described { 1.0 } else { 0.0 },
    }
}
