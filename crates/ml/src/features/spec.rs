//! What the columns of a file of items (or users) mean.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::cells::Told;
use super::derive::{Derivation, Step};
use super::number::MOST_KNOTS;
use super::table::listed;
use crate::error::{MlError, MlResult};

/// The version of the JSON form.
const VERSION: u32 = 1;

/// Most fields of a spec.
const MOST_FIELDS: usize = 1000;

/// Most derivations of a field.
const MOST_DERIVATIONS: usize = 20;

/// The least and the largest weight: the square of a number beyond them is no ordinary one.
const WEIGHTS: std::ops::RangeInclusive<f32> = 1e-6..=1e6;

/// Most bytes of the compiled patterns of a spec.
const MOST_PATTERN_BYTES: usize = 64 << 20;

/// Most terms that can be asked for.
const MOST_TERMS: u32 = 1_000_000;

/// The meaning of the columns. As JSON `{"version": 1, "fields": […]}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct FeatureSpec {
    /// The fields, in the order of their columns in the encoded matrix. A column of the file may serve several fields.
    pub fields: Vec<Field>,
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    fields: Vec<Field>,
}

impl TryFrom<Wire> for FeatureSpec {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        match wire.version {
            VERSION => Ok(FeatureSpec { fields: wire.fields }),
            other => Err(format!("version {other} of feature specs is unknown; this program reads version {VERSION}")),
        }
    }
}

impl From<FeatureSpec> for Wire {
    fn from(spec: FeatureSpec) -> Self {
        Wire { version: VERSION, fields: spec.fields }
    }
}

/// How one column is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name of the column.
    pub column: String,
    /// What its values are.
    pub kind: FieldKind,
    /// Length of the encoded field, compared with the other fields.
    #[serde(default = "one", deserialize_with = "weight_as_sent")]
    pub weight: f32,
    /// What is done to each value first, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derive: Vec<Derivation>,
    /// Settings of the kind; each has a default.
    #[serde(default, skip_serializing_if = "FieldOptions::are_default")]
    pub options: FieldOptions,
}

fn one() -> f32 {
    1.0
}

/// Reads a weight, and refuses one that is too large for its type by the number that was sent.
fn weight_as_sent<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    let sent = f64::deserialize(from)?;
    match sent as f32 {
        weight if weight.is_finite() => Ok(weight),
        _ => Err(D::Error::custom(format!("weight {sent:e} is not between 0.000001 and 1000000"))),
    }
}

/// The kind of values in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Words of a language.
    Text,
    /// One or several of a limited number of values.
    Category,
    /// A quantity.
    Number,
    /// A date, encoded as its age at the moment of training.
    Time,
    /// Numbers of a fixed width, such as an embedding made elsewhere.
    Vector,
}

impl FieldKind {
    /// Returns the word for this kind in specs.
    pub fn word(self) -> &'static str {
        match self {
            FieldKind::Text => "text",
            FieldKind::Category => "category",
            FieldKind::Number => "number",
            FieldKind::Time => "time",
            FieldKind::Vector => "vector",
        }
    }
}

/// Settings of the kinds. A setting of another kind is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldOptions {
    /// Category: what separates several values in one text; empty when texts are not divided. Found out from the training
    /// items by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Text, category: terms in fewer training items are dropped; 2 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u32>,
    /// Text, category: number of terms kept, the most frequent ones; 30,000 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_terms: Option<u32>,
    /// Text: whether pairs of adjacent words are terms too; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_pairs: Option<bool>,
    /// Number, time: whether the logarithm is encoded. By default where no number is negative and few are large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Number, time: number of knots at most; 16 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knots: Option<u32>,
    /// Time: whether year and month are encoded as categories too; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<bool>,
    /// Number, time: whether a value that cannot be read is missing, rather than an error; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lenient: Option<bool>,
}

impl FieldOptions {
    fn are_default(&self) -> bool {
        *self == FieldOptions::default()
    }

