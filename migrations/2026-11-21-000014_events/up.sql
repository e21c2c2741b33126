-- New data for the next training ------------------------------------------------

-- What data was put together from: an array with checksum and rows of each part. Null for an upload.
ALTER TABLE training_data ADD COLUMN sources JSONB;

ALTER TABLE retraining_schedules
    -- The newest upload (or the one that is named), or all uploads of the project together.
    ADD COLUMN data_source TEXT  NOT NULL DEFAULT 'newest' CHECK (data_source IN ('newest', 'all')),
    -- Types of events that are learnt from as well, such as ["click", "purchase"].
    ADD COLUMN event_types JSONB NOT NULL DEFAULT '[]';

-- Events that are not kept for ever ---------------------------------------------

-- What is left of events that were removed for their age: how many there were of a type, by slot and day in UTC.
CREATE TABLE event_daily_counts (
    project_id         BIGINT NOT NULL REFERENCES projects ON DELETE CASCADE,
    deployment_slot_id BIGINT NOT NULL REFERENCES deployment_slots ON DELETE CASCADE,
    day                DATE   NOT NULL,
    event_type         TEXT   NOT NULL CHECK (event_type IN ('impression', 'click', 'purchase')),
    events             BIGINT NOT NULL,
    PRIMARY KEY (deployment_slot_id, day, event_type)
);
CREATE INDEX event_daily_counts_project ON event_daily_counts (project_id, day);
CALL guard_rows('event_daily_counts', 'project_id IN (SELECT id FROM projects)');

-- What was counted in both arms of a test, written down before its events go.
ALTER TABLE ab_tests ADD COLUMN kept_counts JSONB;
