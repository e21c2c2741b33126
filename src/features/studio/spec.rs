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

/// Returns the feature set of the items; `None` if no column describes them. Numbers and dates that cannot be read count as
/// missing, since only the first rows have been seen.
pub fn of_items(mapping: &Mapping) -> Option<FeatureSpec> {
    let described = mapping.items.iter().flatten().filter(|(_, meaning)| matches!(meaning.role, Role::Feature | Role::Title));
    let fields: Vec<Field> = described
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
