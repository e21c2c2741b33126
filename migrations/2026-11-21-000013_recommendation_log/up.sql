-- The share of a project's lists that are logged; null logs all of them while a shadow slot is active, and none otherwise.
ALTER TABLE projects ADD COLUMN logged_share DOUBLE PRECISION CHECK (logged_share BETWEEN 0 AND 1);
CREATE TRIGGER announced_logging AFTER UPDATE OF logged_share ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();

-- The lists that were answered, and beside them those that shadow slots would have answered, under the same request. What
-- became of them are the events of that request. Partitioned by month, as those are.
CREATE TABLE recommendation_log (
    request_id         UUID    NOT NULL,
    project_id         BIGINT  NOT NULL REFERENCES projects ON DELETE CASCADE,
    deployment_slot_id BIGINT  NOT NULL REFERENCES deployment_slots ON DELETE CASCADE,
    -- No reference: a slot that gets another model keeps what the first one said.
    trained_model_id   BIGINT  NOT NULL,
    is_shadow          BOOLEAN NOT NULL,
    -- Null when the request named nobody.
    user_id            TEXT,
    -- The head of the list, best first.
    items              TEXT[]  NOT NULL,
    -- How the list came about; null where a shadow had none.
    strategy           TEXT,
    -- With which probability the request went to this slot, by the weights of that moment; null for a shadow.
    propensity         DOUBLE PRECISION CHECK (propensity > 0 AND propensity <= 1),
    -- With which probability each item would have been shown in its place, whichever slot had answered; null where nobody
    -- looked what the other slots would have answered.
    item_propensities  DOUBLE PRECISION[],
    timestamp          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request_id, deployment_slot_id, timestamp)
) PARTITION BY RANGE (timestamp);
CREATE INDEX recommendation_log_slot ON recommendation_log (deployment_slot_id, timestamp);
CREATE INDEX recommendation_log_project ON recommendation_log (project_id, timestamp);
CREATE TABLE recommendation_log_default PARTITION OF recommendation_log DEFAULT;

CALL guard_rows('recommendation_log', 'project_id IN (SELECT id FROM projects)');
