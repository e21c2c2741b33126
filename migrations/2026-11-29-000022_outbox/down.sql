DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('record_change()'::regprocedure),
        'without_sealed\(to_jsonb\((OLD|NEW)\)\)', 'to_jsonb(\1)', 'g');
END
$$;
DROP FUNCTION without_sealed(JSONB);
DROP TABLE outbox;
