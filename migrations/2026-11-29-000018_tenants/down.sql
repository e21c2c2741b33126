SELECT set_config('recotem.organisations', '*', true);

ALTER TABLE tuning_jobs DROP COLUMN failed_tasks;

DROP POLICY tenant ON users;
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE users DISABLE ROW LEVEL SECURITY;

DROP POLICY tenant ON retraining_runs;
CREATE POLICY tenant ON retraining_runs USING (schedule_id IN (SELECT id FROM retraining_schedules));
DROP TRIGGER recorded ON retraining_runs;
CALL record_changes('retraining_runs', 'retraining_run',
    '(SELECT s.project_id FROM retraining_schedules s WHERE s.id = ($1 ->> ''schedule_id'')::bigint)');
DELETE FROM retraining_runs WHERE schedule_id NOT IN (SELECT id FROM retraining_schedules);
ALTER TABLE retraining_runs
    DROP COLUMN project_id,
    ADD CONSTRAINT retraining_runs_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES retraining_schedules ON DELETE CASCADE;

DROP TRIGGER drafts ON deployment_slots;
DROP FUNCTION forget_drafts;
DELETE FROM ab_tests WHERE control_slot_id NOT IN (SELECT id FROM deployment_slots)
    OR variant_slot_id NOT IN (SELECT id FROM deployment_slots);
DELETE FROM recommendation_log WHERE deployment_slot_id NOT IN (SELECT id FROM deployment_slots);
DELETE FROM event_daily_counts WHERE deployment_slot_id NOT IN (SELECT id FROM deployment_slots);
DELETE FROM conversion_event_keys WHERE deployment_slot_id NOT IN (SELECT id FROM deployment_slots);
DELETE FROM conversion_events WHERE deployment_slot_id NOT IN (SELECT id FROM deployment_slots);
ALTER TABLE ab_tests
    ADD CONSTRAINT ab_tests_control_slot_id_fkey FOREIGN KEY (control_slot_id) REFERENCES deployment_slots ON DELETE CASCADE,
    ADD CONSTRAINT ab_tests_variant_slot_id_fkey FOREIGN KEY (variant_slot_id) REFERENCES deployment_slots ON DELETE CASCADE,
    ADD CONSTRAINT ab_tests_winner_slot_id_fkey FOREIGN KEY (winner_slot_id) REFERENCES deployment_slots ON DELETE SET NULL;
ALTER TABLE recommendation_log ADD CONSTRAINT recommendation_log_deployment_slot_id_fkey
    FOREIGN KEY (deployment_slot_id) REFERENCES deployment_slots ON DELETE CASCADE;
ALTER TABLE event_daily_counts ADD CONSTRAINT event_daily_counts_deployment_slot_id_fkey
    FOREIGN KEY (deployment_slot_id) REFERENCES deployment_slots ON DELETE CASCADE;
ALTER TABLE conversion_event_keys ADD CONSTRAINT conversion_event_keys_deployment_slot_id_fkey
    FOREIGN KEY (deployment_slot_id) REFERENCES deployment_slots ON DELETE CASCADE;
ALTER TABLE conversion_events ADD CONSTRAINT conversion_events_deployment_slot_id_fkey
    FOREIGN KEY (deployment_slot_id) REFERENCES deployment_slots ON DELETE CASCADE;

ALTER TABLE retraining_schedules
    DROP CONSTRAINT retraining_schedules_split_config_id_fkey,
    DROP CONSTRAINT retraining_schedules_evaluation_config_id_fkey,
    ADD CONSTRAINT retraining_schedules_split_config_id_fkey
        FOREIGN KEY (split_config_id) REFERENCES split_configs ON DELETE SET NULL,
    ADD CONSTRAINT retraining_schedules_evaluation_config_id_fkey
        FOREIGN KEY (evaluation_config_id) REFERENCES evaluation_configs ON DELETE SET NULL;
