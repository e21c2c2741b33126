-- The project of each line, so that a list of lines reads those of the caller's projects only.
SELECT set_config('recotem.organisations', '*', true);

-- No reference: a line goes with its job or model, and these with the project.
ALTER TABLE task_logs ADD COLUMN project_id BIGINT;
UPDATE task_logs l SET project_id = d.project_id
    FROM tuning_jobs j JOIN training_data d ON d.id = j.data_id WHERE j.id = l.tuning_job_id;
UPDATE task_logs l SET project_id = d.project_id
    FROM trained_models m JOIN training_data d ON d.id = m.data_id WHERE m.id = l.trained_model_id AND l.project_id IS NULL;
CREATE INDEX task_logs_project_id ON task_logs (project_id, id);

CREATE FUNCTION note_project_of_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.project_id := coalesce(
        (SELECT d.project_id FROM tuning_jobs j JOIN training_data d ON d.id = j.data_id WHERE j.id = NEW.tuning_job_id),
        (SELECT d.project_id FROM trained_models m JOIN training_data d ON d.id = m.data_id WHERE m.id = NEW.trained_model_id));
    RETURN NEW;
END
$$;
CREATE TRIGGER of_project BEFORE INSERT ON task_logs FOR EACH ROW EXECUTE FUNCTION note_project_of_line();

DROP POLICY tenant ON task_logs;
CREATE POLICY tenant ON task_logs USING (project_id IN (SELECT id FROM projects));
