DROP INDEX jobs_to_claim;
DROP INDEX jobs_of_lane_last_claim;
DROP INDEX jobs_of_organisation_last_claim;
ALTER TABLE jobs DROP COLUMN organisation_key;
CREATE INDEX jobs_of_lane_last_claim ON jobs (tenant_key, lane_key, last_claim) WHERE last_claim IS NOT NULL;
CREATE INDEX jobs_to_claim ON jobs (tenant_key, lane_key, priority DESC, id) WHERE state IN ('available', 'retryable');
