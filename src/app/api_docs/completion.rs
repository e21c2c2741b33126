//! Facts about all routes, written once: who may use them, the errors of each kind of route, ranges of the common parameters, an
//! example for every body.
//!
//! 405 is left out on purpose: an operation in the document never returns it, any other verb does.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::examples;
use super::schemas::{of_errors, reference, resolved};
use crate::app::policy::{Policy, policy_of};

/// Descriptions of the tags, in the order in which a newcomer meets them.
const TAGS: &[(&str, &str)] = &[
    ("auth", "Logging in and out, tokens, one's own account."),
    ("users", "People who can log in."),
    ("organisation", "People who share projects, and their roles."),
    ("invitation", "Invitations to an organisation."),
    ("project", "A project names the columns of its data and holds everything below it."),
    ("studio", "From files to an endpoint in one call."),
    ("api_keys", "Keys for programs; each belongs to one project."),
    ("training_data", "Files of interactions."),
    ("item_meta_data", "Files that describe items."),
    ("user_meta_data", "Files that describe users."),
    ("feature_sets", "What the columns of item metadata mean, in versions."),
    ("feature_measurements", "How much each field of a feature set is worth for new items."),
    ("data_connection", "How to reach the servers of an organisation."),
    ("data_source", "Tables of other servers that a project reads by itself."),
    ("source_run", "The runs of sources."),
    ("split_config", "How data is split for an evaluation."),
    ("evaluation_config", "What an evaluation measures."),
    ("model_configuration", "An algorithm with its parameters."),
    ("parameter_tuning_job", "Searches for the best algorithm and parameters."),
    ("task_log", "Log lines of background jobs."),
    ("trained_model", "Trained models, and previews of what they recommend."),
    ("deployment_slot", "Which model answers which share of the predictions."),
    ("ab_test", "Comparing two slots on real visitors."),
    ("conversion_event", "What visitors did with recommendations."),
    ("retraining_schedule", "Retraining on a schedule."),
    ("retraining_run", "The runs of schedules."),
    ("destination", "The lists of all users or items, delivered on request or by the clock."),
    ("pipeline", "What happens from new rows to delivered lists, stage by stage."),
    ("app", "Other programs that use the predictions of a project, and how much."),
    ("webhook_endpoint", "Addresses that are told what happens in a project."),
    ("notification", "What happened in the projects of the caller."),
    ("audit_log", "Who changed what."),
    ("airec", "Addresses for clients of AiREC, where the setting `compat.airec` is on."),
    ("inference", "Predictions for programs, with the error shapes of 1.x's inference service."),
    ("meta", "About the API itself."),
];

/// Why an operation may be refused for now, by the `code` of its 503.
const FOR_NOW: &str = "`temporarily_unavailable` (the database or file store cannot be reached), `busy` (too much is being \
    computed or read), `too_long` (the answer took too long), `too_many_answers` (too many large answers have not been read)";

/// Completes the document as the slices describe it.
pub fn complete(mut document: Value) -> Value {
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    let schemas = document["components"]["schemas"].take();
    let mut schemas = schemas.as_object().cloned().unwrap_or_default();
    schemas.extend(of_errors());
    let mut paths = document["paths"].take();
    for (path, item) in paths.as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            Operation { path, method, value: operation, schemas: &mut schemas }.complete();
        }
    }
    document["tags"] = tags_in(&paths);
    document["components"]["schemas"] = Value::Object(schemas);
    add_examples(&mut paths, &document);
    document["paths"] = paths;
    document
}

fn operations(paths: &mut Value) -> impl Iterator<Item = &mut Value> {
    paths.as_object_mut().into_iter().flatten().flat_map(|(_, item)| item.as_object_mut().into_iter().flatten()).map(|one| one.1)
}

