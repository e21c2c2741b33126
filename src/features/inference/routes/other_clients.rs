//! Predictions for clients of other addresses: lists for a user, for items that they must resemble, or for both.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use serde_json::Value;

use super::{Answered, admitted, note};
use crate::features::api_keys::KnownKey;
use crate::features::inference::answer::Options;
use crate::features::inference::bodies::{ANCHOR_WEIGHT, Leads, ListOptions, PersonalOptions};
use crate::features::inference::listed::List;
use crate::features::inference::service::{Inference, SlotAnswer};
use crate::platform::http::ApiResult;

/// Authenticates the key of a request, checks its scope and its rate limit for requests of this kind, and returns it with the body.
/// The body is read only after the key is accepted.
pub async fn admit_client(
    request: &HttpRequest,
    inference: &Inference,
    kind: &'static str,
    body: web::Payload,
) -> ApiResult<(Arc<KnownKey>, Value)> {
    admitted(request, inference, kind, "", body).await
}

/// Returns ids of items with their scores, best first, to a caller who may use the project. The list is not logged.
pub async fn suggest(
    inference: &Inference,
    project: i64,
    user: Option<String>,
    anchors: Vec<String>,
    most: usize,
) -> ApiResult<Vec<(String, f32)>> {
    Ok(scored(&inference.try_out(project, user.as_deref(), options(anchors, most)).await?))
}

/// Returns the same to a program with a key of the project, whose lists are logged and counted like other predictions.
pub async fn suggest_to(
    inference: &Inference,
    (caller, kind): (Arc<KnownKey>, &'static str),
    project: i64,
    user: Option<String>,
    anchors: Vec<String>,
    most: usize,
) -> ApiResult<Vec<(String, f32)>> {
    let asked = inference.for_project(Arc::clone(&caller), project, user.clone(), options(anchors, most));
    let SlotAnswer { request_id, slot, strategy, items } = asked.await?;
    let (model, slot, strategy, user) = (slot.trained_model_id, Some(slot.id), Some(strategy), user.as_deref());
    note(inference, &caller, &Answered { kind, request_id, model, slot, user, strategy, items: &items });
    Ok(scored(&items))
}

fn options(anchor_items: Vec<String>, cutoff: usize) -> Options {
    Options {
        leads: Leads { user_features: None, anchor_items, anchor_weight: ANCHOR_WEIGHT },
        personal: PersonalOptions { exclude_seen: true, explain: false },
        list: ListOptions { cutoff, ..ListOptions::default() },
        ..Options::default()
    }
}

fn scored(list: &List) -> Vec<(String, f32)> {
    list.scored().map(|(id, score)| (id.to_owned(), score)).collect()
}
