DROP INDEX source_runs_alone;

DROP INDEX deliveries_retraining_run_id;
UPDATE deliveries SET cause = 'schedule' WHERE cause = 'retraining';
ALTER TABLE deliveries DROP CONSTRAINT deliveries_cause_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_cause_check CHECK (cause IN ('manual', 'schedule'));
ALTER TABLE deliveries DROP COLUMN retraining_run_id;

ALTER TABLE destinations DROP COLUMN after_retraining;
