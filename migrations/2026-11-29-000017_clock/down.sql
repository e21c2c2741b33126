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
          AND pg_get_expr(d.adbin, d.adrelid) = 'program_now()'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT now()', dated.guarded, dated.attname);
    END LOOP;
END
$$;

DROP FUNCTION program_now();
