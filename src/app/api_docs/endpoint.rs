//! The server's own use of the document: which addresses exist, with which verbs, and who may use them.

use std::sync::LazyLock;

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use crate::app::policy::{Allowance, Policy, policy_of};

static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(|| endpoints(|path| !super::is_beside(path)));
/// The addresses of AiREC.
static OF_AIREC: LazyLock<Vec<Endpoint>> = LazyLock::new(|| endpoints(|path| path.starts_with(super::AIREC)));
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// One address of the management API, below its base.
pub struct Endpoint {
    segments: Vec<Segment>,
    /// The verbs that it supports, in the order of the header `Allow`.
    methods: Vec<(Method, Policy)>,
    /// Whether it has a format parameter of its own.
    picks_format: bool,
    name: String,
    description: String,
    /// The fields that a write accepts, by method.
    actions: Map<String, Value>,
}

enum Segment {
    Literal(String),
    Parameter(String),
}

/// The endpoint of a request to the management API, and its policy.
#[derive(Clone, Copy)]
pub struct Asked {
    pub endpoint: &'static Endpoint,
    pub policy: Policy,
}

/// Finds the endpoint of a path below the base, with its slash at the end.
pub fn find(below: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|endpoint| endpoint.matches(below))
}

/// Finds the endpoint of a path of AiREC, with a slash at the end.
pub fn find_of_airec(path: &str) -> Option<&'static Endpoint> {
    OF_AIREC.iter().find(|endpoint| endpoint.matches(path))
}

/// Returns the names of all collections: one word that can be listed and has rows.
pub fn collections() -> Vec<&'static str> {
    let names = ENDPOINTS.iter().filter_map(|endpoint| endpoint.collection());
    names.filter(|name| find(&format!("/{name}/1/")).is_some()).collect()
}

/// Returns the endpoints of some paths, those without parameters first, so that a literal wins over a parameter.
fn endpoints(is_wanted: impl Fn(&str) -> bool) -> Vec<Endpoint> {
    let super::Document(document) = super::document("");
    let paths = document["paths"].as_object().into_iter().flatten();
    let ours = paths.filter(|(path, _)| is_wanted(path));
    let mut endpoints: Vec<Endpoint> = ours.map(|(path, item)| Endpoint::read(path, item, &document)).collect();
    endpoints.sort_by_key(|endpoint| endpoint.segments.iter().filter(|segment| matches!(segment, Segment::Parameter(_))).count());
    endpoints
}