    /// Returns the name of the first setting that a field of this kind does not have.
    fn misplaced(&self, kind: FieldKind) -> Option<&'static str> {
        use FieldKind::{Category, Number, Text, Time};
        let given: [(&str, bool, &[FieldKind]); 8] = [
            ("separator", self.separator.is_some(), &[Category]),
            ("min_count", self.min_count.is_some(), &[Text, Category]),
            ("max_terms", self.max_terms.is_some(), &[Text, Category]),
            ("word_pairs", self.word_pairs.is_some(), &[Text]),
            ("log", self.log.is_some(), &[Number, Time]),
            ("knots", self.knots.is_some(), &[Number, Time]),
            ("calendar", self.calendar.is_some(), &[Time]),
            ("lenient", self.lenient.is_some(), &[Number, Time]),
        ];
        given.into_iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&kind)).map(|(name, ..)| name)
    }
}

impl Field {
    /// Creates a field with default settings.
    pub fn new(column: impl Into<String>, kind: FieldKind) -> Self {
        Field { column: column.into(), kind, weight: 1.0, derive: Vec::new(), options: FieldOptions::default() }
    }

    /// Creates a field with default settings, except that a number or a date that cannot be read is missing.
    pub(super) fn lenient(column: impl Into<String>, kind: FieldKind) -> Self {
        let mut field = Field::new(column, kind);
        field.options.lenient = matches!(kind, FieldKind::Number | FieldKind::Time).then_some(true);
        field
    }

    /// Returns the field in which a value that cannot be read is an error.
    pub(super) fn strict(&self) -> Self {
        let mut field = self.clone();
        field.options.lenient = None;
        field
    }

    /// Returns the columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let crossed = self.derive.iter().filter_map(|derivation| match derivation {
            Derivation::Cross { with } => Some(with.as_str()),
            _ => None,
        });
        std::iter::once(self.column.as_str()).chain(crossed)
    }

    /// Returns whether it reads values as moments.
    pub(super) fn reads_moments(&self) -> bool {
        self.kind == FieldKind::Time || self.derive.contains(&Derivation::Age)
    }

    /// Returns what makes no sense in a new spec, though it can be used.
    fn nonsense(&self) -> Option<String> {
        let ages = self.derive.iter().filter(|derivation| **derivation == Derivation::Age).count();
        if ages > 0 && self.kind == FieldKind::Time {
            return Some("age gives a number of days, which is no date; use kind \"number\", or leave age out".to_owned());
        }
        if ages > 1 {
            return Some("age gives a number of days, of which there is no age; leave one of them out".to_owned());
        }
        (!WEIGHTS.contains(&self.weight)).then(|| format!("weight {} is not between 0.000001 and 1000000", self.weight))
    }

    fn flaw(&self) -> Option<String> {
        let options = &self.options;
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            return Some(format!("weight {} is not a positive number", self.weight));
        }
        if let Some(name) = options.misplaced(self.kind) {
            return Some(format!("option {name:?} does not apply to kind \"{}\"; leave it out", self.kind.word()));
        }
        if options.min_count == Some(0) {
            return Some("min_count is 0; the least is 1".to_owned());
        }
        if options.max_terms.is_some_and(|most| !(1..=MOST_TERMS).contains(&most)) {
            return Some(format!("max_terms is not between 1 and {MOST_TERMS}"));
        }
        if options.knots.is_some_and(|knots| !(2..=MOST_KNOTS).contains(&knots)) {
            return Some(format!("knots is not between 2 and {MOST_KNOTS}"));
        }
        if self.derive.len() > MOST_DERIVATIONS {
            return Some(format!("has {} derivations; at most {MOST_DERIVATIONS} are possible", self.derive.len()));
        }
        None
    }

    /// Checks the derivations, and returns about how many bytes they take in memory.
    fn bytes_of_steps(&self) -> Told<usize> {
        self.derive.iter().try_fold(0, |bytes, derivation| Ok(bytes + Step::of(derivation)?.bytes()))
    }
}

