-- The group of jobs whose end a waiting job is woken by, before its time.
ALTER TABLE jobs ADD COLUMN waits_for_group TEXT;
CREATE INDEX jobs_waits_for_group ON jobs (waits_for_group) WHERE waits_for_group IS NOT NULL;