fn tags_in(paths: &Value) -> Value {
    let items = paths.as_object().into_iter().flatten().flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let used: Vec<&str> =
        items.flat_map(|(_, operation)| operation["tags"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect();
    let described = TAGS.iter().filter(|(tag, _)| used.contains(tag));
    described.map(|(name, description)| json!({ "name": name, "description": description })).collect()
}

struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    value: &'a mut Value,
    schemas: &'a mut Map<String, Value>,
}

impl Operation<'_> {
    fn complete(&mut self) {
        let public = self.policy().is_public;
        let inference = self.path.starts_with("/inference/");
        self.value["security"] = match (public, inference) {
            (true, _) => json!([]),
            (false, true) => json!([{ "api_key": [] }]),
            (false, false) => json!([{ "bearer": [] }, { "cookie": [] }, { "api_key": [] }]),
        };
        self.refine_parameters();
        self.add_errors_of_body();
        self.add_error_of_disk();
        if inference {
            self.add_inference_errors(public);
        } else {
            self.share_body();
            self.add_errors(public);
        }
        self.describe_bodies(inference);
    }

    /// Returns the path below any base.
    fn below(&self) -> &str {
        self.path.strip_prefix("/api/v1").unwrap_or(self.path)
    }

    fn verb(&self) -> Method {
        Method::from_bytes(self.method.to_uppercase().as_bytes()).unwrap_or_default()
    }

    fn policy(&self) -> Policy {
        policy_of(&self.verb(), self.below()).unwrap_or(Policy::STRICT)
    }

    fn has_parameter(&self, place: &str) -> bool {
        self.value["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == place))
    }

    fn has_query(&self, name: &str) -> bool {
        self.value["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "query" && one["name"] == name))
    }

    fn refine_parameters(&mut self) {
        for parameter in self.value.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let (name, place) = (parameter["name"].as_str().unwrap_or_default(), parameter["in"].as_str().unwrap_or_default());
            match (place, name) {
                ("query", "page") => {
                    parameter["schema"] =
                        json!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "enum": ["last"] }] });
                    parameter["description"] = json!("Page number, from 1, or `last`. A page that does not exist is a 404.");
                }
                ("query", "page_size") => {
                    parameter["schema"] = json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 });
                    parameter["description"] = json!("Rows on a page. More than 100 count as 100.");
                }
                ("path", _) if parameter["schema"]["type"] == "integer" => parameter["schema"]["minimum"] = json!(1),
                _ => {}
            }
        }
    }

    /// Gives the schema of the body a name of its own, and offers it to every parser. A partial change requires no field.
    fn share_body(&mut self) {
        let Some(content) = self.value.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) else { return };
        let Some(json_body) = content.get_mut("application/json") else { return };
        let mut schema = json_body["schema"].take();
        if self.method == "patch" || schema.get("$ref").is_none() {
            let document = json!({ "components": { "schemas": self.schemas } });
            let mut own = resolved(&schema, &document).clone();
            if self.method == "patch"
                && let Some(fields) = own.as_object_mut()
            {
                fields.remove("required");
            }
            let name = format!("{}Request", pascal(self.value["operationId"].as_str().unwrap_or_default()));
            schema = reference(&name);
            self.schemas.insert(name, own);
        }
        let body = json!({ "schema": schema });
        let parsers = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
        let all: Map<String, Value> = parsers.iter().map(|parser| ((*parser).to_owned(), body.clone())).collect();
        self.value["requestBody"]["content"] = Value::Object(all);
    }

    fn add_errors(&mut self, public: bool) {
        let has_body = !self.value["requestBody"].is_null();
        if has_body || self.has_parameter("query") {
            self.add("400", "A field or parameter is wrong, or the body cannot be read");
        }
        if !public {
            self.add("401", "No credentials, or invalid ones");
            self.add("403", "The role or the scope of the key is too low");
        }
        if self.has_parameter("path") {
            self.add("404", "Not there, or not yours");
        } else if self.has_query("page") {
            self.add("404", "There is no such page");
        }
        if has_body {
            self.add("415", "The media type of the body is not supported");
        }
        if self.policy().is_limited() {
            self.add("429", "Too many requests; wait for the seconds in Retry-After");
        }
        if self.below() != "/ping/" {
            self.add_refusals_for_now();
        }
    }

    /// Adds the errors of a body that does not arrive, or that there is no room for.
    fn add_errors_of_body(&mut self) {
        if self.value["requestBody"].is_null() {
            return;
        }
        self.add("408", "The body arrives too slowly (`body_too_slow`), or the server is stopping (`server_ending`)");
        self.add("413", "The body is too large");
        if self.is_upload() {
            self.add("507", "There is no room for the file; `code` says where, such as on the disk (`disk_full`)");
        }
    }

    /// Adds the error of a change that a disk has no room for.
    fn add_error_of_disk(&mut self) {
        if self.policy().takes_disk(&self.verb()) {
            self.add("507", "The disk of the server is nearly full (`disk_full`)");
        }
    }

    /// Returns whether the body is a file, which is stored.
    fn is_upload(&self) -> bool {
        let parsers = self.value["requestBody"]["content"].as_object();
        parsers.is_some_and(|content| content.keys().all(|parser| parser == "multipart/form-data"))
    }

    /// Adds the reasons for which any operation may be refused for now to those that this operation names itself.
    fn add_refusals_for_now(&mut self) {
        let own = self.value["responses"]["503"]["description"].as_str().map(|own| format!("{own}; or ")).unwrap_or_default();
        let of_body = match (self.value["requestBody"].is_null(), self.is_upload()) {
            (true, _) => "",
            (false, true) => ", `no_room_for_uploads`, `not_enough_memory`, `out_of_memory`",
            (false, false) => ", `too_many_bodies` (too many large requests at once)",
        };
        self.value["responses"]["503"]["description"] = json!(format!("{own}{FOR_NOW}{of_body}"));
    }

    fn add_inference_errors(&mut self, public: bool) {
        if public {
            return;
        }
        self.add("400", "The batch is too large");
        self.add("401", "No key, or one that does not count");
        self.add("403", "The key lacks the scope, or is of another project");
        self.add("404", "No such model, or it does not know this user");
        self.add("409", "The model is not trained, or its file was removed");
        self.add("422", "The path or the body is wrong");
        self.add("429", "Too many requests of this key for this model or project");
        self.add_refusals_for_now();
    }

    fn add(&mut self, status: &str, description: &str) {
        let responses = &mut self.value["responses"];
        if responses.get(status).is_none() {
            responses[status] = json!({ "description": description });
        }
    }

    /// Describes the body of every response except empty ones.
    fn describe_bodies(&mut self, inference: bool) {
        let airec = self.path.starts_with("/airec/");
        for (status, response) in self.value.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            if status == "429" || status == "503" {
                response["headers"]["Retry-After"] =
                    json!({ "description": "Seconds to wait", "schema": { "type": "integer", "minimum": 1 } });
            }
            if response["description"].as_str().is_none_or(str::is_empty) {
                // The standard requires one.
                let done = if status == "201" { "Created" } else { "Done" };
                response["description"] = json!(done);
            }
            let described = response["content"].as_object().is_some_and(|content| !content.is_empty());
            if described || status == "204" {
                continue;
            }
            let schema = match (status.as_str(), inference) {
                ("200" | "201" | "202", _) => json!({ "type": "object" }),
                ("422", _) if !airec => reference("ValidationErrors"),
                ("429", true) => reference("RateLimited"),
                // AiREC answers faults by field with 422.
                ("400", false) | ("422", _) => reference("BadRequest"),
                ("401", _) => reference("Unauthorized"),
                ("404", _) => reference("NotFound"),
                ("409", _) => reference("Conflict"),
                _ => reference("Detail"),
            };
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
    }
}

