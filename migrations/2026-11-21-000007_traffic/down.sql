DROP TRIGGER announced ON users;
DROP TRIGGER announced ON api_keys;
DROP TRIGGER announced ON trained_models;
DROP TABLE retraining_runs, retraining_schedules, conversion_event_keys, conversion_events,
    slot_changes, ab_tests, deployment_slots;
DROP FUNCTION make_month_partition, announce_serving_change;
