//! Options of a list besides its user, for the API document. `input.rs` reads it, with faults in the shape
//! that only predictions use.

use utoipa::ToSchema;

use super::item_filter::ItemFilter;

/// What may be asked of every list.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct ListOptions {
    /// 1 to 1000, 10 unless told.
    cutoff: Option<i32>,
    /// Only these items may be listed.
    allow: Option<Vec<String>>,
    /// These items must not be listed.
    deny: Option<Vec<String>>,
    /// From 0, best first, to 1, as unlike one another as possible.
    diversity: Option<f32>,
    /// Whether to tell for each item, in `metadata`, what the project's newest item metadata says about it; false unless told.
    with_metadata: Option<bool>,
    /// Only items whose metadata fits may be listed.
    filter: Option<ItemFilter>,
}

/// What may be asked of a list that is made from what a user has interacted with, or from a session.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct PersonalOptions {
    /// Whether to leave out what the user has already interacted with, or the items of the session; true unless told.
    exclude_seen: Option<bool>,
    /// Whether to tell for each item, in `because`, which items of the user or session speak most for it; false unless told.
    explain: Option<bool>,
    #[serde(flatten)]
    list: ListOptions,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;
    use crate::features::inference::error::InferenceError;
    use crate::features::inference::input;
    use crate::features::inference::routes::next::NextRequest;
    use crate::features::inference::routes::predict::{BatchRequest, PredictRequest};
    use crate::features::inference::routes::related::RelatedRequest;

    /// Returns the fields that a schema describes, those of its parts included.
    fn described(schema: &Value) -> Vec<String> {
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let of_parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| match part["$ref"].as_str() {
            Some(part) if part.ends_with("/ListOptions") => described(&json!(ListOptions::schema())),
            Some(part) if part.ends_with("/PersonalOptions") => described(&json!(PersonalOptions::schema())),
            _ => described(part),
        });
        own.chain(of_parts).collect()
    }

    /// Checks that a body with a value that fits no field, an empty object, is refused at every field that is described.
    fn check<S: PartialSchema>(fields: usize, refuse: impl Fn(&Value) -> Option<InferenceError>) {
        let described = described(&json!(S::schema()));
        assert_eq!(described.len(), fields, "{described:?}");
        for field in &described {
            let Some(InferenceError::Invalid(faults)) = refuse(&json!({ field.as_str(): {} })) else {
                panic!("{field} is not read")
            };
            assert!(faults.iter().any(|fault| fault["loc"][1] == field.as_str()), "{field} is not read: {faults:?}");
        }
    }

    #[test]
    fn every_field_that_is_described_is_read() {
        check::<PredictRequest>(10, |body| {
            let mut faults = Default::default();
            input::whom(body, &mut faults);
            faults.finish().err()
        });
        check::<BatchRequest>(9, |body| {
            let mut faults = Default::default();
            input::many(body, &mut faults);
            faults.finish().err()
        });
        check::<RelatedRequest>(7, |body| {
            let mut faults = Default::default();
            input::group(body, &mut faults);
            faults.finish().err()
        });
        check::<NextRequest>(9, |body| {
            let mut faults = Default::default();
            input::session(body, &mut faults);
            faults.finish().err()
        });
    }
}
