DROP POLICY tenant ON task_logs;
CREATE POLICY tenant ON task_logs USING (
    tuning_job_id IN (SELECT id FROM tuning_jobs) OR trained_model_id IN (SELECT id FROM trained_models));
DROP FUNCTION note_project_of_line CASCADE;
ALTER TABLE task_logs DROP COLUMN project_id;
