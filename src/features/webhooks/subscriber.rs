//! Turns what happened into notifications and messages.

use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::content;
use super::model::{NewMessage, NewNotification};
use super::store::{endpoints, messages, notifications};
use crate::features::projects::Topic;
use crate::platform::outbox::Event;
use crate::platform::services::Services;

/// Tells people and the endpoints of a project what happened there. A subscriber of the outbox: it runs in the transaction that
/// deletes the event.
pub fn tell<'a>(
    services: &'a Services,
    connection: &'a mut AsyncPgConnection,
    event: &'a Event,
) -> BoxFuture<'a, anyhow::Result<()>> {
    told(services, connection, event).boxed()
}

async fn told(services: &Services, connection: &mut AsyncPgConnection, event: &Event) -> anyhow::Result<()> {
    let (Some(project), Ok(topic)) = (event.project_id, event.topic.parse::<Topic>()) else {
        tracing::debug!(topic = event.topic, "an event is of no concern to people and other programs");
        return Ok(());
    };
    let link_path = content::link_path(topic, project, &event.payload);
    let notification = NewNotification {
        project_id: project,
        topic,
        data: event.payload.clone(),
        link_path: link_path.clone(),
        occurred_at: event.occurred_at,
    };
    // The project may have been deleted meanwhile.
    if !notifications::insert(connection, notification).await? {
        return Ok(());
    }
    let endpoints = endpoints::active_of_project(connection, project).await?;
    let concerned: Vec<i64> = endpoints.iter().filter(|one| one.wants(topic)).map(|one| one.id).collect();
    if concerned.is_empty() {
        return Ok(());
    }
    let data = with_link(event.payload.clone(), services.settings.public_url.as_deref(), link_path.as_deref());
    let (body, now) = (content::body_of(topic, event.occurred_at, &data)?, services.clock.now());
    let message = |endpoint_id| NewMessage {
        id: content::id_at(now),
        endpoint_id,
        topic,
        body: body.clone(),
        due_at: now,
        ins_datetime: now,
    };
    let rows: Vec<NewMessage> = concerned.into_iter().map(message).collect();
    Ok(messages::insert(connection, &rows).await?)
}

/// Returns the data of a message with the address of the page that shows more, where the address of this server is known.
fn with_link(mut data: Value, public_url: Option<&str>, path: Option<&str>) -> Value {
    if let (Some(base), Some(path), Some(fields)) = (public_url, path, data.as_object_mut()) {
        fields.insert("link".to_owned(), format!("{}{path}", base.trim_end_matches('/')).into());
    }
    data
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_needs_the_address_of_the_server() {
        let data = || json!({ "model": 7 });
        let linked = with_link(data(), Some("https://recotem.example/"), Some("/projects/1/models/7"));
        assert_eq!(linked["link"], "https://recotem.example/projects/1/models/7");
        assert_eq!(with_link(data(), None, Some("/projects/1/models/7")), data());
        assert_eq!(with_link(data(), Some("https://recotem.example"), None), data());
    }
}
