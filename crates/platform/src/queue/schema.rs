//! The queue's table.

diesel::table! {
    jobs (id) {
        id -> BigInt,
        task_id -> Uuid,
        kind -> Text,
        payload -> Jsonb,
        state -> Text,
        priority -> Integer,
        run_at -> Nullable<Timestamptz>,
        attempt -> Integer,
        max_attempts -> Integer,
        timeout_seconds -> BigInt,
        unique_key -> Nullable<Text>,
        group_key -> Nullable<Text>,
        cancel_requested -> Bool,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<Timestamptz>,
        heartbeat_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        errors -> Jsonb,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        tenant_key -> Text,
        organisation_key -> Text,
        lane_key -> Text,
        last_claim -> Nullable<BigInt>,
        lost_workers -> Integer,
        waits_for_group -> Nullable<Text>,
    }
}
