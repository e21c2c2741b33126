//! Items related to others, by a model that the caller names.

use actix_web::{HttpRequest, HttpResponse, web};

use super::admitted;
use super::predict::Prediction;
use crate::features::inference::answer::Options;
use crate::features::inference::bodies::{Group, RelatedBody};
use crate::features::inference::faults::Faults;
use crate::features::inference::input;
use crate::features::inference::service::Inference;
use crate::platform::http::{ApiResult, RequestOf};

type RelatedRequest = RequestOf<RelatedBody>;

/// Returns the items most similar to a group of items. If the model knows none of these, returns popular items.
#[utoipa::path(post, path = "/inference/related/{model_id}", tag = "inference", operation_id = "create_related_items",
    params(("model_id" = i64, Path)), request_body = inline(RelatedRequest),
    responses((status = 200, body = inline(Prediction)), (status = 401, description = "The key is missing or invalid"),
        (status = 403, description = "The key lacks the scope, or belongs to another project"),
        (status = 404, description = "No such model"), (status = 422, description = "The body is invalid"),
        (status = 503, description = "The model's file is missing or damaged")))]
pub async fn one(request: HttpRequest, inference: web::Data<Inference>, body: web::Payload) -> ApiResult<HttpResponse> {
    let (caller, body) = admitted(&request, &inference, "related", "model_id", body).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let (Group { item_ids }, list) = input::read::<RelatedBody>(&body, faults)?;
    let options = Options { list, ..Options::default() };
    let answer = inference.related(&caller, id, item_ids, options).await?;
    Prediction::new(id, answer).noted(&inference, &caller, "related", None).written(&request)
}
