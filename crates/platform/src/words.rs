//! Words of state: enums that have the same words in requests, answers, the API document and the database.

use std::error::Error;

/// A type that [`wire_enum!`](crate::wire_enum) made.
pub trait Word: Copy + 'static {
    /// The name of the type, for errors.
    const NAME: &'static str;
    /// Every value, in the order of their declaration.
    const ALL: &'static [Self];

    /// Returns the word that is stored and sent.
    fn wire(self) -> &'static str;

    /// Returns every word, in the order of their declaration.
    fn words() -> Vec<&'static str> {
        Self::ALL.iter().map(|value| value.wire()).collect()
    }

    /// Returns the value of a word.
    fn of(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.iter().find(|value| value.wire() == word);
        found.copied().ok_or_else(|| UnknownWord { word: word.to_owned(), name: Self::NAME, known: Self::words() })
    }
}

/// A word that this version does not know. In the database, another version wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{word}\" is no {name} that this version knows; it knows {}", known.join(", "))]
pub struct UnknownWord {
    word: String,
    name: &'static str,
    known: Vec<&'static str>,
}

/// Reads the value of a column of type TEXT.
pub fn from_column<W: Word>(bytes: &[u8]) -> Result<W, Box<dyn Error + Send + Sync>> {
    Ok(W::of(std::str::from_utf8(bytes)?)?)
}

/// Makes an enum of words, which are written once: beside their variants. It is read and written as its word by serde, by diesel
/// in columns of type TEXT, by `FromStr` and by `Display`, and it is a schema of the API document. An unknown word is an error
/// that names the known ones.
///
/// diesel's own enums are types of PostgreSQL, to which a word cannot be added without a lock of the table.
///
/// ```
/// recotem_platform::wire_enum! {
///     /// Where a light stands.
///     pub enum Light {
///         Red = "RED",
///         Green = "GREEN",
///     }
/// }
/// assert_eq!(Light::Red.wire(), "RED");
/// assert_eq!("GREEN".parse::<Light>(), Ok(Light::Green));
/// ```
#[macro_export]
macro_rules! wire_enum {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:tt),+ $(,)? }) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash,
            ::serde::Serialize, ::serde::Deserialize, ::utoipa::ToSchema, ::diesel::expression::AsExpression, ::diesel::deserialize::FromSqlRow,
        )]
        #[diesel(sql_type = ::diesel::sql_types::Text)]
        $(#[$meta])*
        $visibility enum $name {
            $($(#[$of_variant])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word that is stored and sent.
            pub const fn wire(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl $crate::words::Word for $name {
            const NAME: &'static str = stringify!($name);
            const ALL: &'static [Self] = Self::ALL;

            fn wire(self) -> &'static str {
                $name::wire(self)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.wire())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                $crate::words::Word::of(word)
            }
        }

        impl ::diesel::serialize::ToSql<::diesel::sql_types::Text, ::diesel::pg::Pg> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut ::diesel::serialize::Output<'b, '_, ::diesel::pg::Pg>,
            ) -> ::diesel::serialize::Result {
                ::diesel::serialize::ToSql::<::diesel::sql_types::Text, ::diesel::pg::Pg>::to_sql(self.wire(), out)
            }
        }

        impl ::diesel::deserialize::FromSql<::diesel::sql_types::Text, ::diesel::pg::Pg> for $name {
            fn from_sql(value: ::diesel::pg::PgValue<'_>) -> ::diesel::deserialize::Result<Self> {
                $crate::words::from_column(value.as_bytes())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use utoipa::{PartialSchema, ToSchema};

    use super::*;

    crate::wire_enum! {
        /// Where something stands.
        #[derive(Default)]
        enum Standing {
            #[default]
            Waiting = "WAITING",
            /// It goes on.
            InProgress = "in-progress",
        }
    }

    #[test]
    fn a_word_stands_for_the_same_value_everywhere() {
        for value in Standing::ALL {
            let word = value.wire();
            assert_eq!(word.parse::<Standing>().as_ref(), Ok(value));
            assert_eq!(value.to_string(), word);
            assert_eq!(serde_json::to_value(value).unwrap(), word);
            assert_eq!(serde_json::from_value::<Standing>(word.into()).unwrap(), *value);
            assert_eq!(from_column::<Standing>(word.as_bytes()).unwrap(), *value);
        }
        assert_eq!(Standing::words(), ["WAITING", "in-progress"]);
        assert_eq!(Standing::default(), Standing::Waiting);
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_words_that_are_known() {
        let said = "\"waiting\" is no Standing that this version knows; it knows WAITING, in-progress";
        assert_eq!("waiting".parse::<Standing>().unwrap_err().to_string(), said);
        assert_eq!(from_column::<Standing>(b"waiting").unwrap_err().to_string(), said);
        assert!(from_column::<Standing>(b"\xff").is_err());
        let error = serde_json::from_value::<Standing>("waiting".into()).unwrap_err().to_string();
        assert!(error.contains("`WAITING` or `in-progress`"), "{error}");
    }

    #[test]
    fn the_api_document_lists_the_words() {
        let schema = serde_json::to_value(Standing::schema()).unwrap();
        let words = serde_json::json!(["WAITING", "in-progress"]);
        assert_eq!((&schema["type"], &schema["enum"]), (&"string".into(), &words), "{schema}");
        assert_eq!(schema["description"], "Where something stands.");
        assert_eq!(Standing::name(), "Standing");
    }
}
