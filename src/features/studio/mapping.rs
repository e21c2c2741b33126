//! What the columns of the files mean: as a caller sends it, and as a run uses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ml::features::FieldKind;
use crate::platform::wire_enum;

wire_enum! {
    /// The meaning of a column.
    #[schema(as = StudioRole)]
    pub enum Role {
        UserId = "user_id",
        ItemId = "item_id",
        Time = "time",
        /// How much the user liked the item, or how often.
        Rating = "rating",
        EventType = "event_type",
        Title = "title",
        ImageUrl = "image_url",
        /// It says what items, or users, have in common.
        Feature = "feature",
        Ignored = "ignored",
    }
}

wire_enum! {
    /// A file of a call, by the name of its part.
    pub enum Part {
        Interactions = "interactions",
        Items = "items",
        Users = "users",
    }
}

impl Part {
    /// Returns the roles that columns of the file may have.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Interactions => &[Role::UserId, Role::ItemId, Role::Time, Role::Rating, Role::EventType, Role::Ignored],
            Self::Items => &[Role::ItemId, Role::Title, Role::ImageUrl, Role::Feature, Role::Ignored],
            Self::Users => &[Role::UserId, Role::Feature, Role::Ignored],
        }
    }

    /// Returns the roles without which the file is of no use.
    pub fn needed(self) -> &'static [Role] {
        match self {
            Self::Interactions => &[Role::UserId, Role::ItemId],
            Self::Items => &[Role::ItemId],
            Self::Users => &[Role::UserId],
        }
    }
}

/// The meaning of a column, with the kind of its values if it is a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Meaning {
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<FieldKind>,
}

impl<'de> Deserialize<'de> for Meaning {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A role alone, or with a kind.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Sent {
            Role(Role),
            WithKind {
                role: Role,
                #[serde(default)]
                kind: Option<FieldKind>,
            },
        }
        let sent = Sent::deserialize(deserializer).map_err(|_| {
            let roles = Role::ALL.iter().map(|role| role.wire()).collect::<Vec<_>>().join(", ");
            serde::de::Error::custom(format!(
                "a column has one of the roles {roles}, or {{\"role\": \"feature\", \"kind\": one of text, category, number, time, \
                 vector}}"
            ))
        })?;
        Ok(match sent {
            Sent::Role(role) => Self { role, kind: None },
            Sent::WithKind { role, kind } => Self { role, kind },
        })
    }
}

/// The meaning of each column of a file.
pub type Columns = BTreeMap<String, Meaning>;

/// The meaning of the columns of all files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactions: Option<Columns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Columns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Columns>,
}

impl Mapping {
    /// Reads the mapping of a call. Fails with a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("The mapping cannot be read: {error}."))
    }

    /// Reads the mapping of a row.
    pub fn of(stored: &Value) -> Self {
        Self::deserialize(stored).unwrap_or_default()
    }

    /// Returns the columns of a file.
    pub fn of_part(&self, part: Part) -> Option<&Columns> {
        match part {
            Part::Interactions => self.interactions.as_ref(),
            Part::Items => self.items.as_ref(),
            Part::Users => self.users.as_ref(),
        }
    }

    /// Returns the place for the columns of a file.
    pub fn of_part_mut(&mut self, part: Part) -> &mut Option<Columns> {
        match part {
            Part::Interactions => &mut self.interactions,
            Part::Items => &mut self.items,
            Part::Users => &mut self.users,
        }
    }

    /// Returns the column of a file that has a role, if one has it.
    pub fn column(&self, part: Part, role: Role) -> Option<&str> {
        let columns = self.of_part(part)?.iter();
        columns.clone().find(|(_, meaning)| meaning.role == role).map(|(column, _)| column.as_str())
    }
}

