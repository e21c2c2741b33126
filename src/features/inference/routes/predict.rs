//! Predictions by a model that the caller names.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answered, admitted, note, written};
use crate::features::api_keys::KnownKey;
use crate::features::inference::answer::{Options, Strategy};
use crate::features::inference::bodies::{Asker, Batch, BatchBody, LARGEST_BATCH, PredictBody};
use crate::features::inference::error::InferenceError;
use crate::features::inference::faults::Faults;
use crate::features::inference::input;
use crate::features::inference::listed::{List, ListedItem};
use crate::features::inference::service::Inference;
use crate::platform::http::{ApiResult, RequestOf};

pub type PredictRequest = RequestOf<PredictBody>;
type BatchRequest = RequestOf<BatchBody>;

/// Bytes of an answer besides its list.
pub const BYTES_BESIDE_LIST: usize = 192;

/// The best items for one user.
#[derive(Serialize, ToSchema)]
pub struct Prediction {
    #[schema(value_type = Vec<ListedItem>)]
    items: List,
    model_id: i64,
    request_id: uuid::Uuid,
    /// The strategy of the list; absent if there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
}

impl Prediction {
    /// Creates a prediction with a new request id.
    pub fn new(model_id: i64, (strategy, items): (Option<Strategy>, List)) -> Self {
        Self { items, model_id, request_id: uuid::Uuid::new_v4(), strategy }
    }

    /// Counts it, and passes it on to those who are told of the answers to an app.
    pub fn noted(self, inference: &Inference, caller: &KnownKey, kind: &'static str, user: Option<&str>) -> Self {
        let Self { ref items, model_id, request_id, strategy } = self;
        note(inference, caller, &Answered { kind, request_id, model: model_id, slot: None, user, strategy, items });
        self
    }

    /// Returns the answer with this prediction.
    pub fn written(&self, request: &HttpRequest) -> ApiResult<HttpResponse> {
        written(request, self, self.bytes())
    }

    fn bytes(&self) -> usize {
        BYTES_BESIDE_LIST + self.items.bytes()
    }
}

/// The best items for many users, in the order of the request.
#[derive(Serialize, ToSchema)]
pub struct Predictions {
    results: Vec<Prediction>,
}

/// Returns the best items for a user that they have not interacted with yet. For an unknown user, returns items from the
/// interactions sent along and from their profile, or popular items by the weights of the project, unless the project is set to
/// answer 404.
#[utoipa::path(post, path = "/inference/predict/{model_id}", tag = "inference", operation_id = "create_prediction",
    params(("model_id" = i64, Path)), request_body = inline(PredictRequest),
    responses((status = 200, body = inline(Prediction)), (status = 401, description = "The key is missing or invalid"),
        (status = 403, description = "The key lacks the scope, or belongs to another project"),
        (status = 404, description = "No such model, or it does not know this user and the project is set to say so"),
        (status = 422, description = "The body is invalid"), (status = 503, description = "The model's file is missing or damaged")))]
pub async fn one(request: HttpRequest, inference: web::Data<Inference>, body: web::Payload) -> ApiResult<HttpResponse> {
    let (caller, body) = admitted(&request, &inference, "predict", "model_id", body).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let (Asker { user_id, interactions }, (leads, options)) = input::read::<PredictBody>(&body, faults)?;
    let options = Options { leads, ..Options::of(interactions, options) };
    let answer = inference.for_one(&caller, id, user_id.as_deref(), options).await?;
    Prediction::new(id, answer).noted(&inference, &caller, "predict", user_id.as_deref()).written(&request)
}

/// Returns the best items for at most 100 users. If the project is set to answer 404 for unknown users, these get no items.
#[utoipa::path(post, path = "/inference/predict/{model_id}/batch", tag = "inference", operation_id = "create_prediction_batch",
    params(("model_id" = i64, Path)), request_body = inline(BatchRequest),
    responses((status = 200, body = inline(Predictions)), (status = 400, description = "Too many users"),
        (status = 422, description = "The body is invalid")))]
pub async fn batch(request: HttpRequest, inference: web::Data<Inference>, body: web::Payload) -> ApiResult<HttpResponse> {
    let (caller, body) = admitted(&request, &inference, "batch", "model_id", body).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let (Batch { user_ids }, options) = input::read::<BatchBody>(&body, faults)?;
    if user_ids.len() > LARGEST_BATCH {
        return Err(InferenceError::BatchTooLarge(LARGEST_BATCH).into());
    }
    // Of an app, others are told who the lists are for.
    let told = if caller.traffic.is_some() { user_ids.clone() } else { Vec::new() };
    let answers = inference.for_many(&caller, id, user_ids, Options::of(Vec::new(), options)).await?;
    let mut told = told.iter().map(String::as_str);
    let noted = |answer| Prediction::new(id, answer).noted(&inference, &caller, "batch", told.next());
    let results: Vec<Prediction> = answers.into_iter().map(noted).collect();
    let bytes = results.iter().map(Prediction::bytes).sum();
    written(&request, &Predictions { results }, bytes)
}
