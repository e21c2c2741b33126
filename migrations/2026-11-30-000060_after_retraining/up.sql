-- Lists that are delivered when retraining has put a model into use, and the retraining run that a delivery followed.
ALTER TABLE destinations ADD COLUMN after_retraining BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE deliveries ADD COLUMN retraining_run_id BIGINT REFERENCES retraining_runs ON DELETE SET NULL;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_cause_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_cause_check CHECK (cause IN ('manual', 'schedule', 'retraining'));
CREATE INDEX deliveries_retraining_run_id ON deliveries (retraining_run_id);

-- Runs are listed with what they belong to, newest first.
CREATE INDEX source_runs_alone ON source_runs (project_id, ins_datetime DESC) WHERE retraining_run_id IS NULL;
