//! What the columns of the item file say about items, as a feature set.

use super::guess::GuessedFile;
use super::mapping::{Columns, Mapping, Role};
use crate::ml::features::{FeatureSpec, Field, FieldKind};

/// Adds the kinds that a caller left out, as they are guessed.
pub fn complete(columns: &mut Columns, guessed: Option<&GuessedFile>) {
    for (name, meaning) in columns.iter_mut().filter(|(_, meaning)| meaning.kind.is_none()) {
        let found =
            guessed.and_then(|file| file.columns.iter().find(|column| column.name == *name)).and_then(|one| one.looks_like);
        meaning.kind = match meaning.role {
            Role::Feature => Some(found.unwrap_or(FieldKind::Category)),
            Role::Title => found.filter(|kind| *kind == FieldKind::Text),
            _ => None,
        };
    }
}

/// Returns the feature set of the items, their title first; `None` if no column describes them. Numbers and dates that cannot be
/// read count as missing, since only the first rows have been seen.
pub fn of_items(mapping: &Mapping) -> Option<FeatureSpec> {
    let with_role = |role: Role| mapping.items.iter().flatten().filter(move |(_, meaning)| meaning.role == role);
    // Where no column has the name of one with titles, the first text is shown as the title.
    let fields: Vec<Field> = with_role(Role::Title)
        .chain(with_role(Role::Feature))
        .filter(|(_, meaning)| meaning.role == Role::Feature || meaning.kind == Some(FieldKind::Text))
        .filter_map(|(column, meaning)| Some((column, meaning.kind?)))
        .map(|(column, kind)| {
            let mut field = Field::new(column, kind);
            field.options.lenient = matches!(kind, FieldKind::Number | FieldKind::Time).then_some(true);
            field
        })
        .collect();
    (!fields.is_empty()).then_some(FeatureSpec { fields })
}
