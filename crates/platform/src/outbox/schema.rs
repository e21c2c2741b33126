//! The outbox's table.

diesel::table! {
    outbox (id) {
        id -> BigInt,
        topic -> Text,
        organisation_id -> Nullable<BigInt>,
        project_id -> Nullable<BigInt>,
        payload -> Jsonb,
        occurred_at -> Timestamptz,
        attempts -> Integer,
        due_at -> Timestamptz,
    }
}
