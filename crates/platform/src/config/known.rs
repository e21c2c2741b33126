//! The names of all settings with the kind of value each takes, derived from the defaults.

use std::collections::BTreeMap;

use figment::value::{Dict, Num, Value};

use crate::nearest::nearest;

/// Settings whose values are never shown. They are texts, even when one looks like a number.
pub(super) const SECRETS: [&str; 5] =
    ["secret_key", "previous_secret_keys", "default_admin_password", "smtp_url", "database_url"];

/// The kind of value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    /// A whole number between two bounds, inclusive.
    Whole(i128, i128),
    Number,
    /// A list of texts.
    List,
    /// The default is empty, so the kind is not known.
    Unknown,
}

impl Kind {
    fn of(default: &Value) -> Self {
        match default {
            Value::String(..) | Value::Char(..) => Self::Text,
            Value::Bool(..) => Self::Flag,
            Value::Num(_, Num::F32(_) | Num::F64(_)) => Self::Number,
            Value::Num(_, number) => whole_numbers(*number),
            Value::Array(..) => Self::List,
            Value::Dict(..) | Value::Empty(..) => Self::Unknown,
        }
    }

    /// Describes the values that such a setting allows.
    pub fn allowed(self) -> String {
        match self {
            Self::Text | Self::Unknown => "a text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(0, high) if high >= i128::from(i64::MAX) => "a whole number of 0 or more".to_owned(),
            Self::Whole(low, _) if low <= i128::from(i64::MIN) => "a whole number".to_owned(),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Number => "a number".to_owned(),
            Self::List => "a list such as [\"one\", \"two\"]".to_owned(),
        }
    }

    /// Returns whether a value of the file is of this kind.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Unknown => true,
            Self::Text => matches!(value, Value::String(..)),
            Self::Flag => matches!(value, Value::Bool(..)),
            Self::Number => matches!(value, Value::Num(..)),
            Self::List => matches!(value, Value::Array(..)),
            Self::Whole(low, high) => {
                let unsigned = || value.to_u128().and_then(|number| i128::try_from(number).ok());
                value.to_i128().or_else(unsigned).is_some_and(|number| (low..=high).contains(&number))
            }
        }
    }

    /// Reads the text of a variable as a value of this kind.
    pub fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::from(text)),
            Self::Flag => flag(text).map(Value::from),
            Self::Whole(low, high) => {
                let number = text.trim().parse::<i128>().ok().filter(|number| (low..=high).contains(number))?;
                i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
            }
            Self::Number => text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            Self::List => Some(Value::from(list(text))),
            // Parsing reads what it does not recognise as a text, so it cannot fail.
            Self::Unknown => text.parse().ok(),
        }
    }
}

fn whole_numbers(default: Num) -> Kind {
    match default {
        Num::U8(_) => Kind::Whole(0, u8::MAX.into()),
        Num::U16(_) => Kind::Whole(0, u16::MAX.into()),
        Num::U32(_) => Kind::Whole(0, u32::MAX.into()),
        Num::U64(_) | Num::U128(_) | Num::USize(_) => Kind::Whole(0, u64::MAX.into()),
        Num::I8(_) => Kind::Whole(i8::MIN.into(), i8::MAX.into()),
        Num::I16(_) => Kind::Whole(i16::MIN.into(), i16::MAX.into()),
        Num::I32(_) => Kind::Whole(i32::MIN.into(), i32::MAX.into()),
        _ => Kind::Whole(i64::MIN.into(), i64::MAX.into()),
    }
}

/// Reads the words that `env` files have for yes and no.
fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a list in JSON, or texts separated by commas, as 1.x wrote them.
fn list(text: &str) -> Vec<String> {
    if let Ok(list) = serde_json::from_str(text) {
        return list;
    }
    let inside = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    inside.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// All settings by their names; nested ones with a dot between the names.
pub(super) struct Known(BTreeMap<String, Kind>);

impl Known {
    /// Collects the settings that have these defaults.
    pub fn of(defaults: &Dict) -> Self {
        let mut kinds: BTreeMap<String, Kind> =
            leaves(defaults, |_| true).into_iter().map(|(name, default)| (name, Kind::of(default))).collect();
        for secret in SECRETS {
            if let Some(kind) = kinds.get_mut(secret).filter(|kind| **kind == Kind::Unknown) {
                *kind = Kind::Text;
            }
        }
        Self(kinds)
    }

    /// Returns the kind of a setting, if there is one of that name.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.0.get(name).copied()
    }

    /// Returns whether settings lie below this name.
    pub fn is_table(&self, name: &str) -> bool {
        self.0.keys().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Returns the setting with the most similar name, if one is similar enough.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.0.keys().map(String::as_str))
    }
}

/// Lists the values of a nested table by their dotted names. A table for which `enters` is false counts as a value.
pub(super) fn leaves(table: &Dict, enters: impl Fn(&str) -> bool + Copy) -> Vec<(String, &Value)> {
    fn collect<'a>(table: &'a Dict, prefix: &str, enters: impl Fn(&str) -> bool + Copy, found: &mut Vec<(String, &'a Value)>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Dict(_, inner) if !inner.is_empty() && enters(&name) => collect(inner, &name, enters, found),
                value => found.push((name, value)),
            }
        }
    }
    let mut found = Vec::new();
    collect(table, "", enters, &mut found);
    found
}
