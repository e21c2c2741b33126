DROP TABLE audit_log;
DO $$
DECLARE
    guarded regclass;
BEGIN
    FOR guarded IN SELECT polrelid::regclass FROM pg_policy WHERE polname = 'tenant' LOOP
        EXECUTE format('DROP POLICY tenant ON %s', guarded);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', guarded);
    END LOOP;
    FOR guarded IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'recorded' LOOP
        EXECUTE format('DROP TRIGGER recorded ON %s', guarded);
    END LOOP;
END
$$;
DROP PROCEDURE record_changes;
DROP FUNCTION record_change;
DROP FUNCTION refuse_rewriting;
DROP PROCEDURE guard_rows;
DROP PROCEDURE open_table;
DROP FUNCTION acting_user;
DROP FUNCTION visible_project;
DROP FUNCTION visible_organisations;
