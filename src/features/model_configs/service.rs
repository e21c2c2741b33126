//! Decisions about configurations: which algorithms and parameters are valid, and how tuning stores its results.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};

use super::model::ConfigurationFields;
use super::store;
use crate::ml::error::MlError;
use crate::ml::registry;
use crate::ml::weights::Weights;
use crate::platform::http::ApiError;

/// The algorithms of a tuning job that names none.
pub const DEFAULT_ALGORITHMS: [&str; 3] = ["IALSRecommender", "CosineKNNRecommender", "TopPopRecommender"];

/// Returns the class name of an algorithm. Fails if the algorithm or its parameters are not valid.
pub fn check(algorithm: &str, parameters: &Map<String, Value>) -> Result<&'static str, ApiError> {
    let unknown = |error: MlError| ApiError::field("recommender_class_name", sentence(&error.to_string()));
    let info = registry::find(algorithm).map_err(unknown)?;
    let checked = match info.learns_from_sessions() {
        true => info.check(parameters),
        false => Weights::default().overridden(parameters).and_then(|(_, own)| info.check(&own)),
    };
    checked.map_err(wrong_parameters)?;
    Ok(info.name)
}

fn wrong_parameters(error: MlError) -> ApiError {
    ApiError::field("parameters_json", sentence(&error.to_string()))
}

/// Turns an error of the engine into a full sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let start = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{start}{}.", characters.as_str())
}

/// Stores the result of a search in the project of its data and returns its id. Adds a number to a name that is taken.
pub async fn create_for_data(
    connection: &mut AsyncPgConnection,
    data_id: i64,
    name: &str,
    algorithm: &str,
    parameters: Map<String, Value>,
) -> QueryResult<i64> {
    let project_id = store::project_of_data(connection, data_id).await?;
    let name = free_name(name, &store::names_like(connection, project_id, name).await?);
    let fields = ConfigurationFields {
        name: Some(name),
        recommender_class_name: algorithm.to_owned(),
        parameters_json: Value::Object(parameters),
    };
    Ok(store::insert(connection, project_id, fields).await?.id)
}

fn free_name(wanted: &str, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.contains(name);
    let numbered = (2..).map(|number| format!("{wanted} ({number})"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(algorithm: &str, parameters: Value) -> Value {
        check(algorithm, parameters.as_object().unwrap()).unwrap_err().body().clone()
    }

    #[test]
    fn an_algorithm_may_be_called_in_three_ways() {
        for name in ["TopPopRecommender", "TopPopOptimizer", "TopPop"] {
            assert_eq!(check(name, &Map::new()).unwrap(), "TopPopRecommender");
        }
        assert_eq!(check("VMISKNN", &Map::new()).unwrap(), "VMISKNNRecommender");
    }

    #[test]
    fn what_is_unknown_is_named_on_its_field() {
        let unknown = fault("BPRRecommender", json!({}));
        assert!(unknown["recommender_class_name"][0].as_str().unwrap().contains("BPRRecommender"));
        assert!(unknown["recommender_class_name"][0].as_str().unwrap().contains("VMISKNNRecommender"));
        for algorithm in ["TopPopRecommender", "VMISKNN"] {
            let parameter = fault(algorithm, json!({ "depth": 3 }));
            assert!(parameter["parameters_json"][0].as_str().unwrap().contains("depth"));
        }
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let taken = ["a".to_owned(), "a (2)".to_owned()];
        assert_eq!(free_name("a", &taken), "a (3)");
        assert_eq!(free_name("b", &taken), "b");
    }
}
