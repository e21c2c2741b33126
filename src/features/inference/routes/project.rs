//! Predictions by whichever model a project has deployed.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::admitted;
use super::predict::PredictRequest;
use crate::features::inference::answer::Strategy;
use crate::features::inference::error::InferenceError;
use crate::features::inference::input::{self, Faults};
use crate::features::inference::limits::Target;
use crate::features::inference::listed::ListedItem;
use crate::features::inference::observer::Asked;
use crate::features::inference::service::Inference;
use crate::platform::http::ApiResult;

/// The best items for one user, and which slot they are from.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlotPrediction {
    items: Vec<ListedItem>,
    model_id: i64,
    slot_id: i64,
    slot_name: String,
    request_id: uuid::Uuid,
    strategy: Strategy,
}

/// The best items for a user from one of the project's active slots: by weight, and for the same user always the same one.
#[utoipa::path(post, path = "/inference/predict/project/{project_id}", tag = "inference", operation_id = "create_project_prediction",
    params(("project_id" = i64, Path)), request_body = inline(PredictRequest),
    responses((status = 200, body = inline(SlotPrediction)), (status = 401, description = "No key, or one that does not count"),
        (status = 403, description = "The key lacks the scope, or is of another project"),
        (status = 404, description = "No active slot, or an unknown user and the project is set to say so"),
        (status = 409, description = "All active slots have the weight 0, or the file of the model was removed"),
        (status = 422, description = "The body is wrong"), (status = 503, description = "The model's file is missing or damaged")))]
pub async fn one(
    request: HttpRequest,
    inference: web::Data<Inference>,
    body: web::Payload,
) -> ApiResult<web::Json<SlotPrediction>> {
    let (caller, body) = admitted(&request, &inference, Target::OF_PROJECT, "project_id", body).await?;
    let mut faults = Faults::default();
    let project = input::path_id(&request, "project_id", &mut faults);
    let (user, options) = input::whom(&body, &mut faults);
    faults.finish()?;
    if caller.principal.key_project() != Some(project) {
        return Err(InferenceError::OtherProject.into());
    }
    let serving = inference.directory.serving(project).await?;
    if serving.slots.is_empty() {
        return Err(InferenceError::NoSlot.into());
    }
    let request_id = uuid::Uuid::new_v4();
    let logged = serving.logs(request_id).then(|| (user.clone(), options.clone()));
    let slot = serving.assigner.slot(&serving.slots, user.as_deref()).ok_or(InferenceError::NoWeight)?;
    let model = inference.directory.model(&caller.principal, slot.trained_model_id).await?;
    let answer = inference.for_one(&model, user.clone(), options, &serving).await?;
    let (strategy, items) = answer.ok_or_else(|| InferenceError::UnknownUser(user.unwrap_or_default()))?;
    if let Some((user, options)) = logged {
        let asked = Asked { caller, serving: Arc::clone(&serving), request_id, project, user, options };
        inference.observer.observe(asked, slot, strategy, &items);
    }
    let (slot_id, slot_name) = (slot.id, slot.name.clone());
    Ok(web::Json(SlotPrediction { items, model_id: slot.trained_model_id, slot_id, slot_name, request_id, strategy }))
}
