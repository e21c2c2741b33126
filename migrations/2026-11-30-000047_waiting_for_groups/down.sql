DROP INDEX jobs_waits_for_group;
ALTER TABLE jobs DROP COLUMN waits_for_group;