impl Endpoint {
    fn read(path: &str, item: &Value, document: &Value) -> Self {
        let operation = |method: &Method| item.get(method.as_str().to_lowercase());
        let methods: Vec<Method> = METHODS.into_iter().filter(|method| operation(method).is_some()).collect();
        let first = methods.first().and_then(operation).unwrap_or(&Value::Null);
        let writes = methods.iter().filter(|method| matches!(**method, Method::POST | Method::PUT));
        let actions = writes.filter_map(|method| Some((method.to_string(), fields(operation(method)?, document)?)));
        let text = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
        Self {
            segments: path.split('/').filter(|segment| !segment.is_empty()).map(Segment::read).collect(),
            picks_format: first["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "format")),
            name: text("operationId").replace('_', " "),
            description: text("summary"),
            actions: actions.collect(),
            methods: methods
                .into_iter()
                .map(|method| (method.clone(), policy_of(&method, path).unwrap_or(Policy::STRICT)))
                .collect(),
        }
    }

    /// Returns whether a path below the base, with its slash at the end, is this address.
    pub fn matches(&self, below: &str) -> bool {
        let Some(inner) = below.strip_prefix('/') else { return false };
        let sent = inner.strip_suffix('/').map_or_else(Vec::new, |inner| inner.split('/').collect());
        let fits = |(segment, sent): (&Segment, &&str)| match segment {
            Segment::Literal(literal) => literal == sent,
            Segment::Parameter(_) => !sent.is_empty(),
        };
        inner.is_empty() == self.segments.is_empty()
            && sent.len() == self.segments.len()
            && self.segments.iter().zip(&sent).all(fits)
    }

    /// Returns whether `.json` at its end names a format; at the end of a text it belongs to the text.
    pub fn takes_suffix(&self) -> bool {
        match self.segments.last() {
            Some(Segment::Parameter(name)) => name == "id" || name.ends_with("_id"),
            Some(Segment::Literal(_)) => true,
            None => false,
        }
    }

    /// Returns whether responses have this format; an address with a parameter of that name checks it itself.
    pub fn knows_format(&self, format: &str) -> bool {
        let is_schema = matches!(self.segments.as_slice(), [Segment::Literal(name)] if name == "schema");
        match is_schema {
            true => matches!(format, "json" | "yaml" | "openapi" | "openapi-json"),
            false => self.picks_format || format == "json",
        }
    }

    /// Returns whether the address supports a verb; HEAD goes with GET, and OPTIONS always.
    pub fn allows(&self, method: &Method) -> bool {
        match *method {
            Method::OPTIONS => true,
            Method::HEAD => self.allows(&Method::GET),
            _ => self.methods.iter().any(|(one, _)| one == method),
        }
    }

    /// Returns the policy of a request with this verb. OPTIONS is as public as the address.
    pub fn policy(&self, method: &Method) -> Policy {
        let of = |method: &Method| self.methods.iter().find(|(one, _)| one == method).map(|(_, policy)| *policy);
        match *method {
            Method::HEAD => of(&Method::GET),
            Method::OPTIONS => self.methods.first().map(|(_, first)| Policy { allowance: Allowance::General, ..*first }),
            _ => of(method),
        }
        .unwrap_or(Policy::STRICT)
    }

    /// Returns its address as the document writes it, below the base.
    #[cfg(test)]
    pub fn template(&self) -> String {
        let words = self.segments.iter().map(|segment| match segment {
            Segment::Literal(word) => format!("{word}/"),
            Segment::Parameter(name) => format!("{{{name}}}/"),
        });
        format!("/{}", words.collect::<String>())
    }

    /// Returns the value of the header `Allow`.
    pub fn allow(&self) -> String {
        let head = self.allows(&Method::HEAD).then_some(Method::HEAD);
        let all = self.methods.iter().map(|(method, _)| method.clone()).chain(head).chain([Method::OPTIONS]);
        all.map(|method| method.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Returns the name of a collection: one word that can be listed.
    pub fn collection(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [Segment::Literal(name)] if self.allows(&Method::GET) => Some(name),
            _ => None,
        }
    }

    /// Returns the response to OPTIONS.
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({
            "name": self.name,
            "description": self.description,
            "renders": ["application/json"],
            "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        });
        if !self.actions.is_empty() {
            metadata["actions"] = Value::Object(self.actions.clone());
        }
        metadata
    }
}

impl Segment {
    fn read(text: &str) -> Self {
        let parameter = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        parameter.map_or_else(|| Self::Literal(text.to_owned()), |name| Self::Parameter(name.to_owned()))
    }
}

/// Returns the fields of a request body in the shape of 1.x's metadata.
fn fields(operation: &Value, document: &Value) -> Option<Value> {
    let content = operation["requestBody"]["content"].as_object()?;
    let schema = super::schemas::resolved(&content.values().next()?["schema"], document);
    let required = schema["required"].as_array();
    let describe = |(name, field): (&String, &Value)| {
        let is_required = required.is_some_and(|names| names.iter().any(|one| one.as_str() == Some(name)));
        let label = name.replace('_', " ");
        (name.clone(), json!({ "type": kind(field), "required": is_required, "read_only": false, "label": label }))
    };
    Some(Value::Object(schema["properties"].as_object()?.iter().map(describe).collect()))
}

fn kind(field: &Value) -> &str {
    let named = match &field["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        one => one.as_str(),
    };
    match named {
        Some("number") => "float",
        Some("array") => "list",
        Some("object") | None => "field",
        Some(name) => name,
    }
}
