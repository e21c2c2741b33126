//! Recommendations for a title, a user, or both.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::super::store;
use super::projects::ModelType;
use crate::features::accounts::{Access, Guarded, Viewer};
use crate::features::catalogue;
use crate::features::inference::{Inference, admit_client, suggest, suggest_to};
use crate::features::projects::Project;
use crate::platform::http::body::{Convert, Id, Integer, Nullable};
use crate::platform::http::{ApiError, ApiResult, Body, Filters, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

/// The kind of these requests, for limits and receivers.
const KIND: &str = "airec";

/// The largest number of items of a list, and the usual one.
const MOST: i32 = 1_000;
const USUAL: i32 = 10;

/// A recommended item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecRecommendation)]
pub struct Recommended {
    item_id: String,
    /// The id if the item has no title.
    item_title: String,
    /// Comparable within one list.
    score: f32,
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecRecommendations)]
pub struct Recommendations {
    recommendations: Vec<Recommended>,
}

/// What a list is for. Texts that are empty count as missing.
struct Wanted {
    title: Option<String>,
    user: Option<String>,
    most: usize,
}

/// A user, and the items that a list must resemble.
struct Leads {
    user: Option<String>,
    anchors: Vec<String>,
}

/// Returns what a project computes a list from: what its model was learnt from decides what counts.
async fn leads(services: &Services, project: &Project, wanted: &Wanted) -> ApiResult<Leads> {
    let run = store::of_project(&mut *services.db.conn().await?, project.id).await?;
    let kind = run.as_ref().map_or(ModelType::Hybrid, ModelType::of);
    let missing = |field: &str, of: &str| {
        ApiError::with_body(StatusCode::UNPROCESSABLE_ENTITY, json!({ field: [format!("{of} needs it.")] }))
    };
    let (title, user) = match (kind, &wanted.title, &wanted.user) {
        (ModelType::Content, None, _) => return Err(missing("item_title", "A project of the type CONTENT")),
        (ModelType::Content, title, _) => (title.as_deref(), None),
        (ModelType::Collaborative, _, None) => return Err(missing("user_id", "A project of the type COLLABORATIVE")),
        (ModelType::Collaborative, _, user) => (None, user.clone()),
        (ModelType::Hybrid, None, None) => return Err(missing("user_id", "A list without an item_title")),
        (ModelType::Hybrid, title, user) => (title.as_deref(), user.clone()),
    };
    let anchors = match title {
        Some(title) => vec![catalogue::item_titled(services, project, title).await?.map_err(|near| unknown_title(title, near))?],
        None => Vec::new(),
    };
    Ok(Leads { user, anchors })
}

fn unknown_title(title: &str, near: Vec<String>) -> ApiError {
    let shown: String = title.chars().take(100).collect();
    let hint = if near.is_empty() { "" } else { " `nearest` lists the titles most like it." };
    let detail = format!("No item has the title \"{shown}\".{hint}");
    ApiError::with_body(StatusCode::NOT_FOUND, json!({ "detail": detail, "code": "unknown_title", "nearest": near }))
}

async fn titled(services: &Services, project: &Project, list: Vec<(String, f32)>) -> ApiResult<web::Json<Recommendations>> {
    let ids: Vec<String> = list.iter().map(|(id, _)| id.clone()).collect();
    let titles = catalogue::titles_of(services, project, &ids).await?;
    let item = |((item_id, score), title): ((String, f32), Option<String>)| Recommended {
        item_title: title.unwrap_or_else(|| item_id.clone()),
        item_id,
        score,
    };
    Ok(web::Json(Recommendations { recommendations: list.into_iter().zip(titles).map(item).collect() }))
}

/// Returns items that go with a title, for a user, or both.
#[utoipa::path(get, path = "/airec/project/{id}/recommendations", tag = "airec", operation_id = "list_airec_project_recommendations",
    params(("id" = i64, Path), ("item_title" = Option<String>, Query, description = "Ignored by a project of the type COLLABORATIVE"),
        ("user_id" = Option<String>, Query, description = "Ignored by a project of the type CONTENT"),
        ("n" = Option<i32>, Query, description = "From 1 to 1000; 10 by default")),
    responses((status = 200, body = Recommendations), (status = 400, description = "A parameter is invalid"),
        (status = 404, description = "Not found, no access, nothing is deployed, or no item has the title: `nearest` has the titles most like it"),
        (status = 422, description = "A parameter is missing that projects of this type need")))]
pub async fn of_project(
    access: Access<Project, Viewer>,
    services: web::Data<Services>,
    inference: web::Data<Inference>,
    filters: Filters,
) -> ApiResult<web::Json<Recommendations>> {
    let project = access.object;
    let most = filters.bounded("n", 1..=MOST, USUAL)?.unsigned_abs() as usize;
    let wanted = Wanted { title: filters.text("item_title"), user: filters.text("user_id"), most };
    let Leads { user, anchors } = leads(&services, &project, &wanted).await?;
    let list = suggest(&inference, project.id, user, anchors, wanted.most).await?;
    titled(&services, &project, list).await
}

/// A text, or a number that stands for one.
struct IdText;

impl Convert for IdText {
    type Output = String;

    fn convert(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err("Send a text.".to_owned()),
        }
    }

    fn described(&self) -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).into()
    }
}

request_fields! {
    /// What a list is for.
    struct RecommendFields {
        project_id: i64 => Id,
        item_title: Option<String> = None => Nullable(IdText),
        user_id: Option<String> = None => Nullable(IdText),
        /// From 1 to 1000.
        n: i32 = USUAL => Integer(1..=MOST),
    }
}

type RecommendRequest = RequestOf<RecommendFields>;

/// Returns items that go with a title, for a user, or both, to an app with its key.
#[utoipa::path(post, path = "/airec/api/recommend", tag = "airec", operation_id = "create_airec_recommendation",
    request_body = inline(RecommendRequest),
    responses((status = 200, body = Recommendations), (status = 400, description = "A field is invalid"),
        (status = 401, description = "The key is missing or invalid"), (status = 403, description = "The key lacks the scope"),
        (status = 404, description = "Not found, the key belongs to another project, nothing is deployed, or no item has the title: \
            `nearest` has the titles most like it"),
        (status = 422, description = "A field is missing that projects of this type need")))]
pub async fn for_app(
    request: HttpRequest,
    services: web::Data<Services>,
    inference: web::Data<Inference>,
    body: web::Payload,
) -> ApiResult<web::Json<Recommendations>> {
    let (caller, body) = admit_client(&request, &inference, KIND, body).await?;
    let body = body.as_object().cloned().ok_or_else(|| ApiError::bad_request("Send a JSON object."))?;
    let mut fields = Body::of(body).reader();
    let RecommendFields { project_id, item_title, user_id, n } = RecommendFields::read(&mut fields, Write::Create);
    fields.finish()?;
    if caller.principal.key_project() != Some(project_id) {
        return Err(ApiError::not_found());
    }
    let mut connection = services.db.conn().await?;
    let (project, _) = <Project as Guarded>::load(&mut connection, project_id).await?.ok_or_else(ApiError::not_found)?;
    drop(connection);
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let wanted = Wanted { title: text(item_title), user: text(user_id), most: n.unsigned_abs() as usize };
    let Leads { user, anchors } = leads(&services, &project, &wanted).await?;
    let list = suggest_to(&inference, (caller, KIND), project.id, user, anchors, wanted.most).await?;
    titled(&services, &project, list).await
}
