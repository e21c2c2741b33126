//! Next items for a session of an anonymous user, by a model that the caller names.

use actix_web::{HttpRequest, HttpResponse, web};

use super::admitted;
use super::predict::Prediction;
use crate::features::inference::answer::Options;
use crate::features::inference::bodies::{NextBody, Session};
use crate::features::inference::faults::Faults;
use crate::features::inference::input;
use crate::features::inference::service::Inference;
use crate::platform::http::{ApiResult, RequestOf};

type NextRequest = RequestOf<NextBody>;

/// Returns the items to show next. A session model compares the session with others (`session`), any other model folds the items
/// in, regardless of their order (`fold_in`). If it knows none of them, returns popular items.
#[utoipa::path(post, path = "/inference/next/{model_id}", tag = "inference", operation_id = "create_next_items",
    params(("model_id" = i64, Path)), request_body = inline(NextRequest),
    responses((status = 200, body = inline(Prediction)), (status = 401, description = "The key is missing or invalid"),
        (status = 403, description = "The key lacks the scope, or belongs to another project"),
        (status = 404, description = "No such model"), (status = 422, description = "The body is invalid"),
        (status = 503, description = "The model's file is missing or damaged")))]
pub async fn one(request: HttpRequest, inference: web::Data<Inference>, body: web::Payload) -> ApiResult<HttpResponse> {
    let (caller, body) = admitted(&request, &inference, "next", "model_id", body).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let (Session { session }, options) = input::read::<NextBody>(&body, faults)?;
    let answer = inference.for_one(&caller, id, None, Options::of(session, options)).await?;
    Prediction::new(id, answer).noted(&inference, &caller, "next", None).written(&request)
}
