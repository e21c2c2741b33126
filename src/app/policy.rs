//! The policy of each operation: who may use it, which limit it counts against, and whether it goes on while the disk is nearly
//! full. One line for each operation of the API document, by its address and verb; authentication, throttling, the watch over the
//! disk and the document itself all read this table.

use actix_web::http::Method;

/// The limit that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// None: health checks and log-outs of many users behind one address must not use up the limit that they share. A log-out
    /// never fails.
    Unlimited,
    /// Renewals: by session, since many users may share an address; counted where the token is read.
    Renewals,
    /// Operations in which a secret could be guessed or an account created: by address, until the caller is logged in.
    LogIn,
    /// Operations that run a model or read many rows: by user.
    Recommendation,
    /// Reported events, of which there may be thousands a second: by user, each event of a batch.
    Events,
    /// Predictions: by API key, address and model or project; counted where the key is looked up.
    Predictions,
    /// Everything else: by user, or by address where there is none.
    General,
}

/// The policy of an operation, applied before its handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether it answers all callers in the same way. Credentials are ignored here.
    pub is_public: bool,
    pub allowance: Allowance,
    /// Whether it goes on while the disk is nearly full, though it is not a read or a deletion by its verb.
    pub goes_on: bool,
}

impl Policy {
    /// Pages for people that belong to the API document.
    pub const PAGE: Self = open(Allowance::Unlimited);
    /// The default policy: the caller is identified and counted.
    pub const STRICT: Self = closed(Allowance::General);

    /// Returns whether the operation reports events, whose API keys are looked up like those of predictions.
    pub fn reports_events(self) -> bool {
        self.allowance == Allowance::Events
    }

    /// Returns whether it accepts a body from unauthenticated callers.
    pub fn takes_bodies_of_strangers(self) -> bool {
        self.is_public || self.allowance == Allowance::LogIn
    }

    /// Returns whether a request with this verb is refused while the disk is nearly full: it would add to what is stored.
    pub fn takes_disk(self, method: &Method) -> bool {
        !self.goes_on && matches!(*method, Method::POST | Method::PUT | Method::PATCH)
    }

