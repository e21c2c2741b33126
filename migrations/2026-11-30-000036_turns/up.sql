-- The organisations of a tenant take turns, too, and within each its lanes (projects). See crates/platform/src/queue/claimer.rs.
ALTER TABLE jobs ADD COLUMN organisation_key text NOT NULL DEFAULT '';

DROP INDEX jobs_of_lane_last_claim;
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_of_organisation_last_claim ON jobs (tenant_key, organisation_key, last_claim) WHERE last_claim IS NOT NULL;
CREATE INDEX jobs_of_lane_last_claim ON jobs (tenant_key, organisation_key, lane_key, last_claim) WHERE last_claim IS NOT NULL;
CREATE INDEX jobs_to_claim ON jobs (tenant_key, organisation_key, lane_key, priority DESC, id)
    WHERE state IN ('available', 'retryable');

-- Jobs that wait or run belong to the organisation of their project.
SELECT set_config('recotem.organisations', '*', true);
UPDATE jobs
SET organisation_key = 'organisation:' || projects.organisation_id
FROM projects
WHERE jobs.lane_key = 'project:' || projects.id AND jobs.finished_at IS NULL;
