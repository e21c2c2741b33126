-- Split and evaluation configs belong to an organisation, and those made for one project to that project. What finished is kept:
-- no deletion of something else takes searches, models, runs, tests or events along, but that of their whole project.

-- The statements below are for the rows of all tenants.
SELECT set_config('recotem.organisations', '*', true);

-- Configs ----------------------------------------------------------------------------

ALTER TABLE split_configs
    ADD COLUMN organisation_id BIGINT REFERENCES organisations ON DELETE CASCADE,
    ADD COLUMN project_id      BIGINT REFERENCES projects ON DELETE CASCADE,
    DROP CONSTRAINT split_configs_created_by_fkey,
    ADD CONSTRAINT split_configs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users ON DELETE SET NULL;
ALTER TABLE evaluation_configs
    ADD COLUMN organisation_id BIGINT REFERENCES organisations ON DELETE CASCADE,
    ADD COLUMN project_id      BIGINT REFERENCES projects ON DELETE CASCADE,
    DROP CONSTRAINT evaluation_configs_created_by_fkey,
    ADD CONSTRAINT evaluation_configs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users ON DELETE SET NULL;

-- The organisation that is a user's alone.
CREATE FUNCTION personal_organisation(person bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT o.id FROM memberships m JOIN organisations o ON o.id = m.organisation_id
    WHERE m.user_id = person AND m.role = 'owner' AND o.is_personal ORDER BY o.id LIMIT 1
$$;

-- Gives every config to the organisation whose projects use it. One that is used by projects of several organisations, or by
-- one it does not belong to, is copied for each of them, so that none can change what another one goes by.
-- Arguments: the table of the configs, and the columns of tuning_jobs and of retraining_schedules that name one.
CREATE PROCEDURE settle_configs(configs regclass, of_job text, of_schedule text) LANGUAGE plpgsql AS $$
DECLARE
    used RECORD;
    chosen BIGINT;
    fields TEXT;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ') INTO fields FROM pg_attribute
        WHERE attrelid = configs AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'organisation_id', 'project_id');
    FOR used IN EXECUTE format(
        'SELECT c.id, u.organisation_id FROM %s c JOIN (
             SELECT j.%I AS config, p.organisation_id FROM tuning_jobs j
                 JOIN training_data d ON d.id = j.data_id JOIN projects p ON p.id = d.project_id
             UNION SELECT s.%I, p.organisation_id FROM retraining_schedules s JOIN projects p ON p.id = s.project_id
         ) u ON u.config = c.id
         WHERE c.organisation_id IS DISTINCT FROM u.organisation_id
         ORDER BY c.id, u.organisation_id = personal_organisation(c.created_by) DESC NULLS LAST, u.organisation_id',
        configs, of_job, of_schedule)
    LOOP
        EXECUTE format('UPDATE %s SET organisation_id = $1 WHERE id = $2 AND organisation_id IS NULL RETURNING id', configs)
            INTO chosen USING used.organisation_id, used.id;
        CONTINUE WHEN chosen IS NOT NULL;
        EXECUTE format('INSERT INTO %s (organisation_id, %s) SELECT $1, %s FROM %1$s WHERE id = $2 RETURNING id',
            configs, fields, fields) INTO chosen USING used.organisation_id, used.id;
        EXECUTE format('UPDATE tuning_jobs j SET %I = $1 FROM training_data d JOIN projects p ON p.id = d.project_id
            WHERE d.id = j.data_id AND p.organisation_id = $2 AND j.%1$I = $3', of_job)
            USING chosen, used.organisation_id, used.id;
        EXECUTE format('UPDATE retraining_schedules s SET %I = $1 FROM projects p
            WHERE p.id = s.project_id AND p.organisation_id = $2 AND s.%1$I = $3', of_schedule)
            USING chosen, used.organisation_id, used.id;
    END LOOP;
END
$$;
CALL settle_configs('split_configs', 'split_id', 'split_config_id');
CALL settle_configs('evaluation_configs', 'evaluation_id', 'evaluation_config_id');

-- What nothing uses belongs to its creator. Without one it was there for the staff only, and nothing would miss it.
UPDATE split_configs SET organisation_id = personal_organisation(created_by) WHERE organisation_id IS NULL;
UPDATE evaluation_configs SET organisation_id = personal_organisation(created_by) WHERE organisation_id IS NULL;
DELETE FROM split_configs WHERE organisation_id IS NULL;
DELETE FROM evaluation_configs WHERE organisation_id IS NULL;

ALTER TABLE split_configs ALTER COLUMN organisation_id SET NOT NULL;
ALTER TABLE evaluation_configs ALTER COLUMN organisation_id SET NOT NULL;
CREATE INDEX split_configs_organisation_id ON split_configs (organisation_id);
CREATE INDEX split_configs_project_id ON split_configs (project_id);
CREATE INDEX evaluation_configs_organisation_id ON evaluation_configs (organisation_id);
CREATE INDEX evaluation_configs_project_id ON evaluation_configs (project_id);

-- An API key sees the configs of its project, and of the organisation's those that its project goes by.
DROP POLICY tenant ON split_configs;
CREATE POLICY tenant ON split_configs USING (
    (visible_organisations() IS NULL OR organisation_id = ANY (visible_organisations()))
    AND (visible_project() IS NULL OR project_id = visible_project() OR (project_id IS NULL AND (
        id IN (SELECT split_id FROM tuning_jobs) OR id IN (SELECT split_config_id FROM retraining_schedules)))));
DROP POLICY tenant ON evaluation_configs;
CREATE POLICY tenant ON evaluation_configs USING (
    (visible_organisations() IS NULL OR organisation_id = ANY (visible_organisations()))
    AND (visible_project() IS NULL OR project_id = visible_project() OR (project_id IS NULL AND (
        id IN (SELECT evaluation_id FROM tuning_jobs) OR id IN (SELECT evaluation_config_id FROM retraining_schedules)))));

DROP TRIGGER recorded ON split_configs;
DROP TRIGGER recorded ON evaluation_configs;
CALL record_changes('split_configs', 'split_config', '($1 ->> ''project_id'')::bigint', '($1 ->> ''organisation_id'')::bigint');
CALL record_changes('evaluation_configs', 'evaluation_config', '($1 ->> ''project_id'')::bigint',
    '($1 ->> ''organisation_id'')::bigint');

-- A project uses only configs of its organisation, and none of another project. The config is held until the transaction ends:
-- it neither changes nor moves while something begins to use it.
-- Arguments: the table of the config, and the column that names one.
CREATE FUNCTION refuse_foreign_config() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    used BIGINT := to_jsonb(NEW) ->> TG_ARGV[1];
    used_in BIGINT;
    held BOOLEAN;
BEGIN
    IF used IS NULL OR (TG_OP = 'UPDATE' AND to_jsonb(OLD) ->> TG_ARGV[1] = used::text) THEN
        RETURN NEW;
    END IF;
    used_in := coalesce((to_jsonb(NEW) ->> 'project_id')::bigint,
        (SELECT project_id FROM training_data WHERE id = (to_jsonb(NEW) ->> 'data_id')::bigint));
    EXECUTE format('SELECT true FROM %I c JOIN projects p ON p.organisation_id = c.organisation_id
        WHERE c.id = $1 AND p.id = $2 AND coalesce(c.project_id, p.id) = p.id FOR SHARE OF c', TG_ARGV[0])
        INTO held USING used, used_in;
    IF held IS NULL THEN
        RAISE EXCEPTION '% % is not there for project %.', TG_ARGV[0], used, used_in USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER own_split BEFORE INSERT OR UPDATE OF split_id ON tuning_jobs
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_config('split_configs', 'split_id');
CREATE TRIGGER own_evaluation BEFORE INSERT OR UPDATE OF evaluation_id ON tuning_jobs
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_config('evaluation_configs', 'evaluation_id');
CREATE TRIGGER own_split BEFORE INSERT OR UPDATE OF split_config_id ON retraining_schedules
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_config('split_configs', 'split_config_id');
CREATE TRIGGER own_evaluation BEFORE INSERT OR UPDATE OF evaluation_config_id ON retraining_schedules
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_config('evaluation_configs', 'evaluation_config_id');

-- A project that goes to another organisation takes its configs along.
CREATE FUNCTION take_configs_along() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE split_configs SET organisation_id = NEW.organisation_id WHERE project_id = NEW.id;
    UPDATE evaluation_configs SET organisation_id = NEW.organisation_id WHERE project_id = NEW.id;
    CALL settle_configs('split_configs', 'split_id', 'split_config_id');
    CALL settle_configs('evaluation_configs', 'evaluation_id', 'evaluation_config_id');
    RETURN NULL;
END
$$;
CREATE TRIGGER moved AFTER UPDATE OF organisation_id ON projects FOR EACH ROW
    WHEN (OLD.organisation_id IS DISTINCT FROM NEW.organisation_id) EXECUTE FUNCTION take_configs_along();

-- No config is used by several organisations any more.
DROP FUNCTION live_searches_with(bigint, bigint);

-- What finished is kept ---------------------------------------------------------------

-- Deleting refuses what is still referred to; a project's deletion removes what is in it in order.
ALTER TABLE tuning_jobs
    DROP CONSTRAINT tuning_jobs_data_id_fkey,
    DROP CONSTRAINT tuning_jobs_split_id_fkey,
    DROP CONSTRAINT tuning_jobs_evaluation_id_fkey,
    ADD CONSTRAINT tuning_jobs_data_id_fkey FOREIGN KEY (data_id) REFERENCES training_data,
    ADD CONSTRAINT tuning_jobs_split_id_fkey FOREIGN KEY (split_id) REFERENCES split_configs,
    ADD CONSTRAINT tuning_jobs_evaluation_id_fkey FOREIGN KEY (evaluation_id) REFERENCES evaluation_configs;
ALTER TABLE trained_models
    DROP CONSTRAINT trained_models_configuration_id_fkey,
    DROP CONSTRAINT trained_models_data_id_fkey,
    ADD CONSTRAINT trained_models_configuration_id_fkey FOREIGN KEY (configuration_id) REFERENCES model_configurations,
    ADD CONSTRAINT trained_models_data_id_fkey FOREIGN KEY (data_id) REFERENCES training_data;
ALTER TABLE retraining_schedules
    DROP CONSTRAINT retraining_schedules_split_config_id_fkey,
    DROP CONSTRAINT retraining_schedules_evaluation_config_id_fkey,
    ADD CONSTRAINT retraining_schedules_split_config_id_fkey FOREIGN KEY (split_config_id) REFERENCES split_configs,
    ADD CONSTRAINT retraining_schedules_evaluation_config_id_fkey
        FOREIGN KEY (evaluation_config_id) REFERENCES evaluation_configs;

-- What users did with the lists of a slot, and what a test found, outlive the slot: they keep its number, without a reference.
ALTER TABLE conversion_events DROP CONSTRAINT conversion_events_deployment_slot_id_fkey;
ALTER TABLE conversion_event_keys DROP CONSTRAINT conversion_event_keys_deployment_slot_id_fkey;
ALTER TABLE event_daily_counts DROP CONSTRAINT event_daily_counts_deployment_slot_id_fkey;
ALTER TABLE recommendation_log DROP CONSTRAINT recommendation_log_deployment_slot_id_fkey;
ALTER TABLE ab_tests
    DROP CONSTRAINT ab_tests_control_slot_id_fkey,
    DROP CONSTRAINT ab_tests_variant_slot_id_fkey,
    DROP CONSTRAINT ab_tests_winner_slot_id_fkey;

-- A test that has not been started is but a plan, and goes with its slots.
CREATE FUNCTION forget_drafts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ab_tests WHERE status = 'DRAFT' AND (control_slot_id = OLD.id OR variant_slot_id = OLD.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER drafts AFTER DELETE ON deployment_slots FOR EACH ROW EXECUTE FUNCTION forget_drafts();

-- Runs outlive their schedule, as the models do that they made.
ALTER TABLE retraining_runs
    ADD COLUMN project_id BIGINT REFERENCES projects ON DELETE CASCADE,
    DROP CONSTRAINT retraining_runs_schedule_id_fkey;
UPDATE retraining_runs r SET project_id = s.project_id FROM retraining_schedules s WHERE s.id = r.schedule_id;
ALTER TABLE retraining_runs ALTER COLUMN project_id SET NOT NULL;
CREATE INDEX retraining_runs_project_id ON retraining_runs (project_id, id DESC);
DROP POLICY tenant ON retraining_runs;
CREATE POLICY tenant ON retraining_runs USING (project_id IN (SELECT id FROM projects));
DROP TRIGGER recorded ON retraining_runs;
CALL record_changes('retraining_runs', 'retraining_run', '($1 ->> ''project_id'')::bigint');

-- People --------------------------------------------------------------------------------

-- Of the people a request sees itself, those it shares an organisation with, and who invited into one.
CALL guard_rows('users', 'visible_organisations() IS NULL OR id = acting_user()
    OR id IN (SELECT user_id FROM memberships) OR id IN (SELECT invited_by FROM invitations)');

-- Searches ------------------------------------------------------------------------------

-- The queue's jobs that have given a search up; the queue itself may not know it yet.
ALTER TABLE tuning_jobs ADD COLUMN failed_tasks BIGINT[] NOT NULL DEFAULT '{}';
