-- Whose turn it is: tenants take turns, and within a tenant its lanes (projects). See crates/platform/src/queue/claimer.rs.
ALTER TABLE jobs
    ADD COLUMN tenant_key text NOT NULL DEFAULT '',
    ADD COLUMN lane_key text NOT NULL DEFAULT '',
    -- the number of its last claim, counted over all jobs: who was served last
    ADD COLUMN last_claim bigint,
    -- workers that died while they ran it
    ADD COLUMN lost_workers integer NOT NULL DEFAULT 0;

CREATE SEQUENCE job_claims;
CREATE INDEX jobs_of_tenant_last_claim ON jobs (tenant_key, last_claim) WHERE last_claim IS NOT NULL;
CREATE INDEX jobs_of_lane_last_claim ON jobs (tenant_key, lane_key, last_claim) WHERE last_claim IS NOT NULL;

DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (tenant_key, lane_key, priority DESC, id) WHERE state IN ('available', 'retryable');

-- Workers that died while they ran a trial, and those its task had lost before.
ALTER TABLE trials
    ADD COLUMN lost_workers integer NOT NULL DEFAULT 0,
    ADD COLUMN lost_before integer NOT NULL DEFAULT 0;

-- Jobs that wait already take their turn among the others.
UPDATE jobs
SET tenant_key = 'organisation:' || projects.organisation_id, lane_key = 'project:' || projects.id
FROM projects
WHERE jobs.state IN ('available', 'retryable', 'running')
  AND projects.id = (
      SELECT training_data.project_id
      FROM training_data
      WHERE training_data.id = coalesce(
          (jobs.payload ->> 'training_data_id')::bigint,
          (SELECT data_id FROM tuning_jobs WHERE tuning_jobs.id = (jobs.payload ->> 'tuning_job_id')::bigint),
          (SELECT data_id FROM trained_models WHERE trained_models.id = (jobs.payload ->> 'trained_model_id')::bigint)));
