//! SQL of events.

pub mod expiry;
pub mod recorded;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::model::{ConversionEvent, EventFields, EventType};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::visible_projects;
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::schema::{conversion_event_keys, conversion_events, deployment_slots, projects};

/// The name of the table, which is partitioned by month.
pub const EVENTS: &str = "conversion_events";

impl Guarded for ConversionEvent {
    load_of_project!(conversion_events);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        let here = filters.id_is("project", self.fields.project_id)?
            && filters.id_is("deployment_slot", self.fields.deployment_slot_id)?;
        Ok(here && filters.choice_is("event_type", self.fields.event_type))
    }
}

/// The conditions of a list.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub project: Option<i64>,
    pub slot: Option<i64>,
    pub event_type: Option<EventType>,
}

/// Returns one page of the events that a caller may see, newest first. The projects are listed rather than joined, so that each
/// page is read from the newest end of an index, however many events there are.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &EventFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<ConversionEvent>)> {
    let visible: Vec<i64> = visible_projects(principal, filter.project).load(connection).await?;
    let query = || {
        let mut query = conversion_events::table.into_boxed();
        match visible.as_slice() {
            [only] => query = query.filter(conversion_events::project_id.eq(*only)),
            several => query = query.filter(conversion_events::project_id.eq_any(several.to_vec())),
        }
        if let Some(slot) = filter.slot {
            query = query.filter(conversion_events::deployment_slot_id.eq(slot));
        }
        if let Some(event_type) = filter.event_type {
            query = query.filter(conversion_events::event_type.eq(event_type));
        }
        query
    };
    let rows =
        query().order((conversion_events::timestamp.desc(), conversion_events::id.desc())).select(ConversionEvent::as_select());
    paginate(connection, page, query().count(), rows).await
}

/// Returns the owner of each slot that exists.
pub async fn owners_of_slots(connection: &mut AsyncPgConnection, slots: &[i64]) -> QueryResult<Vec<(i64, Ownership)>> {
    let found: Vec<(i64, i64, i64)> = deployment_slots::table
        .inner_join(projects::table)
        .filter(deployment_slots::id.eq_any(slots))
        .select((deployment_slots::id, projects::id, projects::organisation_id))
        .load(connection)
        .await?;
    let owner = |(slot, project, organisation_id)| (slot, Ownership { organisation_id, project_id: Some(project) });
    Ok(found.into_iter().map(owner).collect())
}

/// A statement has at most 65,535 parameters, so the rows are sent as one array per column. An event with a client's id is stored
/// only by the first statement that claims the id; the claim and the event become visible together.
///
/// The transaction gets its number before the events get theirs: a reader that waits for all running transactions to end has then
/// seen every id that was assigned, even while this one waits for a claim.
const INSERT: &str = "
    WITH sent AS (
        SELECT nextval('conversion_events_id_seq') AS id, given.*
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::jsonb[])
            WITH ORDINALITY AS given (project_id, deployment_slot_id, user_id, item_id, event_type, request_id, client_id,
                metadata, place)
        WHERE pg_current_xact_id() IS NOT NULL
    ), claimed AS (
        INSERT INTO conversion_event_keys (project_id, client_event_id, deployment_slot_id, event_id, timestamp)
        SELECT project_id, client_id, deployment_slot_id, id, $9
        FROM sent WHERE client_id IS NOT NULL ORDER BY project_id, client_id, place
        ON CONFLICT DO NOTHING
        RETURNING event_id
    ), stored AS (
        INSERT INTO conversion_events (id, project_id, deployment_slot_id, user_id, item_id, event_type,
            recommendation_request_id, client_event_id, timestamp, metadata_json)
        SELECT id, project_id, deployment_slot_id, user_id, item_id, event_type, request_id, client_id, $9, metadata
        FROM sent WHERE client_id IS NULL OR id IN (SELECT event_id FROM claimed)
        ORDER BY place
        RETURNING id
    )
    SELECT id, place FROM sent JOIN stored USING (id)";

/// An event that was stored.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct NewEvent {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    place: i64,
}

impl NewEvent {
    /// Returns its index among the events that were sent, from 0.
    pub fn place(&self) -> usize {
        usize::try_from(self.place - 1).unwrap_or(usize::MAX)
    }
}

