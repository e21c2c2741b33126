ALTER TABLE trials DROP COLUMN lost_before, DROP COLUMN lost_workers;
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (priority DESC, id) WHERE state IN ('available', 'retryable');
ALTER TABLE jobs DROP COLUMN lost_workers, DROP COLUMN last_claim, DROP COLUMN lane_key, DROP COLUMN tenant_key;
DROP SEQUENCE job_claims;
