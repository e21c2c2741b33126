//! Predictions by the models that a project has deployed.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::predict::{BYTES_BESIDE_LIST, PredictRequest};
use super::{Answered, admitted, note, written};
use crate::features::inference::answer::{Options, Strategy};
use crate::features::inference::bodies::{Asker, PredictBody};
use crate::features::inference::faults::Faults;
use crate::features::inference::input;
use crate::features::inference::limits::Target;
use crate::features::inference::listed::{List, ListedItem};
use crate::features::inference::service::{Inference, SlotAnswer};
use crate::platform::http::ApiResult;

/// The best items for one user, and the slot that answered.
#[derive(Serialize, ToSchema)]
pub struct SlotPrediction {
    #[schema(value_type = Vec<ListedItem>)]
    items: List,
    model_id: i64,
    slot_id: i64,
    slot_name: String,
    request_id: uuid::Uuid,
    strategy: Strategy,
}

/// Returns the best items for a user from one of the project's active slots: chosen by weight, and always the same for the same
/// user.
#[utoipa::path(post, path = "/inference/predict/project/{project_id}", tag = "inference", operation_id = "create_project_prediction",
    params(("project_id" = i64, Path)), request_body = inline(PredictRequest),
    responses((status = 200, body = inline(SlotPrediction)), (status = 401, description = "The key is missing or invalid"),
        (status = 403, description = "The key lacks the scope, or belongs to another project"),
        (status = 404, description = "No active slot, or an unknown user and the project is set to say so"),
        (status = 409, description = "All active slots have the weight 0, or the file of the model was removed"),
        (status = 422, description = "The body is invalid"), (status = 503, description = "The model's file is missing or damaged")))]
pub async fn one(request: HttpRequest, inference: web::Data<Inference>, body: web::Payload) -> ApiResult<HttpResponse> {
    let (caller, body) = admitted(&request, &inference, Target::OF_PROJECT, "project_id", body).await?;
    let mut faults = Faults::default();
    let project = input::path_id(&request, "project_id", &mut faults);
    let (Asker { user_id, interactions }, (leads, options)) = input::read::<PredictBody>(&body, faults)?;
    let options = Options { leads, ..Options::of(interactions, options) };
    let told = caller.traffic.is_some().then(|| (Arc::clone(&caller), user_id.clone()));
    let asked = inference.for_project(caller, project, user_id, options);
    let SlotAnswer { request_id, slot, strategy, items } = asked.await?;
    let (model_id, slot_id, slot_name) = (slot.trained_model_id, slot.id, slot.name);
    if let Some((caller, user)) = told {
        let (kind, user) = (Target::OF_PROJECT, user.as_deref());
        let (slot, strategy, items) = (Some(slot_id), Some(strategy), &items);
        note(&inference, &caller, &Answered { kind, request_id, model: model_id, slot, user, strategy, items });
    }
    let bytes = BYTES_BESIDE_LIST + slot_name.len() + items.bytes();
    written(&request, &SlotPrediction { items, model_id, slot_id, slot_name, request_id, strategy }, bytes)
}