    /// Returns the same policy for an operation that goes on while the disk is nearly full: it stores nothing, or little that is
    /// needed to get in and make room, or it ends work or access, or it answers a full disk in its own words.
    const fn on_full_disk(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// Returns whether a request can be refused because the caller sent too many.
    pub fn is_limited(self) -> bool {
        self.allowance != Allowance::Unlimited
    }
}

const fn open(allowance: Allowance) -> Policy {
    Policy { is_public: true, allowance, goes_on: false }
}

const fn closed(allowance: Allowance) -> Policy {
    Policy { is_public: false, allowance, goes_on: false }
}

const LIST: &str = "GET POST";
const ONE: &str = "GET PUT PATCH DELETE";
const GET: &str = "GET";
const POST: &str = "POST";
const DELETE: &str = "DELETE";

const ANYBODY: Policy = open(Allowance::General);
const UNCOUNTED: Policy = open(Allowance::Unlimited);
const GUESSES: Policy = open(Allowance::LogIn);
const RENEWS: Policy = open(Allowance::Renewals);
const MEMBERS: Policy = Policy::STRICT;
const DEAR: Policy = closed(Allowance::Recommendation);
const REPORTS: Policy = closed(Allowance::Events).on_full_disk();
const PREDICTS: Policy = closed(Allowance::Predictions).on_full_disk();

/// Address below the base (of predictions and of the addresses of AiREC, the whole one), verbs, policy.
const TABLE: &[(&str, &str, Policy)] = &[
    ("/", GET, MEMBERS),
    ("/ab_test/", LIST, MEMBERS),
    ("/ab_test/{id}/", ONE, MEMBERS),
    ("/ab_test/{id}/promote_winner/", POST, MEMBERS),
    ("/ab_test/{id}/results/", GET, MEMBERS),
    ("/ab_test/{id}/start/", POST, MEMBERS),
    ("/ab_test/{id}/stop/", POST, MEMBERS.on_full_disk()),
    ("/algorithms/", GET, MEMBERS),
    ("/api_keys/", LIST, MEMBERS),
    ("/api_keys/{id}/", ONE, MEMBERS),
    ("/api_keys/{id}/revoke/", POST, MEMBERS.on_full_disk()),
    ("/app/", LIST, MEMBERS),
    ("/app/{id}/", ONE, MEMBERS),
    ("/app/{id}/new_key/", POST, MEMBERS.on_full_disk()),
    ("/app/{id}/usage/", GET, MEMBERS),
    ("/audit_log/", GET, MEMBERS),
    ("/audit_log/export/", GET, DEAR),
    ("/auth/login/", POST, GUESSES.on_full_disk()),
    ("/auth/logout/", POST, UNCOUNTED.on_full_disk()),
    ("/auth/options/", GET, ANYBODY),
    ("/auth/password/change/", POST, MEMBERS.on_full_disk()),
    ("/auth/password/reset/", POST, GUESSES),
    ("/auth/password/reset/confirm/", POST, GUESSES),
    ("/auth/sessions/", GET, MEMBERS),
    ("/auth/sessions/{id}/", DELETE, MEMBERS),
    ("/auth/sign_up/", POST, GUESSES),
    ("/auth/token/refresh/", POST, RENEWS.on_full_disk()),
    ("/auth/token/verify/", POST, ANYBODY.on_full_disk()),
    ("/auth/user/", "GET PUT PATCH", MEMBERS),
    ("/conversion_event/", GET, MEMBERS),
    ("/conversion_event/", POST, REPORTS),
    ("/conversion_event/batch/", POST, REPORTS),
    ("/conversion_event/daily_counts/", GET, DEAR),
    ("/conversion_event/{id}/", ONE, MEMBERS),
    ("/data_connection/", LIST, MEMBERS),
    ("/data_connection/{id}/", ONE, MEMBERS),
    ("/data_connection/{id}/browse/", GET, DEAR),
    ("/data_connection/{id}/sample/", GET, DEAR),
    ("/data_connection/{id}/test/", POST, DEAR.on_full_disk()),
    ("/data_source/", LIST, MEMBERS),
    ("/data_source/{id}/", ONE, MEMBERS),
    ("/data_source/{id}/backfill/", POST, MEMBERS),
    ("/data_source/{id}/dry_run/", POST, DEAR),
    ("/data_source/{id}/preview/", POST, DEAR.on_full_disk()),
    ("/data_source/{id}/reset/", POST, MEMBERS),
    ("/data_source/{id}/run/", POST, MEMBERS),
    ("/delivery/", GET, MEMBERS),
    ("/delivery/{id}/", GET, MEMBERS),
    ("/delivery/{id}/cancel/", POST, MEMBERS.on_full_disk()),
    ("/delivery/{id}/download/", GET, MEMBERS),
    ("/delivery/{id}/retry/", POST, MEMBERS),
    ("/deployment_slot/", LIST, MEMBERS),
    ("/deployment_slot/{id}/", ONE, MEMBERS),
    ("/deployment_slot/{id}/comparison/", GET, DEAR),
    ("/destination/", LIST, MEMBERS),
    ("/destination/{id}/", ONE, MEMBERS),
    ("/destination/{id}/run/", POST, MEMBERS),
    ("/evaluation_config/", LIST, MEMBERS),
    ("/evaluation_config/{id}/", ONE, MEMBERS),
    ("/feature_measurements/", LIST, MEMBERS),
    ("/feature_measurements/{id}/", "GET DELETE", MEMBERS),
    ("/feature_sets/", LIST, MEMBERS),
    ("/feature_sets/columns/", GET, DEAR),
    ("/feature_sets/preview/", POST, DEAR.on_full_disk()),
    ("/feature_sets/{id}/", "GET PATCH DELETE", MEMBERS),
    ("/invitation/accept/", POST, closed(Allowance::LogIn)),
    ("/invitation/look_up/", POST, GUESSES.on_full_disk()),
    ("/item/", "PUT", MEMBERS),
    ("/item/{item}/", "GET PUT DELETE", MEMBERS),
    ("/item_meta_data/", LIST, MEMBERS),
    ("/item_meta_data/{id}/", ONE, MEMBERS),
    ("/item_meta_data/{id}/download_file/", GET, MEMBERS),
    ("/item_meta_data/{id}/preview/", GET, MEMBERS),
    ("/item_meta_data/{id}/unlink_file/", DELETE, MEMBERS),
    ("/model_configuration/", LIST, MEMBERS),
    ("/model_configuration/{id}/", ONE, MEMBERS),
    ("/notification/", GET, MEMBERS),
    ("/notification/mark_read/", POST, MEMBERS.on_full_disk()),
    ("/organisation/", LIST, MEMBERS),
    ("/organisation/{id}/", "GET PATCH DELETE", MEMBERS),
    ("/organisation/{id}/invitations/", LIST, MEMBERS),
    ("/organisation/{id}/invitations/{invitation_id}/", DELETE, MEMBERS),
    ("/organisation/{id}/members/", GET, MEMBERS),
    ("/organisation/{id}/members/{user_id}/", "PATCH DELETE", MEMBERS),
    ("/parameter_tuning_job/", LIST, MEMBERS),
    ("/parameter_tuning_job/{id}/", ONE, MEMBERS),
    ("/parameter_tuning_job/{id}/cancel/", POST, MEMBERS.on_full_disk()),
    ("/parameter_tuning_job/{id}/trials/", GET, MEMBERS),
    ("/ping/", GET, UNCOUNTED),
    ("/pipeline_run/", GET, MEMBERS),
    ("/project/", LIST, MEMBERS),
    ("/project/{id}/", ONE, MEMBERS),
    ("/project/{id}/items/", GET, MEMBERS),
    ("/project/{id}/users/", GET, MEMBERS),
    ("/project_summary/{id}/", GET, MEMBERS),
    ("/retraining_run/", GET, MEMBERS),
    ("/retraining_run/{id}/", GET, MEMBERS),
    ("/retraining_schedule/", LIST, MEMBERS),
    ("/retraining_schedule/{id}/", ONE, MEMBERS),
    ("/retraining_schedule/{id}/trigger/", POST, MEMBERS),
    ("/schema/", GET, ANYBODY),
    ("/slot_change/", GET, MEMBERS),
    ("/slot_change/{id}/", GET, MEMBERS),
    ("/slot_change/{id}/revert/", POST, MEMBERS.on_full_disk()),
    ("/source_run/", GET, MEMBERS),
    ("/source_run/{id}/", GET, MEMBERS),
    ("/source_run/{id}/accept/", POST, MEMBERS),
    ("/source_run/{id}/cancel/", POST, MEMBERS.on_full_disk()),
    ("/source_run/{id}/discard/", POST, MEMBERS.on_full_disk()),
    ("/source_run/{id}/retry/", POST, MEMBERS),
    ("/split_config/", LIST, MEMBERS),
    ("/split_config/{id}/", ONE, MEMBERS),
    ("/studio/", LIST, MEMBERS),
    ("/studio/guess/", POST, DEAR),
    ("/studio/{id}/", GET, MEMBERS),
    ("/studio/{id}/cancel/", POST, MEMBERS.on_full_disk()),
    ("/studio/{id}/demo_key/", POST, MEMBERS),
    ("/task_log/", GET, MEMBERS),
    ("/task_log/{id}/", GET, MEMBERS),
    ("/trained_model/", LIST, MEMBERS),
    ("/trained_model/{id}/", ONE, MEMBERS),
    ("/trained_model/{id}/download_file/", GET, MEMBERS),
    ("/trained_model/{id}/off_policy/", GET, DEAR),
    ("/trained_model/{id}/recommend_using_profile_interaction/", POST, DEAR.on_full_disk()),
    ("/trained_model/{id}/recommendation/", GET, DEAR),
    ("/trained_model/{id}/sample_recommendation_metadata/{metadata_id}/", GET, DEAR),
    ("/trained_model/{id}/sample_recommendation_raw/", GET, DEAR),
    ("/trained_model/{id}/similar/", GET, DEAR),
    ("/trained_model/{id}/unlink_file/", DELETE, MEMBERS),
    ("/training_data/", LIST, MEMBERS),
    ("/training_data/{id}/", ONE, MEMBERS),
    ("/training_data/{id}/download_file/", GET, MEMBERS),
    ("/training_data/{id}/preview/", GET, MEMBERS),
    ("/training_data/{id}/rejected_rows/", GET, MEMBERS),
    ("/training_data/{id}/unlink_file/", DELETE, MEMBERS),
    ("/user_meta_data/", LIST, MEMBERS),
    ("/user_meta_data/{id}/", ONE, MEMBERS),
    ("/user_meta_data/{id}/download_file/", GET, MEMBERS),
    ("/user_meta_data/{id}/preview/", GET, MEMBERS),
    ("/user_meta_data/{id}/unlink_file/", DELETE, MEMBERS),
    ("/users/", LIST, MEMBERS),
    ("/users/change_password/", POST, MEMBERS),
    ("/users/{id}/", "GET PATCH", MEMBERS),
    ("/users/{id}/activate/", POST, MEMBERS),
    ("/users/{id}/deactivate/", POST, MEMBERS.on_full_disk()),
    ("/users/{id}/password_reset_link/", POST, MEMBERS),
    ("/users/{id}/reset_password/", POST, MEMBERS.on_full_disk()),
    ("/webhook_endpoint/", LIST, MEMBERS),
    ("/webhook_endpoint/{id}/", ONE, MEMBERS),
    ("/webhook_endpoint/{id}/messages/", GET, MEMBERS),
    ("/webhook_endpoint/{id}/messages/{message_id}/", GET, MEMBERS),
    ("/webhook_endpoint/{id}/messages/{message_id}/retry/", POST, MEMBERS),
    ("/webhook_endpoint/{id}/replay/", POST, DEAR),
    ("/webhook_endpoint/{id}/rotate_secret/", POST, MEMBERS.on_full_disk()),
    ("/webhook_endpoint/{id}/test/", POST, MEMBERS),
    ("/airec/api/apps", GET, MEMBERS),
    ("/airec/api/apps/register", POST, MEMBERS),
    ("/airec/api/apps/usage", GET, MEMBERS),
    ("/airec/api/recommend", POST, PREDICTS),
    ("/airec/create-project", POST, MEMBERS),
    ("/airec/login", POST, GUESSES.on_full_disk()),
    ("/airec/project/{id}/items", GET, MEMBERS),
    ("/airec/project/{id}/recommendations", GET, DEAR),
    ("/airec/project/{id}/status", GET, MEMBERS),
    ("/airec/project/{id}/users", GET, MEMBERS),
    ("/airec/projects", GET, MEMBERS),
    ("/airec/signup", POST, GUESSES),
    ("/inference/health", GET, UNCOUNTED),
    ("/inference/models", GET, UNCOUNTED),
    ("/inference/next/{model_id}", POST, PREDICTS),
    ("/inference/predict/project/{project_id}", POST, PREDICTS),
    ("/inference/predict/{model_id}", POST, PREDICTS),
    ("/inference/predict/{model_id}/batch", POST, PREDICTS),
    ("/inference/ready", GET, UNCOUNTED),
    ("/inference/related/{model_id}", POST, PREDICTS),
];

/// Returns the policy of an operation, by its address as the API document writes it below the base; `None` when the table has no
/// line for it.
pub fn policy_of(method: &Method, template: &str) -> Option<Policy> {
    let holds = |(path, methods, _): &&(&str, &str, Policy)| {
        *path == template && methods.split(' ').any(|one| one.eq_ignore_ascii_case(method.as_str()))
    };
    TABLE.iter().find(holds).map(|(_, _, policy)| *policy)
}

/// Returns every address and verb that the table has a line for.
#[cfg(test)]
pub fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().flat_map(|(path, methods, _)| methods.split(' ').map(|method| (*path, method)))
}