ALTER TABLE trained_models
    DROP CONSTRAINT trained_models_configuration_id_fkey,
    DROP CONSTRAINT trained_models_data_id_fkey,
    ADD CONSTRAINT trained_models_configuration_id_fkey
        FOREIGN KEY (configuration_id) REFERENCES model_configurations ON DELETE CASCADE,
    ADD CONSTRAINT trained_models_data_id_fkey FOREIGN KEY (data_id) REFERENCES training_data ON DELETE CASCADE;
ALTER TABLE tuning_jobs
    DROP CONSTRAINT tuning_jobs_data_id_fkey,
    DROP CONSTRAINT tuning_jobs_split_id_fkey,
    DROP CONSTRAINT tuning_jobs_evaluation_id_fkey,
    ADD CONSTRAINT tuning_jobs_data_id_fkey FOREIGN KEY (data_id) REFERENCES training_data ON DELETE CASCADE,
    ADD CONSTRAINT tuning_jobs_split_id_fkey FOREIGN KEY (split_id) REFERENCES split_configs ON DELETE CASCADE,
    ADD CONSTRAINT tuning_jobs_evaluation_id_fkey FOREIGN KEY (evaluation_id) REFERENCES evaluation_configs ON DELETE CASCADE;

CREATE FUNCTION live_searches_with(split bigint, evaluation bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    organisations text := coalesce(current_setting('recotem.organisations', true), '');
    project text := coalesce(current_setting('recotem.project', true), '');
    found bigint;
BEGIN
    PERFORM set_config('recotem.organisations', '*', true), set_config('recotem.project', '', true);
    SELECT count(*) INTO found FROM tuning_jobs
        WHERE (split_id = split OR evaluation_id = evaluation) AND status IN ('PENDING', 'RUNNING');
    PERFORM set_config('recotem.organisations', organisations, true), set_config('recotem.project', project, true);
    RETURN found;
END
$$;

DROP TRIGGER moved ON projects;
DROP FUNCTION take_configs_along;
DROP TRIGGER own_split ON retraining_schedules;
DROP TRIGGER own_evaluation ON retraining_schedules;
DROP TRIGGER own_split ON tuning_jobs;
DROP TRIGGER own_evaluation ON tuning_jobs;
DROP FUNCTION refuse_foreign_config;

DROP TRIGGER recorded ON split_configs;
DROP TRIGGER recorded ON evaluation_configs;
CALL record_changes('split_configs', 'split_config', 'NULL::bigint',
    '(SELECT m.organisation_id FROM memberships m JOIN organisations o ON o.id = m.organisation_id
      WHERE m.user_id = ($1 ->> ''created_by'')::bigint AND m.role = ''owner'' AND o.is_personal LIMIT 1)');
CALL record_changes('evaluation_configs', 'evaluation_config', 'NULL::bigint',
    '(SELECT m.organisation_id FROM memberships m JOIN organisations o ON o.id = m.organisation_id
      WHERE m.user_id = ($1 ->> ''created_by'')::bigint AND m.role = ''owner'' AND o.is_personal LIMIT 1)');
DROP POLICY tenant ON split_configs;
CREATE POLICY tenant ON split_configs USING (visible_organisations() IS NULL OR created_by = acting_user()
    OR created_by IN (SELECT user_id FROM memberships));
DROP POLICY tenant ON evaluation_configs;
CREATE POLICY tenant ON evaluation_configs USING (visible_organisations() IS NULL OR created_by = acting_user()
    OR created_by IN (SELECT user_id FROM memberships));
ALTER TABLE split_configs
    DROP COLUMN organisation_id,
    DROP COLUMN project_id,
    DROP CONSTRAINT split_configs_created_by_fkey,
    ADD CONSTRAINT split_configs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users ON DELETE CASCADE;
ALTER TABLE evaluation_configs
    DROP COLUMN organisation_id,
    DROP COLUMN project_id,
    DROP CONSTRAINT evaluation_configs_created_by_fkey,
    ADD CONSTRAINT evaluation_configs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users ON DELETE CASCADE;
DROP PROCEDURE settle_configs;
DROP FUNCTION personal_organisation;