/// Stores events with one statement and returns the new ones.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    events: Vec<EventFields>,
    at: DateTime<Utc>,
) -> QueryResult<Vec<NewEvent>> {
    let projects: Vec<i64> = events.iter().map(|event| event.project_id).collect();
    let slots: Vec<i64> = events.iter().map(|event| event.deployment_slot_id).collect();
    let requests: Vec<Option<Uuid>> = events.iter().map(|event| event.recommendation_request_id).collect();
    let (mut users, mut items, mut types, mut clients, mut metadata) = (vec![], vec![], vec![], vec![], vec![]);
    for event in events {
        users.push(event.user_id);
        items.push(event.item_id);
        types.push(event.event_type);
        clients.push(event.client_event_id);
        metadata.push(event.metadata_json);
    }
    diesel::sql_query(INSERT)
        .bind::<Array<BigInt>, _>(projects)
        .bind::<Array<BigInt>, _>(slots)
        .bind::<Array<Text>, _>(users)
        .bind::<Array<Text>, _>(items)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Nullable<diesel::sql_types::Uuid>>, _>(requests)
        .bind::<Array<Nullable<Text>>, _>(clients)
        .bind::<Array<Jsonb>, Vec<Value>>(metadata)
        .bind::<Timestamptz, _>(at)
        .load(connection)
        .await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ConversionEvent>> {
    conversion_events::table
        .filter(conversion_events::id.eq(id))
        .select(ConversionEvent::as_select())
        .first(connection)
        .await
        .optional()
}

/// Returns the event with a client's id.
pub async fn find_by_client_id(
    connection: &mut AsyncPgConnection,
    project: i64,
    client_id: &str,
) -> QueryResult<Option<ConversionEvent>> {
    let key: Option<i64> = conversion_event_keys::table
        .find((project, client_id))
        .select(conversion_event_keys::event_id)
        .first(connection)
        .await
        .optional()?;
    match key {
        Some(id) => find(connection, id).await,
        None => Ok(None),
    }
}

pub async fn update(connection: &mut AsyncPgConnection, id: i64, fields: EventFields) -> QueryResult<ConversionEvent> {
    diesel::update(conversion_events::table.filter(conversion_events::id.eq(id)))
        .set(fields)
        .returning(ConversionEvent::as_returning())
        .get_result(connection)
        .await
}

/// Deletes an event. Its client's id stays taken: a late repetition of an event that was deleted on purpose is not a new event.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(conversion_events::table.filter(conversion_events::id.eq(id))).execute(connection).await?;
    Ok(())
}

/// The counts of one slot: distinct recommendation requests, plus the events without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName, Serialize, Deserialize)]
pub struct SlotCounts {
    #[diesel(sql_type = BigInt)]
    pub slot: i64,
    #[diesel(sql_type = BigInt)]
    pub impressions: i64,
    #[diesel(sql_type = BigInt)]
    pub clicks: i64,
    #[diesel(sql_type = BigInt)]
    pub purchases: i64,
    /// Distinct users with an impression.
    #[diesel(sql_type = BigInt)]
    pub users: i64,
    /// Requests with an impression and a click.
    #[diesel(sql_type = BigInt)]
    pub attributed_clicks: i64,
    /// Requests with an impression and a purchase.
    #[diesel(sql_type = BigInt)]
    pub attributed_purchases: i64,
    /// Requests with an impression and a click or a purchase.
    #[diesel(sql_type = BigInt)]
    pub attributed: i64,
}

/// Events of a type are counted once per recommendation request, however often a list is shown, clicked or reported again; events
/// without a request are counted one by one. A click or purchase is attributed if the same slot reported an impression of the
/// list.
const COUNT: &str = "
    WITH chosen AS (
        SELECT deployment_slot_id AS slot, recommendation_request_id AS request, event_type AS type, user_id
        FROM conversion_events
        WHERE project_id = $1 AND deployment_slot_id = ANY ($2)
            AND timestamp >= coalesce($3, '-infinity') AND timestamp <= coalesce($4, 'infinity')
    ), requests AS (
        SELECT slot, request, bool_or(type = 'impression') AS shown, bool_or(type = 'click') AS clicked,
            bool_or(type = 'purchase') AS bought
        FROM chosen WHERE request IS NOT NULL GROUP BY slot, request
    ), listed AS (
        SELECT slot, count(*) FILTER (WHERE shown) AS impressions, count(*) FILTER (WHERE clicked) AS clicks,
            count(*) FILTER (WHERE bought) AS purchases, count(*) FILTER (WHERE shown AND clicked) AS attributed_clicks,
            count(*) FILTER (WHERE shown AND bought) AS attributed_purchases,
            count(*) FILTER (WHERE shown AND (clicked OR bought)) AS attributed
        FROM requests GROUP BY slot
    ), loose AS (
        SELECT slot, count(*) FILTER (WHERE type = 'impression' AND request IS NULL) AS impressions,
            count(*) FILTER (WHERE type = 'click' AND request IS NULL) AS clicks,
            count(*) FILTER (WHERE type = 'purchase' AND request IS NULL) AS purchases,
            count(DISTINCT user_id) FILTER (WHERE type = 'impression') AS users
        FROM chosen GROUP BY slot
    )
    SELECT slot, loose.impressions + coalesce(listed.impressions, 0) AS impressions,
        loose.clicks + coalesce(listed.clicks, 0) AS clicks, loose.purchases + coalesce(listed.purchases, 0) AS purchases,
        users, coalesce(attributed_clicks, 0) AS attributed_clicks,
        coalesce(attributed_purchases, 0) AS attributed_purchases, coalesce(attributed, 0) AS attributed
    FROM loose LEFT JOIN listed USING (slot)";

/// Counts the events of some slots of a project within a period whose ends may be open. A slot without events has no entry.
pub async fn counts(
    connection: &mut AsyncPgConnection,
    project: i64,
    slots: &[i64],
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> QueryResult<Vec<SlotCounts>> {
    diesel::sql_query(COUNT)
        .bind::<BigInt, _>(project)
        .bind::<Array<BigInt>, _>(slots)
        .bind::<Nullable<Timestamptz>, _>(from)
        .bind::<Nullable<Timestamptz>, _>(to)
        .load(connection)
        .await
}