/// Checks the meaning of the columns of a file against those that it has. Fails with a sentence.
pub fn check(part: Part, columns: &Columns, present: &[String]) -> Result<(), String> {
    let list = |names: &mut dyn Iterator<Item = &str>| names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    for (column, meaning) in columns {
        match present.iter().filter(|name| *name == column).count() {
            0 => {
                let names = list(&mut present.iter().map(String::as_str));
                return Err(format!("The file \"{part}\" has no column \"{column}\". Its columns are {names}."));
            }
            1 => {}
            _ if meaning.role == Role::Ignored => {}
            _ => {
                return Err(format!(
                    "The file \"{part}\" has several columns named \"{column}\". Rename or remove all but the one that is meant."
                ));
            }
        }
        if !part.roles().contains(&meaning.role) {
            let roles = list(&mut part.roles().iter().map(|role| role.wire()));
            return Err(format!(
                "Column \"{column}\" of the file \"{part}\" cannot have the role \"{}\". Choose among {roles}.",
                meaning.role
            ));
        }
    }
    for role in part.roles().iter().filter(|role| !matches!(role, Role::Feature | Role::Ignored)) {
        let with_role: Vec<&str> =
            columns.iter().filter(|(_, meaning)| meaning.role == *role).map(|(column, _)| column.as_str()).collect();
        if with_role.len() > 1 {
            let names = list(&mut with_role.into_iter());
            return Err(format!("Several columns of the file \"{part}\" have the role \"{role}\": {names}. Choose one."));
        }
        if with_role.is_empty() && part.needed().contains(role) {
            return Err(format!("No column of the file \"{part}\" has the role \"{role}\". Choose one."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_a_word_or_has_a_kind() {
        let sent = r#"{"items": {"id": "item_id", "price": {"role": "feature", "kind": "number"}, "note": {"role": "ignored"}}}"#;
        let mapping = Mapping::read(sent).unwrap();
        let items = mapping.items.clone().unwrap();
        assert_eq!(items["price"], Meaning { role: Role::Feature, kind: Some(FieldKind::Number) });
        assert_eq!(mapping.column(Part::Items, Role::ItemId), Some("id"));
        assert_eq!(Mapping::of(&serde_json::to_value(&mapping).unwrap()), mapping);
        for wrong in [r#"{"items": {"id": "key"}}"#, r#"{"things": {}}"#, "[1]", r#"{"items": {"id": {"kind": "text"}}}"#] {
            let fault = Mapping::read(wrong).unwrap_err();
            assert!(fault.starts_with("The mapping cannot be read"), "{fault}");
        }
        assert!(Mapping::read(r#"{"items": {"id": "key"}}"#).unwrap_err().contains("image_url"));
    }

    #[test]
    fn a_mapping_that_does_not_fit_the_file_is_refused_in_words() {
        let check = |part: Part, columns: &[(&str, Role)], present: &[&str]| {
            let columns = columns.iter().map(|(name, role)| ((*name).to_owned(), Meaning { role: *role, kind: None })).collect();
            let present: Vec<String> = present.iter().map(ToString::to_string).collect();
            super::check(part, &columns, &present).err().unwrap_or_default()
        };
        let both = [("u", Role::UserId), ("i", Role::ItemId)];
        assert_eq!(check(Part::Interactions, &both, &["u", "i", "t"]), "");
        assert!(check(Part::Interactions, &both, &["u", "x"]).contains("no column \"i\". Its columns are \"u\", \"x\""));
        assert!(check(Part::Interactions, &both, &["u", "i", "i"]).contains("several columns named \"i\""));
        assert!(check(Part::Interactions, &both[..1], &["u", "i"]).contains("No column of the file \"interactions\""));
        let two = [("u", Role::UserId), ("i", Role::ItemId), ("j", Role::ItemId)];
        assert!(check(Part::Interactions, &two, &["u", "i", "j"]).contains("\"i\", \"j\". Choose one."));
        assert!(
            check(Part::Users, &[("u", Role::UserId), ("t", Role::Title)], &["u", "t"])
                .contains("cannot have the role \"title\"")
        );
    }
}
