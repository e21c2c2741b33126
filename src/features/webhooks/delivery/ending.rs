//! When an endpoint is switched off, and who is told.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use serde_json::json;

use super::super::model::{DisabledReason, ErrorCode, Target, Waiting};
use super::super::store::lanes::Health;
use super::super::store::{endpoints, lanes};
use super::attempt::Outcome;
use crate::features::projects::{self, Topic};
use crate::platform::mail::{self, Letter};
use crate::platform::services::Services;

/// How long all deliveries have to fail, and of how many messages, before an endpoint is switched off.
const PATIENCE: TimeDelta = TimeDelta::days(5);
const FEWEST_MESSAGES: i64 = 20;

/// Returns why an endpoint has to be switched off after attempts; `None` if it does not.
pub fn of(health: &Health, made: &[(Waiting, Outcome)], now: DateTime<Utc>) -> Option<DisabledReason> {
    if made.iter().any(|(_, outcome)| outcome.error_code == Some(ErrorCode::Gone)) {
        return Some(DisabledReason::Gone);
    }
    let is_hopeless = health.failing_since.is_some_and(|since| now - since >= PATIENCE);
    (is_hopeless && health.failed_messages >= FEWEST_MESSAGES).then_some(DisabledReason::Failing)
}

/// Switches an endpoint off, and tells the owners of its project.
pub async fn switch_off(services: &Services, target: &Target, reason: DisabledReason) -> anyhow::Result<()> {
    let (now, id, project) = (services.clock.now(), target.id, target.project_id);
    let data = json!({ "project": project, "endpoint": id, "url": target.url, "reason": reason.wire() });
    let mut connection = services.db.conn().await?;
    let is_new = connection
        .transaction(async move |connection| {
            let is_new = endpoints::disable(connection, id, reason, now).await?;
            if is_new {
                projects::record(connection, project, Topic::WebhookDisabled, data).await?;
            }
            Ok::<_, diesel::result::Error>(is_new)
        })
        .await?;
    tracing::warn!(endpoint = id, reason = reason.wire(), "a webhook endpoint was switched off");
    if !is_new || !services.settings.sends_mail() {
        return Ok(());
    }
    let (name, owners) = lanes::owners_of(&mut connection, project).await?;
    for to in owners.into_iter().collect::<BTreeSet<_>>() {
        mail::post(services.settings.clone(), letter(services, to, &name, target, reason));
    }
    Ok(())
}

fn letter(services: &Services, to: String, project: &str, target: &Target, reason: DisabledReason) -> Letter {
    let why = match reason {
        DisabledReason::Gone => "It answered 410, which means that it wants no more messages.",
        DisabledReason::Failing | DisabledReason::User => "For five days every delivery to it has failed.",
    };
    let base = services.settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let link = format!("{base}/projects/{}/integrations", target.project_id);
    let text = format!(
        "A webhook endpoint of the project \"{project}\" was switched off:\n\n{}\n\n{why}\n\nMessages that wait for it are kept for \
         30 days. Switch it on again here:\n\n{link}\n",
        target.url
    );
    Letter { to, subject: format!("Recotem: a webhook endpoint of \"{project}\" was switched off"), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(days: i64, failed_messages: i64) -> (Health, DateTime<Utc>) {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let health = Health {
            failures_in_row: 9,
            failing_since: Some(now - TimeDelta::days(days)),
            failed_messages,
            last_attempt_at: None,
            last_status_code: None,
            last_error_code: None,
        };
        (health, now)
    }

    #[test]
    fn an_endpoint_is_switched_off_after_five_days_and_twenty_messages() {
        for (days, messages, wanted) in [(5, 20, Some(DisabledReason::Failing)), (5, 19, None), (4, 1_000, None)] {
            let (health, now) = health(days, messages);
            assert_eq!(of(&health, &[], now), wanted, "{days} days, {messages} messages");
        }
        let (mut works, now) = health(5, 20);
        works.failing_since = None;
        assert_eq!(of(&works, &[], now), None);
    }
}
