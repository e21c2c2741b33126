-- One clock for SQL and for the program: where the program's clock is pinned (as in tests), it tells the connection so
-- (crates/platform/src/db/session.rs), and rows are dated by it; else by the server. A default of plain now() would date some rows
-- by another clock than the one that decisions about them are made by.
CREATE FUNCTION program_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('recotem.now', true), '')::timestamptz, now())
$$;

DO $$
DECLARE
    dated RECORD;
BEGIN
    FOR dated IN
        SELECT c.oid::regclass AS guarded, a.attname
        FROM pg_attrdef d
        JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        JOIN pg_class c ON c.oid = d.adrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition
          AND pg_get_expr(d.adbin, d.adrelid) IN ('now()', 'clock_timestamp()')
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT program_now()', dated.guarded, dated.attname);
    END LOOP;
END
$$;
