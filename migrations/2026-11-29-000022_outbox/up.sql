-- What happened, for the parts of the program that follow it. See crates/platform/src/outbox/mod.rs.
CREATE TABLE outbox (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- the transaction that wrote it: numbers are given out before commits, so they alone do not tell what is still to come
    xid             XID8        NOT NULL DEFAULT pg_current_xact_id(),
    topic           TEXT        NOT NULL,
    -- No references: what happened outlives what it is about.
    organisation_id BIGINT,
    project_id      BIGINT,
    payload         JSONB       NOT NULL,
    occurred_at     TIMESTAMPTZ NOT NULL DEFAULT program_now(),
    -- deliveries that failed, and when the next one is due
    attempts        INTEGER     NOT NULL DEFAULT 0,
    due_at          TIMESTAMPTZ NOT NULL DEFAULT program_now()
);

-- Requests write what happened; only the program itself reads it.
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON outbox FOR INSERT WITH CHECK (true);
CREATE POLICY reader ON outbox USING (visible_organisations() IS NULL);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'recotem_tenant') THEN
        GRANT SELECT, INSERT ON outbox TO recotem_tenant;
    END IF;
END
$$;

-- Sealed secrets stay out of the audit log: an append-only table would keep them after they were changed.
DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('record_change()'::regprocedure),
        'to_jsonb\((OLD|NEW)\) - ''', 'without_sealed(to_jsonb(\1)) - ''', 'g');
END
$$;

CREATE FUNCTION without_sealed(whole JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(whole) WHERE key NOT LIKE '%\_sealed'
$$;
