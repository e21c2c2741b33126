-- Of a large value the audit log keeps its size and a digest: a log that nothing can be deleted from must not grow by a megabyte
-- with each change, and its readers have to hold its lines in memory.
CREATE FUNCTION without_large(whole JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN whole IS NOT NULL THEN coalesce(jsonb_object_agg(key, CASE
        WHEN octet_length(value::text) <= 4096 THEN value
        ELSE jsonb_build_object('bytes', octet_length(value::text), 'sha256', encode(sha256(convert_to(value::text, 'UTF8')), 'hex'))
    END), '{}') END
    FROM jsonb_each(whole)
$$;

DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('record_change()'::regprocedure),
        'was, now_is);', 'without_large(was), without_large(now_is));');
END
$$;
