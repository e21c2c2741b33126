DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('record_change()'::regprocedure),
        'without_large(was), without_large(now_is));', 'was, now_is);');
END
$$;
DROP FUNCTION without_large(JSONB);
