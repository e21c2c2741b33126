UPDATE retraining_runs SET cause = 'schedule' WHERE cause = 'source';
ALTER TABLE retraining_runs DROP CONSTRAINT retraining_runs_cause_check;
ALTER TABLE retraining_runs ADD CONSTRAINT retraining_runs_cause_check CHECK (cause IN ('manual', 'schedule'));
ALTER TABLE item_meta_data DROP COLUMN standing;
ALTER TABLE item_meta_data DROP COLUMN origin;
ALTER TABLE training_data DROP COLUMN standing;
ALTER TABLE training_data DROP COLUMN origin;
DROP TABLE source_runs;
DROP POLICY tenant ON data_connections;
CREATE POLICY tenant ON data_connections USING (
    (visible_organisations() IS NULL OR organisation_id = ANY (visible_organisations())) AND visible_project() IS NULL);
DROP TABLE data_sources;