impl FeatureSpec {
    /// Reads the JSON form. An error names the field that cannot be read, by its column or its number, without a full stop.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        serde_json::from_value(json.clone()).map_err(|error| {
            let fields = json["fields"].as_array().into_iter().flatten();
            let faulty = (1..).zip(fields).find_map(|(number, field)| {
                let error = serde_json::from_value::<Field>(field.clone()).err()?;
                Some(match field["column"].as_str() {
                    Some(column) => format!("column {column:?}: {error}"),
                    None => format!("field {number}: {error}"),
                })
            });
            faulty.unwrap_or_else(|| format!("the spec cannot be read: {error}"))
        })
    }

    /// Checks a new spec: each field by itself, without a table.
    pub fn validate(&self) -> MlResult<()> {
        self.require_usable()?;
        match self.fields.iter().find_map(|field| Some((field, field.nonsense()?))) {
            Some((field, flaw)) => Err(MlError::BadInput(format!("column {:?}: {flaw}", field.column))),
            None => Ok(()),
        }
    }

    /// Checks the spec of a model, of which some were made before all checks of [`Self::validate`] were.
    pub(super) fn require_usable(&self) -> MlResult<()> {
        if self.fields.is_empty() {
            return Err(MlError::BadInput("the feature spec has no fields; name at least one column".into()));
        }
        if self.fields.len() > MOST_FIELDS {
            let n = self.fields.len();
            return Err(MlError::BadInput(format!("the feature spec has {n} fields; at most {MOST_FIELDS} are possible")));
        }
        let mut bytes = 0;
        for field in &self.fields {
            let steps = field.flaw().map_or_else(|| field.bytes_of_steps(), Err);
            bytes += steps.map_err(|flaw| MlError::BadInput(format!("column {:?}: {flaw}", field.column)))?;
            if bytes > MOST_PATTERN_BYTES {
                return Err(MlError::BadInput(format!(
                    "the patterns of the feature spec take more than {} MiB up to column {:?}; simplify some, or leave some out",
                    MOST_PATTERN_BYTES >> 20,
                    field.column
                )));
            }
        }
        Ok(())
    }

    /// Fails unless each column that a field reads is among those of a table.
    pub(super) fn require_columns(&self, columns: &[String]) -> MlResult<()> {
        let wanted = self.fields.iter().flat_map(Field::columns);
        match wanted.into_iter().find(|wanted| !columns.iter().any(|name| name == wanted)) {
            Some(missing) => Err(MlError::BadInput(format!(
                "the feature spec names column {missing:?}, which the table does not have; its columns are {}",
                listed(columns)
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<FeatureSpec, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    fn flaw(field: &str) -> String {
        let spec = read(&format!(r#"{{"version":1,"fields":[{field}]}}"#)).unwrap();
        spec.validate().unwrap_err().to_string()
    }

    #[test]
    fn a_spec_comes_back_from_json() {
        let json = r#"{"version":1,"fields":[
            {"column":"title","kind":"category","weight":0.1,
             "derive":[{"extract":{"pattern":"\\((\\d{4})\\)"}},{"bucket":{"width":5.0}},{"cross":{"with":"genre"}},"log","age"]},
            {"column":"genre","kind":"category","options":{"separator":"|","min_count":3}},
            {"column":"added","kind":"time","options":{"calendar":true}}]}"#;
        let spec = read(json).unwrap();
        spec.validate().unwrap();
        assert_eq!((spec.fields[0].weight, spec.fields[1].weight), (0.1, 1.0));
        assert_eq!(spec.fields[0].columns().collect::<Vec<_>>(), ["title", "genre"]);
        assert_eq!(read(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
    }

    #[test]
    fn unknown_words_and_versions_are_refused() {
        assert!(read(r#"{"version":2,"fields":[]}"#).unwrap_err().contains("version 2"));
        assert!(read(r#"{"version":1,"fields":[],"more":1}"#).is_err());
        assert!(read(r#"{"version":1,"fields":[{"column":"a","kind":"text","wieght":1}]}"#).is_err());
        assert!(read(r#"{"version":1,"fields":[{"column":"a","kind":"picture"}]}"#).is_err());
        let refused = |json: &str| FeatureSpec::from_json(&serde_json::from_str(json).unwrap()).unwrap_err();
        let kind = refused(r#"{"version":1,"fields":[{"column":"b","kind":"text"},{"column":"a","kind":"txt"}]}"#);
        assert!(kind.starts_with("column \"a\": unknown variant `txt`"), "{kind}");
        let weight = refused(r#"{"version":1,"fields":[{"column":"a","kind":"text","weight":1e300}]}"#);
        assert_eq!(weight, "column \"a\": weight 1e300 is not between 0.000001 and 1000000");
        assert!(refused(r#"{"version":1,"fields":[{"kind":"text"}]}"#).starts_with("field 1: missing field `column`"));
        assert!(refused(r#"{"version":7,"fields":[]}"#).contains("version 7"));
        assert!(read(r#"{"version":1,"fields":[{"column":"a","kind":"number","derive":[{"bucket":{"widht":1}}]}]}"#).is_err());
    }

    #[test]
    fn each_flaw_names_the_column() {
        for (field, wanted) in [
            (r#"{"column":"a","kind":"text","weight":0}"#, "column \"a\": weight 0 is not a positive number"),
            (r#"{"column":"a","kind":"text","weight":1e38}"#, "is not between 0.000001 and 1000000"),
            (r#"{"column":"a","kind":"text","weight":1000001}"#, "weight 1000001 is not between"),
            (r#"{"column":"a","kind":"text","weight":1e-7}"#, "is not between"),
            (r#"{"column":"a","kind":"time","derive":["age"]}"#, "age gives a number of days, which is no date"),
            (r#"{"column":"a","kind":"number","derive":["age","log","age"]}"#, "of which there is no age"),
            (r#"{"column":"a","kind":"text","weight":-1}"#, "weight -1"),
            (r#"{"column":"a","kind":"text","options":{"knots":3}}"#, "option \"knots\" does not apply to kind \"text\""),
            (r#"{"column":"a","kind":"category","options":{"lenient":true}}"#, "option \"lenient\" does not apply"),
            (r#"{"column":"a","kind":"number","options":{"knots":1}}"#, "between 2 and 16"),
            (r#"{"column":"a","kind":"text","options":{"min_count":0}}"#, "min_count is 0"),
            (r#"{"column":"a","kind":"text","derive":[{"extract":{"pattern":"("}}]}"#, "is not a regular expression"),
            (r#"{"column":"a","kind":"text","derive":[{"bucket":{"width":0}}]}"#, "width of a bucket is 0"),
            (r#"{"column":"a","kind":"text","derive":[{"split":{"separator":""}}]}"#, "separator is empty"),
        ] {
            let found = flaw(field);
            assert!(found.contains(wanted) && found.starts_with("column \"a\""), "{field}: {found}");
        }
        assert!(FeatureSpec::default().validate().is_err());
        for weight in [1e-6, 1e6] {
            let field = Field { weight, ..Field::new("a", FieldKind::Text) };
            FeatureSpec { fields: vec![field] }.validate().unwrap();
        }
    }

    #[test]
    fn the_patterns_of_a_spec_are_limited_in_bytes() {
        let extract = || Derivation::Extract { pattern: "(?:a{0,1000}){5}b".to_owned() };
        let of_fields = |n: usize| {
            let field = Field { derive: (0..20).map(|_| extract()).collect(), ..Field::new("a", FieldKind::Category) };
            FeatureSpec { fields: vec![field; n] }.validate()
        };
        let bytes = Step::of(&extract()).unwrap().bytes();
        let most = MOST_PATTERN_BYTES / bytes / 20;
        of_fields(most).unwrap();
        let refused = of_fields(most + 1).unwrap_err().to_string();
        assert!(refused.contains("take more than 64 MiB") && refused.contains("column \"a\""), "{refused}");
    }
}