fn pascal(name: &str) -> String {
    let capital = |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    name.split('_').map(capital).collect()
}

/// Adds an example to every request body and every successful response that has none.
fn add_examples(paths: &mut Value, document: &Value) {
    for operation in operations(paths) {
        let Value::Object(parts) = operation else { continue };
        for part in ["requestBody", "responses"] {
            let bodies: Vec<&mut Value> = match parts.get_mut(part) {
                Some(Value::Object(responses)) if part == "responses" => {
                    responses.iter_mut().filter(|(status, _)| status.starts_with('2')).map(|(_, response)| response).collect()
                }
                Some(body) if part == "requestBody" => vec![body],
                _ => continue,
            };
            for media in bodies.into_iter().filter_map(|body| body.get_mut("content")?.as_object_mut()).flatten() {
                add_example(media.1, document);
            }
        }
    }
}

fn add_example(media: &mut Value, document: &Value) {
    if media.get("schema").is_none_or(Value::is_null) {
        // A file, unchanged.
        media["schema"] = json!({ "type": "string", "format": "binary" });
    }
    if media.get("example").is_none() && media.get("examples").is_none() {
        let example = examples::of(&media["schema"], document);
        // Where any value may be, the example is an object.
        media["example"] = if example.is_null() { json!({}) } else { example };
    }
}
